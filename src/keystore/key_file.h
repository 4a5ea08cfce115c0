// The text of NAME.key:
//
//   # sealmq private keys of boiler-7 (device)
//   # fingerprint SHA256:…
//   # keep this file secret: whoever has it can speak as boiler-7
//   SEALMQ-SECRET-KEY-1 <base64url>
//
// in the form of secret_text.h. The secret line holds
//
//   u8 kind | u8 length, name | u8 count | count times (u8 purpose, key) | 4 bytes checksum
//
// A key is a scalar of 32 bytes, or, of a purpose from 128 on, lp16.
#pragma once

#include "sealmq/identity.h"
#include "sealmq/secret.h"

namespace sealmq {

/// Numbers in the file, never given a second meaning. A purpose this version does not know is kept as it is, and not used.
enum class Purpose : std::uint8_t { schnorr = 1, ecdsa = 2, agreement = 3, rsa = 128 };

struct KeyFile {
  struct Entry {
    Purpose purpose;
    Secret key;
  };

  Kind kind = Kind::device;
  std::string name;
  std::vector<Entry> keys;

  /// Null if the file holds none for this purpose.
  const Secret* find(Purpose purpose) const;
};

/// At most 255 keys. `fingerprint` goes into the lines for people.
Secret encode_key_file(const KeyFile& file, std::string_view fingerprint);
/// caller_misused if it is no key file, is damaged, or holds two keys for one purpose. The error never repeats the content.
Result<KeyFile> parse_key_file(std::string_view text);

}  // namespace sealmq
