// Topics under '$' that a scheme reads: messages whose real topic is hidden, and requests. A request may be granted a
// subscription with a receiver of its own: a key for this subscriber, or a part in a group's. Such a subscription ends with its
// connection, and its messages come on a topic that means "this connection" to everybody.
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
    link.connection.hold();
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

Scene Core::scene(Link& link, std::size_t scheme, Preparation* prepared, Now now) {
  if (link.states.size() <= scheme) link.states.resize(ports.schemes.size());
  const Bytes binding = is_there(link.peer.channel_binding) ? Bytes(link.peer.channel_binding) : Bytes();
  const bool has_id = link.session != nullptr && link.knows_its_id;
  const std::string_view client_id = has_id ? std::string_view(link.session->client_id) : std::string_view();
  return {now, access.directory(), &link.states[scheme], prepared, {client_id, binding}};
}

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
  return publish_plain(link, packet, now);
}

/// Its bytes say who they are of: whoever brings them may be anybody.
Core::Accepted Core::take_guarded(Link& link, const mqtt::Publish& packet, Now now) {
  const auto judged = ports.guard->judge(packet.topic, packet.payload, packet.retain, access.directory());
  const char* cause = judged && packet.retain ? lacks_room_to_retain(link, packet) : nullptr;
  if (judged && cause == nullptr) return publish_plain(link, packet, now);
  const Refused why = judged ? Refused{Refusal::limit_reached, Reason::quota_exceeded, cause}
                             : Refused{Refusal::verification_failed, Reason::not_authorized, judged.error().what};
  refuse(link, why, now);
  return {why.reason};
}

Core::Accepted Core::publish_plain(Link& link, const mqtt::Publish& packet, Now now) {
  MessageView view = plain_view(packet.topic, packet.payload);
  view.qos = packet.qos;
  view.retain = packet.retain;
  view.publisher = link.session->name;
  view.party = link.party();
  if (view.retain) view.stamp = next_stamp(now);
  const std::size_t before = changes.size();
  publish(view, now);
  return {Reason::success, changes.size() != before};
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

Admission<Core::Accepted> Core::take_hidden(Link& link, const mqtt::Publish& packet, std::size_t scheme, Preparation* prepared,
                                            Now now) {
  // Before it is opened: a scheme that has seen it would take the next try for a copy.
  if (packet.qos != QoS::at_most_once && ports.budget != nullptr && !ports.budget->has_room())
    return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  auto opened = ports.schemes[scheme]->open({packet.topic, packet.payload}, this->scene(link, scheme, prepared, now));
  if (!opened) return not_verified(opened.error());
  std::string_view topic = (*opened)->topic;
  if (!mqtt::is_topic_name(topic) || topic.starts_with('$') || mqtt::levels(topic) > settings.maximum_levels)
    return refused(Refusal::topic_not_allowed, "hides what is not a topic for messages");
  const TopicRule* rule = access.rule(topic);
  if (rule == nullptr || !rule->publish.contains(scheme))
    return refused(Refusal::topic_not_allowed, "no rule for the real topic");
  auto admitted = entitle(link, *std::move(opened), scheme, packet.payload, packet.qos, now);
  if (!admitted) return tl::unexpected(admitted.error());
  return pass_on(link, packet, *admitted, now);
}

Admission<Core::Accepted> Core::answer_request(Link& link, const mqtt::Publish& packet, std::size_t scheme, Preparation* prepared,
                                               Now now) {
  BrokerScheme& its = *ports.schemes[scheme];
  auto read = its.read_request({packet.topic, packet.payload}, this->scene(link, scheme, prepared, now));
  if (!read) return not_verified(read.error());
  Asked asked = std::move(*read).release();
  Admission<std::monostate> granted;
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
    granted = judge_once(asked.mark, "a copy of a request", now);
  }
  if (!granted) return tl::unexpected(granted.error());
  if (!asked.reply.empty()) send_frame(link, its.reply_topic(), asked.reply);
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

Admission<std::monostate> Core::grant_publishing(Link& link, std::size_t scheme, const Asked& asked, Now now) {
  if (asked.identity == nullptr) return refused(Refusal::author_not_listed, "who wants to publish is not on the list");
  if (asked.identity->status == Status::revoked) return refused(Refusal::author_revoked, asked.identity->name + " is revoked");
  if (!mqtt::is_topic_name(asked.topic) || access.may_publish(asked.identity, scheme, asked.topic, link.caller(now)).empty())
    return refused(Refusal::topic_not_allowed, asked.identity->name + " may not publish here");
  if (auto judged = judge_once(asked.mark, "a copy of a request", now); !judged) return judged;
  hear(*link.session, asked.identity->name);
  return {};
}

// -- subscriptions with receivers ----------------------------------------------------------------------------------------------

Admission<std::monostate> Core::grant_own(Link& link, std::size_t scheme, Asked& asked, Now now) {
  std::string_view filter = asked.topic;
  if (!mqtt::is_topic_filter(filter) || filter.starts_with('$'))
    return refused(Refusal::subscription_refused, "not a topic filter for messages", Reason::topic_name_invalid);
  if (auto shape = check_shape(filter); !shape)  // PUBACK has no word for filters
    return refused(shape.error().kind, shape.error().cause, Reason::topic_name_invalid);
  auto may = may_subscribe(link, filter, scheme, QoS::exactly_once, &asked, now);  // with its inbox's, in the end
  if (!may) return tl::unexpected(may.error());
  const Identity* subscriber = may->identity;
  if (auto room = has_room_for_subscription(link, filter); !room) return room;
  // Asking again renews the key.
  auto same = std::ranges::find_if(link.own_subscriptions, [&](const auto& other) {
    return other->scheme == scheme && other->filter == filter &&
           (other->subscriber == nullptr ? subscriber == nullptr
                                         : subscriber != nullptr && *other->subscriber == subscriber->name);
  });
  if (same != link.own_subscriptions.end())
    forget_own(link, static_cast<std::size_t>(same - link.own_subscriptions.begin()));
  else if (link.own_subscriptions.size() >= settings.maximum_receivers)
    return refused(Refusal::limit_reached, "too many subscriptions", Reason::quota_exceeded);

  auto made = std::make_unique<Subscription>();
  made->session = link.session;
  made->filter = filter;
  made->scheme = static_cast<std::uint8_t>(scheme);
  if (subscriber != nullptr) made->subscriber = std::make_shared<const std::string>(subscriber->name);
  made->receiver = std::move(asked.receiver);
  if (made->receiver->pace() != 0)
    made->paced = std::make_unique<Paced>(Paced{.waiting = {}, .next = now.steady + made->receiver->pace()});
  made->receiver->may_share(access.may_share(subscriber, scheme, filter, link.caller(now)));
  made->kind = kinds.use(filter, link.party(), link.session->kinds);
  account_first(*made, link.party());
  tree.add(*made);
  account_tree();
  ++counters.subscriptions;
  link.own_subscriptions.push_back(std::move(made));
  if (subscriber != nullptr) hear(*link.session, subscriber->name);
  return {};
}

void Core::forget_own(Link& link, std::size_t place) {
  // A queued message may keep the receiver for a while, but not in its group.
  link.own_subscriptions[place]->receiver->may_share(false);
  tree.remove(*link.own_subscriptions[place]);
  link.own_subscriptions.erase(link.own_subscriptions.begin() + static_cast<std::ptrdiff_t>(place));
  account_tree();
  --counters.subscriptions;
}

void Core::forget_connection(Link& link, Session& session) {
  while (!link.own_subscriptions.empty()) forget_own(link, link.own_subscriptions.size() - 1);
  link.states.clear();
  std::erase_if(session.queue, [&](const Delivery& delivery) {
    if (delivery.receiver == nullptr) return false;
    session.queued_bytes -= delivery.message->size();
    return true;
  });
  session.outgoing.erase_if([](const auto& entry) { return entry.message.receiver != nullptr; });
}

std::size_t Core::forget_receivers(Link& link, std::string_view identity, std::uint64_t& left_groups) {
  std::size_t ended = 0;
  for (std::size_t i = link.own_subscriptions.size(); i-- > 0;) {
    const Subscription& subscription = *link.own_subscriptions[i];
    if (subscription.subscriber == nullptr || *subscription.subscriber != identity) continue;
    if (subscription.receiver->group() != nullptr) ++left_groups;
    forget_own(link, i);
    ++ended;
  }
  for (auto& state : link.states)
    if (state != nullptr) state->forget(identity);
  return ended;
}

void Core::review_receivers() {
  for (auto& slot : slots_) {
    if (slot.link == nullptr || slot.link->ended) continue;
    Link& link = *slot.link;
    for (std::size_t i = link.own_subscriptions.size(); i-- > 0;) {
      const Subscription& its = *link.own_subscriptions[i];
      const Identity* subscriber = its.subscriber != nullptr ? access.directory().find(*its.subscriber) : nullptr;
      if (subscriber != nullptr && subscriber->status == Status::revoked) continue;  // revoke() follows, and tells what it ended
      const Caller caller = link.caller(link.now);
      if ((its.subscriber != nullptr && subscriber == nullptr) ||
          !access.may_subscribe(subscriber, its.scheme, its.filter, QoS::exactly_once, caller))
        forget_own(link, i);
      else
        its.receiver->may_share(access.may_share(subscriber, its.scheme, its.filter, caller));
    }
  }
}

void Core::tick_receivers(Link& link, Now now) {
  for (std::size_t i = link.own_subscriptions.size(); i-- > 0;) {
    if (link.own_subscriptions[i]->receiver->has_ended(now))
      forget_own(link, i);
    else if (link.own_subscriptions[i]->paced != nullptr)
      send_paced(*link.own_subscriptions[i], now);
    else
      send_due(link, *link.own_subscriptions[i]->receiver, now);
  }
}

// -- receivers that keep a pace. Called once a second and never because a message came, or the time of a frame would tell of it.

void Core::queue_paced(Subscription& subscription, Publication& publication) {
  constexpr std::size_t most_waiting = 64;
  constexpr std::size_t most_bytes = 256 * 1024;
  auto& waiting = subscription.paced->waiting;
  const auto& message = publication.keep();
  std::size_t bytes = message->size();
  for (const Delivery& delivery : waiting) bytes += delivery.message->size();
  if (waiting.size() >= most_waiting || bytes > most_bytes || !has_room_to_wait()) return drop(Drop::queue_full);
  waiting.push_back({message, 0, 0, QoS::at_most_once, false, subscription.scheme, subscription.subscriber, {}, 0, {}});
}

void Core::send_paced(Subscription& subscription, Now now) {
  Receiver& receiver = *subscription.receiver;
  Paced& paced = *subscription.paced;
  Link& link = *subscription.session->link;
  if (now.steady < paced.next || inbox(link, receiver.topic()) == nullptr) return;
  paced.next = std::max(paced.next + receiver.pace(), now.steady);
  while (!paced.waiting.empty()) {
    const Delivery delivery = std::move(paced.waiting.front());
    paced.waiting.pop_front();
    const bool is_expired = delivery.message->view().expires <= now.steady;
    if (is_expired || !still_entitled(*subscription.session, delivery, now)) {
      drop(is_expired ? Drop::expired : Drop::not_entitled);
      continue;
    }
    begin_message();
    if (const Buffer* frame = seal(delivery.message->view(), subscription.scheme, &receiver, now)) {
      ++counters.delivered;
      return send_frame(link, receiver.topic(), *frame);
    }
    drop(Drop::cannot_seal);
  }
  Buffer cover;
  if (receiver.next_due(now, cover)) send_frame(link, receiver.topic(), cover);
}

// -- "this connection"
// -----------------------------------------------------------------------------------------------------------

bool Core::is_reply_topic(std::string_view topic) const {
  return topic.starts_with('$') &&
         std::ranges::any_of(ports.schemes, [&](const auto& scheme) { return scheme->reply_topic() == topic; });
}

const std::pair<std::string, QoS>* Core::inbox(const Link& link, std::string_view topic) const {
  auto at = std::ranges::find(link.inboxes, topic, &std::pair<std::string, QoS>::first);
  return at == link.inboxes.end() ? nullptr : &*at;
}

Admission<Core::Granted> Core::open_inbox(Link& link, const mqtt::SubscribeEntry& entry) {
  close_inbox(link, entry.filter);
  link.inboxes.emplace_back(entry.filter, entry.options.qos);
  return Granted{nullptr, true, entry.options.qos};
}

bool Core::close_inbox(Link& link, std::string_view filter) {
  return std::erase_if(link.inboxes, [&](const auto& inbox) { return inbox.first == filter; }) > 0;
}

void Core::send_due(Link& link, Receiver& receiver, Now now) {
  if (inbox(link, receiver.topic()) == nullptr) return;
  Buffer frame;
  while (receiver.next_due(now, frame)) {
    send_frame(link, receiver.topic(), frame);
    frame.clear();
  }
}

// Not kept for a client that does not read: it has to ask again then, as after a lost connection.
void Core::send_frame(Link& link, std::string_view topic, Bytes payload) {
  if (link.ended || inbox(link, topic) == nullptr || link.connection.outbox().size() >= outbox_limit()) return;
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = payload;
  Buffer sealed;
  if (link.guard != nullptr) {
    if (!link.guard->seal(topic, payload, link.now, sealed)) return drop(Drop::cannot_seal);
    packet.payload = sealed;
  }
  link.connection.send(packet);
  tell_writable(link);
}

}  // namespace sealmq::broker
