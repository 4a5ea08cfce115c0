// Opening and making keys wherever they live: which store a file or an address means.
#include <unistd.h>

#include "base/try.h"
#include "keystore/card_keys.h"
#include "keystore/file_access.h"
#include "keystore/file_keys.h"
#include "keystore/key_reference.h"
#include "keystore/sequence_file.h"
#include "keystore/token_keys.h"

namespace sealmq {
namespace {

template <class... Work>
struct Overload : Work... {
  using Work::operator()...;
};
template <class... Work>
Overload(Work...) -> Overload<Work...>;  // clang 14 does not find it by itself

Result<std::unique_ptr<KeyStore>> open_software_keys(const std::string& path, std::string_view text, Random& random) {
  const auto file = TRY(parse_key_file(text));
  auto keys = TRY(PrivateKeys::load(file));
  return std::make_unique<SoftwareKeys>(file.name, file.kind, std::move(keys), open_sequence_file(path + ".sequence"), random);
}

/// `path`: what the sequence file is named after.
Result<std::unique_ptr<KeyStore>> open_elsewhere(const KeyUri& uri, const std::optional<PublicIdentity>& expected,
                                                 const std::string& path, Random& random, const PinAsker& asker) {
  return std::visit(Overload{[&](const FileUri& file) { return open_keys(file.path, random, asker); },
                             [&](const TokenUri& token) {
                               const std::string of = path.empty() ? token.object + ".key" : path;
                               return open_token_keys(token, expected, open_sequence_file(of + ".sequence"), random, asker);
                             },
                             [&](const CardUri& card) {
                               return open_card_keys(
                                   card, expected,
                                   [&path](const std::string& name) {
                                     return open_sequence_file((path.empty() ? name + ".key" : path) + ".sequence");
                                   },
                                   random, asker);
                             }},
                    uri);
}

}  // namespace

Result<std::unique_ptr<KeyStore>> open_keys(const std::string& where, Random& random, const PinAsker& asker) {
  if (is_key_uri(where)) return open_elsewhere(TRY(parse_key_uri(where)), std::nullopt, "", random, asker);
  const auto name_the_file = [&where](const Error& error) { return Error{error.blame, where + ": " + error.what}; };
  const auto content = TRY(read_private_file(where, wants_private_keys));
  const auto text = as_text(content.reveal());
  if (!is_key_reference(text)) return open_software_keys(where, text, random).map_error(name_the_file);
  const auto reference = TRY(parse_key_reference(text).map_error(name_the_file));
  return open_elsewhere(reference.uri, reference.identity, where, random, asker).map_error(name_the_file);
}

Result<std::unique_ptr<KeyStore>> open_key_file(const std::string& path, Random& random) {
  return open_keys(path, random, {});
}

Result<PublicIdentity> create_keys(const NewKeys& wanted, Random& random, const PinAsker& ask) {
  if (wanted.keystore.empty() || wanted.keystore == "file")
    return create_key_files(wanted.name, wanted.kind, wanted.key_path, wanted.pub_path, random, wanted.rsa_bits);
  if (!is_identity_name(wanted.name)) return fail(Blame::caller_misused, "a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  for (const auto& path : {wanted.key_path, wanted.pub_path})
    if (!path.empty() && exists(path)) return fail(Blame::caller_misused, path + " is there already and is not overwritten");

  // The keys are made, and then prove themselves: a person is asked once.
  const auto pin = std::make_shared<std::optional<Secret>>();
  const PinAsker asker = !ask ? ask : PinAsker([pin, &ask](const std::string& question) -> Result<Secret> {
    if (!*pin) pin->emplace(TRY(ask(question)));
    return Secret((*pin)->reveal());
  });
  KeyReference reference;
  reference.uri = TRY(parse_key_uri(wanted.keystore));
  if (auto* token = std::get_if<TokenUri>(&reference.uri)) {
    if (token->object.empty()) token->object = wanted.name;
    reference.identity = TRY(create_token_keys(*token, wanted.name, wanted.kind, wanted.rsa_bits, asker));
  } else if (const auto* card = std::get_if<CardUri>(&reference.uri)) {
    reference.identity = TRY(create_card_keys(*card, wanted.name, wanted.kind, random, asker));
  } else {
    return fail(Blame::caller_misused, "keys in a file: -o FILE names it");
  }
  TRY(write_new_file(wanted.key_path, encode_key_reference(reference), Audience::owner));
  if (wanted.pub_path.empty()) return reference.identity;
  const auto write = [&]() -> Result<> {
    const auto keys = TRY(open_elsewhere(reference.uri, reference.identity, wanted.key_path, random, asker));
    return write_new_file(wanted.pub_path, TRY(identity_file(*keys)), Audience::everybody);
  };
  if (auto written = write(); !written) {
    ::unlink(wanted.key_path.c_str());
    return Failure(std::move(written).error());
  }
  return reference.identity;
}

}  // namespace sealmq
