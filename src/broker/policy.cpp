#include "broker/policy.h"

#include <algorithm>

#include "mqtt/topic.h"

namespace sealmq::broker {

Result<Policy> Policy::make(std::vector<TopicRule> rules) {
  for (const auto& rule : rules)
    if (!mqtt::is_topic_filter(rule.filter)) return fail(Blame::caller_misused, "not a topic filter: " + rule.filter);
  std::ranges::stable_sort(rules, [](const auto& a, const auto& b) { return mqtt::more_specific(a.filter, b.filter); });
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (std::size_t k = i + 1; k < rules.size(); ++k)
      if (rules[i].filter == rules[k].filter) return fail(Blame::caller_misused, "two rules for " + rules[i].filter);
  Policy policy;
  for (const auto& rule : rules) {
    policy.offered_.add(rule.publish);
    policy.offered_.add(rule.subscribe);
  }
  policy.rules_ = std::move(rules);
  return policy;
}

const TopicRule* Policy::find(std::string_view topic) const {
  for (const auto& rule : rules_)
    if (mqtt::matches(rule.filter, topic)) return &rule;
  return nullptr;
}

// The one that decides for each topic that `filter` matches; null: there is none.
const TopicRule* Policy::deciding_for_all(std::string_view filter) const {
  auto first = std::ranges::find_if(rules_, [&](const auto& rule) { return mqtt::intersects(rule.filter, filter); });
  return first != rules_.end() && mqtt::covers(first->filter, filter) ? &*first : nullptr;
}

bool Policy::is_closed(std::string_view filter) const {
  const TopicRule* rule = deciding_for_all(filter);
  return rule != nullptr && rule->subscribe.empty();
}

bool Policy::is_multicast(std::string_view filter, std::size_t scheme) const {
  const TopicRule* rule = deciding_for_all(filter);
  return rule != nullptr && rule->multicast && rule->subscribe.contains(scheme);
}

bool Policy::may_subscribe_somewhere(std::string_view filter, std::size_t scheme) const {
  for (const auto& rule : rules_) {
    if (!mqtt::intersects(rule.filter, filter)) continue;
    if (rule.subscribe.contains(scheme)) return true;
    if (mqtt::covers(rule.filter, filter)) return false;  // less specific rules never come to decide
  }
  return false;
}

}  // namespace sealmq::broker
