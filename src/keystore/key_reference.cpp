#include "keystore/key_reference.h"

#include <optional>

#include "base/text.h"
#include "base/try.h"

namespace sealmq {
namespace {

constexpr std::string_view keystore_word = "keystore ";

Failure refuse(std::string what) {
  return fail(Blame::caller_misused, "not a file that tells where keys are: " + std::move(what));
}

}  // namespace

bool is_key_reference(std::string_view text) {
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (!line->empty() && !line->starts_with('#'))
      return line->starts_with("sealmq-identity ") || line->starts_with(keystore_word);
  }
  return false;
}

std::string encode_key_reference(const KeyReference& reference) {
  const PublicIdentity& identity = reference.identity;
  std::string text =
      "# sealmq: the private keys of " + identity.name + " (" + std::string(name(identity.kind)) + ") are elsewhere\n";
  text.append(to_line(identity)).append("\n");
  return text.append(keystore_word).append(to_text(reference.uri)).append("\n");
}

Result<KeyReference> parse_key_reference(std::string_view text) {
  std::optional<PublicIdentity> identity;
  std::optional<KeyUri> uri;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->empty() || line->starts_with('#')) continue;
    if (line->starts_with(keystore_word)) {
      if (uri) return refuse("the line keystore stands twice");
      uri = TRY(parse_key_uri(line->substr(keystore_word.size())));
      if (std::holds_alternative<FileUri>(*uri)) return refuse("a file refers to a token or a card, not to a file");
    } else {
      if (identity) return refuse("two identities");
      identity = TRY(parse_public_identity(*line));
    }
  }
  if (!identity || !uri) return refuse("it needs an identity and a line keystore; NAME.pub is not NAME.key");
  return KeyReference{*std::move(identity), *std::move(uri)};
}

}  // namespace sealmq
