// Link: what the parts of a shard know of a client that is there: its connection, who it is, what it has asked for. Decides
// nothing; what its packets mean is said by ClientConnection. One thread.
#pragma once

#include <string>

#include "broker/connections/login_flow.h"
#include "broker/connections/publish_writer.h"
#include "broker/durability/durability.h"
#include "broker/limits/budget.h"
#include "broker/limits/connection_flow.h"
#include "broker/policy/admission.h"
#include "broker/routing/subscription_grants.h"
#include "broker/schemes/keyed_subscriptions.h"
#include "broker/sessions/session.h"
#include "broker/shard.h"
#include "mqtt/connection.h"

namespace sealmq::broker {

class Link {
 public:
  /// `effects` is told when something is to be written. It and the settings outlive the link; `budget` may be null.
  Link(ConnectionId id_, Peer peer_, const Settings& settings, Budget* budget, Effects& effects, Now now_)
      : connection(mqtt::Role::server, settings.limits, now_),
        writer(connection, budget),
        id(id_),
        peer(std::move(peer_)),
        keyed(id),
        now(now_),
        flow(id, connection, settings, peer.is_own, now_),
        charge(budget),
        effects_(effects) {
    if (peer.lasts != 0) ends = now_.steady + peer.lasts;
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Something stands in its outbox.
  void tell_writable() {
    if (std::exchange(writable_told, true)) return;
    effects_.writable.push_back(id);
  }
  /// The guard's part in acknowledgements; null: it has none.
  KeyRelay* relay() const { return writer.guard() != nullptr ? writer.guard()->relay() : nullptr; }
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
  Effects& effects_;
};

}  // namespace sealmq::broker
