#include "broker/policy/access.h"

#include <algorithm>

#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

using mqtt::PatternNames;
using mqtt::QoS;

/// Calls `take` with the filter of each right; a pattern that these names do not fill allows nothing.
template <class Take>
void for_each_filter(const Rights& rights, const PatternNames& names, Take take) {
  for (const Right& right : rights) {
    if (!right.is_pattern) {
      take(std::string_view(right.filter), right.qos);
    } else if (const auto filled = mqtt::fill_pattern(right.filter, names)) {
      take(std::string_view(*filled), right.qos);
    }
  }
}

/// Rights add up.
QosSet qos_for(const Rights& rights, std::string_view topic, const PatternNames& names) {
  QosSet all = QosSet::none();
  for_each_filter(rights, names, [&](std::string_view filter, QosSet qos) {
    if (qos.and_in(all) != qos && mqtt::matches(filter, topic)) all.add(qos);
  });
  return all;
}

/// What the names are to the rights of this identity: nothing, if somebody else has logged in.
PatternNames own_names(const PatternNames& names, std::string_view identity) {
  return names.identity == identity ? names : PatternNames{};
}

/// Whether the rule leaves these topics to whoever has these names: some of those that `filter` matches.
bool leaves(const TopicRule& rule, Own operation, std::string_view filter, const PatternNames& names) {
  if (rule.pattern.empty() || (rule.own != Own::both && rule.own != operation)) return true;
  const auto filled = mqtt::fill_pattern(rule.pattern, names);
  return filled && mqtt::intersects(*filled, filter);
}

/// Whose denials count; empty: those of who has not logged in.
std::string_view name_of(const Identity* identity, const PatternNames& names) {
  return identity != nullptr ? std::string_view(identity->name) : names.identity;
}

SchemeSet set_of(std::size_t scheme) {
  SchemeSet set;
  set.add(scheme);
  return set;
}

}  // namespace

Access::Access(const std::vector<std::unique_ptr<BrokerScheme>>& schemes, std::shared_ptr<const Policy> policy,
               std::shared_ptr<const Directory> directory)
    : schemes_(schemes), needed_logins_(schemes.size()), policy_(std::move(policy)), directory_(std::move(directory)) {
  hardened_.add(login_by_password);
  hardened_.add(login_by_transport);
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    const SchemeInfo& info = schemes[i]->info();
    if (info.profile == Profile::hardened) hardened_.add(i);
    is_restricted_.push_back(!info.needs_login.empty() || info.names_ends || info.leaves_hidden);
    is_of_login_.push_back(info.login_protects);
    for (std::size_t k = 0; k < schemes.size(); ++k)
      if (std::ranges::find(info.needs_login, schemes[k]->info().name) != info.needs_login.end()) needed_logins_[i].add(k);
  }
}

bool Access::may_log_in(const Identity& identity, std::string_view login, Profile profile) {
  if (identity.schemes.empty()) return profile == Profile::hardened;
  return std::ranges::find(identity.schemes, login) != identity.schemes.end();
}

Result<Factors> Access::check_login(const Identity* listed, const Login& login) {
  if (listed == nullptr || listed->status != Status::active) return fail(Blame::not_authorised, "its identity is not active");
  const bool counts_transport = login.by_transport && may_log_in(*listed, transport_login, Profile::hardened);
  if (login.name.empty() ? !counts_transport : !may_log_in(*listed, login.name, login.profile))
    return fail(Blame::not_authorised,
                listed->name + " may not log in by " + std::string(login.name.empty() ? transport_login : login.name));
  Factors factors;
  if (login.profile == Profile::hardened) {
    factors.add(login.factors);
    if (login.by_card && listed->in_card && login.factors.holds({Factor::key})) factors.add({Factor::card});
  }
  if (counts_transport) factors.add({Factor::key});
  if (!factors.holds(listed->require))
    return fail(Blame::not_authorised, listed->name + " has to prove " + to_text(listed->require));
  return factors;
}

std::string_view Access::name_of_login(std::size_t login) const {
  if (login == login_by_password) return password_login;
  return login == login_by_transport ? transport_login : schemes_[login]->info().name;
}

void Access::add_login(Proved& proved, std::size_t login) const {
  proved.by.add(login);
  proved.last = LoginMark(login);
  proved.is_study = !proved.by.meets(hardened_);
  for (std::size_t i = 0; i < schemes_.size(); ++i)
    if (i == login || needed_logins_[i].contains(login)) proved.opens.add(i);
}

bool Access::opens(const TopicRule& rule, const Caller& caller, const SchemeSet& schemes) const {
  const Proved& proved = caller.proved;
  if (!rule.login.empty() && !rule.login.meets(proved.by)) return false;
  if (rule.login.empty() && proved.is_study && !proved.opens.meets(schemes)) return false;
  if (rule.login_age != 0 && (proved.by.empty() || caller.now > proved.since + rule.login_age)) return false;
  return rule.require.empty() || std::ranges::any_of(rule.require, [&](Factors all) { return proved.factors.holds(all); });
}

bool Access::may_use(const Identity& identity, std::size_t scheme) const {
  if (identity.status != Status::active) return false;
  const SchemeInfo& info = schemes_[scheme]->info();
  if (identity.schemes.empty()) return info.profile == Profile::hardened;
  return std::ranges::find(identity.schemes, info.name) != identity.schemes.end();
}

QosSet Access::may_publish(const Identity* author, std::size_t scheme, std::string_view topic, const Caller& caller) const {
  const TopicRule* rule = this->rule(topic);
  if (rule == nullptr || !rule->publish.contains(scheme) || !leaves(*rule, Own::publish, topic, caller.names) ||
      !opens(*rule, caller, set_of(scheme)))
    return QosSet::none();
  if (!caller.is_own && policy_->denies_publishing(name_of(author, caller.names), topic)) return QosSet::none();
  if (author == nullptr) return rule->publish_qos;
  if (!may_use(*author, scheme)) return QosSet::none();
  return qos_for(author->publish, topic, own_names(caller.names, author->name)).and_in(rule->publish_qos);
}

bool Access::may_still_publish(std::string_view author, std::size_t scheme, std::string_view topic, QoS qos) const {
  if (author.empty()) return true;
  const Identity* identity = directory_->find(author);
  return identity != nullptr && may_use(*identity, scheme) && !policy_->denies_publishing(author, topic) &&
         qos_for(identity->publish, topic, {.identity = author, .any_client_id = true}).contains(qos);
}

std::optional<QoS> Access::may_subscribe(const Identity* subscriber, std::size_t scheme, std::string_view filter, QoS wanted,
                                         const Caller& caller) const {
  if (subscriber != nullptr && !may_use(*subscriber, scheme)) return std::nullopt;
  if (!caller.is_own && policy_->denies_all_of(name_of(subscriber, caller.names), filter)) return std::nullopt;
  std::optional<QoS> best;
  policy_->for_each(filter, [&](const TopicRule& rule) {
    SchemeSet named = rule.publish;
    named.add(rule.subscribe);
    if (!rule.subscribe.contains(scheme) || !leaves(rule, Own::subscribe, filter, caller.names) || !opens(rule, caller, named))
      return;
    if (subscriber == nullptr) {
      best = std::max(best, rule.subscribe_qos.highest(wanted));
      return;
    }
    for_each_filter(subscriber->subscribe, own_names(caller.names, subscriber->name), [&](std::string_view granted, QosSet qos) {
      if (mqtt::intersects(granted, filter) && mqtt::intersects(granted, rule.filter))
        best = std::max(best, qos.and_in(rule.subscribe_qos).highest(wanted));
    });
  });
  return best;
}

bool Access::may_share(const Identity* subscriber, std::size_t scheme, std::string_view filter, const Caller& caller) const {
  const TopicRule* rule = policy_->deciding_for_all(filter);
  if (rule == nullptr || !rule->multicast || !rule->subscribe.contains(scheme) || !rule->pattern.empty()) return false;
  if (!opens(*rule, caller, rule->subscribe)) return false;
  if (!caller.is_own && policy_->denies_some_of(name_of(subscriber, caller.names), filter)) return false;
  if (subscriber == nullptr) return true;
  bool may = false;
  for_each_filter(subscriber->subscribe, own_names(caller.names, subscriber->name),
                  [&](std::string_view granted, QosSet) { may = may || mqtt::covers(granted, filter); });
  return may && may_use(*subscriber, scheme);
}

std::optional<QoS> Access::may_receive(const std::string* subscriber, std::size_t scheme, std::string_view topic,
                                       const TopicRule* rule, const PatternNames& names, bool is_own) const {
  if (rule == nullptr || !rule->subscribe.contains(scheme) || !leaves(*rule, Own::subscribe, topic, names)) return std::nullopt;
  const std::string_view name = subscriber != nullptr ? std::string_view(*subscriber) : names.identity;
  if (!is_own && policy_->denies_receiving(name, topic)) return std::nullopt;
  if (subscriber == nullptr) return rule->subscribe_qos.highest();
  const Identity* identity = directory_->find(*subscriber);
  if (identity == nullptr || !may_use(*identity, scheme)) return std::nullopt;
  return qos_for(identity->subscribe, topic, own_names(names, *subscriber)).and_in(rule->subscribe_qos).highest();
}

}  // namespace sealmq::broker
