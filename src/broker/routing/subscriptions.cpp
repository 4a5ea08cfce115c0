// Who receives what: subscriptions as SUBSCRIBE makes them, and what all kinds of them have to pass.
#include <algorithm>

#include "broker/core.h"
#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::Reason;

namespace {
constexpr std::size_t steps_of_a_filter = 20;
}

/// Of a shared subscription, the filter behind its name.
static std::string_view topics_of(std::string_view filter) {
  const auto shared = SharedFilter::parse(filter);
  return shared ? shared->filter : filter;
}

OrRefused<Core::Granted> Core::subscribe(Link& link, const mqtt::SubscribeEntry& entry, const mqtt::Properties& properties,
                                         Now now) {
  step(steps_of_a_filter);
  if (scheme_requests.is_reply_topic(entry.filter)) {
    link.keyed.open_inbox(entry.filter, entry.options.qos);
    return Granted{nullptr, true, entry.options.qos};
  }
  if (auto shape = check_shape(entry.filter); !shape) return tl::unexpected(shape.error());
  if (link.relay() != nullptr && entry.options.qos != mqtt::QoS::exactly_once)
    return refused(Refusal::subscription_refused, "all messages of this login have QoS 2", Reason::implementation_specific_error);
  std::uint32_t identifier = properties.subscription_identifiers.empty() ? 0 : properties.subscription_identifiers.front();
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    BrokerScheme& scheme = *ports.schemes[i];
    if (scheme.subscribe_property().empty()) continue;
    for (const auto& user : properties.user) {
      if (user.name != scheme.subscribe_property()) continue;
      auto asked = scheme.read_subscribe(user.value, entry.filter, admission.scene(link.origin(now), i, nullptr, now));
      if (!asked) continue;
      if (!*asked) return refused(Refusal::verification_failed, asked->error().what);
      return grant(link, entry.filter, entry.options, identifier, i, &***asked, now);
    }
  }
  std::size_t scheme = ports.schemes.size() - 1;
  const bool has_own = link.proved_by && access.is_of_login(*link.proved_by);
  if (has_own && access.may_subscribe(access.directory().find(link.identity), *link.proved_by, topics_of(entry.filter),
                                      entry.options.qos, link.caller(now)))
    scheme = *link.proved_by;
  return grant(link, entry.filter, entry.options, identifier, scheme, nullptr, now);
}

OrRefused<Core::Subscriber> Core::may_subscribe(const Link& link, std::string_view filter, std::size_t scheme, mqtt::QoS wanted,
                                                const Asked* asked, Now now) {
  const bool by_connection = asked == nullptr || asked->by_connection;
  const Identity* subscriber = by_connection ? access.directory().find(link.identity) : asked->identity;
  if (by_connection && subscriber == nullptr && !link.identity.empty())
    return refused(Refusal::author_not_listed, "the subscriber is not on the list");
  if (asked != nullptr && asked->names_identity && subscriber == nullptr)
    return refused(Refusal::author_not_listed, "the subscriber is not on the list");
  if (subscriber != nullptr && subscriber->status == Status::revoked)
    return refused(Refusal::author_revoked, subscriber->name + " is revoked");
  const std::string_view topics = topics_of(filter);
  if (access.is_closed(topics))  // not 0x87: no other login would help
    return refused(Refusal::subscription_refused, "policy lets nobody subscribe to this filter", Reason::unspecified_error);
  const auto qos = access.may_subscribe(subscriber, scheme, topics, wanted, link.caller(now));
  if (!qos) return refused(Refusal::subscription_refused, "no right to any topic of this filter");
  for (std::size_t i = 0; i < ports.schemes.size(); ++i)
    if (access.is_restricted(i) && access.is_offered(i) && !ports.schemes[i]->may_get(link.identity, topics))
      return refused(Refusal::subscription_refused, "the filter names another receiver");
  if (asked != nullptr) {
    bool repeat = false;
    if (auto judged = admission.judge_replay(asked->mark, repeat, now); !judged) return tl::unexpected(judged.error());
    if (repeat) return refused(Refusal::replay, "a copy of a subscription");
  }
  return Subscriber{subscriber, *qos};
}

OrRefused<std::monostate> Core::has_room_for_subscription(const Link& link, std::string_view filter) const {
  const std::string& party = link.party();
  if (!memory.has_room_in_tree(filter, party, tree.nodes()))
    return refused(Refusal::limit_reached, "the tree of subscriptions is full", Reason::quota_exceeded);
  if (!memory.has_room_to_last(MemoryLimits::lasting_cost(filter), party))
    return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  if (const char* lack = kinds.lacks_room_for(topics_of(filter), party, link.session->kinds))
    return refused(Refusal::limit_reached, lack, Reason::quota_exceeded);
  return {};
}

OrRefused<std::monostate> Core::check_shape(std::string_view filter) const {
  if (mqtt::levels(filter) > settings.maximum_levels ||
      static_cast<std::size_t>(std::ranges::count(filter, '+')) > settings.maximum_wildcards)
    return refused(Refusal::limit_reached, "a filter with too many levels or wildcards", Reason::topic_filter_invalid);
  return {};
}

OrRefused<Core::Granted> Core::grant(Link& link, std::string_view filter, mqtt::SubscriptionOptions options,
                                     std::uint32_t identifier, std::size_t scheme, const Asked* asked, Now now) {
  auto may = may_subscribe(link, filter, scheme, options.qos, asked, now);
  if (!may) return tl::unexpected(may.error());
  const Identity* subscriber = may->identity;
  options.qos = may->qos;
  const bool shared = SharedFilter::is_shared(filter);
  Session& session = *link.session;
  auto at = session.subscriptions.find(filter);
  bool is_new = at == session.subscriptions.end();
  if (is_new) {
    if (session.subscriptions.size() >= settings.maximum_subscriptions)
      return refused(Refusal::limit_reached, "too many subscriptions", Reason::quota_exceeded);
    constexpr std::ptrdiff_t most_shared = 100;  // of a session: each is a delivery of its own
    const auto is_shared = [](const auto& other) { return other.second->share != nullptr; };
    if (shared && std::ranges::count_if(session.subscriptions, is_shared) >= most_shared)
      return refused(Refusal::limit_reached, "too many shared subscriptions", Reason::quota_exceeded);
    if (auto room = has_room_for_subscription(link, filter); !room) return tl::unexpected(room.error());
    auto made = std::make_unique<Subscription>();
    made->session = &session;
    made->filter = filter;
    if (shared) made->share = std::make_shared<const std::string>(filter);
    made->kind = kinds.use(topics_of(filter), link.party(), session.kinds);
    memory.account_first(*made, link.party());
    at = session.subscriptions.emplace(made->filter, std::move(made)).first;
    if (!shared) tree.add(*at->second);
    account_tree();
    ++counters.subscriptions;
  }
  Subscription& subscription = *at->second;
  subscription.options = options;
  subscription.identifier = identifier;
  subscription.scheme = static_cast<std::uint8_t>(scheme);
  subscription.subscriber = subscriber != nullptr ? std::make_shared<const std::string>(subscriber->name) : nullptr;
  if (subscriber != nullptr) hear(session, subscriber->name);
  durability.recount(session);
  if (shared) tell_group(subscription, MemberEvent::What::present);  // also because its identity or scheme may be another one
  durability.save(subscription);
  return Granted{&subscription, is_new, options.qos};
}

OrRefused<Subscription*> Core::subscribe(Link& link, std::size_t scheme, Asked& asked, mqtt::QoS qos, Now now) {
  if (asked.receiver != nullptr) {
    auto granted = grant_keyed(link, scheme, asked, now);
    if (!granted) return tl::unexpected(granted.error());
    return nullptr;
  }
  auto granted = grant(link, asked.topic, {.qos = qos}, 0, scheme, &asked, now);
  if (!granted) return tl::unexpected(granted.error());
  return granted->subscription;
}

OrRefused<std::monostate> Core::grant_keyed(Link& link, std::size_t scheme, Asked& asked, Now now) {
  std::string_view filter = asked.topic;
  if (!mqtt::is_topic_filter(filter) || filter.starts_with('$'))
    return refused(Refusal::subscription_refused, "not a topic filter for messages", Reason::topic_name_invalid);
  if (auto shape = check_shape(filter); !shape)  // PUBACK has no word for filters
    return refused(shape.error().kind, shape.error().cause, Reason::topic_name_invalid);
  auto may = may_subscribe(link, filter, scheme, mqtt::QoS::exactly_once, &asked, now);  // with its inbox's, in the end
  if (!may) return tl::unexpected(may.error());
  const Identity* subscriber = may->identity;
  if (auto room = has_room_for_subscription(link, filter); !room) return room;
  KeyedSubscriptions::Wanted wanted{filter, scheme, subscriber, std::move(asked.receiver)};
  if (!keyed_.add(link.keyed, *link.session, std::move(wanted), link.caller(now), link.party(), now))
    return refused(Refusal::limit_reached, "too many subscriptions", Reason::quota_exceeded);
  if (subscriber != nullptr) hear(*link.session, subscriber->name);
  return {};
}

bool Core::unsubscribe(Session& session, std::string_view filter) {
  step(steps_of_a_filter);
  auto at = session.subscriptions.find(filter);
  if (at == session.subscriptions.end()) return false;
  forget(session, *at->second);
  session.subscriptions.erase(at);
  durability.recount(session);
  return true;
}

void Core::forget(Session& session, Subscription& subscription) {
  if (subscription.node != nullptr)
    tree.remove(subscription);
  else
    tell_group(subscription, MemberEvent::What::left);
  account_tree();
  forget_retained(subscription);
  if (session.saved) durability.change(SubscriptionEnded{session.number, subscription.filter});
  --counters.subscriptions;
}

void Core::has_ended(Session& session) {
  tell_groups(session, MemberEvent::What::left);
  for (auto& [filter, subscription] : session.subscriptions)
    if (subscription->node != nullptr) tree.remove(*subscription);
  account_tree();
  counters.subscriptions -= session.subscriptions.size();
}

void Core::tell_group(const Subscription& subscription, MemberEvent::What what) {
  MemberEvent event{what, subscription.filter, index, subscription.session->number, subscription.subscriber, subscription.scheme};
  std::size_t owner = owner_of(subscription.filter);
  if (owner == index) return groups.apply(event);
  Parcel parcel;
  parcel.to = owner;
  parcel.member = std::make_shared<const MemberEvent>(std::move(event));
  flow.hand_over(std::move(parcel));
}

void Core::tell_groups(const Session& session, MemberEvent::What what) {
  for (const auto& [filter, subscription] : session.subscriptions)
    if (subscription->node == nullptr) tell_group(*subscription, what);
}

}  // namespace sealmq::broker
