#include "keystore/file_keys.h"

#include <unistd.h>

#include "base/text.h"
#include "base/try.h"
#include "keystore/file_access.h"
#include "keystore/key_proof.h"

namespace sealmq {

Result<PublicIdentity> create_private_key_file(std::string_view name, Kind kind, const std::string& path, Random& random,
                                               unsigned rsa_bits) {
  if (!is_identity_name(name)) return fail(Blame::caller_misused, "a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  const auto keys = PrivateKeys::generate(random, rsa_bits);
  PublicIdentity identity{std::string(name), kind, keys.public_keys()};
  const auto text = encode_key_file(keys.store(name, kind), fingerprint(identity.keys));
  TRY(write_new_file(path, as_text(text.reveal()), Audience::owner));
  return identity;
}

Result<PublicIdentity> create_key_files(std::string_view name, Kind kind, const std::string& key_path,
                                        const std::string& pub_path, Random& random, unsigned rsa_bits) {
  // Looked at before the key is made, so that the usual mistake leaves nothing behind; write_new_file is what decides.
  if (exists(pub_path)) return fail(Blame::caller_misused, pub_path + " is there already and is not overwritten");
  auto identity = TRY(create_private_key_file(name, kind, key_path, random, rsa_bits));
  const auto write = [&]() -> Result<> {
    const auto keys = TRY(open_key_file(key_path, random));
    return write_new_file(pub_path, TRY(identity_file(*keys)), Audience::everybody);
  };
  if (auto written = write(); !written) {
    ::unlink(key_path.c_str());  // made above, and nobody has used it yet
    return Failure(std::move(written).error());
  }
  return identity;
}

Result<std::string> identity_file(KeyStore& keys) {
  std::string text = to_line(keys.identity()) + "\n";
  const auto second = prove_keys(keys);
  if (!second && second.error().blame != Blame::caller_misused) return Failure(second.error());
  if (second) text += to_line(*second) + "\n";
  return text;
}

Result<IdentityFile> read_identity_file(const std::string& path) {
  const auto name_the_file = [&path](const Error& error) { return Error{error.blame, path + ": " + error.what}; };
  const auto text = TRY(read_public_file(path, wants_public_identity));
  LineReader lines(text);
  IdentityFile file;
  file.identity = TRY(parse_public_identity(lines.next().value_or("")).map_error(name_the_file));
  const auto second = lines.next();
  if (!second) return file;
  if (lines.next()) return fail(Blame::caller_misused, path + ": not a public identity: it has more than two lines");
  const auto read = TRY(parse_second_line(*second).map_error(name_the_file));
  TRY(verify_keys(file.identity, read).map_error(name_the_file));
  file.proof = *second;
  return file;
}

Result<PublicIdentity> read_public_identity(const std::string& path, bool unproved) {
  auto file = TRY(read_identity_file(path));
  if (!file.proof.empty() || unproved) return std::move(file.identity);
  return fail(Blame::caller_misused, path + " does not prove that its maker holds the keys of " + file.identity.name +
                                         "\nhint: sealmq identity upgrade " + file.identity.name +
                                         ".key, where the private keys are, adds the proof; --unproved takes the file as it is");
}

Result<PublicIdentity> read_authority(const std::string& path) {
  auto authority = TRY(read_public_identity(path, true));
  if (authority.kind != Kind::authority || !is_there(authority.keys.ecdsa))
    return fail(Blame::caller_misused, path + " is not the public key of an authority");
  return authority;
}

}  // namespace sealmq
