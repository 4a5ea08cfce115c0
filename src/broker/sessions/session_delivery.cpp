#include "broker/sessions/session_delivery.h"

#include <algorithm>

#include "broker/connections/link.h"

namespace sealmq::broker {

using mqtt::QoS;

bool SessionDelivery::sendable(const Session& session) const {
  if (session.link == nullptr) return false;
  const std::size_t unwritten = session.link->connection.unwritten();
  return unwritten < owed_when_full || unwritten < its_.memory.outbox_limit();
}

void SessionDelivery::give(Session& session, Delivery delivery, Now now) {
  bool may_start = sendable(session) && session.queue.empty() &&
                   (delivery.qos == QoS::at_most_once || session.in_flight < quota(*session.link));
  if (may_start)
    start(session, std::move(delivery), now);
  else
    queue(session, std::move(delivery));
}

void SessionDelivery::give_unkept(const Subscription& subscription, const MessageView& view, bool retain,
                                  const std::vector<std::uint32_t>& identifiers, Now now) {
  Session& session = *subscription.session;
  if (session.link == nullptr) return;
  if (!sendable(session)) {
    misses(session, view);
    return drop(Drop::slow_consumer);
  }
  Link& link = *session.link;
  const DeliveryFormat format{subscription.scheme,        link.is_v5(), QoS::at_most_once, retain, identifiers,
                              subscription.receiver.get()};
  if (const EncodedPublish* encoded = encode(view, format, now)) send(link, *encoded, 0, false);
}

std::uint32_t SessionDelivery::quota(const Link& link) const {
  return its_.memory.quota(link.connection.peer_receive_maximum());
}

void SessionDelivery::queue(Session& session, Delivery delivery) {
  std::size_t size = delivery.message->size();
  if (session.queue.size() >= its_.settings.maximum_queued_messages ||
      session.queued_bytes + size > its_.settings.maximum_queued_bytes || !its_.memory.has_room_to_wait()) {
    misses(session, delivery.message->view());
    return drop(Drop::queue_full);
  }
  session.queued_bytes += size;
  its_.durability.save(session, delivery, 0);
  session.queue.push_back(std::move(delivery));
  its_.memory.account(session);
}

void SessionDelivery::lower(const Session& session, Delivery& delivery, QoS most) {
  if (delivery.qos <= most) return;
  its_.durability.finished(session, delivery);  // as what it was
  delivery.number = 0;
  delivery.qos = most;
}

void SessionDelivery::pump(Session& session, Now now) {
  if (session.link == nullptr) return;
  Link& link = *session.link;
  // What an earlier connection left unfinished comes first, in its order. [MQTT-4.4.0-1]
  if (session.in_flight < session.outgoing.size() && !send_unfinished(session, now)) return;
  const std::uint32_t quota = this->quota(link);
  // A busy queue leaves a part of the window to retained messages.
  const std::uint32_t quota_of_queue = session.retained.empty() ? quota : quota - quota / 4;
  while (!session.queue.empty() && sendable(session)) {
    if (session.queue.front().qos != QoS::at_most_once && session.in_flight >= quota_of_queue) break;
    Delivery delivery = std::move(session.queue.front());
    session.queue.pop_front();
    ++session.left_queue;
    session.queued_bytes -= delivery.message->size();
    const auto most = its_.entitlement.still(session, delivery, now);
    if (delivery.message->view().expires <= now.steady) {
      drop(Drop::expired);
      its_.durability.finished(session, delivery);
    } else if (!most) {
      drop(Drop::not_entitled);
      its_.durability.finished(session, delivery);
    } else {
      lower(session, delivery, *most);
      its_.encoder.begin_message();
      if (delivery.receiver != nullptr)
        its_.keyed.send_due(link.keyed, *delivery.receiver, now);  // it waited: its key may have changed
      start(session, std::move(delivery), now);
    }
  }
  if (!session.retained.empty() && !session.is_in_line) send_retained(session, now);
  its_.memory.account(session);
}

bool SessionDelivery::send_unfinished(Session& session, Now now) {
  Link& link = *session.link;
  session.outgoing.erase_if([&](const auto& entry) {
    // What was sent once does not expire any more. [MQTT-4.3.3-7]
    if (entry.sent || entry.awaiting == mqtt::Awaiting::pubcomp || its_.entitlement.still(session, entry.message, now))
      return false;
    drop(Drop::not_entitled);
    its_.durability.finished(session, entry.message);
    return true;
  });
  const std::uint32_t quota = this->quota(link);
  std::vector<std::uint16_t> unsendable;
  bool has_room = true;
  for (auto& entry : session.outgoing) {
    if (entry.sent) continue;
    has_room = session.in_flight < quota && sendable(session);
    if (!has_room) break;
    entry.sent = true;
    ++session.in_flight;
    if (entry.awaiting == mqtt::Awaiting::pubcomp && !its_.durability.is_stored(entry.message.saved_in))
      promise(link, {.type = mqtt::PacketType::pubrel, .packet_id = entry.packet_id});
    else if (entry.awaiting != mqtt::Awaiting::pubcomp && must_wait(link, entry))
      promise(link, {.type = mqtt::PacketType::publish, .packet_id = entry.packet_id, .dup = true});
    else if (!send_unfinished(link, entry, true, now))
      unsendable.push_back(entry.packet_id);
    if (link.ended) return false;  // by its relay of keys, and its session may be gone
  }
  for (std::uint16_t packet_id : unsendable) give_up(session, packet_id);
  return has_room;
}

void SessionDelivery::promise(Link& link, DeferredAck step) {
  if (!its_.durability.is_due(link.waiting_acks, true)) return its_.durability.defer(link.id, link.waiting_acks, std::move(step));
  make_step(link, step);
}

void SessionDelivery::make_step(Link& link, const DeferredAck& step) {
  auto* entry = link.session->outgoing.find(step.packet_id);
  if (entry == nullptr || (step.type == mqtt::PacketType::pubrel) != (entry->awaiting == mqtt::Awaiting::pubcomp)) return;
  if (entry->awaiting != mqtt::Awaiting::puback && !its_.durability.is_stored(entry->message.saved_in)) return;
  if (!send_unfinished(link, *entry, step.dup, link.now) && !link.ended) {
    give_up(*link.session, step.packet_id);
    pump(*link.session, link.now);
  }
  if (link.connection.unwritten() > 0) link.tell_writable();
}

DeliveryFormat SessionDelivery::format_of(const Delivery& delivery, const Link& link) {
  return {delivery.scheme, link.is_v5(), delivery.qos, delivery.retain, delivery.identifiers, delivery.receiver.get()};
}

void SessionDelivery::start(Session& session, Delivery&& delivery, Now now) {
  its_.steps.add(steps_of_a_delivery);
  Link& link = *session.link;
  const MessageView& view = delivery.message->view();
  const EncodedPublish* encoded = encode(view, format_of(delivery, link), now);
  if (encoded == nullptr) return its_.durability.finished(session, delivery);
  if (delivery.qos == QoS::at_most_once) return send(link, *encoded, 0, false);
  if (!link.writer.fits(*encoded)) {
    drop(Drop::too_large);  // as if it had been delivered [MQTT-3.1.2-25]
    return its_.durability.finished(session, delivery);
  }
  QoS qos = delivery.qos;
  auto& entry = session.outgoing.start(std::move(delivery), qos);
  entry.sent = true;
  ++session.in_flight;
  its_.durability.save(session, entry.message, entry.packet_id);
  if (must_wait(link, entry))
    promise(link, {.type = mqtt::PacketType::publish, .packet_id = entry.packet_id});
  else
    send(link, *encoded, entry.packet_id, false);
}

const EncodedPublish* SessionDelivery::encode(const MessageView& view, const DeliveryFormat& format, Now now) {
  const EncodedPublish* encoded = its_.encoder.encode(view, format, now);
  if (encoded == nullptr) drop(Drop::cannot_seal);
  return encoded;
}

void SessionDelivery::send(Link& link, const EncodedPublish& encoded, std::uint16_t packet_id, bool dup) {
  if (!link.writer.fits(encoded)) return drop(Drop::too_large);  // [MQTT-3.1.2-24]
  ++its_.counters.delivered;
  ++its_.counters.delivered_by_qos[static_cast<std::size_t>(encoded.qos)];
  its_.counters.delivered_bytes += encoded.bytes.size();
  ++its_.counters.packets.sent[static_cast<std::size_t>(mqtt::PacketType::publish)];
  if (!link.writer.write(encoded, packet_id, dup, link.now)) drop(Drop::cannot_seal);
  link.tell_writable();
}

// A QoS 2 message that is not stored would be a new one to the client when it comes again after the broker's end. One of QoS 1
// may come twice; it waits only behind one that does, so that all come, and come again, in the order of their identifiers.
// [MQTT-3.1.1: 4.6.0-1]
bool SessionDelivery::must_wait(const Link& link, const mqtt::Outgoing<Delivery>& entry) const {
  if (link.waiting_acks.publishes() > 0) return true;
  return entry.awaiting == mqtt::Awaiting::pubrec && !its_.durability.is_stored(entry.message.saved_in);
}

void SessionDelivery::send_pubrel(Link& link, std::uint16_t packet_id) {
  mqtt::Pubrel packet{.packet_id = packet_id, .properties = {}};
  KeyRelay* relay = link.relay();
  if (relay == nullptr) return link.connection.send(packet);
  const auto property = relay->release(packet_id);
  if (!property) return its_.connections.part(link, property.error());
  if (*property) packet.properties.user.push_back({(*property)->name, (*property)->value});
  link.connection.send(packet);
}

bool SessionDelivery::send_unfinished(Link& link, mqtt::Outgoing<Delivery>& entry, bool dup, Now now) {
  if (entry.awaiting == mqtt::Awaiting::pubcomp) {
    send_pubrel(link, entry.packet_id);
    link.tell_writable();
    return true;
  }
  const Delivery& delivery = entry.message;
  its_.encoder.begin_message();
  const EncodedPublish* encoded = encode(delivery.message->view(), format_of(delivery, link), now);
  if (encoded == nullptr) return false;
  if (!link.writer.fits(*encoded)) {
    drop(Drop::too_large);
    return false;
  }
  send(link, *encoded, entry.packet_id, dup);
  return true;
}

void SessionDelivery::give_up(Session& session, std::uint16_t packet_id) {
  Delivery delivery = session.outgoing.finish(packet_id);
  --session.in_flight;
  its_.durability.finished(session, delivery);
}

}  // namespace sealmq::broker
