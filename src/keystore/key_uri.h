// Where an identity's keys live, as people write it:
//
//   file:boiler-7.key
//   pkcs11:token=plant;object=boiler-7?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/sealmq/pin   (RFC 7512)
//   pcsc:READER                        the beginning of a reader's name; nothing: the first one with a card
//
// A PIN never stands in a URI: others can read command lines and shell histories.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq {

struct FileUri {
  std::string path;
  bool operator==(const FileUri&) const = default;
};

/// What is empty is not asked for.
struct TokenUri {
  std::string token;
  std::string serial;
  std::string manufacturer;
  std::string model;
  std::string object;       ///< the beginning of the labels of the keys: NAME-ecdsa, NAME-ecdh, NAME-rsa
  std::string module_path;  ///< empty: p11-kit's proxy, which knows the modules of this machine
  std::string pin_source;   ///< a file for its owner only, whose first line is the PIN
  std::string sessions;     ///< `x-sessions`, 1 to 64: so many calls at a time; empty: 4
  bool operator==(const TokenUri&) const = default;
};

struct CardUri {
  std::string reader;
  bool operator==(const CardUri&) const = default;
};

/// How many sessions a store may have with the token; nullopt: what the address says is no such number.
std::optional<std::size_t> sessions_of(const TokenUri& uri);

using KeyUri = std::variant<FileUri, TokenUri, CardUri>;

/// Begins with one of the three schemes.
bool is_key_uri(std::string_view text);
/// Strict: an attribute that is unknown or stands twice, a PIN, or a malformed escape is caller_misused.
Result<KeyUri> parse_key_uri(std::string_view text);
std::string to_text(const KeyUri& uri);

}  // namespace sealmq
