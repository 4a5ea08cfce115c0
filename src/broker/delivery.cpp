// How messages go out: who gets one, now or later, and in which order. It is copied into a Message only when somebody must keep
// it: a session, another shard, the retained ones.
#include <algorithm>

#include "broker/core.h"

namespace sealmq::broker {

using mqtt::QoS;

const std::shared_ptr<const Message>& Core::Publication::keep() {
  if (shared == nullptr) {
    // What nobody keeps is on its way to another shard, whose mailbox bounds it.
    Budget* budget = view.qos != QoS::at_most_once || view.retain ? core.ports.budget : nullptr;
    shared = std::make_shared<const Message>(view, core.settings.durable ? core.next_number() : 0, budget);
  }
  return shared;
}

std::uint64_t Core::next_stamp(Now now) {
  stamp_ = std::max(stamp_ + 1, now.wall << 8);
  return stamp_ * count + index;  // no two shards make the same
}

void Core::publish(const MessageView& view, Now now) {
  Publication publication{*this, view, nullptr};
  if (view.retain) {
    retained.store(publication.keep(), now.steady);
    change(RetainedSaved{publication.keep()});
  }
  spread(publication, now);
}

/// To whom it concerns here, and to the other shards.
void Core::spread(Publication& publication, Now now) {
  deliver(publication, now);
  if (count == 1) return;
  Parcel parcel;
  parcel.message = publication.keep();
  if (settings.durable && publication.view.qos != QoS::at_most_once && anybody_lasts()) {
    parcel.transit = parcel.message->number();
    for (std::uint32_t to = 0; to < count; ++to)
      if (to != index) change(TransitSaved{parcel.transit, parcel.message, to, static_cast<std::uint32_t>(count), 0, {}});
  }
  effects.parcels.push_back(std::move(parcel));
}

void Core::publish(const std::shared_ptr<const Message>& message, Now now) {
  MessageView view = message->view();
  if (!access.may_still_publish(view.author, view.scheme, view.topic)) return drop(Drop::not_entitled);
  // There is nobody left to be told: it is delivered to those who are there.
  if (view.retain && !retained.has_room(view.topic, message->size())) view.retain = false;
  if (view.retain) view.stamp = next_stamp(now);
  if (view.properties != nullptr && view.properties->message_expiry_interval)  // MQTT 5 section 3.1.3.2.4: its life begins now
    view.expires = now.steady + std::uint64_t{1000} * *view.properties->message_expiry_interval;
  publish(view, now);
}

void Core::publish_own(std::string_view topic, std::string_view payload, Now now) {
  MessageView view;
  view.topic = topic;
  view.payload = view.wire = as_bytes(payload);
  view.retain = true;
  view.scheme = static_cast<std::uint8_t>(ports.schemes.size() - 1);  // plain stands last
  view.stamp = next_stamp(now);
  Publication publication{*this, view, nullptr};
  retained.store(publication.keep(), now.steady);  // not for the store: after a restart it would be old
  spread(publication, now);
}

void Core::take_in(const Parcel& parcel, Now now) {
  if (parcel.member != nullptr) return groups.apply(*parcel.member);
  Publication publication{*this, parcel.message->view(), parcel.message};
  if (parcel.route == nullptr) {
    if (publication.view.retain) retained.store(parcel.message, now.steady);
    deliver(publication, now);
  } else {
    route(publication, *parcel.route, now);
  }
  if (parcel.transit != 0) change(TransitEnded{parcel.transit, static_cast<std::uint32_t>(index)});
}

void Core::deliver(Publication& publication, Now now, const std::function<bool(const Session&)>* only) {
  const MessageView& view = publication.view;
  const auto& matching = tree.match(view.topic);
  if (matching.empty()) return;
  const TopicRule* rule = access.rule(view.topic);
  begin_message();
  targets_.clear();
  bool for_groups = false;
  for (Subscription* subscription : matching) {
    if (subscription->group != nullptr) {
      for_groups = true;
      continue;
    }
    const auto& options = subscription->options;
    Session& session = *subscription->session;
    if (only != nullptr && !(*only)(session)) continue;
    if (options.no_local && view.publisher == session.client_id) continue;  // [MQTT-3.8.3-3]
    if (!access.may_receive(subscription->subscriber.get(), subscription->scheme, view.topic, rule) ||
        !may_reach(session, view, subscription->scheme)) {
      drop(Drop::not_entitled);
      continue;
    }
    if (subscription->paced != nullptr) {
      queue_paced(*subscription, publication);
      continue;
    }
    if (subscription->receiver != nullptr) {
      target_receiver(*subscription, view.qos);
      continue;
    }
    QoS qos = qos_for(session, view.qos, options.qos);
    bool retain = options.retain_as_published && view.retain;
    Target* target = nullptr;
    if (session.last_publication == publication_)  // overlapping filters of one client: one copy, the highest QoS [MQTT-3.3.4-2]
      for (std::size_t i = session.last_target; i < targets_.size() && target == nullptr; ++i)
        if (targets_[i].subscription->session == &session && targets_[i].subscription->scheme == subscription->scheme)
          target = &targets_[i];
    if (target == nullptr) {
      if (session.last_publication != publication_) {
        session.last_publication = publication_;
        session.last_target = targets_.size();
      }
      targets_.push_back({subscription, qos, retain, {}});
      target = &targets_.back();
    }
    target->qos = std::max(target->qos, qos);
    target->retain = target->retain || retain;
    if (subscription->identifier != 0) target->identifiers.push_back(subscription->identifier);  // [MQTT-3.3.4-3]
  }
  for (const Target& target : targets_)  // before anything is sealed: it may make a group change its key
    if (const auto& receiver = target.subscription->receiver) send_due(*target.subscription->session->link, *receiver, now);
  for (Target& target : targets_) give_target(target, publication, now);
  if (!for_groups || only != nullptr) return;
  for (Subscription* subscription : matching)
    if (subscription->group != nullptr) deliver_to_group(*subscription->group, publication, 0, 0, now);
}

// The client has its own memory of what it got, by the counter in each frame: nothing is gained by QoS 2.
void Core::target_receiver(Subscription& subscription, QoS qos) {
  const Link* link = subscription.session->link;
  const auto* its = link != nullptr ? inbox(*link, subscription.receiver->topic()) : nullptr;
  if (its == nullptr) return drop(Drop::not_entitled);
  targets_.push_back({&subscription, std::min({its->second, qos, QoS::at_least_once}), false, {}});
}

void Core::give_target(Target& target, Publication& publication, Now now) {
  const Subscription& subscription = *target.subscription;
  Session& session = *subscription.session;
  if (target.qos != QoS::at_most_once)
    return give(session,
                {publication.keep(), 0, 0, target.qos, target.retain, subscription.scheme, subscription.subscriber,
                 std::move(target.identifiers), 0, subscription.receiver},
                now);
  if (session.link == nullptr) return;
  if (!sendable(session)) return drop(Drop::slow_consumer);
  Link& link = *session.link;
  const Leaving leaving{subscription.scheme, link.is_v5(),       target.qos,
                        target.retain,       target.identifiers, subscription.receiver.get()};
  if (const Encoded* encoded = encode(publication.view, leaving, now)) send(link, *encoded, 0, false);
}

bool Core::sendable(const Session& session) const {
  if (session.link == nullptr) return false;
  const std::size_t unwritten = session.link->connection.unwritten();
  return unwritten < owed_when_full || unwritten < outbox_limit();
}

void Core::give(Session& session, Delivery delivery, Now now) {
  bool may_start = sendable(session) && session.queue.empty() &&
                   (delivery.qos == QoS::at_most_once || session.link->in_flight < quota(*session.link));
  if (may_start)
    start(session, std::move(delivery), now);
  else
    queue(session, std::move(delivery));
}

void Core::queue(Session& session, Delivery delivery) {
  std::size_t size = delivery.message->size();
  if (session.queue.size() >= settings.maximum_queued_messages || session.queued_bytes + size > settings.maximum_queued_bytes ||
      !has_room_to_wait())
    return drop(Drop::queue_full);
  session.queued_bytes += size;
  save(session, delivery, 0);
  session.queue.push_back(std::move(delivery));
  account(session);
}

QoS Core::qos_for(const Session& session, QoS published, QoS wanted) {
  return session.exactly_once ? QoS::exactly_once : std::min(published, wanted);
}

bool Core::may_reach(const Session& session, const MessageView& view, std::size_t leaves_by) const {
  // What was subscribed on a connection of that login leaves on no other.
  if (is_of_login_[leaves_by] && session.link != nullptr && session.link->proved_by != leaves_by) return false;
  if (!is_restricted_[view.scheme]) return true;
  const BrokerScheme& scheme = *ports.schemes[view.scheme];
  // While the client is away it may be kept for it; how it logs in when it comes back will decide.
  if (scheme.info().needs_login && session.link != nullptr && !session.link->proved_by) return false;
  const bool shows = ports.schemes[leaves_by]->info().claims.confidentiality == Confidentiality::none;
  if (scheme.info().leaves_hidden && shows && session.link != nullptr && !session.link->is_hidden) return false;
  return !scheme.info().names_ends || scheme.may_get(session.owner, view.topic);
}

bool Core::still_due(const Session& session, const Delivery& delivery, Now now) const {
  const MessageView& view = delivery.message->view();
  return view.expires > now.steady && still_entitled(session, delivery);
}

bool Core::still_entitled(const Session& session, const Delivery& delivery) const {
  const MessageView& view = delivery.message->view();
  return may_reach(session, view, delivery.scheme) && access.may_still_publish(view.author, view.scheme, view.topic) &&
         access.may_receive(delivery.subscriber.get(), delivery.scheme, view.topic, access.rule(view.topic));
}

void Core::pump(Session& session, Now now) {
  if (session.link == nullptr) return;
  Link& link = *session.link;
  const std::uint32_t quota = this->quota(link);

  // What an earlier connection left unfinished comes first, in its order. [MQTT-4.4.0-1]
  if (link.in_flight < session.outgoing.size()) {
    session.outgoing.erase_if([&](const auto& entry) {
      // What was sent once does not expire any more. [MQTT-4.3.3-7]
      if (entry.sent || entry.awaiting == mqtt::Awaiting::pubcomp || still_entitled(session, entry.message)) return false;
      drop(Drop::not_entitled);
      finished(session, entry.message);
      return true;
    });
    std::vector<std::uint16_t> unsendable;
    bool has_room = true;
    for (auto& entry : session.outgoing) {
      if (entry.sent) continue;
      has_room = link.in_flight < quota && sendable(session);
      if (!has_room) break;
      entry.sent = true;
      ++link.in_flight;
      if (!is_stored(entry.message.saved_in))
        promise(link,
                {.type = entry.awaiting == mqtt::Awaiting::pubcomp ? mqtt::PacketType::pubrel : mqtt::PacketType::publish,
                 .packet_id = entry.packet_id,
                 .dup = true},
                true);
      else if (!send_unfinished(link, entry, true, now))
        unsendable.push_back(entry.packet_id);
    }
    for (std::uint16_t packet_id : unsendable) give_up(session, packet_id);
    if (!has_room) return;
  }
  while (!session.queue.empty() && sendable(session)) {
    if (session.queue.front().qos != QoS::at_most_once && link.in_flight >= quota) return;
    Delivery delivery = std::move(session.queue.front());
    session.queue.pop_front();
    session.queued_bytes -= delivery.message->size();
    if (delivery.message->view().expires <= now.steady) {
      drop(Drop::expired);
      finished(session, delivery);
    } else if (!still_due(session, delivery, now)) {
      drop(Drop::not_entitled);
      finished(session, delivery);
    } else {
      begin_message();
      if (delivery.receiver != nullptr) send_due(link, *delivery.receiver, now);  // it waited: its key may have changed
      start(session, std::move(delivery), now);
    }
  }
  account(session);
}

Core::Leaving Core::leaving(const Delivery& delivery, const Link& link) {
  return {delivery.scheme, link.is_v5(), delivery.qos, delivery.retain, delivery.identifiers, delivery.receiver.get()};
}

void Core::start(Session& session, Delivery&& delivery, Now now) {
  Link& link = *session.link;
  const MessageView& view = delivery.message->view();
  const Encoded* encoded = encode(view, leaving(delivery, link), now);
  if (encoded == nullptr) return finished(session, delivery);
  if (delivery.qos == QoS::at_most_once) return send(link, *encoded, 0, false);
  if (size_on(link, *encoded) > link.connection.peer_maximum_packet_size()) {
    drop(Drop::too_large);  // as if it had been delivered [MQTT-3.1.2-25]
    return finished(session, delivery);
  }
  QoS qos = delivery.qos;
  auto& entry = session.outgoing.start(std::move(delivery), qos);
  entry.sent = true;
  ++link.in_flight;
  save(session, entry.message, entry.packet_id);
  // A QoS 2 message that is not stored would be a new one to the client when it comes again after the broker's end. One of QoS 1
  // may come twice.
  if (qos == QoS::exactly_once && !is_stored(entry.message.saved_in))
    promise(link, {.type = mqtt::PacketType::publish, .packet_id = entry.packet_id}, true);
  else
    send(link, *encoded, entry.packet_id, false);
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
  begin_message();
  const Encoded* encoded = encode(delivery.message->view(), leaving(delivery, link), now);
  if (encoded == nullptr) return false;
  if (size_on(link, *encoded) > link.connection.peer_maximum_packet_size()) {
    drop(Drop::too_large);
    return false;
  }
  send(link, *encoded, entry.packet_id, dup);
  return true;
}

void Core::give_up(Session& session, std::uint16_t packet_id) {
  Delivery delivery = session.outgoing.finish(packet_id);
  --session.link->in_flight;
  finished(session, delivery);
}

void Core::send_retained(const Subscription& subscription, Now now) {
  Session& session = *subscription.session;
  retained.for_each(subscription.filter, now.steady, [&](const std::shared_ptr<const Message>& message) {
    const MessageView& view = message->view();
    Delivery delivery{
        message, 0, 0, qos_for(session, view.qos, subscription.options.qos), true, subscription.scheme, subscription.subscriber,
        {}};
    if (subscription.identifier != 0) delivery.identifiers.push_back(subscription.identifier);
    if (!still_due(session, delivery, now)) return drop(Drop::not_entitled);
    begin_message();
    give(session, std::move(delivery), now);
  });
}

}  // namespace sealmq::broker
