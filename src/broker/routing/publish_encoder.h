// PublishEncoder: a message as the bytes that its receivers get. It is sealed once per scheme, or per group of keyed
// subscriptions, and encoded once per (scheme, version, QoS, retain flag): receivers share those bytes. The buffers are used
// again for each message. One thread.
#pragma once

#include <memory>
#include <vector>

#include "broker/message.h"
#include "broker/policy/access.h"
#include "broker/step_counter.h"
#include "mqtt/packet.h"
#include "sealmq/scheme.h"

namespace sealmq::broker {

/// In which form a message leaves.
struct DeliveryFormat {
  std::uint8_t scheme;
  bool v5;
  mqtt::QoS qos;
  bool retain;
  const std::vector<std::uint32_t>& identifiers;
  Receiver* receiver;  ///< null: everybody of the scheme gets the same
};

/// A PUBLISH for all receivers that get the same bytes; a packet identifier goes in at `id_at`.
struct EncodedPublish {
  mqtt::QoS qos;
  Buffer bytes;
  std::size_t id_at;
  std::size_t topic_size;
  std::size_t payload_size;

  std::string_view topic() const { return as_text(Bytes(bytes).subspan(id_at - topic_size, topic_size)); }
  Bytes payload() const { return Bytes(bytes).last(payload_size); }
  /// What follows the packet identifier,
  Bytes rest() const { return Bytes(bytes).subspan(id_at + (qos == mqtt::QoS::at_most_once ? 0 : 2)); }
  /// and the same for outboxes to share, made when first wanted. `budget` counts it; may be null.
  const std::shared_ptr<const Buffer>& shared_rest(Budget* budget) const;

  mutable std::shared_ptr<const Buffer> kept_rest{};  ///< of shared_rest()
};

class PublishEncoder {
 public:
  using Schemes = std::vector<std::unique_ptr<BrokerScheme>>;

  /// All outlive it.
  PublishEncoder(const Schemes& schemes, const Access& access, StepCounter& steps);

  /// Another message: what was sealed and encoded last is not its.
  void begin_message();
  /// The same, unless the last one was this message too: whoever gets it gets the same bytes. Null: it is kept by nobody.
  void begin_message(const std::shared_ptr<const Message>& message);
  /// The present message is kept as this one meanwhile, and may come back as it.
  void is_kept_as(const std::shared_ptr<const Message>& message) { begun_ = message; }
  /// Rises with each message that begins.
  std::uint64_t count() const { return publication_; }

  /// Of the present message, whose view that is; null: the scheme cannot seal it. Valid until the next call.
  const EncodedPublish* encode(const MessageView& view, const DeliveryFormat& format, Now now);
  /// Its payload alone. `receiver`: null for everybody of the scheme.
  const Buffer* seal(const MessageView& view, std::size_t scheme, Receiver* receiver, Now now);

 private:
  struct SealedPayload {
    std::uint64_t of = 0;  ///< the message it belongs to
    const void* group = nullptr;
    bool possible = false;
    Buffer payload;
  };
  struct Encoded {
    std::uint8_t scheme;
    const void* group;
    bool v5;
    bool retain;
    EncodedPublish publish;
  };
  SealedPayload& place_of_sealed(std::size_t scheme, const Receiver* receiver);
  const EncodedPublish* find_shared(const DeliveryFormat& format, const void* group) const;
  void set_properties(const MessageView& view, const DeliveryFormat& format, Now now);
  Encoded& place_of_encoded(bool is_shared);

  const Schemes& schemes_;
  const Access& access_;
  StepCounter& steps_;

  std::uint64_t publication_ = 0;
  std::weak_ptr<const Message> begun_;  // whose these are, if it is kept
  std::vector<SealedPayload> sealed_;   // by scheme
  std::vector<SealedPayload> sealed_for_groups_;
  SealedPayload sealed_alone_;
  std::vector<Encoded> encoded_;
  std::size_t encoded_used_ = 0;
  mqtt::Publish packet_;
  bool packet_has_properties_ = false;
};

}  // namespace sealmq::broker
