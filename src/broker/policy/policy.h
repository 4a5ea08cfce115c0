// Policy: which schemes a message may come in by and leave by, per topic, with which QoS, and which logins open the topic. Deny
// by default; the most specific filter wins. Immutable once made; shared by all shards.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/policy/logins.h"
#include "mqtt/topic.h"
#include "mqtt/topic_pattern.h"
#include "sealmq/result.h"
#include "sealmq/rights.h"

namespace sealmq::broker {

/// Which operations on topics that are another one's a pattern refuses.
enum class Own : std::uint8_t { publish, subscribe, both };

struct TopicRule {
  std::string filter;  ///< of a pattern: with '+' in its places
  SchemeSet publish;
  SchemeSet subscribe;
  bool multicast = false;  ///< subscribers with the same filter are one group: a message is encrypted once for all of them
  std::string pattern{};   ///< whose topics these are; empty: nobody's in particular
  Own own = Own::both;     ///< of a pattern
  QosSet publish_qos{};
  QosSet subscribe_qos{};
  LoginSet login{};                ///< one of them; empty: any, and none where listeners let clients in without
  std::vector<Factors> require{};  ///< one of them; empty: nothing
  std::uint64_t login_age = 0;     ///< milliseconds; 0: any
  /// Names of identities, or nobody_named, to whom the topics of the filter are closed, whatever rights they have and whichever
  /// rule decides.
  std::vector<std::string> deny_publish{};
  std::vector<std::string> deny_subscribe{};
};
/// Among those: who has not logged in.
inline constexpr std::string_view nobody_named = "anonymous";

class Policy {
 public:
  Policy() = default;
  /// Errors: an invalid filter, the same filter twice.
  static Result<Policy> make(std::vector<TopicRule> rules);

  /// The rule that decides for this topic name; null: refused.
  const TopicRule* find(std::string_view topic) const;
  /// Calls `take` with each rule that decides for some topic that `filter` matches.
  template <class Take>
  void for_each(std::string_view filter, Take take) const {
    for (const auto& rule : rules_) {
      if (!mqtt::intersects(rule.filter, filter)) continue;
      take(rule);
      if (mqtt::covers(rule.filter, filter)) return;  // less specific rules never come to decide
    }
  }
  /// Whether some topic that `filter` matches may leave by this scheme.
  bool may_subscribe_somewhere(std::string_view filter, std::size_t scheme) const;
  /// Whether one rule decides for all that `filter` matches, and says that nobody subscribes there, whoever it is.
  bool is_closed(std::string_view filter) const;
  /// The one that decides for each topic that `filter` matches; null: there is none.
  const TopicRule* deciding_for_all(std::string_view filter) const;
  /// The schemes of all rules.
  const SchemeSet& offered() const { return offered_; }

  /// What any rule denies to this name, an empty one for who has not logged in: of a topic, of some or all that a filter matches.
  bool denies_publishing(std::string_view name, std::string_view topic) const {
    return denies(&TopicRule::deny_publish, name, topic, mqtt::matches);
  }
  bool denies_receiving(std::string_view name, std::string_view topic) const {
    return denies(&TopicRule::deny_subscribe, name, topic, mqtt::matches);
  }
  bool denies_some_of(std::string_view name, std::string_view filter) const {
    return denies(&TopicRule::deny_subscribe, name, filter, mqtt::intersects);
  }
  bool denies_all_of(std::string_view name, std::string_view filter) const {
    return denies(&TopicRule::deny_subscribe, name, filter, mqtt::covers);
  }

 private:
  using Compare = bool (*)(std::string_view filter, std::string_view topics);
  bool denies(std::vector<std::string> TopicRule::*list, std::string_view name, std::string_view topics, Compare meets) const;

  std::vector<TopicRule> rules_;    // most specific first
  std::vector<TopicRule> denying_;  // those of them that deny something
  SchemeSet offered_;
};

}  // namespace sealmq::broker
