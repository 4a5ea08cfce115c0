// Interest: whether somebody on any shard may have subscribed to a topic; shared by all shards. It never misses a subscriber, and
// may take for wanted what only looks like it: a filter with wildcards is known by the levels before the first one, and different
// filters may share a counter. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace sealmq::broker {

class Interest {
 public:
  void add(std::string_view filter) { place(filter).fetch_add(1, std::memory_order_acq_rel); }
  void remove(std::string_view filter) { place(filter).fetch_sub(1, std::memory_order_acq_rel); }

  bool may_match(std::string_view topic) const {
    std::uint64_t hash = below;
    for (char octet : topic) {
      if (octet == '/' && is_there(hash)) return true;
      hash = further(hash, octet);
    }
    return is_there(hash) || is_there(hash_of(exactly, topic)) || any_.load(std::memory_order_acquire) != 0;
  }

 private:
  enum Kind : std::uint64_t { exactly = 0xCBF29CE484222325U, below = 0x84222325CBF29CE4U };
  using Counter = std::atomic<std::uint32_t>;

  static std::uint64_t further(std::uint64_t hash, char octet) {
    return (hash ^ static_cast<unsigned char>(octet)) * 0x100000001B3U;
  }
  static std::uint64_t hash_of(Kind kind, std::string_view text) {
    std::uint64_t hash = kind;
    for (char octet : text) hash = further(hash, octet);
    return hash;
  }
  static std::size_t index(std::uint64_t hash) { return (hash ^ hash >> 32) % places; }
  bool is_there(std::uint64_t hash) const { return counters_[index(hash)].load(std::memory_order_acquire) != 0; }
  Counter& place(std::string_view filter) {
    const std::size_t wildcard = filter.find_first_of("+#");
    if (wildcard == 0) return any_;
    if (wildcard == filter.npos) return counters_[index(hash_of(exactly, filter))];
    return counters_[index(hash_of(below, filter.substr(0, wildcard - 1)))];  // without the '/' before it
  }

  static constexpr std::size_t places = 16 * 1024;
  std::array<Counter, places> counters_{};
  Counter any_ = 0;  // filters that begin with a wildcard
};

}  // namespace sealmq::broker
