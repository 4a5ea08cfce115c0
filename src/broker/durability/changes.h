// Changes: what a store has to be told, in order, so that sessions and retained messages can be made again after the broker's
// end, however sudden. Values only; the messages are shared.
//
// A shard collects them in batches. A batch is stored whole or not at all, and in its order; what the shard promised on the
// strength of a batch (PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, a QoS 2 PUBLISH) leaves when the batch is stored, or
// when nothing is left in it that would have to be.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/keyed_hash.h"
#include "broker/message.h"

namespace sealmq::broker {

/// Names a session, a delivery or a message; unique in a broker and its store, never 0.
using Number = std::uint64_t;

/// Who spoke through a session: nobody yet, one identity, or several (a gateway).
class Speakers {
 public:
  /// False: nothing new.
  bool add(std::string_view name) {
    if (several_ || name == only_) return false;
    several_ = !only_.empty();
    only_ = several_ ? "" : name;
    return true;
  }
  static Speakers several() {
    Speakers made;
    made.several_ = true;
    return made;
  }
  bool are_several() const { return several_; }
  const std::string& only() const { return only_; }  ///< empty: nobody, or several

 private:
  std::string only_;
  bool several_ = false;
};

struct SessionSaved {
  Number session;
  std::string client_id;
  std::string owner;                    ///< the identity that logged in; empty: nobody
  std::uint32_t expiry_interval;        ///< seconds after the connection's end; 0: not longer than the connection
  std::uint64_t expires;                ///< steady; UINT64_MAX while the client is there, or never
  std::shared_ptr<const Message> will;  ///< null: none
  std::uint32_t will_delay;             ///< seconds
  Speakers speakers{};
};
/// With its subscriptions, deliveries and identifiers.
struct SessionEnded {
  Number session;
};

struct SubscriptionSaved {
  Number session;
  std::string filter;  ///< as the client wrote it, with `$share/…`
  mqtt::SubscriptionOptions options;
  std::uint32_t identifier;
  std::uint8_t scheme;
  std::shared_ptr<const std::string> subscriber;
  bool owes_retained = false;  ///< not all of them were sent to it
};
struct SubscriptionEnded {
  Number session;
  std::string filter;
};

struct DeliverySaved {
  Number session;
  Number delivery;  ///< rises with the order of a session's deliveries
  std::shared_ptr<const Message> message;
  mqtt::QoS qos;
  bool retain;
  std::uint8_t scheme;
  std::uint16_t packet_id;  ///< 0: still queued
  std::shared_ptr<const std::string> subscriber;
  std::vector<std::uint32_t> identifiers;
  std::shared_ptr<const std::string> share{};  ///< the whole filter of the shared subscription by which it came; null: none
};
struct DeliveryStarted {
  Number session, delivery;
  std::uint16_t packet_id;
};
/// PUBREC came: the message itself is not needed any more.
struct DeliveryReceived {
  Number session, delivery;
};
struct DeliveryEnded {
  Number session, delivery;
};

/// A QoS 2 message came under this identifier, and its PUBREL.
struct IncomingSaved {
  Number session;
  std::uint16_t packet_id;
};
struct IncomingEnded {
  Number session;
  std::uint16_t packet_id;
};

/// The stamp in the message decides which of two is later. An empty payload erases.
struct RetainedSaved {
  std::shared_ptr<const Message> message;
};
/// The one with this stamp goes.
struct RetainedEnded {
  std::string topic;
  std::uint64_t stamp;
};

/// A QoS 1 or 2 message is on its way to another shard, for whoever it concerns there or for one session's subscription.
struct TransitSaved {
  Number transit;
  std::shared_ptr<const Message> message;
  std::uint32_t shard, shards;  ///< where to, of how many
  Number session;               ///< 0: not for one alone
  std::string filter;           ///< of that session's subscription
};
struct TransitEnded {
  Number transit;
  std::uint32_t shard;
};

using Change = std::variant<SessionSaved, SessionEnded, SubscriptionSaved, SubscriptionEnded, DeliverySaved, DeliveryStarted,
                            DeliveryReceived, DeliveryEnded, IncomingSaved, IncomingEnded, RetainedSaved, RetainedEnded,
                            TransitSaved, TransitEnded>;

struct Batch {
  std::uint64_t number = 0;  ///< rises by one in each shard
  std::vector<Change> changes;
};

/// What a store answers at the start of a broker: everything it was told and that has not ended.
struct Restored {
  struct Session {
    SessionSaved saved;
    std::vector<SubscriptionSaved> subscriptions;
    std::vector<DeliverySaved> deliveries;  ///< by number; without a message where PUBREC had come
    std::vector<std::uint16_t> incoming;
  };
  std::vector<Session> sessions;
  std::vector<std::shared_ptr<const Message>> retained;
  std::vector<TransitSaved> in_transit;
  Number last_number = 0;  ///< the highest of any kind
  HashKey shard_key{};     ///< Settings::shard_key, under which the shards of those in transit are named
};

}  // namespace sealmq::broker
