#include "keystore/secret_text.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/hash.h"

namespace sealmq {
namespace {

constexpr std::string_view version = "1 ";
constexpr std::size_t checksum_size = 4;

Failure refuse(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

std::array<std::uint8_t, checksum_size> checksum(Bytes body) {
  std::array<std::uint8_t, checksum_size> sum{};
  const auto digest = crypto::sha256(body);
  std::copy_n(digest.begin(), sum.size(), sum.begin());
  return sum;
}

/// The one line that is not for people.
Result<std::string_view> secret_line(std::string_view text, std::string_view mark) {
  std::optional<std::string_view> found;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->empty() || line->starts_with('#')) continue;
    if (found) return refuse("the key file has more than one line of secret");
    found = line;
  }
  if (!found || !found->starts_with(mark)) return refuse("not a sealmq key file");
  if (!found->substr(mark.size()).starts_with(version)) return refuse("the key file is of a version this program does not know");
  return found->substr(mark.size() + version.size());
}

}  // namespace

Secret encode_secret_text(std::string_view for_people, std::string_view mark, const Secret& body) {
  Buffer checked;
  checked.reserve(body.size() + checksum_size);  // a Buffer that grows leaves copies
  Writer(checked).bytes(body.reveal()).bytes(checksum(body.reveal()));
  std::string line = to_base64url(checked);
  wipe(checked.data(), checked.size());

  Buffer text;
  text.reserve(for_people.size() + mark.size() + version.size() + line.size() + 1);
  Writer(text).text(for_people).text(mark).text(version).text(line).text("\n");
  wipe(line.data(), line.size());
  return Secret(std::move(text));
}

Result<Secret> parse_secret_text(std::string_view text, std::string_view mark) {
  auto decoded = from_base64url(TRY(secret_line(text, mark)));
  if (!decoded) return refuse("the key file is damaged: its secret is not base64url");
  const Secret body(std::move(*decoded));
  if (body.size() < checksum_size) return refuse("the key file is cut short");
  const Bytes covered = body.reveal().first(body.size() - checksum_size);
  if (!same(checksum(covered), body.reveal().last(checksum_size)))
    return refuse("the key file is damaged: its checksum does not match");
  return Secret(covered);
}

}  // namespace sealmq
