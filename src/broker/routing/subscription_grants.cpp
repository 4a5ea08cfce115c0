#include "broker/routing/subscription_grants.h"

#include <algorithm>

#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::Reason;

/// Of a shared subscription, the filter behind its name.
static std::string_view topics_of(std::string_view filter) {
  const auto shared = SharedFilter::parse(filter);
  return shared ? shared->filter : filter;
}

OrRefused<SubscriptionGrants::Granted> SubscriptionGrants::subscribe(const Subscriber& by, const mqtt::SubscribeEntry& entry,
                                                                     const mqtt::Properties& properties, Now now) {
  its_.steps.add(steps_of_a_filter);
  if (auto shape = check_shape(entry.filter); !shape) return tl::unexpected(shape.error());
  if (by.exactly_once && entry.options.qos != mqtt::QoS::exactly_once)
    return refused(Refusal::subscription_refused, "all messages of this login have QoS 2", Reason::implementation_specific_error);
  std::uint32_t identifier = properties.subscription_identifiers.empty() ? 0 : properties.subscription_identifiers.front();
  for (std::size_t i = 0; i < its_.schemes.size(); ++i) {
    BrokerScheme& scheme = *its_.schemes[i];
    if (scheme.subscribe_property().empty()) continue;
    for (const auto& user : properties.user) {
      if (user.name != scheme.subscribe_property()) continue;
      auto asked = scheme.read_subscribe(user.value, entry.filter, its_.admission.scene(by.origin, i, nullptr, now));
      if (!asked) continue;
      if (!*asked) return refused(Refusal::verification_failed, asked->error().what);
      return grant(by, entry.filter, entry.options, identifier, i, &***asked, now);
    }
  }
  std::size_t scheme = its_.schemes.size() - 1;
  const bool has_own = by.origin.proved_by && its_.access.is_of_login(*by.origin.proved_by);
  if (has_own && its_.access.may_subscribe(its_.access.directory().find(by.origin.caller.names.identity), *by.origin.proved_by,
                                           topics_of(entry.filter), entry.options.qos, by.origin.caller))
    scheme = *by.origin.proved_by;
  return grant(by, entry.filter, entry.options, identifier, scheme, nullptr, now);
}

OrRefused<SubscriptionGrants::Allowed> SubscriptionGrants::may_subscribe(const Subscriber& by, std::string_view filter,
                                                                         std::size_t scheme, mqtt::QoS wanted, const Asked* asked,
                                                                         Now now) {
  const bool by_connection = asked == nullptr || asked->by_connection;
  const Identity* subscriber = by_connection ? its_.access.directory().find(by.origin.caller.names.identity) : asked->identity;
  if (by_connection && subscriber == nullptr && !by.origin.caller.names.identity.empty())
    return refused(Refusal::author_not_listed, "the subscriber is not on the list");
  if (asked != nullptr && asked->names_identity && subscriber == nullptr)
    return refused(Refusal::author_not_listed, "the subscriber is not on the list");
  if (subscriber != nullptr && subscriber->status == Status::revoked)
    return refused(Refusal::author_revoked, subscriber->name + " is revoked");
  const std::string_view topics = topics_of(filter);
  if (its_.access.is_closed(topics))  // not 0x87: no other login would help
    return refused(Refusal::subscription_refused, "policy lets nobody subscribe to this filter", Reason::unspecified_error);
  const auto qos = its_.access.may_subscribe(subscriber, scheme, topics, wanted, by.origin.caller);
  if (!qos) return refused(Refusal::subscription_refused, "no right to any topic of this filter");
  for (std::size_t i = 0; i < its_.schemes.size(); ++i)
    if (its_.access.is_restricted(i) && its_.access.is_offered(i) &&
        !its_.schemes[i]->may_get(by.origin.caller.names.identity, topics))
      return refused(Refusal::subscription_refused, "the filter names another receiver");
  if (asked != nullptr) {
    bool repeat = false;
    if (auto judged = its_.admission.judge_replay(asked->mark, repeat, now); !judged) return tl::unexpected(judged.error());
    if (repeat) return refused(Refusal::replay, "a copy of a subscription");
  }
  return Allowed{subscriber, *qos};
}

OrRefused<std::monostate> SubscriptionGrants::has_room(const Subscriber& by, std::string_view filter) const {
  const std::string& party = by.party;
  if (!its_.memory.has_room_in_tree(filter, party, its_.tree.nodes()))
    return refused(Refusal::limit_reached, "the tree of subscriptions is full", Reason::quota_exceeded);
  if (!its_.memory.has_room_to_last(MemoryLimits::lasting_cost(filter), party))
    return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  if (const char* lack = its_.kinds.lacks_room_for(topics_of(filter), party, by.session.kinds))
    return refused(Refusal::limit_reached, lack, Reason::quota_exceeded);
  return {};
}

OrRefused<std::monostate> SubscriptionGrants::check_shape(std::string_view filter) const {
  if (mqtt::levels(filter) > its_.settings.maximum_levels ||
      static_cast<std::size_t>(std::ranges::count(filter, '+')) > its_.settings.maximum_wildcards)
    return refused(Refusal::limit_reached, "a filter with too many levels or wildcards", Reason::topic_filter_invalid);
  if (SharedFilter::is_shared(filter) && !SharedFilter::parse(filter))  // of a client before MQTT 5
    return refused(Refusal::subscription_refused, "a shared subscription without a name", Reason::topic_filter_invalid);
  return {};
}

OrRefused<SubscriptionGrants::Granted> SubscriptionGrants::grant(const Subscriber& by, std::string_view filter,
                                                                 mqtt::SubscriptionOptions options, std::uint32_t identifier,
                                                                 std::size_t scheme, const Asked* asked, Now now) {
  auto may = may_subscribe(by, filter, scheme, options.qos, asked, now);
  if (!may) return tl::unexpected(may.error());
  const Identity* subscriber = may->identity;
  options.qos = may->qos;
  const bool shared = SharedFilter::is_shared(filter);
  Session& session = by.session;
  auto at = session.subscriptions.find(filter);
  bool is_new = at == session.subscriptions.end();
  if (is_new) {
    if (session.subscriptions.size() >= its_.settings.maximum_subscriptions)
      return refused(Refusal::limit_reached, "too many subscriptions", Reason::quota_exceeded);
    constexpr std::ptrdiff_t most_shared = 100;  // of a session: each is a delivery of its own
    const auto is_shared = [](const auto& other) { return other.second->share != nullptr; };
    if (shared && std::ranges::count_if(session.subscriptions, is_shared) >= most_shared)
      return refused(Refusal::limit_reached, "too many shared subscriptions", Reason::quota_exceeded);
    if (auto room = has_room(by, filter); !room) return tl::unexpected(room.error());
    auto made = std::make_unique<Subscription>();
    made->session = &session;
    made->filter = filter;
    if (shared) made->share = std::make_shared<const std::string>(filter);
    made->kind = its_.kinds.use(topics_of(filter), by.party, session.kinds);
    its_.memory.account_first(*made, by.party);
    at = session.subscriptions.emplace(made->filter, std::move(made)).first;
    if (!shared) its_.tree.add(*at->second);
    account_tree();
    ++its_.counters.subscriptions;
  }
  Subscription& subscription = *at->second;
  subscription.options = options;
  subscription.identifier = identifier;
  subscription.scheme = static_cast<std::uint8_t>(scheme);
  subscription.subscriber = subscriber != nullptr ? std::make_shared<const std::string>(subscriber->name) : nullptr;
  if (subscriber != nullptr) hear(session, subscriber->name);
  its_.durability.recount(session);
  if (shared) tell_group(subscription, MemberEvent::What::present);  // also because its identity or scheme may be another one
  its_.durability.save(subscription);
  return Granted{&subscription, is_new, options.qos};
}

OrRefused<Subscription*> SubscriptionGrants::subscribe(const Subscriber& by, std::size_t scheme, Asked& asked, mqtt::QoS qos,
                                                       Now now) {
  if (asked.receiver != nullptr) {
    auto granted = grant_keyed(by, scheme, asked, now);
    if (!granted) return tl::unexpected(granted.error());
    return nullptr;
  }
  auto granted = grant(by, asked.topic, {.qos = qos}, 0, scheme, &asked, now);
  if (!granted) return tl::unexpected(granted.error());
  return granted->subscription;
}

OrRefused<std::monostate> SubscriptionGrants::grant_keyed(const Subscriber& by, std::size_t scheme, Asked& asked, Now now) {
  std::string_view filter = asked.topic;
  if (!mqtt::is_topic_filter(filter) || filter.starts_with('$'))
    return refused(Refusal::subscription_refused, "not a topic filter for messages", Reason::topic_name_invalid);
  if (auto shape = check_shape(filter); !shape)  // PUBACK has no word for filters
    return refused(shape.error().kind, shape.error().cause, Reason::topic_name_invalid);
  auto may = may_subscribe(by, filter, scheme, mqtt::QoS::exactly_once, &asked, now);  // with its inbox's, in the end
  if (!may) return tl::unexpected(may.error());
  const Identity* subscriber = may->identity;
  if (auto room = has_room(by, filter); !room) return room;
  KeyedSubscriptions::Wanted wanted{filter, scheme, subscriber, std::move(asked.receiver)};
  if (!its_.keyed.add(by.keyed, by.session, std::move(wanted), by.origin.caller, by.party, now))
    return refused(Refusal::limit_reached, "too many subscriptions", Reason::quota_exceeded);
  if (subscriber != nullptr) hear(by.session, subscriber->name);
  return {};
}

bool SubscriptionGrants::unsubscribe(Session& session, std::string_view filter) {
  its_.steps.add(steps_of_a_filter);
  auto at = session.subscriptions.find(filter);
  if (at == session.subscriptions.end()) return false;
  forget(session, *at->second);
  session.subscriptions.erase(at);
  its_.durability.recount(session);
  return true;
}

void SubscriptionGrants::forget(Session& session, Subscription& subscription) {
  if (subscription.node != nullptr)
    its_.tree.remove(subscription);
  else
    tell_group(subscription, MemberEvent::What::left);
  account_tree();
  its_.retaining.forget_retained(subscription);
  if (session.saved) its_.durability.change(SubscriptionEnded{session.number, subscription.filter});
  --its_.counters.subscriptions;
}

void SubscriptionGrants::forget_all(Session& session) {
  tell_groups(session, MemberEvent::What::left);
  for (auto& [filter, subscription] : session.subscriptions)
    if (subscription->node != nullptr) its_.tree.remove(*subscription);
  account_tree();
  its_.counters.subscriptions -= session.subscriptions.size();
}

void SubscriptionGrants::tell_group(const Subscription& subscription, MemberEvent::What what) {
  MemberEvent event{
      what, subscription.filter, its_.shard, subscription.session->number, subscription.subscriber, subscription.scheme};
  std::size_t owner = Shard::shard_of(subscription.filter, its_.shards, its_.settings.shard_key);
  if (owner == its_.shard) return its_.groups.apply(event);
  Parcel parcel;
  parcel.to = owner;
  parcel.member = std::make_shared<const MemberEvent>(std::move(event));
  its_.flow.hand_over(std::move(parcel));
}

void SubscriptionGrants::tell_groups(const Session& session, MemberEvent::What what) {
  for (const auto& [filter, subscription] : session.subscriptions)
    if (subscription->node == nullptr) tell_group(*subscription, what);
}

}  // namespace sealmq::broker
