// Link: one client's connection to a shard: what each packet of a client means (MQTT 5 section 3, server side).
#pragma once

#include <string>

#include "broker/connections/login_flow.h"
#include "broker/connections/publish_writer.h"
#include "broker/durability/durability.h"
#include "broker/limits/budget.h"
#include "broker/limits/connection_flow.h"
#include "broker/policy/admission.h"
#include "broker/routing/subscription_grants.h"
#include "broker/schemes/background_jobs.h"
#include "broker/schemes/keyed_subscriptions.h"
#include "broker/schemes/turns.h"
#include "broker/sessions/session.h"
#include "broker/shard.h"
#include "mqtt/connection.h"

namespace sealmq::broker {

class Core;

class Link final : public mqtt::Events {
 public:
  Link(Core& core, ConnectionId id, Peer peer, Now now);

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

  /// The guard's part in acknowledgements; null: it has none.
  KeyRelay* relay() const { return writer.guard() != nullptr ? writer.guard()->relay() : nullptr; }
  /// Whether the list, as it is now, still lets in who came so; learns what that proves now.
  bool still_proves();
  bool has_former_password() const;
  bool is_v5() const { return connection.version() == mqtt::Version::v5; }
  /// For the log: the identifier, or the address before there is one.
  std::string_view label() const { return session != nullptr ? std::string_view(session->client_id) : peer.address; }
  /// What rights and policy depend on.
  Caller caller(Now at) const { return {proved, {.identity = identity, .client_id = bound_client_id}, at.steady, peer.is_own}; }
  Origin origin(Now at) {
    const bool has_id = session != nullptr && knows_its_id;
    return {caller(at),
            proved_by,
            states,
            {.client_id = has_id ? std::string_view(session->client_id) : std::string_view(),
             .channel_binding = is_there(peer.channel_binding) ? Bytes(peer.channel_binding) : Bytes()}};
  }
  /// It has a session.
  SubscriptionGrants::Subscriber subscriber(Now at) { return {*session, keyed, origin(at), party(), relay() != nullptr}; }
  LoginFlow::Of login() { return {id, peer, place(), connection, identity, session != nullptr ? &session->client_id : nullptr}; }
  /// Whose share of what is finite it takes: its identity's, or its address's.
  const std::string& party() const { return identity.empty() ? place() : identity; }
  const std::string& place() const { return peer.place.empty() ? peer.address : peer.place; }

  mqtt::Connection connection;
  PublishWriter writer;  ///< with what seals the payloads of its messages
  const ConnectionId id;
  const Peer peer;
  std::string identity;                  ///< who logged in; empty: nobody, or not yet
  std::optional<std::size_t> proved_by;  ///< whose login it was, a scheme's index
  Proved proved;                         ///< by all its logins
  LoginFlow::CameBy came_by;
  std::string bound_client_id;      ///< its client identifier, if that is the identity's; empty: anybody could use it
  bool is_hidden = peer.is_hidden;  ///< nobody on the way reads the payloads that it gets
  bool knows_its_id = true;         ///< false: MQTT 3 has no word for the client identifier that the broker has chosen
  bool is_bridge = false;           ///< says its CONNECT, by the highest bit of the protocol level
  SchemeStates states;
  KeyedConnection keyed;
  Session* session = nullptr;
  Now now;                     ///< of the call being handled
  bool writable_told = false;  ///< stands in Effects::writable
  WaitingAcks waiting_acks;
  bool ended = false;  ///< only its last bytes are still to be written
  Buffer moving;       ///< the CONNECT that belongs to another shard
  std::size_t moving_to = 0;
  std::uint32_t failures = 0;        ///< messages that failed verification,
  std::uint64_t failures_since = 0;  ///< since this steady moment
  ConnectionFlow flow;
  std::uint64_t ends = UINT64_MAX;  ///< steady: the first quiet moment from then on is its last
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::size_t unsent = 0;  ///< kept by the transport
  Charge charge;

 private:
  friend class Core;  // for part()
  Result<> part(const Error& error);
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

  Core& core_;
};

}  // namespace sealmq::broker
