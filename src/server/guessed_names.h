// GuessedNames: names at which many have failed, from all networks together (index of specifications, section 3 rule 5). None is
// closed: else whoever likes could lock anybody out. From networks in which a name has not logged in lately one try at a time is
// worked on, networks take turns, and its answer comes late. What is remembered is bounded. Not for several threads at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/keyed_hash.h"
#include "broker/shard.h"

namespace sealmq::server {

/// By key; the one that has been touched longest ago is forgotten first.
template <class Value>
class Remembered {
 public:
  static constexpr std::size_t most = 100'000;

  /// Null: there is none. A touch.
  Value* find(const std::string& key) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end()) return nullptr;
    all_.splice(all_.end(), all_, at->second);
    return &at->second->value;
  }
  Value& find_or_make(const std::string& key) {
    if (Value* found = find(key)) return *found;
    if (all_.size() >= most) {
      by_key_.erase(all_.front().key);
      all_.pop_front();
    }
    Entry& made = all_.emplace_back(Entry{key, {}});
    by_key_.emplace(made.key, std::prev(all_.end()));
    return made.value;
  }

 private:
  struct Entry {
    std::string key;
    Value value;
  };
  std::list<Entry> all_;
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator, TextHash> by_key_;
};

class GuessedNames {
 public:
  static constexpr std::uint32_t most_failures = 100;
  static constexpr std::uint64_t window = 3'600'000;              ///< milliseconds
  static constexpr std::uint64_t known_for = 30 * 86'400'000ULL;  ///< likewise, since the last login
  static constexpr std::uint64_t between = 2000;                  ///< likewise, two tries; and until an answer

  /// True: the name has just become one of them.
  bool failed(const std::string& name, Now now);
  void succeeded(const std::string& name, const std::string& network, Now now);
  broker::LoginGate::Turn take_turn(const std::string& name, const std::string& network, Now now);

 private:
  struct Waiting {
    std::string network;
    std::uint64_t asked;  // steady
  };
  struct Name {
    std::uint32_t failures = 0;
    std::uint64_t since = 0;       // steady
    std::uint64_t busy_until = 0;  // likewise
    std::deque<Waiting> waiting;   // each network once
  };
  static void wait(Name& name, const std::string& network, Now now);

  Remembered<Name> names_;
  Remembered<std::uint64_t> known_;  // network and name: steady moment of the last login
};

}  // namespace sealmq::server
