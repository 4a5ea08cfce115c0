#include "net/tls_psk.h"

#include <algorithm>

#include "base/file_kind.h"
#include "base/text.h"
#include "base/try.h"
#include "crypto/kdf.h"
#include "net/tls_files.h"

namespace sealmq::net {
namespace {

constexpr std::size_t least_psk = 16, most_psk = 64, derived = 32;
constexpr std::string_view raw_mark = " raw";

Secret derive(Bytes key, std::string_view label, std::string_view identity) {
  const std::string info = std::string(label).append(identity);
  return crypto::hkdf(key, {}, as_bytes(info), derived);
}

}  // namespace

PskKeys derive_psk(Bytes key, std::string_view identity, bool raw) {
  if (raw) return {Secret(key), Secret(key)};
  return {derive(key, "tls12 ", identity), derive(key, "tls13 sha256 ", identity)};
}

crypto::Digest digest_of(const PskKeys& keys) {
  return crypto::hmac_sha256(keys.tls_13.reveal(), keys.tls_12.reveal());
}

Secret make_up_psk(const Secret& server_secret, std::string_view identity) {
  return Secret(Bytes(crypto::hmac_sha256(server_secret.reveal(), as_bytes("psk " + std::string(identity)))));
}

bool is_psk_identity(std::string_view text) {
  return !text.empty() && text.size() <= longest_psk_identity && is_mqtt_utf8(text);
}

Result<Secret> parse_psk(std::string_view hex) {
  auto key = from_hex(hex);
  if (!key || key->size() < least_psk || key->size() > most_psk)
    return fail(Blame::caller_misused, "a pre-shared key is " + std::to_string(2 * least_psk) + " to " +
                                           std::to_string(2 * most_psk) + " hexadecimal digits");
  return Secret(std::move(*key));
}

Result<std::vector<Psk>> parse_psk_lines(std::string_view text, const std::string& path) {
  std::vector<Psk> keys;
  LineReader lines(text);
  while (const auto whole = lines.next()) {
    std::string_view line = trimmed(*whole);
    if (line.empty() || line.starts_with('#')) continue;

    const auto refused = [&](const std::string& why) {
      return fail(Blame::caller_misused,
                  std::string(path).append(":").append(std::to_string(lines.number())).append(": ").append(why));
    };
    const bool raw = line.ends_with(raw_mark);
    if (raw) line = trimmed(line.substr(0, line.size() - raw_mark.size()));
    const std::size_t colon = line.rfind(':');
    if (colon == line.npos || !is_psk_identity(line.substr(0, colon))) return refused("expected identity:key");
    auto key = parse_psk(line.substr(colon + 1));
    if (!key) return refused(key.error().what);
    std::string identity(line.substr(0, colon));
    if (std::ranges::find(keys, identity, &Psk::identity) != keys.end()) return refused("this identity has a key already");
    keys.push_back({std::move(identity), *std::move(key), raw});
  }
  if (keys.empty()) return fail(Blame::caller_misused, path + " holds no identity:key");
  return keys;
}

Result<std::vector<Psk>> read_psk_lines(const std::string& path) {
  TRY(check_readable(path, true));
  const Secret text = read_secret_file(path);
  TRY(check_file(path, as_text(text.reveal()), wants_psk_list));
  return parse_psk_lines(as_text(text.reveal()), path);
}

PskTable derive_all(const std::vector<Psk>& lines) {
  PskTable table;
  for (const Psk& line : lines) table.emplace(line.identity, derive_psk(line.key.reveal(), line.identity, line.raw));
  return table;
}

bool serves_in(const PskTable& table, const Psk& other) {
  return std::ranges::any_of(table, [&](const auto& entry) {
    for (bool raw : {false, true})
      if (same(derive_psk(other.key.reveal(), entry.first, raw).tls_13.reveal(), entry.second.tls_13.reveal())) return true;
    return false;
  });
}

}  // namespace sealmq::net
