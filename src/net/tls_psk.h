// Pre-shared keys of TLS: the file that holds them, and the keys that each version of TLS gets. One stored key serves one
// client and one broker, which never change places.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "crypto/hash.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::net {

/// What one stored key becomes, so that no key is used in two protocols.
struct PskKeys {
  Secret tls_12, tls_13;
};
/// `raw`: the key itself in both, as other programs use it.
PskKeys derive_psk(Bytes key, std::string_view identity, bool raw);

/// Tells keys apart.
crypto::Digest digest_of(const PskKeys& keys);

/// What a name that nobody has is answered with, so that it is told from a wrong key by nothing. 32 bytes.
Secret make_up_psk(const Secret& server_secret, std::string_view identity);

inline constexpr std::size_t longest_psk_identity = 128;
/// What a name of a key can be; others are of no line of any file.
bool is_psk_identity(std::string_view text);

/// One line of a file: the key that is stored.
struct Psk {
  std::string identity;
  Secret key;
  bool raw = false;
};
Result<std::vector<Psk>> parse_psk_lines(std::string_view text, const std::string& path);
/// Errors: environment (cannot be read, or others can), caller_misused (holds something else).
Result<std::vector<Psk>> read_psk_lines(const std::string& path);

using PskTable = std::map<std::string, PskKeys, std::less<>>;
PskTable derive_all(const std::vector<Psk>& lines);
/// Whether it is the key of some entry, under whatever name: then one key would serve both roles, and who holds it in one could
/// be made to talk to itself (RFC 9257).
bool serves_in(const PskTable& table, const Psk& other);
/// 16 to 64 bytes in hexadecimal. Errors: caller_misused.
Result<Secret> parse_psk(std::string_view hex);

}  // namespace sealmq::net
