#include "keystore/file_keys.h"

#include <unistd.h>

#include "base/try.h"
#include "keystore/file_access.h"

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
  if (auto written = write_new_file(pub_path, to_line(identity) + "\n", Audience::everybody); !written) {
    ::unlink(key_path.c_str());  // made above, and nobody has used it yet
    return Failure(std::move(written).error());
  }
  return identity;
}

Result<PublicIdentity> read_public_identity(const std::string& path) {
  const auto text = TRY(read_public_file(path, wants_public_identity));
  std::string_view line = text;
  if (line.ends_with('\n')) line.remove_suffix(1);
  return parse_public_identity(line).map_error([&path](const Error& error) {
    return Error{error.blame, path + ": " + error.what};
  });
}

Result<PublicIdentity> read_authority(const std::string& path) {
  auto authority = TRY(read_public_identity(path));
  if (authority.kind != Kind::authority || !is_there(authority.keys.ecdsa))
    return fail(Blame::caller_misused, path + " is not the public key of an authority");
  return authority;
}

}  // namespace sealmq
