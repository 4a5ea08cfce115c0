// What may come in. Every message passes admit(): verified by a scheme, its author entitled, not seen before. The peer learns
// one answer for all of it; the journal learns the cause.
#include <algorithm>

#include "broker/core.h"
#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;

tl::unexpected<Refused> refused(Refusal kind, std::string cause, Reason reason = Reason::not_authorized) {
  return tl::unexpected(Refused{kind, reason, std::move(cause)});
}

tl::unexpected<Refused> not_verified(const Error& error) {
  bool malformed = error.code == static_cast<std::uint8_t>(Reason::payload_format_invalid);
  return malformed ? refused(Refusal::container_malformed, error.what, Reason::payload_format_invalid)
                   : refused(Refusal::verification_failed, error.what);
}

bool travels(const mqtt::Properties& p) {
  return p.payload_format_indicator || p.content_type || p.response_topic || p.correlation_data || !p.user.empty();
}

/// Names that only the broker may set: they tell a subscriber what was verified.
bool is_evidence(const mqtt::UserProperty& property) {
  return property.name.starts_with("sealmq-");
}

bool counts_as_failure(Refusal kind) {
  return kind == Refusal::verification_failed || kind == Refusal::container_malformed || kind == Refusal::author_not_listed ||
         kind == Refusal::author_revoked || kind == Refusal::replay;
}

void remember_identity(Session& session, const std::string& name) {
  constexpr std::size_t enough = 1000;  // more only matters for ending a session that is nobody's alone anyway
  if (session.identities.size() < enough && std::ranges::find(session.identities, name) == session.identities.end())
    session.identities.push_back(name);
}

}  // namespace

void Core::refuse(Link& link, const Refused& why, Now now) {
  ++counters.refused[static_cast<std::size_t>(why.kind)];
  ports.journal.refused(why.kind, link.label(), why.cause, now);
  if (link.ended || !counts_as_failure(why.kind)) return;
  if (now.steady - link.failures_since > 60'000) {
    link.failures_since = now.steady;
    link.failures = 0;
  }
  if (++link.failures < settings.failures_until_disconnect) return;
  ++counters.refused[static_cast<std::size_t>(Refusal::too_many_failures)];
  ports.journal.refused(Refusal::too_many_failures, link.label(), "disconnected", now);
  link.connection.disconnect(Reason::not_authorized);
  tell_writable(link);
  end(link, Ending::refused_too_often, true, now);
}

Admission<std::monostate> Core::judge_replay(const std::optional<ReplayMark>& mark, bool& repeat, Now now) {
  repeat = false;
  if (!mark) return {};
  auto judged = ports.replays.judge(*mark, now);
  if (!judged) return refused(Refusal::limit_reached, judged.error().what, Reason::implementation_specific_error);
  if (*judged == Replay::stale) return refused(Refusal::replay, "its sequence number is used up");
  repeat = *judged == Replay::repeat;
  return {};
}

Admission<Core::Admitted> Core::admit(Link& link, std::string_view topic, Bytes payload, Now now) {
  const TopicRule* rule = access.rule(topic);
  if (rule == nullptr) return refused(Refusal::topic_not_allowed, "no rule for this topic");
  Incoming incoming{topic, payload};
  std::optional<Refused> malformed;
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    if (!rule->publish.contains(i) || !ports.schemes[i]->recognises(incoming)) continue;
    auto opened = ports.schemes[i]->open(incoming, {now, access.directory()});
    if (!opened) {
      Refused why = not_verified(opened.error()).value();
      if (why.kind != Refusal::container_malformed) return tl::unexpected(std::move(why));
      // It only began like a container. Where the topic allows other forms too (any bytes are plain MQTT), it may be one of them.
      if (!malformed) malformed = std::move(why);
      continue;
    }
    const Opened& o = **opened;
    if (o.topic.data() != topic.data() && o.topic != topic) {  // it was hidden: its real one has a rule too
      rule = access.rule(o.topic);
      if (rule == nullptr || !rule->publish.contains(i)) return refused(Refusal::topic_not_allowed, "no rule for the real topic");
    }
    const Identity* author = o.author;
    if (!o.names_author && !link.identity.empty()) author = access.directory().find(link.identity);
    if (o.names_author || !link.identity.empty()) {
      if (author == nullptr) return refused(Refusal::author_not_listed, "its author is not on the list");
      if (author->status == Status::revoked) return refused(Refusal::author_revoked, author->name + " is revoked");
      if (!access.may_publish(*author, i, o.topic))
        return refused(Refusal::topic_not_allowed, author->name + " may not publish here");
    }
    bool repeat = false;
    if (auto judged = judge_replay(o.mark, repeat, now); !judged) return tl::unexpected(judged.error());
    if (author != nullptr && !repeat && link.session != nullptr) remember_identity(*link.session, author->name);
    return Admitted{*std::move(opened), author, i, repeat};
  }
  if (malformed) return tl::unexpected(*std::move(malformed));
  return refused(Refusal::topic_not_allowed, "not in the form of a scheme that this topic allows");
}

/// What was admitted, as the core passes it on.
static MessageView view_of(const Core::Admitted& admitted, Bytes wire, mqtt::QoS qos, bool retain,
                           const mqtt::Properties* properties) {
  const Opened& opened = *admitted.opened;
  return {.topic = opened.topic,
          .payload = opened.payload,
          .wire = wire,
          .qos = qos,
          .retain = retain,
          .scheme = static_cast<std::uint8_t>(admitted.scheme),
          .author = admitted.author != nullptr ? std::string_view(admitted.author->name) : std::string_view{},
          .properties = properties};
}

Core::Accepted Core::accept(Link& link, const mqtt::Publish& packet, Now now) {
  if (packet.topic.starts_with('$')) return {take_request(link, packet, now), true};
  if (mqtt::levels(packet.topic) > settings.maximum_levels) {
    refuse(link, {Refusal::limit_reached, Reason::topic_name_invalid, "too many topic levels"}, now);
    return {Reason::topic_name_invalid};
  }
  // Before it is opened: a scheme that has seen it would take the next try for a replay.
  if (const char* cause = lacks_room_for(packet)) {
    refuse(link, {Refusal::limit_reached, Reason::quota_exceeded, cause}, now);
    return {Reason::quota_exceeded};
  }
  auto admitted = admit(link, packet.topic, packet.payload, now);
  if (!admitted) {
    refuse(link, admitted.error(), now);
    return {admitted.error().reason};
  }
  if (admitted->repeat) {  // acknowledged again, not forwarded again: a client's DUP, or somebody's replay
    ++counters.refused[static_cast<std::size_t>(Refusal::replay)];
    ports.journal.refused(Refusal::replay, link.label(), "an exact copy", now);
    return {Reason::success, true};  // what the first one brought may not be stored yet
  }
  ++counters.published;
  ++counters.published_by_qos[static_cast<std::size_t>(packet.qos)];
  counters.published_bytes += packet.payload.size();
  std::optional<mqtt::Properties> without_evidence;
  const mqtt::Properties* properties = travels(packet.properties) ? &packet.properties : nullptr;
  if (std::ranges::any_of(packet.properties.user, is_evidence)) {
    without_evidence = packet.properties;
    std::erase_if(without_evidence->user, is_evidence);
    properties = &*without_evidence;
  }
  MessageView view = view_of(*admitted, packet.payload, packet.qos, packet.retain, properties);
  view.publisher = link.session->client_id;
  if (packet.retain) view.stamp = next_stamp(now);
  if (packet.properties.message_expiry_interval)
    view.expires = now.steady + std::uint64_t{1000} * *packet.properties.message_expiry_interval;
  std::size_t before = changes.size();
  publish(view, now);
  return {Reason::success, changes.size() != before};
}

Admission<PendingWill> Core::admit_will(Link& link, const mqtt::Will& will, Now now) {
  if (will.topic.starts_with('$') || mqtt::levels(will.topic) > settings.maximum_levels)
    return refused(Refusal::topic_not_allowed, "a Will to this topic", Reason::topic_name_invalid);
  if (!has_room_to_wait()) return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  auto admitted = admit(link, will.topic, will.payload, now);
  if (!admitted) return tl::unexpected(admitted.error());
  if (admitted->repeat) return refused(Refusal::replay, "the Will is a copy");
  mqtt::Properties properties = will.properties;
  std::erase_if(properties.user, is_evidence);
  bool has_any = travels(properties) || properties.message_expiry_interval;
  MessageView view = view_of(*admitted, will.payload, will.qos, will.retain, has_any ? &properties : nullptr);
  return PendingWill{std::make_shared<const Message>(view, 0, ports.budget), will.properties.will_delay_interval.value_or(0)};
}

// -- subscriptions
// -----------------------------------------------------------------------------------------------------------------

Admission<Core::Granted> Core::subscribe(Link& link, const mqtt::SubscribeEntry& entry, const mqtt::Properties& properties,
                                         Now now) {
  bool is_shared = SharedFilter::is_shared(entry.filter);
  auto shared = SharedFilter::parse(entry.filter);
  if (is_shared ? !shared : !mqtt::is_topic_filter(entry.filter))
    return refused(Refusal::subscription_refused, "not a topic filter", Reason::topic_filter_invalid);
  if (mqtt::levels(entry.filter) > settings.maximum_levels ||
      static_cast<std::size_t>(std::ranges::count(entry.filter, '+')) > settings.maximum_wildcards)
    return refused(Refusal::limit_reached, "a filter with too many levels or wildcards", Reason::topic_filter_invalid);
  std::uint32_t identifier = properties.subscription_identifiers.empty() ? 0 : properties.subscription_identifiers.front();
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    BrokerScheme& scheme = *ports.schemes[i];
    if (scheme.subscribe_property().empty()) continue;
    for (const auto& user : properties.user) {
      if (user.name != scheme.subscribe_property()) continue;
      auto asked = scheme.read_subscribe(user.value, entry.filter, {now, access.directory()});
      if (!asked) continue;
      if (!*asked) return refused(Refusal::verification_failed, asked->error().what);
      return grant(link, entry.filter, entry.options, identifier, i, &***asked, now);
    }
  }
  return grant(link, entry.filter, entry.options, identifier, ports.schemes.size() - 1, nullptr, now);
}

Admission<Core::Granted> Core::grant(Link& link, std::string_view filter, const mqtt::SubscriptionOptions& options,
                                     std::uint32_t identifier, std::size_t scheme, const Subscribing* asked, Now now) {
  const Identity* subscriber = asked != nullptr ? asked->subscriber : access.directory().find(link.identity);
  if (asked == nullptr && subscriber == nullptr && !link.identity.empty())
    return refused(Refusal::author_not_listed, "the subscriber is not on the list");
  if (asked != nullptr && asked->names_subscriber && subscriber == nullptr)
    return refused(Refusal::author_not_listed, "the subscriber is not on the list");
  if (subscriber != nullptr && subscriber->status == Status::revoked)
    return refused(Refusal::author_revoked, subscriber->name + " is revoked");
  auto shared = SharedFilter::parse(filter);
  if (!access.may_subscribe(subscriber, scheme, shared ? shared->filter : filter))
    return refused(Refusal::subscription_refused, "no right to any topic of this filter");
  if (asked != nullptr) {
    bool repeat = false;
    if (auto judged = judge_replay(asked->mark, repeat, now); !judged) return tl::unexpected(judged.error());
    if (repeat) return refused(Refusal::replay, "a copy of a subscription");
  }
  Session& session = *link.session;
  auto at = session.subscriptions.find(filter);
  bool is_new = at == session.subscriptions.end();
  if (is_new) {
    if (session.subscriptions.size() >= settings.maximum_subscriptions)
      return refused(Refusal::limit_reached, "too many subscriptions", Reason::quota_exceeded);
    if (tree.nodes() + mqtt::levels(filter) > settings.maximum_topic_nodes)
      return refused(Refusal::limit_reached, "the tree of subscriptions is full", Reason::quota_exceeded);
    if (!has_room_for_sessions()) return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
    auto made = std::make_unique<Subscription>();
    made->session = &session;
    made->filter = filter;
    account(*made);
    at = session.subscriptions.emplace(made->filter, std::move(made)).first;
    if (shared)
      tell_group(*at->second, MemberEvent::What::present);
    else
      tree.add(*at->second);
    account_tree();
    ++counters.subscriptions;
  }
  Subscription& subscription = *at->second;
  subscription.options = options;
  subscription.identifier = identifier;
  subscription.scheme = static_cast<std::uint8_t>(scheme);
  subscription.subscriber = subscriber != nullptr ? std::make_shared<const std::string>(subscriber->name) : nullptr;
  if (subscriber != nullptr) remember_identity(session, subscriber->name);
  recount(session);
  if (session.lasts())
    change(SubscriptionSaved{session.number, subscription.filter, options, identifier, subscription.scheme,
                             subscription.subscriber});
  return Granted{&subscription, is_new};
}

bool Core::unsubscribe(Session& session, std::string_view filter) {
  auto at = session.subscriptions.find(filter);
  if (at == session.subscriptions.end()) return false;
  forget(session, *at->second);
  session.subscriptions.erase(at);
  recount(session);
  return true;
}

void Core::forget(Session& session, Subscription& subscription) {
  if (subscription.node != nullptr)
    tree.remove(subscription);
  else
    tell_group(subscription, MemberEvent::What::left);
  account_tree();
  if (session.saved) change(SubscriptionEnded{session.number, subscription.filter});
  --counters.subscriptions;
}

void Core::tell_group(const Subscription& subscription, MemberEvent::What what) {
  MemberEvent event{what, subscription.filter, index, subscription.session->number};
  std::size_t owner = SharedGroups::owner(subscription.filter, count);
  if (owner == index) return groups.apply(event);
  Parcel parcel;
  parcel.to = owner;
  parcel.member = std::make_shared<const MemberEvent>(std::move(event));
  effects.parcels.push_back(std::move(parcel));
}

void Core::tell_groups(const Session& session, MemberEvent::What what) {
  for (const auto& [filter, subscription] : session.subscriptions)
    if (subscription->node == nullptr) tell_group(*subscription, what);
}

Reason Core::take_request(Link& link, const mqtt::Publish& packet, Now now) {
  Incoming request{packet.topic, packet.payload};
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    BrokerScheme& scheme = *ports.schemes[i];
    if (!scheme.takes_requests_on(packet.topic) || !scheme.recognises(request)) continue;
    auto asked = scheme.read_request(request, {now, access.directory()});
    Admission<Granted> granted = asked ? grant(link, (*asked)->filter, {.qos = packet.qos}, 0, i, &**asked, now)
                                       : Admission<Granted>(not_verified(asked.error()));
    if (!granted) {
      refuse(link, granted.error(), now);
      return granted.error().reason;
    }
    send_retained(*granted->subscription, now);
    return Reason::success;
  }
  refuse(link, {Refusal::topic_not_allowed, Reason::not_authorized, "clients may not publish under $"}, now);
  return Reason::not_authorized;
}

}  // namespace sealmq::broker
