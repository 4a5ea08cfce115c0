// SessionDelivery: how a session gets the messages that are for it: in order, with QoS 1 and 2 as many at a time as its client
// takes, the others waiting in its queue; those that a connection left unfinished once more on the next; and what is retained of
// the topics of a new subscription, a slice at a time (retained_delivery.cpp). One thread.
#pragma once

#include <deque>

#include "broker/durability/durability.h"
#include "broker/limits/memory_limits.h"
#include "broker/routing/entitlement.h"
#include "broker/routing/publish_encoder.h"
#include "broker/routing/retained.h"
#include "broker/schemes/keyed_subscriptions.h"

namespace sealmq::broker {

class SessionDelivery {
 public:
  /// Whoever has the connections.
  class Connections {
   public:
    /// The peer does not hold the keys of its connection, which has ended when this returns.
    virtual void part(Link& link, const Error& error) = 0;

   protected:
    ~Connections() = default;
  };
  /// All outlive it.
  struct Neighbours {
    const Settings& settings;
    const Entitlement& entitlement;
    const Retained& retained;
    MemoryLimits& memory;
    PublishEncoder& encoder;
    KeyedSubscriptions& keyed;
    Durability& durability;
    Counters& counters;
    StepCounter& steps;
    Connections& connections;
  };
  explicit SessionDelivery(const Neighbours& neighbours) : its_(neighbours) {}

  /// What each delivery costs.
  static constexpr std::size_t steps_of_a_delivery = 5;

  // -- a message that the encoder has begun

  /// Now, or when what stands before it has gone.
  void give(Session& session, Delivery delivery, Now now);
  /// Of QoS 0, which nobody keeps: now or not at all.
  void give_unkept(const Subscription& subscription, const MessageView& view, bool retain,
                   const std::vector<std::uint32_t>& identifiers, Now now);
  /// Its client is there, and takes what it gets.
  bool sendable(const Session& session) const;

  // -- what waits

  /// Sends what the session is owed as far as limits allow.
  void pump(Session& session, Now now);
  /// The step of an unfinished delivery that waited for the store, if it is still to be made.
  void make_step(Link& link, const DeferredAck& step);

  // -- what is retained

  /// It is new: what is retained of its topics is sent, as the client takes it.
  void owe_retained(Subscription& subscription, Now now);
  void forget_retained(Subscription& subscription);
  /// Some have so much to get that they go on in a turn to come.
  bool has_in_line() const { return !in_line_.empty(); }
  /// The first of them; it may be gone. If not, is_in_line ends with this, and pump() goes on with it.
  Number take_from_line();

 private:
  std::uint32_t quota(const Link& link) const;
  void queue(Session& session, Delivery delivery);
  void start(Session& session, Delivery&& delivery, Now now);
  /// What an earlier connection left unfinished. False: the client takes no more now, or its connection has ended.
  bool send_unfinished(Session& session, Now now);
  /// One of these, once more or for the first time on this connection. False if this client cannot take it.
  bool send_unfinished(Link& link, mqtt::Outgoing<Delivery>& entry, bool dup, Now now);
  /// ... when what it relies on is stored.
  void promise(Link& link, DeferredAck step);
  bool must_wait(const Link& link, const mqtt::Outgoing<Delivery>& entry) const;
  void send_pubrel(Link& link, std::uint16_t packet_id);
  /// As if it had been delivered: the client takes smaller packets now than it did. [MQTT-3.1.2-25]
  void give_up(Session& session, std::uint16_t packet_id);
  /// Not with more than this QoS any more.
  void lower(const Session& session, Delivery& delivery, mqtt::QoS most);
  /// The session does not get this message.
  void misses(Session& session, const MessageView& view);

  static DeliveryFormat format_of(const Delivery& delivery, const Link& link);
  /// Null: it cannot leave so, and has been dropped.
  const EncodedPublish* encode(const MessageView& view, const DeliveryFormat& format, Now now);
  /// Sends, or drops what the client cannot take.
  void send(Link& link, const EncodedPublish& encoded, std::uint16_t packet_id, bool dup);
  void drop(Drop why) { ++its_.counters.dropped[static_cast<std::size_t>(why)]; }

  // retained_delivery.cpp
  void send_retained(Session& session, Now now);
  void walk_retained(Session& session, std::size_t& steps, Now now);
  void send_retained(const Subscription& subscription, const std::shared_ptr<const Message>& message, Now now);
  bool takes_retained(const Session& session, const Subscription& subscription) const;
  void line_up(Session& session);

  const Neighbours its_;
  std::deque<Number> in_line_;  // sessions
};

}  // namespace sealmq::broker
