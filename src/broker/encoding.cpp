// Who gets which bytes. A message is sealed once per scheme and encoded once per (scheme, version, QoS, retain flag); receivers
// share those bytes.
#include <algorithm>

#include "broker/core.h"
#include "broker/evidence.h"
#include "mqtt/wire.h"

namespace sealmq::broker {

using mqtt::QoS;

namespace {
constexpr std::size_t encoded_in_a_step = 1024;  // bytes
}

void Core::begin_message() {
  ++publication_;
  encoded_used_ = 0;
  begun_.reset();
}

/// Bytes that outboxes share, with the charge for them.
static std::shared_ptr<const Buffer> counted(Buffer bytes, Budget* budget) {
  struct Counted {
    Charge charge;
    Buffer bytes;
  };
  const std::size_t size = bytes.capacity();
  auto whole = std::make_shared<const Counted>(Counted{Charge(budget, size), std::move(bytes)});
  return {whole, &whole->bytes};
}

/// Where the payload for these receivers stands, if it was sealed for another one of them.
Core::Sealed& Core::place_of_sealed(std::size_t scheme, const Receiver* receiver) {
  if (receiver == nullptr) return sealed_[scheme];
  const void* group = receiver->group();
  if (group == nullptr) {
    sealed_alone_.of = 0;
    return sealed_alone_;
  }
  auto found =
      std::ranges::find_if(sealed_for_groups_, [&](const Sealed& s) { return s.group == group && s.of == publication_; });
  if (found == sealed_for_groups_.end())
    found = std::ranges::find_if(sealed_for_groups_, [&](const Sealed& s) { return s.of != publication_; });
  if (found == sealed_for_groups_.end()) found = sealed_for_groups_.insert(found, Sealed{});
  found->group = group;
  return *found;
}

const Buffer* Core::seal(const MessageView& view, std::size_t scheme, Receiver* receiver, Now now) {
  Sealed& sealed = place_of_sealed(scheme, receiver);
  if (sealed.of != publication_) {
    sealed.of = publication_;
    sealed.payload.clear();
    sealmq::Outgoing outgoing{view.topic, view.payload, view.wire, ports.schemes[view.scheme]->info().name,
                              view.author.empty() ? nullptr : access.directory().find(view.author)};
    const Scene scene{now, access.directory()};
    auto done = receiver != nullptr ? receiver->seal(outgoing, scene, sealed.payload)
                                    : ports.schemes[scheme]->seal(outgoing, scene, sealed.payload);
    sealed.possible = done.has_value();
  }
  return sealed.possible ? &sealed.payload : nullptr;
}

const Core::Encoded* Core::encode(const MessageView& view, const Leaving& as, Now now) {
  const auto& [scheme, v5, qos, retain, identifiers, receiver] = as;
  const void* group = receiver != nullptr ? receiver->group() : nullptr;
  const bool is_shared = identifiers.empty() && (receiver == nullptr || group != nullptr);
  if (is_shared)
    for (std::size_t i = 0; i < encoded_used_; ++i) {
      const Encoded& e = encoded_[i];
      if (e.scheme == scheme && e.group == group && e.v5 == v5 && e.qos == qos && e.retain == retain) return &e;
    }
  const Buffer* payload = seal(view, scheme, receiver, now);
  if (payload == nullptr) {
    drop(Drop::cannot_seal);
    return nullptr;
  }
  if (packet_has_properties_) packet_.properties = {};
  packet_has_properties_ = false;
  packet_.qos = qos;
  packet_.retain = retain;
  packet_.topic = receiver != nullptr ? receiver->topic() : view.topic;
  packet_.packet_id = qos == QoS::at_most_once ? 0 : 1;
  packet_.payload = *payload;
  bool tells_author = !view.author.empty() && !ports.schemes[view.scheme]->info().claims.hides_publisher;
  // A receiver's frame says everything itself; what stands beside it would be read by everybody.
  if (v5 && receiver == nullptr &&
      (view.properties != nullptr || view.expires != UINT64_MAX || tells_author || !identifiers.empty())) {
    packet_has_properties_ = true;
    if (view.properties != nullptr) packet_.properties = *view.properties;
    packet_.properties.topic_alias.reset();  // the publisher's own
    packet_.properties.will_delay_interval.reset();
    packet_.properties.message_expiry_interval.reset();
    if (view.expires != UINT64_MAX) {  // what is left of it [MQTT-3.3.2-6]
      std::uint64_t left = view.expires > now.steady ? view.expires - now.steady : 0;
      packet_.properties.message_expiry_interval = static_cast<std::uint32_t>((left + 999) / 1000);
    }
    packet_.properties.subscription_identifiers = identifiers;
    if (tells_author) {
      packet_.properties.user.push_back({evidence_of_author, view.author});
      packet_.properties.user.push_back({evidence_of_scheme, ports.schemes[view.scheme]->info().name});
      if (const auto login = view.login.login(); login)
        packet_.properties.user.push_back({evidence_of_login, access.name_of_login(*login)});
    }
  }
  if (is_shared) {
    if (encoded_used_ == encoded_.size()) encoded_.emplace_back();
    ++encoded_used_;
  } else {
    encoded_.resize(std::max(encoded_.size(), encoded_used_ + 1));  // for this receiver only: the next one may use the place
  }
  Encoded& encoded = encoded_[is_shared ? encoded_used_ - 1 : encoded_used_];
  encoded.scheme = scheme;
  encoded.group = group;
  encoded.v5 = v5;
  encoded.qos = qos;
  encoded.retain = retain;
  encoded.shared_rest.reset();
  encoded.bytes.clear();
  mqtt::encode(packet_, v5 ? mqtt::Version::v5 : mqtt::Version::v3_1_1, encoded.bytes);
  step(encoded.bytes.size() / encoded_in_a_step);
  encoded.topic_size = packet_.topic.size();
  encoded.payload_size = packet_.payload.size();
  encoded.id_at = mqtt::header_size(encoded.bytes) + 2 + packet_.topic.size();
  return &encoded;
}

/// The same packet with a topic alias in the name's place, or for the first time beside it. False: this topic gets none.
bool Core::append_with_alias(Link& link, const Encoded& encoded, std::string_view topic, std::uint16_t packet_id, bool dup) {
  constexpr std::size_t worth_it = 6;              // bytes of topic: twice what an alias takes
  constexpr std::size_t longer = 5;                // at most, where name and alias go together: the property, and two lengths
  constexpr std::size_t most_aliased = 16 * 1024;  // bytes of topics remembered for one client
  if (topic.size() < worth_it) return false;
  auto known = link.aliases.find(topic);
  bool is_new = known == link.aliases.end();
  if (is_new) {
    if (link.aliases.size() >= link.alias_maximum || link.alias_bytes + topic.size() > most_aliased) return false;
    if (encoded.bytes.size() + longer > link.connection.peer_maximum_packet_size()) return false;  // [MQTT-3.1.2-24]
    known = link.aliases.emplace(std::string(topic), static_cast<std::uint16_t>(link.aliases.size() + 1)).first;
    link.alias_bytes += topic.size();
  }
  mqtt::encode_with_alias(encoded.bytes, packet_id, dup, known->second, is_new, link.connection.outbox().tail());
  return true;
}

std::size_t Core::size_on(const Link& link, const Encoded& encoded) const {
  if (link.guard == nullptr) return encoded.bytes.size();
  constexpr std::size_t longer_length = 1;  // of the remaining length
  return encoded.bytes.size() - encoded.payload_size + longer_length + link.guard->sealed_size(encoded.payload_size);
}

/// The same packet with its payload sealed for this connection.
void Core::append_sealed(Link& link, const Encoded& encoded, std::uint16_t packet_id, bool dup) {
  const Bytes bytes = encoded.bytes;
  const std::size_t header = mqtt::header_size(bytes);
  const auto topic = as_text(bytes.subspan(encoded.id_at - encoded.topic_size, encoded.topic_size));
  Buffer payload;
  if (!link.guard->seal(topic, bytes.last(encoded.payload_size), link.now, payload)) return drop(Drop::cannot_seal);
  Buffer& tail = link.connection.outbox().tail();
  tail.push_back(bytes[0] | (dup ? 0x08 : 0));
  mqtt::write_variable(bytes.size() - header - encoded.payload_size + payload.size(), tail);
  const std::size_t body = tail.size();
  append(tail, bytes.subspan(header, bytes.size() - header - encoded.payload_size));
  if (encoded.qos != QoS::at_most_once) {
    const std::size_t id_at = body + encoded.id_at - header;
    tail[id_at] = static_cast<std::uint8_t>(packet_id >> 8);
    tail[id_at + 1] = static_cast<std::uint8_t>(packet_id);
  }
  append(tail, payload);
}

void Core::send(Link& link, const Encoded& encoded, std::uint16_t packet_id, bool dup) {
  if (size_on(link, encoded) > link.connection.peer_maximum_packet_size()) {
    drop(Drop::too_large);  // [MQTT-3.1.2-24]
    return;
  }
  ++counters.delivered;
  ++counters.delivered_by_qos[static_cast<std::size_t>(encoded.qos)];
  counters.delivered_bytes += encoded.bytes.size();
  ++counters.packets.sent[static_cast<std::size_t>(mqtt::PacketType::publish)];
  if (link.guard != nullptr) {
    append_sealed(link, encoded, packet_id, dup);
    return tell_writable(link);
  }
  mqtt::Outbox& outbox = link.connection.outbox();
  Bytes bytes = encoded.bytes;
  if (link.alias_maximum != 0) {
    std::size_t topic_at = encoded.id_at - encoded.topic_size;
    if (append_with_alias(link, encoded, as_text(bytes.subspan(topic_at, encoded.topic_size)), packet_id, dup))
      return tell_writable(link);
  }
  std::size_t rest_at = encoded.id_at + (encoded.qos == QoS::at_most_once ? 0 : 2);
  if (bytes.size() - rest_at < mqtt::Outbox::share_from) {
    Buffer& tail = outbox.tail();
    std::size_t at = tail.size();
    append(tail, bytes);
    if (dup) tail[at] |= 0x08;
    if (encoded.qos != QoS::at_most_once) {
      tail[at + encoded.id_at] = static_cast<std::uint8_t>(packet_id >> 8);
      tail[at + encoded.id_at + 1] = static_cast<std::uint8_t>(packet_id);
    }
  } else {
    Buffer& tail = outbox.tail();
    std::size_t at = tail.size();
    append(tail, bytes.first(encoded.id_at));
    if (dup) tail[at] |= 0x08;
    if (encoded.qos != QoS::at_most_once) {
      tail.push_back(static_cast<std::uint8_t>(packet_id >> 8));
      tail.push_back(static_cast<std::uint8_t>(packet_id));
    }
    auto& rest = encoded.shared_rest;
    if (rest == nullptr) rest = counted(to_buffer(bytes.subspan(rest_at)), ports.budget);
    outbox.append_shared(rest);
  }
  tell_writable(link);
}

}  // namespace sealmq::broker
