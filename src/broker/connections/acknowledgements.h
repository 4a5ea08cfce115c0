// Acknowledgements: the answers to what clients have sent: in their order, each when what it promises is stored. One thread.
#pragma once

#include "broker/sessions/session_delivery.h"

namespace sealmq::broker {

class Acknowledgements {
 public:
  /// Whoever has the connections. Each has ended when these return.
  class Connections {
   public:
    virtual void abort(Link& link, const Error& error) = 0;
    /// The peer does not hold the keys of its connection.
    virtual void part(Link& link, const Error& error) = 0;

   protected:
    ~Connections() = default;
  };
  /// All outlive it.
  Acknowledgements(Durability& durability, SessionDelivery& deliveries, Connections& connections)
      : durability_(durability), deliveries_(deliveries), connections_(connections) {}

  /// Sends an answer, if what it promises is stored, or when it will be. `relies`: it rests on changes made lately.
  void promise(Link& link, DeferredAck ack, bool relies);
  /// Now.
  void send(Link& link, const DeferredAck& ack);

 private:
  void send_pubrec(Link& link, std::uint16_t packet_id, mqtt::Reason reason);

  Durability& durability_;
  SessionDelivery& deliveries_;
  Connections& connections_;
};

}  // namespace sealmq::broker
