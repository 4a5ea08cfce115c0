// Policy: which schemes a message may come in by and leave by, per topic. Deny by default; the most specific filter wins.
// Immutable once made; shared by all shards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/result.h"

namespace sealmq::broker {

/// A set of schemes, by their place in the broker's list.
class SchemeSet {
 public:
  void add(std::size_t index) {
    if (index / bits >= words_.size()) words_.resize(index / bits + 1);
    words_[index / bits] |= std::uint64_t{1} << index % bits;
  }
  bool contains(std::size_t index) const {
    return index / bits < words_.size() && (words_[index / bits] >> index % bits & 1U) != 0;
  }
  bool empty() const { return words_.empty(); }
  void add(const SchemeSet& other) {
    if (words_.size() < other.words_.size()) words_.resize(other.words_.size());
    for (std::size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
  }
  bool operator==(const SchemeSet&) const = default;

 private:
  static constexpr std::size_t bits = 64;
  std::vector<std::uint64_t> words_;  // the last one is not 0
};

struct TopicRule {
  std::string filter;
  SchemeSet publish;
  SchemeSet subscribe;
  bool multicast = false;  ///< subscribers with the same filter are one group: a message is encrypted once for all of them
};

class Policy {
 public:
  Policy() = default;
  /// Errors: an invalid filter, the same filter twice.
  static Result<Policy> make(std::vector<TopicRule> rules);

  /// The rule that decides for this topic name; null: refused.
  const TopicRule* find(std::string_view topic) const;
  /// Whether some topic that `filter` matches may leave by this scheme.
  bool may_subscribe_somewhere(std::string_view filter, std::size_t scheme) const;
  /// Whether one rule decides for all that `filter` matches, and says that nobody subscribes there, whoever it is.
  bool is_closed(std::string_view filter) const;
  /// Whether one rule decides for all that `filter` matches, and says so.
  bool is_multicast(std::string_view filter, std::size_t scheme) const;
  /// The schemes of all rules.
  const SchemeSet& offered() const { return offered_; }

 private:
  const TopicRule* deciding_for_all(std::string_view filter) const;

  std::vector<TopicRule> rules_;  // most specific first
  SchemeSet offered_;
};

}  // namespace sealmq::broker
