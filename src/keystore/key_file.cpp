#include "keystore/key_file.h"

#include <algorithm>
#include <optional>

#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"
#include "crypto/hash.h"

namespace sealmq {
namespace {

constexpr std::string_view mark = "SEALMQ-SECRET-KEY-1 ";
constexpr std::string_view mark_of_any_version = "SEALMQ-SECRET-KEY-";
constexpr std::size_t scalar_size = 32;
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

Secret encode_body(const KeyFile& file) {
  Buffer body;
  body.reserve(3 + file.name.size() + file.keys.size() * (1 + scalar_size) + checksum_size);  // a Buffer that grows leaves copies
  Writer out(body);
  out.u8(static_cast<std::uint8_t>(file.kind));
  out.lp8(as_bytes(file.name));
  out.u8(static_cast<std::uint8_t>(file.keys.size()));
  for (const auto& key : file.keys) out.u8(static_cast<std::uint8_t>(key.purpose)).bytes(key.scalar.reveal());
  out.bytes(checksum(body));
  return Secret(std::move(body));
}

Result<KeyFile> decode_body(Bytes body) {
  if (body.size() < checksum_size) return refuse("the key file is cut short");
  const Bytes covered = body.first(body.size() - checksum_size);
  if (!same(checksum(covered), body.last(checksum_size))) return refuse("the key file is damaged: its checksum does not match");

  KeyFile file;
  Reader in(covered);
  const auto kind = in.u8();
  if (kind > static_cast<std::uint8_t>(Kind::authority)) in.fail("unknown kind");
  file.kind = static_cast<Kind>(kind);
  file.name = as_text(in.lp8());
  if (!is_identity_name(file.name)) in.fail("malformed name");
  for (auto left = in.u8(); left > 0 && !in.failed(); --left) {
    const auto purpose = static_cast<Purpose>(in.u8());
    if (file.find(purpose) != nullptr) in.fail("two keys for one purpose");
    file.keys.push_back({purpose, Secret(in.bytes(scalar_size))});
  }
  return in.finish(std::move(file)).map_error([](Error error) {
    return Error{Blame::caller_misused, "the key file is malformed: " + error.what};
  });
}

/// The one line that is not for people.
Result<std::string_view> secret_line(std::string_view text) {
  std::optional<std::string_view> found;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->empty() || line->starts_with('#')) continue;
    if (found) return refuse("the key file has more than one line of secret");
    found = line;
  }
  if (!found || !found->starts_with(mark_of_any_version)) return refuse("not a sealmq key file");
  if (!found->starts_with(mark)) return refuse("the key file is of a version this program does not know");
  return found->substr(mark.size());
}

}  // namespace

const Secret* KeyFile::find(Purpose purpose) const {
  for (const auto& key : keys) {
    if (key.purpose == purpose) return &key.scalar;
  }
  return nullptr;
}

Secret encode_key_file(const KeyFile& file, std::string_view fingerprint) {
  const auto body = encode_body(file);
  std::string line = to_base64url(body.reveal());

  std::string head = "# sealmq private keys of " + file.name + " (" + std::string(name(file.kind)) + ")\n";
  head.append("# fingerprint ").append(fingerprint).append("\n");
  head.append("# keep this file secret: whoever has it can speak as ").append(file.name).append("\n");
  head.append(mark);

  Buffer text;
  text.reserve(head.size() + line.size() + 1);
  Writer(text).text(head).text(line).text("\n");
  wipe(line.data(), line.size());
  return Secret(std::move(text));
}

Result<KeyFile> parse_key_file(std::string_view text) {
  auto body = from_base64url(TRY(secret_line(text)));
  if (!body) return refuse("the key file is damaged: its secret is not base64url");
  const Secret owned(std::move(*body));
  return decode_body(owned.reveal());
}

}  // namespace sealmq
