#include "broker/connections/client_connection.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;

Failure violation(const char* what, Reason reason) {
  return fail(Blame::peer_misbehaved, what, static_cast<std::uint8_t>(reason));
}

/// The broker's own limit on identifiers: what would spoil a log line is refused.
bool is_client_id(std::string_view id) {
  for (std::size_t i = 0; i < id.size(); ++i) {
    const auto c = static_cast<unsigned char>(id[i]);
    const bool is_c1 = c == 0xC2 && i + 1 < id.size() && static_cast<unsigned char>(id[i + 1]) < 0xA0;  // U+0080 to U+009F
    if (c < 0x20 || c == 0x7F || is_c1) return false;
  }
  return true;
}

}  // namespace

ClientConnection::ClientConnection(const Neighbours& neighbours, ConnectionId id_, Peer peer_, Now now_)
    : Link(id_, std::move(peer_), neighbours.settings, neighbours.budget, neighbours.effects, now_), its_(neighbours) {
  connection.count_into(its_.counters.packets);
}

Result<> ClientConnection::on(const mqtt::Connect& packet, Bytes raw) {
  if (!is_client_id(packet.client_id) || (packet.client_id.starts_with(own_names) && !peer.is_own))
    return violation("client identifier not allowed", Reason::client_identifier_not_valid);
  if (!packet.client_id.empty()) {
    std::size_t owner = Shard::shard_of(packet.client_id, its_.shards, its_.settings.shard_key);
    if (owner != its_.shard) {
      connection.hold();
      moving = to_buffer(raw);
      moving_to = owner;
      return {};
    }
  }
  return begin(packet, raw);
}

void ClientConnection::acknowledge(mqtt::PacketType type, std::uint16_t packet_id, Reason reason, bool relies) {
  // MQTT 3 has no word for a refusal: the message is acknowledged and gone.
  its_.acknowledgements.promise(*this, {.type = type, .packet_id = packet_id, .reason = is_v5() ? reason : Reason::success},
                                relies);
}

template <class Answer>
void ClientConnection::promise(PacketType type, const Answer& answer, bool relies) {
  DeferredAck ack{.type = type, .packet_id = answer.packet_id};
  mqtt::encode(answer, connection.version(), ack.encoded);
  its_.acknowledgements.promise(*this, std::move(ack), relies);
}

Result<> ClientConnection::on(const mqtt::Publish& packet) {
  if (packet.qos == QoS::exactly_once && session->incoming.contains(packet.packet_id)) {
    acknowledge(PacketType::pubrec, packet.packet_id, Reason::success, true);  // the same message again [MQTT-4.3.3-10]
    connection.answered();                                                     // it was counted when it came first
    return {};
  }
  constexpr std::size_t few = 64;  // QoS 2 messages between PUBLISH and PUBREL, which MQTT 3 does not bound
  if (packet.qos == QoS::exactly_once && session->incoming.size() >= few && !its_.memory.has_room_to_wait())
    return violation("too many messages without PUBREL while memory is short", Reason::quota_exceeded);
  its_.flow.count_against_rate(flow, packet.topic.size() + packet.payload.size() + text_size(packet.properties), now);
  its_.flow.wait_for_others(flow, packet.qos != QoS::at_most_once || packet.retain);
  PayloadGuard* const guard = writer.guard();
  if (guard == nullptr) return admit(packet);
  if (relay() != nullptr && packet.qos != QoS::exactly_once)
    return violation("all messages of this login have QoS 2", Reason::qos_not_supported);
  auto opened = guard->open(packet.topic, packet.payload);
  if (!opened && relay() != nullptr) return part_with(opened.error());
  if (!opened && guard->must_end()) return violation("too many payloads of its connection did not open", Reason::not_authorized);
  if (!opened) {
    const Refused why = not_verified(opened.error()).value();
    its_.owner.refuse(*this, why, now, true);
    return answer(packet, why.reason, false);
  }
  if (opened->repeat) return answer(packet, Reason::success, true);  // sent again on the same connection
  mqtt::Publish plain = packet;
  plain.payload = opened->plaintext;
  return admit(plain);
}

Result<> ClientConnection::admit(const mqtt::Publish& packet) {
  if (its_.scheme_requests.begin_work({id, place(), peer.address}, packet, connection.version(), now)) {
    flow.wait_for_work();
    return {};
  }
  return take(packet, nullptr);
}

Result<> ClientConnection::go_on_with_message() {
  auto finished = its_.background_jobs.take(id);
  flow.end_waiting_for_work();
  auto header = TRY(mqtt::decode_header(finished.packet, connection.version()));
  auto packet = TRY(mqtt::decode_publish(header->flags, Bytes(finished.packet).subspan(header->size), connection.version()));
  if (finished.done) return take(packet, &finished);
  its_.owner.refuse(*this, {Refusal::limit_reached, Reason::quota_exceeded, "too many messages are being worked on"}, now, true);
  return answer(packet, Reason::quota_exceeded, false);
}

Result<> ClientConnection::take(const mqtt::Publish& packet, BackgroundJobs::Finished* finished) {
  auto [reason, relies] = its_.publishing.accept(*this, packet, finished, now);
  its_.owner.take_turns(*this);
  return answer(packet, reason, relies);
}

Result<> ClientConnection::answer(const mqtt::Publish& packet, Reason reason, bool relies) {
  if (ended) return {};
  if (packet.qos == QoS::at_least_once) {
    acknowledge(PacketType::puback, packet.packet_id, reason, relies);
  } else if (packet.qos == QoS::exactly_once) {
    if (is_error(reason) && is_v5()) {
      connection.answered();
    } else {
      session->incoming.receive(packet.packet_id);
      if (session->lasts()) {
        its_.durability.change(IncomingSaved{session->number, packet.packet_id});
        relies = true;
      }
    }
    acknowledge(PacketType::pubrec, packet.packet_id, reason, relies);
  }
  return {};
}

Result<> ClientConnection::on(const mqtt::Pubrel& packet) {
  if (KeyRelay* relay = this->relay()) {
    const bool is_awaited = session->incoming.contains(packet.packet_id);
    const auto accepted = relay->released(packet.packet_id, packet.properties.user, is_awaited);
    if (!accepted) return part_with(accepted.error());
    if (*accepted && !is_awaited) {  // a copy of the last one
      acknowledge(PacketType::pubcomp, packet.packet_id, Reason::success, true);
      return {};
    }
  }
  bool known = session->incoming.release(packet.packet_id);
  if (known) {
    connection.answered();
    if (session->saved) its_.durability.change(IncomingEnded{session->number, packet.packet_id});
  }
  acknowledge(PacketType::pubcomp, packet.packet_id, known ? Reason::success : Reason::packet_identifier_not_found, true);
  its_.owner.take_turns(*this);
  return {};
}

Result<mqtt::Outgoing<Delivery>*> ClientConnection::acknowledged(std::uint16_t packet_id, mqtt::Awaiting by,
                                                                 mqtt::Awaiting or_by) {
  auto* entry = session->outgoing.find(packet_id);
  if (entry != nullptr && entry->awaiting != by && entry->awaiting != or_by)
    return violation("a message is acknowledged as one of another QoS", Reason::protocol_error);
  return entry;
}

Result<> ClientConnection::on(const mqtt::Puback& packet) {
  auto* entry = TRY(acknowledged(packet.packet_id, mqtt::Awaiting::puback, mqtt::Awaiting::puback));
  if (entry == nullptr || !entry->sent) return {};
  its_.durability.finished(*session, session->outgoing.finish(packet.packet_id));
  --session->in_flight;
  its_.deliveries.pump(*session, now);
  its_.owner.take_turns(*this);
  return {};
}

Result<> ClientConnection::on(const mqtt::Pubrec& packet) {
  auto* entry = TRY(acknowledged(packet.packet_id, mqtt::Awaiting::pubrec, mqtt::Awaiting::pubcomp));
  const bool is_first = entry != nullptr && entry->awaiting == mqtt::Awaiting::pubrec;
  if (is_first && !entry->sent) return {};  // it is sent again in a moment
  if (is_first && is_error(packet.reason)) {
    its_.durability.finished(*session, session->outgoing.finish(packet.packet_id));  // [MQTT-4.3.3-4]
    --session->in_flight;
    its_.deliveries.pump(*session, now);
    its_.owner.take_turns(*this);
    return {};
  }
  if (is_first) {
    if (KeyRelay* relay = this->relay())
      if (auto receipted = relay->receipted(packet.packet_id, packet.properties.user); !receipted)
        return part_with(receipted.error());
    entry->awaiting = mqtt::Awaiting::pubcomp;
    its_.durability.received(*session, entry->message);
  }
  if (entry != nullptr)
    its_.acknowledgements.promise(*this, {.type = PacketType::pubrel, .packet_id = packet.packet_id}, true);
  else if (!is_error(packet.reason))
    connection.send(mqtt::Pubrel{.packet_id = packet.packet_id,
                                 .reason = is_v5() ? Reason::packet_identifier_not_found : Reason::success,
                                 .properties = {}});
  its_.owner.take_turns(*this);
  return {};
}

Result<> ClientConnection::on(const mqtt::Pubcomp& packet) {
  auto* entry = TRY(acknowledged(packet.packet_id, mqtt::Awaiting::pubcomp, mqtt::Awaiting::pubcomp));
  if (entry == nullptr || !entry->sent) return {};
  if (KeyRelay* relay = this->relay()) relay->completed(packet.packet_id);
  its_.durability.finished(*session, session->outgoing.finish(packet.packet_id));
  --session->in_flight;
  its_.deliveries.pump(*session, now);
  its_.owner.take_turns(*this);
  return {};
}

Result<> ClientConnection::part_with(const Error& error) {
  its_.owner.part(*this, error);
  return {};
}

/// What schemes read of the user properties of a SUBSCRIBE; each of its filters is held against all of it.
static mqtt::Properties asked_of(const mqtt::Properties& properties, const std::vector<std::unique_ptr<BrokerScheme>>& schemes) {
  mqtt::Properties asked;
  asked.subscription_identifiers = properties.subscription_identifiers;
  for (const auto& user : properties.user)
    if (std::ranges::any_of(schemes, [&](const auto& scheme) {
          const std::string_view read = scheme->subscribe_property();
          return !read.empty() && read == user.name;
        }))
      asked.user.push_back(user);
  return asked;
}

/// What MQTT 3 has no words for: its bridges, mosquitto's for one, want nothing back that they brought, and retain flags as they
/// were published.
static void ask_as_bridge(mqtt::SubscribeEntry& entry) {
  entry.options.no_local = !mqtt::SharedFilter::is_shared(entry.filter);  // [MQTT-3.8.3-4]
  entry.options.retain_as_published = true;
}

Result<> ClientConnection::check_amount(std::size_t filters, const mqtt::Properties& asked) const {
  constexpr std::size_t most_filters = 1000;          // Home Assistant sends 500 at a time
  constexpr std::size_t most_asked = 100;             // user properties that schemes read
  constexpr std::size_t most_read = 4 * 1024 * 1024;  // bytes of them, each as often as there are filters
  if (filters > std::min(its_.settings.maximum_subscriptions, most_filters))
    return violation("more filters in a packet than a session may have, or than 1000", Reason::quota_exceeded);
  if (asked.user.size() > most_asked || text_size(asked) * filters > most_read)
    return violation("too many filters for their user properties", Reason::quota_exceeded);
  return {};
}

OrRefused<SubscriptionGrants::Granted> ClientConnection::subscribe(const mqtt::SubscribeEntry& entry,
                                                                   const mqtt::Properties& asked) {
  if (!its_.scheme_requests.is_reply_topic(entry.filter)) return its_.grants.subscribe(subscriber(now), entry, asked, now);
  its_.steps.add(SubscriptionGrants::steps_of_a_filter);
  keyed.open_inbox(entry.filter, entry.options.qos);
  return SubscriptionGrants::Granted{nullptr, true, entry.options.qos};
}

Result<> ClientConnection::on(const mqtt::Subscribe& packet) {
  const mqtt::Properties asked = asked_of(packet.properties, its_.schemes);
  TRY(check_amount(packet.entries.size(), asked));
  std::size_t asked_bytes = 0;
  for (const auto& entry : packet.entries) asked_bytes += entry.filter.size();
  its_.flow.count_against_rate(flow, asked_bytes, now);
  std::size_t before = its_.durability.collected();
  mqtt::Suback answer{.packet_id = packet.packet_id, .properties = {}, .reasons = {}};
  std::vector<Subscription*> with_retained;
  for (auto entry : packet.entries) {
    if (is_bridge) ask_as_bridge(entry);
    auto granted = subscribe(entry, asked);
    if (!granted) {
      its_.owner.refuse(*this, granted.error(), now, true);
      if (ended) return {};
      answer.reasons.push_back(granted.error().reason);
      continue;
    }
    answer.reasons.push_back(static_cast<Reason>(granted->qos));
    bool wanted = entry.options.retain_handling == mqtt::RetainHandling::send ||
                  (entry.options.retain_handling == mqtt::RetainHandling::send_if_new && granted->is_new);
    // A filter named twice is one subscription; a shared one gets none.
    if (wanted && granted->subscription != nullptr && granted->subscription->share == nullptr &&
        std::ranges::find(with_retained, granted->subscription) == with_retained.end())
      with_retained.push_back(granted->subscription);
  }
  promise(PacketType::suback, answer, its_.durability.collected() != before);
  if (ended) return {};
  for (Subscription* subscription : with_retained) its_.deliveries.owe_retained(*subscription, now);
  its_.owner.take_turns(*this);
  return {};
}

Result<> ClientConnection::on(const mqtt::Unsubscribe& packet) {
  TRY(check_amount(packet.filters.size(), {}));
  std::size_t asked_bytes = 0;
  for (const auto filter : packet.filters) asked_bytes += filter.size();
  its_.flow.count_against_rate(flow, asked_bytes, now);
  std::size_t before = its_.durability.collected();
  mqtt::Unsuback answer{.packet_id = packet.packet_id, .properties = {}, .reasons = {}};
  for (auto filter : packet.filters)
    answer.reasons.push_back(keyed.close_inbox(filter) || its_.grants.unsubscribe(*session, filter)
                                 ? Reason::success
                                 : Reason::no_subscription_existed);
  promise(PacketType::unsuback, answer, its_.durability.collected() != before);
  its_.owner.take_turns(*this);
  return {};
}

Result<> ClientConnection::on(const mqtt::Disconnect& packet) {
  if (session != nullptr && packet.properties.session_expiry_interval) {
    std::uint32_t wanted = *packet.properties.session_expiry_interval;
    if (session->expiry_interval == 0 && wanted != 0)  // [MQTT-3.1.2-23]
      return violation("a session that ends with its connection cannot be prolonged", Reason::protocol_error);
    session->expiry_interval = std::min(wanted, its_.settings.maximum_session_expiry);
  }
  its_.owner.end(*this, Ending::by_client, packet.reason != Reason::success, now);  // [MQTT-3.14.4-3]
  return {};
}

}  // namespace sealmq::broker
