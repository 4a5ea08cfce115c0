#include "broker/policy/policy.h"

#include <algorithm>

namespace sealmq::broker {

Result<Policy> Policy::make(std::vector<TopicRule> rules) {
  for (auto& rule : rules) {
    if (!rule.pattern.empty() && !mqtt::is_topic_pattern(rule.pattern))
      return fail(Blame::caller_misused, "not a topic pattern: " + rule.pattern);
    if (!rule.pattern.empty()) rule.filter = mqtt::widen_pattern(rule.pattern);
    if (!mqtt::is_topic_filter(rule.filter)) return fail(Blame::caller_misused, "not a topic filter: " + rule.filter);
  }
  const auto pattern_of = [](const TopicRule& rule) {
    return rule.pattern.empty() ? mqtt::pattern_of_filter(rule.filter) : rule.pattern;
  };
  std::ranges::stable_sort(
      rules, [&](const auto& a, const auto& b) { return mqtt::more_specific_pattern(pattern_of(a), pattern_of(b)); });
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (std::size_t k = i + 1; k < rules.size(); ++k)
      if (rules[i].filter == rules[k].filter && rules[i].pattern.empty() == rules[k].pattern.empty())
        return fail(Blame::caller_misused, "two rules for " + rules[i].filter);
  Policy policy;
  for (const auto& rule : rules) {
    policy.offered_.add(rule.publish);
    policy.offered_.add(rule.subscribe);
    policy.offered_.add(rule.login.schemes());
  }
  std::ranges::copy_if(rules, std::back_inserter(policy.denying_),
                       [](const TopicRule& rule) { return !rule.deny_publish.empty() || !rule.deny_subscribe.empty(); });
  policy.rules_ = std::move(rules);
  return policy;
}

bool Policy::denies(std::vector<std::string> TopicRule::*list, std::string_view name, std::string_view topics,
                    Compare meets) const {
  const std::string_view called = name.empty() ? nobody_named : name;
  return std::ranges::any_of(denying_, [&](const TopicRule& rule) {
    return std::ranges::find(rule.*list, called) != (rule.*list).end() && meets(rule.filter, topics);
  });
}

const TopicRule* Policy::find(std::string_view topic) const {
  for (const auto& rule : rules_)
    if (mqtt::matches(rule.filter, topic)) return &rule;
  return nullptr;
}

const TopicRule* Policy::deciding_for_all(std::string_view filter) const {
  auto first = std::ranges::find_if(rules_, [&](const auto& rule) { return mqtt::intersects(rule.filter, filter); });
  return first != rules_.end() && mqtt::covers(first->filter, filter) ? &*first : nullptr;
}

bool Policy::is_closed(std::string_view filter) const {
  const TopicRule* rule = deciding_for_all(filter);
  return rule != nullptr && rule->subscribe.empty();
}

bool Policy::may_subscribe_somewhere(std::string_view filter, std::size_t scheme) const {
  bool may = false;
  for_each(filter, [&](const TopicRule& rule) { may = may || rule.subscribe.contains(scheme); });
  return may;
}

}  // namespace sealmq::broker
