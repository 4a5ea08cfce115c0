// Topics under '$' that a scheme reads: messages whose real topic is hidden, and requests.
#include <algorithm>

#include "broker/core.h"
#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

bool tries_a_secret(const BrokerScheme& scheme, const Incoming& incoming) {
  return scheme.is_request(incoming) && scheme.tries_a_secret(incoming);
}

}  // namespace

using mqtt::QoS;
using mqtt::Reason;

// -- what takes long is done elsewhere -----------------------------------------------------------------------------------------

/// By a scheme of policy, or whatever policy says.
bool Core::is_taken(std::size_t scheme, const Incoming& incoming) const {
  return access.is_offered(scheme) || ports.schemes[scheme]->concerns_the_list(incoming);
}

bool Core::prepare(Link& link, const mqtt::Publish& packet, Now now) {
  if (!packet.topic.starts_with('$')) return false;
  Incoming incoming{packet.topic, packet.payload, now};
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    BrokerScheme& scheme = *ports.schemes[i];
    if (!scheme.takes(packet.topic) || !scheme.recognises(incoming)) continue;
    const bool tries = tries_a_secret(scheme, incoming);
    if (tries && ports.gate != nullptr && !ports.gate->may_try(LoginGate::Tested::secret, {}, link.peer.address, now))
      return false;
    auto preparation = is_taken(i, incoming) ? scheme.prepare(incoming) : nullptr;
    if (preparation == nullptr) return false;
    link.preparing = std::make_unique<PendingMessage>();
    link.preparing->work = std::make_shared<PendingMessage::Work>();
    link.preparing->work->preparation = std::move(preparation);
    mqtt::Publish copy = packet;
    copy.properties.topic_alias.reset();
    mqtt::encode(copy, link.connection.version(), link.preparing->packet);
    link.flow.wait_for_work();
    link.preparing->scheme = i;
    link.preparing->tries_a_secret = tries;
    link.preparing->ticket = turns_[i].wait(link.place(), link.id);
    begin_work(i);
    return true;
  }
  return false;
}

// A client that has left costs no more work.
void Core::begin_work(std::size_t scheme) {
  while (const auto next = turns_[scheme].next()) {
    const Link& link = *find(*next);  // who ends leaves the line
    const bool tries = link.preparing->tries_a_secret;
    effects.jobs.push_back(
        {{Job::Kind::message, link.id, link.place(), scheme},
         [pending = std::weak_ptr(link.preparing->work), gate = ports.gate, tries, now = link.now, address = link.peer.address] {
           auto work = pending.lock();
           if (work == nullptr) return;
           if (tries) work->attempt.emplace(gate, LoginGate::Tested::secret, "", address, now);
           if (!tries || work->attempt->is_open()) work->preparation->run();
           work->done = true;
         },
         link.preparing->work->preparation->waits()});
  }
}

void Core::work_is_over(const Job::Name& job) {
  turns_[job.scheme].over(job.address);
  begin_work(job.scheme);
}

// -- messages and requests -----------------------------------------------------------------------------------------------------

bool Core::is_state(std::string_view client_id, std::string_view topic, Bytes payload) {
  constexpr std::string_view before = "$SYS/broker/connection/", after = "/state";
  return topic.size() == before.size() + client_id.size() + after.size() && topic.starts_with(before) && topic.ends_with(after) &&
         topic.substr(before.size(), client_id.size()) == client_id && (as_text(payload) == "0" || as_text(payload) == "1");
}

bool Core::passes_on_state(std::string_view topic) const {
  const TopicRule* rule = access.rule(topic);
  return rule != nullptr && rule->publish.contains(ports.schemes.size() - 1);  // plain stands last
}

Core::Accepted Core::take_state(Link& link, const mqtt::Publish& packet, Now now) {
  if (!passes_on_state(packet.topic)) return {Reason::success};
  if (const char* cause = lacks_room_for(packet)) {
    refuse(link, {Refusal::limit_reached, Reason::quota_exceeded, cause}, now);
    return {Reason::quota_exceeded};
  }
  MessageView view = plain_view(packet.topic, packet.payload);
  view.qos = packet.qos;
  view.retain = packet.retain;
  view.publisher = link.session->name;
  view.party = link.party();
  if (view.retain) view.stamp = next_stamp(now);
  const std::size_t before = durability.collected();
  publish(view, now);
  return {Reason::success, durability.collected() != before};
}

Core::Accepted Core::take_reserved(Link& link, const mqtt::Publish& packet, Preparation* prepared, Now now) {
  if (is_state(link.session->client_id, packet.topic, packet.payload)) return take_state(link, packet, now);
  Incoming incoming{packet.topic, packet.payload};
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    BrokerScheme& scheme = *ports.schemes[i];
    if (!scheme.takes(packet.topic) || !scheme.recognises(incoming) || !is_taken(i, incoming)) continue;
    const bool tries = tries_a_secret(scheme, incoming);
    if (tries && !link.trying)  // else it has begun when it was prepared
      link.trying.emplace(ports.gate, LoginGate::Tested::secret, "", link.peer.address, now);
    if (tries && !link.trying->is_open()) {
      link.trying.reset();
      refuse(link, {Refusal::limit_reached, Reason::quota_exceeded, "too many tries have failed"}, now);
      return {Reason::quota_exceeded};
    }
    auto taken = scheme.is_request(incoming) ? answer_request(link, packet, i, prepared, now)
                                             : take_hidden(link, packet, i, prepared, now);
    link.trying.reset();
    if (taken) return *taken;
    bool tells = scheme.tells_refusals();
    refuse(link, taken.error(), now, tells);
    return {tells ? taken.error().reason : Reason::success};
  }
  refuse(link, {Refusal::topic_not_allowed, Reason::not_authorized, "clients may not publish under $"}, now);
  return {Reason::not_authorized};
}

OrRefused<Core::Accepted> Core::take_hidden(Link& link, const mqtt::Publish& packet, std::size_t scheme, Preparation* prepared,
                                            Now now) {
  // Before it is opened: a scheme that has seen it would take the next try for a copy.
  if (packet.qos != QoS::at_most_once && !memory.has_room())
    return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  auto opened =
      ports.schemes[scheme]->open({packet.topic, packet.payload}, admission.scene(link.origin(now), scheme, prepared, now));
  if (!opened) return not_verified(opened.error());
  std::string_view topic = (*opened)->topic;
  if (!mqtt::is_topic_name(topic) || topic.starts_with('$') || mqtt::levels(topic) > settings.maximum_levels)
    return refused(Refusal::topic_not_allowed, "hides what is not a topic for messages");
  const TopicRule* rule = access.rule(topic);
  if (rule == nullptr || !rule->publish.contains(scheme))
    return refused(Refusal::topic_not_allowed, "no rule for the real topic");
  auto admitted = admission.entitle(link.origin(now), *std::move(opened), scheme, packet.payload, packet.qos, now);
  if (!admitted) return tl::unexpected(admitted.error());
  return pass_on(link, packet, *admitted, now);
}

OrRefused<Core::Accepted> Core::answer_request(Link& link, const mqtt::Publish& packet, std::size_t scheme, Preparation* prepared,
                                               Now now) {
  BrokerScheme& its = *ports.schemes[scheme];
  auto read = its.read_request({packet.topic, packet.payload}, admission.scene(link.origin(now), scheme, prepared, now));
  if (!read) return not_verified(read.error());
  Asked asked = std::move(*read).release();
  OrRefused<std::monostate> granted;
  Subscription* with_retained = nullptr;
  if (asked.what == Asked::What::publishing) {
    granted = grant_publishing(link, scheme, asked, now);
  } else if (asked.what == Asked::What::subscription && asked.receiver != nullptr) {
    granted = grant_own(link, scheme, asked, now);
  } else if (asked.what == Asked::What::subscription) {
    auto subscription = grant(link, asked.topic, {.qos = packet.qos}, 0, scheme, &asked, now);
    if (subscription)
      with_retained = subscription->subscription;
    else
      granted = tl::unexpected(subscription.error());
  } else {
    granted = admission.judge_once(asked.mark, "a copy of a request", now);
  }
  if (!granted) return tl::unexpected(granted.error());
  if (!asked.reply.empty()) send_frame(link.id, its.reply_topic(), asked.reply);
  if (with_retained != nullptr && with_retained->share == nullptr) owe_retained(*with_retained, now);
  if (!asked.refusal && link.trying) link.trying->is(LoginGate::Outcome::succeeded);
  if (asked.refusal) {
    const bool is_theirs = asked.refusal->blame != Blame::environment;
    if (!is_theirs && link.trying) link.trying->is(LoginGate::Outcome::untried);
    refuse(link, {is_theirs ? Refusal::verification_failed : Refusal::limit_reached, Reason::not_authorized, asked.refusal->what},
           now);
  }
  return Accepted{Reason::success, true};
}

OrRefused<std::monostate> Core::grant_publishing(Link& link, std::size_t scheme, const Asked& asked, Now now) {
  if (asked.identity == nullptr) return refused(Refusal::author_not_listed, "who wants to publish is not on the list");
  if (asked.identity->status == Status::revoked) return refused(Refusal::author_revoked, asked.identity->name + " is revoked");
  if (!mqtt::is_topic_name(asked.topic) || access.may_publish(asked.identity, scheme, asked.topic, link.caller(now)).empty())
    return refused(Refusal::topic_not_allowed, asked.identity->name + " may not publish here");
  if (auto judged = admission.judge_once(asked.mark, "a copy of a request", now); !judged) return judged;
  hear(*link.session, asked.identity->name);
  return {};
}

// -- subscriptions with keys ---------------------------------------------------------------------------------------------------

OrRefused<std::monostate> Core::grant_own(Link& link, std::size_t scheme, Asked& asked, Now now) {
  std::string_view filter = asked.topic;
  if (!mqtt::is_topic_filter(filter) || filter.starts_with('$'))
    return refused(Refusal::subscription_refused, "not a topic filter for messages", Reason::topic_name_invalid);
  if (auto shape = check_shape(filter); !shape)  // PUBACK has no word for filters
    return refused(shape.error().kind, shape.error().cause, Reason::topic_name_invalid);
  auto may = may_subscribe(link, filter, scheme, QoS::exactly_once, &asked, now);  // with its inbox's, in the end
  if (!may) return tl::unexpected(may.error());
  const Identity* subscriber = may->identity;
  if (auto room = has_room_for_subscription(link, filter); !room) return room;
  KeyedSubscriptions::Wanted wanted{filter, scheme, subscriber, std::move(asked.receiver)};
  if (!keyed_.add(link.keyed, *link.session, std::move(wanted), link.caller(now), link.party(), now))
    return refused(Refusal::limit_reached, "too many subscriptions", Reason::quota_exceeded);
  if (subscriber != nullptr) hear(*link.session, subscriber->name);
  return {};
}

void Core::forget_connection(Link& link, Session& session) {
  keyed_.end_all(link.keyed, session);
  link.states.clear();
}

std::size_t Core::forget_keyed(Link& link, std::string_view identity, std::uint64_t& left_groups) {
  const std::size_t ended = keyed_.end_of(link.keyed, identity, left_groups);
  link.states.forget(identity);
  return ended;
}

void Core::review_keyed() {
  for (auto& slot : slots_)
    if (slot.link != nullptr && !slot.link->ended) keyed_.review(slot.link->keyed, slot.link->caller(slot.link->now));
}

// -- "this connection"
// -----------------------------------------------------------------------------------------------------------

bool Core::is_reply_topic(std::string_view topic) const {
  return topic.starts_with('$') &&
         std::ranges::any_of(ports.schemes, [&](const auto& scheme) { return scheme->reply_topic() == topic; });
}

void Core::send_frame(ConnectionId connection, std::string_view topic, Bytes payload) {
  Link* link = find(connection);
  if (link == nullptr || link->ended || link->keyed.inbox(topic) == nullptr) return;
  if (link->connection.outbox().size() >= memory.outbox_limit()) return;
  if (!link->writer.write_frame(topic, payload, link->now)) return drop(Drop::cannot_seal);
  tell_writable(*link);
}

}  // namespace sealmq::broker
