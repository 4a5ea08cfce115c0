#include "broker/routing/publish_encoder.h"

#include <algorithm>

#include "broker/evidence.h"
#include "mqtt/wire.h"

namespace sealmq::broker {

using mqtt::QoS;

namespace {

constexpr std::size_t encoded_in_a_step = 1024;  // bytes

/// Bytes that outboxes share, with the charge for them.
std::shared_ptr<const Buffer> counted(Buffer bytes, Budget* budget) {
  struct Counted {
    Charge charge;
    Buffer bytes;
  };
  const std::size_t size = bytes.capacity();
  auto whole = std::make_shared<const Counted>(Counted{Charge(budget, size), std::move(bytes)});
  return {whole, &whole->bytes};
}

}  // namespace

const std::shared_ptr<const Buffer>& EncodedPublish::shared_rest(Budget* budget) const {
  if (kept_rest == nullptr) kept_rest = counted(to_buffer(rest()), budget);
  return kept_rest;
}

PublishEncoder::PublishEncoder(const Schemes& schemes, const Access& access, StepCounter& steps)
    : schemes_(schemes), access_(access), steps_(steps), sealed_(schemes.size()) {}

void PublishEncoder::begin_message() {
  ++publication_;
  encoded_used_ = 0;
  begun_.reset();
}

/// One message may come here more than once, for groups of several shards.
void PublishEncoder::begin_message(const std::shared_ptr<const Message>& message) {
  const bool has_begun = message != nullptr && !begun_.owner_before(message) && !message.owner_before(begun_);
  if (has_begun) return;
  begin_message();
  begun_ = message;
}

/// Where the payload for these receivers stands, if it was sealed for another one of them.
PublishEncoder::SealedPayload& PublishEncoder::place_of_sealed(std::size_t scheme, const Receiver* receiver) {
  if (receiver == nullptr) return sealed_[scheme];
  const void* group = receiver->group();
  if (group == nullptr) {
    sealed_alone_.of = 0;
    return sealed_alone_;
  }
  auto found = std::ranges::find_if(sealed_for_groups_, [&](const auto& s) { return s.group == group && s.of == publication_; });
  if (found == sealed_for_groups_.end())
    found = std::ranges::find_if(sealed_for_groups_, [&](const auto& s) { return s.of != publication_; });
  if (found == sealed_for_groups_.end()) found = sealed_for_groups_.insert(found, SealedPayload{});
  found->group = group;
  return *found;
}

const Buffer* PublishEncoder::seal(const MessageView& view, std::size_t scheme, Receiver* receiver, Now now) {
  SealedPayload& sealed = place_of_sealed(scheme, receiver);
  if (sealed.of != publication_) {
    sealed.of = publication_;
    sealed.payload.clear();
    sealmq::Outgoing outgoing{view.topic, view.payload, view.wire, schemes_[view.scheme]->info().name,
                              view.author.empty() ? nullptr : access_.directory().find(view.author)};
    const Scene scene{now, access_.directory()};
    auto done = receiver != nullptr ? receiver->seal(outgoing, scene, sealed.payload)
                                    : schemes_[scheme]->seal(outgoing, scene, sealed.payload);
    sealed.possible = done.has_value();
  }
  return sealed.possible ? &sealed.payload : nullptr;
}

const EncodedPublish* PublishEncoder::find_shared(const DeliveryFormat& format, const void* group) const {
  for (std::size_t i = 0; i < encoded_used_; ++i) {
    const Encoded& e = encoded_[i];
    if (e.scheme == format.scheme && e.group == group && e.v5 == format.v5 && e.publish.qos == format.qos &&
        e.retain == format.retain)
      return &e.publish;
  }
  return nullptr;
}

void PublishEncoder::set_properties(const MessageView& view, const DeliveryFormat& format, Now now) {
  if (packet_has_properties_) packet_.properties = {};
  packet_has_properties_ = false;
  // A receiver's frame says everything itself; what stands beside it would be read by everybody.
  if (!format.v5 || format.receiver != nullptr) return;
  const bool tells_author = !view.author.empty() && !schemes_[view.scheme]->info().claims.hides_publisher;
  if (view.properties == nullptr && view.expires == UINT64_MAX && !tells_author && format.identifiers.empty()) return;
  packet_has_properties_ = true;
  if (view.properties != nullptr) packet_.properties = *view.properties;
  packet_.properties.topic_alias.reset();  // the publisher's own
  packet_.properties.will_delay_interval.reset();
  packet_.properties.message_expiry_interval.reset();
  if (view.expires != UINT64_MAX) {  // what is left of it [MQTT-3.3.2-6]
    std::uint64_t left = view.expires > now.steady ? view.expires - now.steady : 0;
    packet_.properties.message_expiry_interval = static_cast<std::uint32_t>((left + 999) / 1000);
  }
  packet_.properties.subscription_identifiers = format.identifiers;
  if (!tells_author) return;
  packet_.properties.user.push_back({evidence_of_author, view.author});
  packet_.properties.user.push_back({evidence_of_scheme, schemes_[view.scheme]->info().name});
  if (const auto login = view.login.login(); login)
    packet_.properties.user.push_back({evidence_of_login, access_.name_of_login(*login)});
}

PublishEncoder::Encoded& PublishEncoder::place_of_encoded(bool is_shared) {
  if (is_shared) {
    if (encoded_used_ == encoded_.size()) encoded_.emplace_back();
    return encoded_[encoded_used_++];
  }
  encoded_.resize(std::max(encoded_.size(), encoded_used_ + 1));  // for this receiver only: the next one may use the place
  return encoded_[encoded_used_];
}

const EncodedPublish* PublishEncoder::encode(const MessageView& view, const DeliveryFormat& format, Now now) {
  Receiver* const receiver = format.receiver;
  const void* group = receiver != nullptr ? receiver->group() : nullptr;
  const bool is_shared = format.identifiers.empty() && (receiver == nullptr || group != nullptr);
  if (is_shared)
    if (const EncodedPublish* encoded = find_shared(format, group)) return encoded;
  const Buffer* payload = seal(view, format.scheme, receiver, now);
  if (payload == nullptr) return nullptr;
  set_properties(view, format, now);
  packet_.qos = format.qos;
  packet_.retain = format.retain;
  packet_.topic = receiver != nullptr ? receiver->topic() : view.topic;
  packet_.packet_id = format.qos == QoS::at_most_once ? 0 : 1;
  packet_.payload = *payload;
  Encoded& place = place_of_encoded(is_shared);
  place.scheme = format.scheme;
  place.group = group;
  place.v5 = format.v5;
  place.retain = format.retain;
  EncodedPublish& encoded = place.publish;
  encoded.qos = format.qos;
  encoded.kept_rest.reset();
  encoded.bytes.clear();
  mqtt::encode(packet_, format.v5 ? mqtt::Version::v5 : mqtt::Version::v3_1_1, encoded.bytes);
  steps_.add(encoded.bytes.size() / encoded_in_a_step);
  encoded.topic_size = packet_.topic.size();
  encoded.payload_size = packet_.payload.size();
  encoded.id_at = mqtt::header_size(encoded.bytes) + 2 + packet_.topic.size();
  return &encoded;
}

}  // namespace sealmq::broker
