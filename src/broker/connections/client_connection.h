// ClientConnection: one client's connection to a shard: what each packet of a client means (MQTT 5 section 3, server side), from
// how it comes in (entering.cpp) to its DISCONNECT. One thread.
#pragma once

#include "broker/connections/acknowledgements.h"
#include "broker/connections/link.h"
#include "broker/routing/publishing.h"

namespace sealmq::broker {

class ClientConnection final : public Link, public mqtt::Events {
 public:
  /// Whoever has the connections.
  class Owner {
   public:
    /// Counts, tells the journal, and may end a connection that fails too often.
    virtual void refuse(Link& link, const Refused& refused, Now now, bool may_disconnect) = 0;
    /// The peer does not hold the keys of its connection, which has ended when this returns.
    virtual void part(Link& link, const Error& error) = 0;
    virtual void end(Link& link, Ending ending, bool with_will, Now now) = 0;
    /// A packet has been dealt with.
    virtual void take_turns(Link& link) = 0;

   protected:
    ~Owner() = default;
  };
  /// All outlive it, and this list does; `budget` may be null.
  struct Neighbours {
    std::size_t shard, shards;
    const Settings& settings;
    const Admission::Schemes& schemes;
    Random& random;
    MemoryLimits& memory;
    FlowControl& flow;
    LoginFlow& login_flow;
    SessionTable& sessions;
    BackgroundJobs& background_jobs;
    SchemeRequests& scheme_requests;
    Publishing& publishing;
    SubscriptionGrants& grants;
    SessionDelivery& deliveries;
    Acknowledgements& acknowledgements;
    Durability& durability;
    Effects& effects;
    Counters& counters;
    StepCounter& steps;
    Owner& owner;
    Budget* budget;
  };
  ClientConnection(const Neighbours& neighbours, ConnectionId id, Peer peer, Now now);

  using mqtt::Events::on;

  Result<> on(const mqtt::Connect& packet, Bytes raw) override;
  Result<> on(const mqtt::Publish& packet) override;
  Result<> on(const mqtt::Puback& packet) override;
  Result<> on(const mqtt::Pubrec& packet) override;
  Result<> on(const mqtt::Pubrel& packet) override;
  Result<> on(const mqtt::Pubcomp& packet) override;
  Result<> on(const mqtt::Subscribe& packet) override;
  Result<> on(const mqtt::Unsubscribe& packet) override;
  Result<> on(const mqtt::Disconnect& packet) override;
  Result<> on(const mqtt::Auth& packet) override;
  /// The login's present step is done.
  Result<> go_on_with_login();
  /// So is what the message waited for.
  Result<> go_on_with_message();

  /// Whether the list, as it is now, still lets in who came so; learns what that proves now.
  bool still_proves();
  bool has_former_password() const;

 private:
  /// See Owner::part().
  Result<> part_with(const Error& error);
  OrRefused<SubscriptionGrants::Granted> subscribe(const mqtt::SubscribeEntry& entry, const mqtt::Properties& asked);
  /// What one packet asks for is work of a bounded size.
  Result<> check_amount(std::size_t filters, const mqtt::Properties& asked) const;
  /// The message that is acknowledged. Null: none has this identifier. Error: it waits for something else.
  Result<mqtt::Outgoing<Delivery>*> acknowledged(std::uint16_t packet_id, mqtt::Awaiting by, mqtt::Awaiting or_by);
  Result<> take(const mqtt::Publish& packet, BackgroundJobs::Finished* finished);
  Result<> answer(const mqtt::Publish& packet, mqtt::Reason reason, bool relies);
  void acknowledge(mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason, bool relies);
  template <class Answer>
  void promise(mqtt::PacketType type, const Answer& answer, bool relies);
  // entering.cpp
  Result<> begin(const mqtt::Connect& packet, Bytes raw);
  Result<> go_on(std::optional<LoginFlow::Decided> decided);
  Result<> come_in(const mqtt::Connect& packet, LoginFlow::Decided decided);
  /// How it logged in.
  struct Proof {
    mqtt::Properties properties{};  ///< for CONNACK
    Hop hop = Hop::none;
    LoggedIn who{};
  };
  Result<> enter(const mqtt::Connect& packet, Proof proof);
  Result<> protect(Proof proof);
  Result<> admit(const mqtt::Publish& packet);

  const Neighbours& its_;
};

}  // namespace sealmq::broker
