// How messages go out: who gets one, now or later, and in which order. It is copied into a Message only when somebody must keep
// it: a session, another shard, the retained ones.
#include <algorithm>

#include "broker/core.h"
#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::QoS;

namespace {
constexpr std::size_t steps_of_a_delivery = 5;
}

const std::shared_ptr<const Message>& Core::Publication::keep() {
  if (shared == nullptr) {
    // What nobody keeps is on its way to another shard, whose mailbox bounds it.
    const bool may_be_kept = view.qos != QoS::at_most_once || view.retain || core.settings.queue_qos0;
    Budget* budget = may_be_kept ? core.ports.budget : nullptr;
    shared = std::make_shared<const Message>(view, core.settings.durable ? core.durability.next_number() : 0, budget);
  }
  return shared;
}

std::uint64_t Core::next_stamp(Now now) {
  stamp_ = std::max(stamp_ + 1, now.wall << 8);
  return stamp_ * count + index;  // no two shards make the same
}

bool Core::publish(const MessageView& view, Now now) {
  Publication publication{*this, view, nullptr};
  // With several shards an older message of the topic may still be on its way here: the erasure stays as a mark against it.
  const bool is_nothing = view.payload.empty() && count == 1 && !retained.holds(view.topic);
  if (view.retain && !is_nothing) {
    retained.store(publication.keep(), now.steady, view.party);
    if (!view.topic.starts_with('$'))
      durability.change(RetainedSaved{publication.keep()});  // after a restart a bridge's state would be old
  }
  return spread(publication, now);
}

/// To whom it concerns here, and to the other shards.
bool Core::spread(Publication& publication, Now now) {
  const std::uint64_t before = encoder.count();
  const bool is_wanted = deliver(publication, now);
  if (count == 1) return is_wanted;
  Parcel parcel;
  parcel.message = publication.keep();
  if (encoder.count() != before) encoder.is_kept_as(parcel.message);  // others may send it back, to members of their groups
  if (settings.durable && publication.view.qos != QoS::at_most_once && durability.anybody_lasts()) {
    parcel.transit = parcel.message->number();
    for (std::uint32_t to = 0; to < count; ++to)
      if (to != index)
        durability.change(TransitSaved{parcel.transit, parcel.message, to, static_cast<std::uint32_t>(count), 0, {}});
  }
  flow.hand_over(std::move(parcel));
  return is_wanted;
}

void Core::publish(const std::shared_ptr<const Message>& message, Now now) {
  MessageView view = message->view();
  if (view.topic.starts_with('$') && !passes_on_state(view.topic)) return;
  if (!access.may_still_publish(view.author, view.scheme, view.topic, view.qos)) return drop(Drop::not_entitled);
  // There is nobody left to be told: it is delivered to those who are there.
  view.party = view.author;
  if (view.retain && !retained.has_room(view.topic, message->size(), view.party)) view.retain = false;
  if (view.retain) view.stamp = next_stamp(now);
  if (view.properties != nullptr && view.properties->message_expiry_interval)  // MQTT 5 section 3.1.3.2.4: its life begins now
    view.expires = now.steady + std::uint64_t{1000} * *view.properties->message_expiry_interval;
  publish(view, now);
}

MessageView Core::plain_view(std::string_view topic, Bytes payload) const {
  MessageView view;
  view.topic = topic;
  view.payload = view.wire = payload;
  view.scheme = static_cast<std::uint8_t>(ports.schemes.size() - 1);  // plain stands last
  return view;
}

void Core::publish_own(std::string_view topic, std::string_view payload, Now now, bool retain) {
  MessageView view = plain_view(topic, as_bytes(payload));
  view.retain = retain;
  view.qos = retain ? QoS::at_most_once : QoS::at_least_once;
  view.stamp = next_stamp(now);
  Publication publication{*this, view, nullptr};
  if (retain) retained.store(publication.keep(), now.steady);  // not for the store: after a restart it would be old
  spread(publication, now);
}

void Core::take_in(const Parcel& parcel, Now now) {
  if (parcel.member != nullptr) return groups.apply(*parcel.member);
  Publication publication{*this, parcel.message->view(), parcel.message};
  if (parcel.route == nullptr) {
    if (publication.view.retain) {
      stamp_ = std::max(stamp_, publication.view.stamp / count);  // the next one here is later, whatever the clock says by then
      retained.store(parcel.message, now.steady);
    }
    deliver(publication, now);
  } else {
    route(publication, *parcel.route, now);
  }
  if (parcel.transit != 0) durability.change(TransitEnded{parcel.transit, static_cast<std::uint32_t>(index)});
}

bool Core::deliver(Publication& publication, Now now, const std::function<bool(const Session&)>* only) {
  const MessageView& view = publication.view;
  const auto& matching = tree.match(view.topic);
  if (matching.empty()) return false;
  step(matching.size());
  const TopicRule* rule = access.rule(view.topic);
  encoder.begin_message(publication.shared);
  ++delivery_;
  targets_.clear();
  bool for_groups = false, is_given = false;
  for (Subscription* subscription : matching) {
    if (subscription->group != nullptr) {
      for_groups = true;
      continue;
    }
    const auto& options = subscription->options;
    Session& session = *subscription->session;
    if (only != nullptr && !(*only)(session)) continue;
    if (options.no_local && view.publisher == session.name) continue;  // [MQTT-3.8.3-3]
    const auto most = qos_towards(session, view, subscription->scheme, subscription->subscriber.get(), rule, now);
    if (!most) {
      drop(Drop::not_entitled);
      continue;
    }
    if (subscription->paced != nullptr) {
      keyed.queue_paced(*subscription, publication.keep());
      is_given = true;
      continue;
    }
    if (subscription->receiver != nullptr) {
      target_receiver(*subscription, std::min(view.qos, *most));
      continue;
    }
    QoS qos = std::min(qos_for(session, view.qos, options.qos), *most);
    bool retain = options.retain_as_published && view.retain;
    Target* target = nullptr;
    // Overlapping filters of one client: one copy, the highest QoS. [MQTT-3.3.4-2]
    const std::size_t last = session.last_delivery == delivery_ ? session.last_target : Target::none;
    for (std::size_t i = last; i != Target::none && target == nullptr; i = targets_[i].former, step())
      if (targets_[i].subscription->scheme == subscription->scheme) target = &targets_[i];
    if (target == nullptr) {
      session.last_delivery = delivery_;
      session.last_target = targets_.size();
      targets_.push_back({subscription, qos, retain, {}, last});
      target = &targets_.back();
    }
    target->qos = std::max(target->qos, qos);
    target->retain = target->retain || retain;
    if (subscription->identifier != 0) target->identifiers.push_back(subscription->identifier);  // [MQTT-3.3.4-3]
  }
  for (const Target& target : targets_)  // before anything is sealed: it may make a group change its key
    if (const auto& receiver = target.subscription->receiver)
      keyed.send_due(target.subscription->session->link->keyed, *receiver, now);
  for (Target& target : targets_) give_target(target, publication, now);
  is_given = is_given || !targets_.empty();
  if (!for_groups || only != nullptr) return is_given;
  for (Subscription* subscription : matching)
    if (subscription->group != nullptr) is_given = deliver_to_group(*subscription->group, publication, 0, 0, now) || is_given;
  return is_given;
}

// The client has its own memory of what it got, by the counter in each frame: nothing is gained by QoS 2.
void Core::target_receiver(Subscription& subscription, QoS qos) {
  const Link* link = subscription.session->link;
  const auto* its = link != nullptr ? link->keyed.inbox(subscription.receiver->topic()) : nullptr;
  if (its == nullptr) return drop(Drop::not_entitled);
  targets_.push_back({&subscription, std::min({its->second, qos, QoS::at_least_once}), false, {}});
}

void Core::give_target(Target& target, Publication& publication, Now now) {
  step(steps_of_a_delivery);
  const Subscription& subscription = *target.subscription;
  Session& session = *subscription.session;
  const bool may_wait = session.link == nullptr && session.lasts() && settings.queue_qos0 && subscription.receiver == nullptr;
  if (target.qos != QoS::at_most_once || may_wait)
    return give(session,
                {publication.keep(), 0, 0, target.qos, target.retain, subscription.scheme, subscription.subscriber,
                 std::move(target.identifiers), 0, subscription.receiver, subscription.share},
                now);
  if (session.link == nullptr) return;
  if (!sendable(session)) {
    misses(session, publication.view);
    return drop(Drop::slow_consumer);
  }
  Link& link = *session.link;
  const DeliveryFormat format{subscription.scheme, link.is_v5(),       target.qos,
                              target.retain,       target.identifiers, subscription.receiver.get()};
  if (const EncodedPublish* encoded = encode(publication.view, format, now)) send(link, *encoded, 0, false);
}

bool Core::sendable(const Session& session) const {
  if (session.link == nullptr) return false;
  const std::size_t unwritten = session.link->connection.unwritten();
  return unwritten < owed_when_full || unwritten < memory.outbox_limit();
}

void Core::give(Session& session, Delivery delivery, Now now) {
  bool may_start = sendable(session) && session.queue.empty() &&
                   (delivery.qos == QoS::at_most_once || session.in_flight < quota(*session.link));
  if (may_start)
    start(session, std::move(delivery), now);
  else
    queue(session, std::move(delivery));
}

void Core::queue(Session& session, Delivery delivery) {
  std::size_t size = delivery.message->size();
  if (session.queue.size() >= settings.maximum_queued_messages || session.queued_bytes + size > settings.maximum_queued_bytes ||
      !memory.has_room_to_wait()) {
    misses(session, delivery.message->view());
    return drop(Drop::queue_full);
  }
  session.queued_bytes += size;
  durability.save(session, delivery, 0);
  session.queue.push_back(std::move(delivery));
  memory.account(session);
}

QoS Core::qos_for(const Session& session, QoS published, QoS wanted) {
  return session.exactly_once ? QoS::exactly_once : std::min(published, wanted);
}

bool Core::may_reach(const Session& session, const MessageView& view, std::size_t leaves_by) const {
  // What was subscribed on a connection of that login leaves on no other.
  if (access.is_of_login(leaves_by) && session.link != nullptr && session.link->proved_by != leaves_by) return false;
  if (!access.is_restricted(view.scheme)) return true;
  const BrokerScheme& scheme = *ports.schemes[view.scheme];
  // While the client is away it may be kept for it; how it logs in when it comes back will decide.
  if (session.link != nullptr && !access.is_for(view.scheme, session.link->proved)) return false;
  const bool shows = ports.schemes[leaves_by]->info().claims.confidentiality == Confidentiality::none;
  if (scheme.info().leaves_hidden && shows && session.link != nullptr && !session.link->is_hidden) return false;
  return !scheme.info().names_ends || scheme.may_get(session.owner, view.topic);
}

std::optional<QoS> Core::qos_towards(const Session& session, const MessageView& view, std::size_t scheme,
                                     const std::string* subscriber, const TopicRule* rule, Now now) const {
  if (rule == nullptr || !may_reach(session, view, scheme)) return std::nullopt;
  // Who is away has the names of its session; how it logs in when it is back decides then.
  if (session.link == nullptr)
    return access.may_receive(subscriber, scheme, view.topic, rule, {.identity = session.owner, .any_client_id = true},
                              session.client_id.starts_with(own_names));
  const Caller caller = session.link->caller(now);
  SchemeSet schemes;
  schemes.add(view.scheme);
  schemes.add(scheme);
  if (!access.opens(*rule, caller, schemes)) return std::nullopt;
  const auto most = access.may_receive(subscriber, scheme, view.topic, rule, caller.names, caller.is_own);
  return session.exactly_once && most != QoS::exactly_once ? std::nullopt : most;
}

std::optional<QoS> Core::still_entitled(const Session& session, const Delivery& delivery, Now now) const {
  const MessageView& view = delivery.message->view();
  if (!access.may_still_publish(view.author, view.scheme, view.topic, view.qos)) return std::nullopt;
  return qos_towards(session, view, delivery.scheme, delivery.subscriber.get(), access.rule(view.topic), now);
}

void Core::lower(Session& session, Delivery& delivery, QoS most) {
  if (delivery.qos <= most) return;
  durability.finished(session, delivery);  // as what it was
  delivery.number = 0;
  delivery.qos = most;
}

void Core::pump(Session& session, Now now) {
  if (session.link == nullptr) return;
  Link& link = *session.link;
  const std::uint32_t quota = this->quota(link);

  // What an earlier connection left unfinished comes first, in its order. [MQTT-4.4.0-1]
  if (session.in_flight < session.outgoing.size()) {
    session.outgoing.erase_if([&](const auto& entry) {
      // What was sent once does not expire any more. [MQTT-4.3.3-7]
      if (entry.sent || entry.awaiting == mqtt::Awaiting::pubcomp || still_entitled(session, entry.message, now)) return false;
      drop(Drop::not_entitled);
      durability.finished(session, entry.message);
      return true;
    });
    std::vector<std::uint16_t> unsendable;
    bool has_room = true;
    for (auto& entry : session.outgoing) {
      if (entry.sent) continue;
      has_room = session.in_flight < quota && sendable(session);
      if (!has_room) break;
      entry.sent = true;
      ++session.in_flight;
      if (entry.awaiting == mqtt::Awaiting::pubcomp && !durability.is_stored(entry.message.saved_in))
        promise(link, {.type = mqtt::PacketType::pubrel, .packet_id = entry.packet_id}, true);
      else if (entry.awaiting != mqtt::Awaiting::pubcomp && must_wait(link, entry))
        promise(link, {.type = mqtt::PacketType::publish, .packet_id = entry.packet_id, .dup = true}, true);
      else if (!send_unfinished(link, entry, true, now))
        unsendable.push_back(entry.packet_id);
      if (link.ended) return;  // by its relay of keys, and its session may be gone
    }
    for (std::uint16_t packet_id : unsendable) give_up(session, packet_id);
    if (!has_room) return;
  }
  // A busy queue leaves a part of the window to retained messages.
  const std::uint32_t quota_of_queue = session.retained.empty() ? quota : quota - quota / 4;
  while (!session.queue.empty() && sendable(session)) {
    if (session.queue.front().qos != QoS::at_most_once && session.in_flight >= quota_of_queue) break;
    Delivery delivery = std::move(session.queue.front());
    session.queue.pop_front();
    ++session.left_queue;
    session.queued_bytes -= delivery.message->size();
    const auto most = still_entitled(session, delivery, now);
    if (delivery.message->view().expires <= now.steady) {
      drop(Drop::expired);
      durability.finished(session, delivery);
    } else if (!most) {
      drop(Drop::not_entitled);
      durability.finished(session, delivery);
    } else {
      lower(session, delivery, *most);
      encoder.begin_message();
      if (delivery.receiver != nullptr)
        keyed.send_due(link.keyed, *delivery.receiver, now);  // it waited: its key may have changed
      start(session, std::move(delivery), now);
    }
  }
  if (!session.retained.empty() && !session.is_in_line) send_retained(session, now);
  memory.account(session);
}

DeliveryFormat Core::format_of(const Delivery& delivery, const Link& link) {
  return {delivery.scheme, link.is_v5(), delivery.qos, delivery.retain, delivery.identifiers, delivery.receiver.get()};
}

void Core::start(Session& session, Delivery&& delivery, Now now) {
  step(steps_of_a_delivery);
  Link& link = *session.link;
  const MessageView& view = delivery.message->view();
  const EncodedPublish* encoded = encode(view, format_of(delivery, link), now);
  if (encoded == nullptr) return durability.finished(session, delivery);
  if (delivery.qos == QoS::at_most_once) return send(link, *encoded, 0, false);
  if (!link.writer.fits(*encoded)) {
    drop(Drop::too_large);  // as if it had been delivered [MQTT-3.1.2-25]
    return durability.finished(session, delivery);
  }
  QoS qos = delivery.qos;
  auto& entry = session.outgoing.start(std::move(delivery), qos);
  entry.sent = true;
  ++session.in_flight;
  durability.save(session, entry.message, entry.packet_id);
  if (must_wait(link, entry))
    promise(link, {.type = mqtt::PacketType::publish, .packet_id = entry.packet_id}, true);
  else
    send(link, *encoded, entry.packet_id, false);
}

const EncodedPublish* Core::encode(const MessageView& view, const DeliveryFormat& format, Now now) {
  const EncodedPublish* encoded = encoder.encode(view, format, now);
  if (encoded == nullptr) drop(Drop::cannot_seal);
  return encoded;
}

void Core::send(Link& link, const EncodedPublish& encoded, std::uint16_t packet_id, bool dup) {
  if (!link.writer.fits(encoded)) return drop(Drop::too_large);  // [MQTT-3.1.2-24]
  ++counters.delivered;
  ++counters.delivered_by_qos[static_cast<std::size_t>(encoded.qos)];
  counters.delivered_bytes += encoded.bytes.size();
  ++counters.packets.sent[static_cast<std::size_t>(mqtt::PacketType::publish)];
  if (!link.writer.write(encoded, packet_id, dup, link.now)) drop(Drop::cannot_seal);
  tell_writable(link);
}

// A QoS 2 message that is not stored would be a new one to the client when it comes again after the broker's end. One of QoS 1
// may come twice; it waits only behind one that does, so that all come, and come again, in the order of their identifiers.
// [MQTT-3.1.1: 4.6.0-1]
bool Core::must_wait(const Link& link, const mqtt::Outgoing<Delivery>& entry) const {
  if (link.waiting_acks.publishes() > 0) return true;
  return entry.awaiting == mqtt::Awaiting::pubrec && !durability.is_stored(entry.message.saved_in);
}

void Core::send_pubrel(Link& link, std::uint16_t packet_id) {
  mqtt::Pubrel packet{.packet_id = packet_id, .properties = {}};
  KeyRelay* relay = link.relay();
  if (relay == nullptr) return link.connection.send(packet);
  const auto property = relay->release(packet_id);
  if (!property) return static_cast<void>(link.part(property.error()));
  if (*property) packet.properties.user.push_back({(*property)->name, (*property)->value});
  link.connection.send(packet);
}

bool Core::send_unfinished(Link& link, mqtt::Outgoing<Delivery>& entry, bool dup, Now now) {
  if (entry.awaiting == mqtt::Awaiting::pubcomp) {
    send_pubrel(link, entry.packet_id);
    tell_writable(link);
    return true;
  }
  const Delivery& delivery = entry.message;
  encoder.begin_message();
  const EncodedPublish* encoded = encode(delivery.message->view(), format_of(delivery, link), now);
  if (encoded == nullptr) return false;
  if (!link.writer.fits(*encoded)) {
    drop(Drop::too_large);
    return false;
  }
  send(link, *encoded, entry.packet_id, dup);
  return true;
}

void Core::give_up(Session& session, std::uint16_t packet_id) {
  Delivery delivery = session.outgoing.finish(packet_id);
  --session.in_flight;
  durability.finished(session, delivery);
}

// -- retained messages for a new subscription ----------------------------------------------------------------------------------
//
// They are not queued: the subscription walks through the table as fast as its client takes them, a slice at a time. What is
// stored meanwhile comes as an ordinary message. If that one is dropped, another walk follows, for what was stored since. A walk
// begins behind what waited in the queue then, which may hold older messages of the same topics, and goes on beside what comes
// later. If the broker ends meanwhile, the walk begins again.

namespace {
constexpr std::size_t steps_of_a_slice = 1024;          // entries that are looked at
constexpr std::size_t steps_of_a_message = 16;          // what sending one costs
constexpr std::size_t retained_unwritten = 256 * 1024;  // bytes: live messages find room in the outbox
}  // namespace

void Core::owe_retained(Subscription& subscription, Now now) {
  Session& session = *subscription.session;
  const bool was_owed = subscription.retained.has_value(), was_saved = was_owed && subscription.retained->is_saved;
  if (!was_owed) session.retained.push_back(&subscription);
  subscription.retained = RetainedOwed{
      .from = {}, .until = retained.latest(), .behind = session.left_queue + session.queue.size(), .is_saved = was_saved};
  if (!session.is_in_line) send_retained(session, now);
  if (!subscription.retained || was_saved) return;
  subscription.retained->is_saved = true;
  durability.save(subscription);
}

void Core::forget_retained(Subscription& subscription) {
  if (!subscription.retained) return;
  std::erase(subscription.session->retained, &subscription);
  subscription.retained.reset();
}

void Core::misses(Session& session, const MessageView& view) {
  if (!view.retain) return;
  for (Subscription* subscription : session.retained) {
    auto& missed = subscription->retained->missed;
    if (mqtt::matches(subscription->filter, view.topic)) missed = std::min(missed.value_or(UINT64_MAX), retained.latest() - 1);
  }
}

bool Core::takes_retained(const Session& session, const Subscription& subscription) const {
  if (session.link == nullptr || session.link->ended || !sendable(session)) return false;
  if (!session.queue.empty() && session.left_queue < subscription.retained->behind) return false;
  if (session.link->connection.unwritten() >= retained_unwritten) return false;
  const bool needs_quota = session.exactly_once || subscription.options.qos != QoS::at_most_once;
  return !needs_quota || session.in_flight < quota(*session.link);
}

void Core::send_retained(Session& session, Now now) {
  std::size_t left = steps_of_a_slice;
  walk_retained(session, left, now);
  step(steps_of_a_slice - left);
}

void Core::walk_retained(Session& session, std::size_t& steps, Now now) {
  while (!session.retained.empty()) {
    Subscription& subscription = *session.retained.front();
    if (!takes_retained(session, subscription)) return;  // until it has taken some, or is back
    RetainedOwed& owed = *subscription.retained;
    const bool is_done = retained.walk(subscription.filter, owed.from, now.steady, steps, [&](const auto& message, auto order) {
      if (order > owed.until || order <= owed.since) return true;
      steps -= std::min(steps, steps_of_a_message);
      send_retained(subscription, message, now);
      return takes_retained(session, subscription);
    });
    if (is_done && owed.missed) {
      owed = {.from = {},
              .since = *owed.missed,
              .until = retained.latest(),
              .behind = session.left_queue + session.queue.size(),
              .is_saved = owed.is_saved};
    } else if (is_done) {
      const bool is_saved = owed.is_saved;
      forget_retained(subscription);
      if (is_saved) durability.save(subscription);
    }
    if (steps == 0) return line_up(session);
  }
}

void Core::send_retained(const Subscription& subscription, const std::shared_ptr<const Message>& message, Now now) {
  Session& session = *subscription.session;
  Delivery delivery{message,
                    0,
                    0,
                    qos_for(session, message->view().qos, subscription.options.qos),
                    true,
                    subscription.scheme,
                    subscription.subscriber,
                    {}};
  if (subscription.identifier != 0) delivery.identifiers.push_back(subscription.identifier);
  const auto most = still_entitled(session, delivery, now);
  if (!most || message->view().expires <= now.steady) return drop(Drop::not_entitled);
  lower(session, delivery, *most);
  encoder.begin_message();
  start(session, std::move(delivery), now);
}

void Core::line_up(Session& session) {
  if (!std::exchange(session.is_in_line, true)) in_line_.push_back(session.number);
}

void Core::go_on(Now now) {
  flow.resume_next(now);
  if (in_line_.empty()) return;
  Session* session = find(in_line_.front());
  in_line_.pop_front();
  if (session == nullptr) return;
  session->is_in_line = false;
  Link* link = session->link;
  if (link == nullptr) return;  // it goes on when its client is back
  link->now = now;
  pump(*session, now);
  if (!link->ended) look_after(*link);
}

}  // namespace sealmq::broker
