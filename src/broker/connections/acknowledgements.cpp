// Answers to what clients have sent, and what waited for the store.
#include "broker/core.h"

namespace sealmq::broker {

using mqtt::Awaiting;
using mqtt::PacketType;

// Answers keep their order, whether they wait or not.
void Core::promise(Link& link, DeferredAck ack, bool relies) {
  if (!durability.is_due(link.waiting_acks, relies)) return durability.defer(link.id, link.waiting_acks, std::move(ack));
  send_ack(link, ack);
}

void Core::send_deferred(DeferredAck& ack, Now now) {
  Link* link = find(ack.connection);
  if (link == nullptr || link->ended) return;
  link->waiting_acks.remove(ack.type);
  link->now = now;
  send_ack(*link, ack);
  if (link->flow.owes_reading() && !link->ended) look_after(*link);
}

void Core::send_ack(Link& link, DeferredAck& ack) {
  switch (ack.type) {
    case PacketType::puback:
      link.connection.send(mqtt::Puback{.packet_id = ack.packet_id, .reason = ack.reason, .properties = {}});
      link.connection.answered();
      break;
    case PacketType::pubrec:
      send_pubrec(link, ack.packet_id, ack.reason);
      break;
    case PacketType::pubcomp:
      link.connection.send(mqtt::Pubcomp{.packet_id = ack.packet_id, .reason = ack.reason, .properties = {}});
      break;
    case PacketType::suback:
    case PacketType::unsuback:
      if (ack.encoded.size() > link.connection.peer_maximum_packet_size())
        return abort(link, {Blame::peer_incompatible, "its maximum packet size is smaller than the answer that it asks for",
                            static_cast<std::uint8_t>(mqtt::Reason::packet_too_large)});
      link.connection.outbox().append(ack.encoded);
      break;
    default: {  // one of the session's own: it may have ended meanwhile
      auto* entry = link.session->outgoing.find(ack.packet_id);
      if (entry == nullptr || (ack.type == PacketType::pubrel) != (entry->awaiting == Awaiting::pubcomp)) return;
      if (entry->awaiting != Awaiting::puback && !durability.is_stored(entry->message.saved_in)) return;
      if (send_unfinished(link, *entry, ack.dup, link.now) || link.ended) break;
      give_up(*link.session, ack.packet_id);
      pump(*link.session, link.now);
    }
  }
  if (link.connection.unwritten() > 0) tell_writable(link);
}

void Core::send_pubrec(Link& link, std::uint16_t packet_id, mqtt::Reason reason) {
  mqtt::Pubrec answer{.packet_id = packet_id, .reason = reason, .properties = {}};
  KeyRelay* relay = is_error(reason) ? nullptr : link.relay();
  if (relay == nullptr) return link.connection.send(answer);
  const auto property = relay->receipt(packet_id);
  if (!property) return static_cast<void>(link.part(property.error()));
  if (*property) answer.properties.user.push_back({(*property)->name, (*property)->value});
  link.connection.send(answer);
}

}  // namespace sealmq::broker
