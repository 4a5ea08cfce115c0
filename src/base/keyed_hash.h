// A hash of texts for tables whose keys others choose: SipHash (Aumasson and Bernstein, 2012) under a key that they do not know,
// so that nobody can make a table into a list. Not for signatures, and not for files.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace sealmq {

struct HashKey {
  std::uint64_t first = 0, second = 0;  ///< little-endian halves of 16 octets
  bool operator==(const HashKey&) const = default;
};

/// By chance.
HashKey make_hash_key();
/// This process's own, made when it is first asked for. Any thread.
const HashKey& hash_key_of_process();

/// SipHash-1-3: for tables.
std::uint64_t keyed_hash(const HashKey& key, std::string_view text);
/// SipHash-2-4: the cautious form, for which vectors were published.
std::uint64_t cautious_keyed_hash(const HashKey& key, std::string_view text);

/// Lets maps with string keys be asked with views.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return keyed_hash(hash_key_of_process(), text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;
using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

}  // namespace sealmq
