// DATA/rabin.key: the broker's Rabin keys, in the form of secret_text.h. The current key serves for a month. A day before that is
// over a new one takes its place, and the old one is kept for that day, for those who have not heard of the new one; then it is
// erased, so that what was sealed for it stays closed even to who takes the broker.
//
// The secret line holds
//
//   u8 count (1 or 2) | u64 not_after, lp16(r || s) of the current key | u64 erase_at, lp16(r || s) of the previous one
//
// Times are wall milliseconds. Making a key takes seconds: on a worker. RabinKeys is a value; its keys may be used on any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "crypto/rabin.h"

namespace sealmq {

inline constexpr std::uint64_t rabin_key_life = 30ULL * 24 * 3600 * 1000;
inline constexpr std::uint64_t rabin_key_overlap = 24ULL * 3600 * 1000;

struct RabinKeys {
  struct Held {
    std::shared_ptr<const crypto::rabin::PrivateKey> key;  ///< never null
    std::uint64_t until = 0;
  };
  Held current;                  ///< until: nothing is sealed for it later
  std::optional<Held> previous;  ///< until: its erasure is due
};

Secret encode_rabin_keys(const RabinKeys& keys);
/// caller_misused if it is no such file, is damaged, or a key has fewer than `least` bits. The error never repeats the content.
Result<RabinKeys> parse_rabin_keys(std::string_view text, unsigned least = crypto::rabin::least_bits);

/// Opens DATA/rabin.key, or makes it with a key of `bits`. Refuses a file that others can read. Fewer than the usual bits: tests.
Result<RabinKeys> open_or_create_rabin_key(const std::string& data_folder, unsigned bits, std::uint64_t now);

/// Whether renew_rabin_key() has something to do.
bool renewal_due(const RabinKeys& keys, std::uint64_t now);
/// Makes a new key if the current one is to be replaced, drops a previous one whose erasure is due, and writes the file in one
/// step. What it answers is in force from then on; after an error, what was before. The caller publishes the new modulus.
Result<RabinKeys> renew_rabin_key(const std::string& data_folder, const RabinKeys& keys, unsigned bits, std::uint64_t now);

}  // namespace sealmq
