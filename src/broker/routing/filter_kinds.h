// FilterKinds: how the subscriptions of a shard look, whatever names stand in them: on which levels '+' stands, and how many
// levels there are. A message to `a/b/c` visits at most one node of the topic tree for each kind, and each beginning of one, that
// there is: `a/+/c` and `x/+/z` are of one kind. So the number of kinds bounds what one message costs, whoever subscribes to how
// much.
//
// Kinds that people need (at most two '+' and 16 levels, or no '+') are few, and there is always room for them. The others share
// a number of places, and each party has its part of these. One thread.
#pragma once

#include <memory>
#include <vector>

#include "base/keyed_hash.h"

namespace sealmq::broker {

class KindInUse;

class FilterKinds {
 public:
  static constexpr std::size_t most_rare = 4096;             ///< beginnings of rare kinds,
  static constexpr std::size_t most_of_one = most_rare / 8;  ///< and those that one party has brought
  static constexpr std::size_t most_of_session = 64;         ///< kinds, each with and without '#'
  static constexpr std::size_t common_wildcards = 2;         ///< '+' in a common one,
  static constexpr std::size_t common_levels = 16;           ///< and its levels

  struct Kind;
  /// What one session uses of them.
  struct OfSession {
    struct Use {
      const Kind* kind;
      bool all_below;  ///< filters that end with '#'
      std::size_t filters;
    };
    std::vector<Use> uses;
    Use* find(const Kind* kind, bool all_below);
  };

  FilterKinds();
  ~FilterKinds();

  /// `party`: who subscribes, or from where. `its`: of the session. Null: there is; else why not.
  const char* lacks_room_for(std::string_view filter, std::string_view party, OfSession& its) const;
  /// The session has one filter more of this kind, for as long as the answer lives; all three outlive it. Does not ask for room.
  KindInUse use(std::string_view filter, std::string_view party, OfSession& its);

  /// Beginnings of kinds.
  std::size_t size() const { return size_; }
  std::size_t rare() const { return rare_; }

 private:
  friend class KindInUse;
  void give_back(Kind* kind);

  std::unique_ptr<Kind> root_;
  std::size_t size_ = 0;
  std::size_t rare_ = 0;
  TextMap<std::size_t> brought_;  // rare ones, by party
};

class KindInUse {
 public:
  KindInUse() = default;
  KindInUse(FilterKinds& kinds, FilterKinds::OfSession& its, FilterKinds::Kind* kind, bool all_below);
  KindInUse(KindInUse&& other) noexcept { swap(other); }
  KindInUse& operator=(KindInUse&& other) noexcept {
    swap(other);
    return *this;
  }
  ~KindInUse();

 private:
  void swap(KindInUse& other) {
    std::swap(kinds_, other.kinds_);
    std::swap(its_, other.its_);
    std::swap(kind_, other.kind_);
    std::swap(all_below_, other.all_below_);
  }

  FilterKinds* kinds_ = nullptr;  // null: of nothing
  FilterKinds::OfSession* its_ = nullptr;
  FilterKinds::Kind* kind_ = nullptr;
  bool all_below_ = false;
};

}  // namespace sealmq::broker
