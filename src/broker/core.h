// Core: the inside of a Shard, where its parts meet. Each part has its own data and knows only what it uses (connections/,
// sessions/, routing/, schemes/, durability/, limits/, policy/); what they ask of each other is answered here. Beyond that it
// does what goes through all of them: a connection's turns and its end, a new policy, a revocation.
#pragma once

#include "broker/connections/acknowledgements.h"
#include "broker/connections/client_connection.h"
#include "broker/connections/connection_table.h"
#include "broker/connections/login_flow.h"
#include "broker/durability/durability.h"
#include "broker/limits/flow_control.h"
#include "broker/policy/access.h"
#include "broker/policy/admission.h"
#include "broker/routing/entitlement.h"
#include "broker/routing/publish_encoder.h"
#include "broker/routing/publishing.h"
#include "broker/routing/retained.h"
#include "broker/routing/router.h"
#include "broker/routing/shared_groups.h"
#include "broker/routing/subscription_grants.h"
#include "broker/routing/topic_tree.h"
#include "broker/schemes/keyed_subscriptions.h"
#include "broker/schemes/scheme_requests.h"
#include "broker/sessions/restoring.h"
#include "broker/sessions/session_delivery.h"
#include "broker/sessions/session_table.h"
#include "broker/shard.h"

namespace sealmq::broker {

class Core final : Acknowledgements::Connections,
                   ClientConnection::Owner,
                   Durability::AckSender,
                   FlowControl::Connections,
                   KeyedSubscriptions::Outlet,
                   LoginFlow::Connections,
                   Publishing::Connections,
                   SessionDelivery::Connections,
                   SessionTable::Connections,
                   SessionTable::Deliveries,
                   SubscriptionGrants::Retaining {
 public:
  Core(std::size_t index, std::size_t count, Settings settings, Ports ports, std::shared_ptr<const Policy> policy,
       std::shared_ptr<const Directory> directory);

  ConnectionId open(Peer peer, Now now);
  ClientConnection* find(ConnectionId id) const { return connections_.find(id); }
  void receive(ClientConnection& link, Bytes bytes, Now now);
  void gone(Link& link, Now now);
  void finish(const Job::Name& job, Now now);
  void tick(Now now);
  bool has_work() const { return deliveries.has_in_line() || flow.has_waiting_for_turn(); }
  /// Goes on with what was too much for one turn.
  void go_on(Now now);
  void shut_down(Now now);
  void lose(Number session, Now now);

  void set_policy(std::shared_ptr<const Policy> policy);
  void set_directory(std::shared_ptr<const Directory> directory, Now now);
  RevocationReport revoke(std::string_view name, Now now);
  void look_at_proofs(Now now);

  /// Counts what the connection keeps, and sees whether it keeps or owes too much: it may end the link, or stop reading from it.
  void look_after(Link& link);
  void count_lost(std::size_t messages) { counters.dropped[static_cast<std::size_t>(Drop::queue_full)] += messages; }
  /// See Shard::steps().
  std::uint64_t steps() const { return steps_.total() + tree.visited(); }

  const std::size_t index;
  const Settings settings;
  Ports ports;
  Access access;
  FilterKinds kinds;    // outlives the sessions,
  MemoryLimits memory;  // likewise
  TopicTree tree;
  SharedGroups groups{tree};
  Retained retained;
  Effects effects;
  Counters counters;
  FlowControl flow{settings, memory, effects, *this};
  StepCounter steps_;
  std::uint64_t last_tick = 0;
  Durability durability;
  SessionTable session_table{{memory, durability, steps_, counters, *this, *this}};
  Admission admission{settings, ports.schemes, access, ports.replays, ports.misuse};
  BackgroundJobs background_jobs{settings, ports.schemes.size(), ports.gate, effects};
  SchemeRequests scheme_requests{{settings, ports.schemes, access, admission, memory, background_jobs, ports.gate}};
  PublishEncoder encoder{ports.schemes, access, steps_};
  KeyedSubscriptions keyed{{settings, access, tree, kinds, memory, encoder, counters, *this}};
  SubscriptionGrants grants;
  LoginFlow login_flow{
      {settings, ports.schemes, access, ports.gate, ports.password_login, effects, counters, *this, &ports.password_changes}};
  Entitlement entitlement{ports.schemes, access};
  SessionDelivery deliveries{{settings, entitlement, retained, memory, encoder, keyed, durability, counters, steps_, *this}};
  Acknowledgements acknowledgements{durability, deliveries, *this};
  Router router;
  Publishing publishing{{settings, ports.schemes, access, admission, scheme_requests, grants, memory, retained, durability,
                         router, deliveries, ports.journal, counters, *this, ports.guard, ports.budget}};
  Restoring restoring;

 private:
  void abort(Link& link, const Error& error) override;
  void end(Link& link, Ending ending, bool with_will, Now now) override;
  void refuse(Link& link, const Refused& refused, Now now, bool may_disconnect) override;
  void part(Link& link, const Error& error) override;
  void take_turns(Link& link) override;

  void tick(ClientConnection& link, Now now);
  bool has_run_out(Link& link, Now now);
  bool has_lasted(Link& link, Now now);
  void end_if_stalled(Link& link, Now now);
  /// Belongs to another shard.
  void move(Link& link);
  /// The list has changed.
  void look_at_logins(Now now);
  void end_unproved(Link& link, const char* why, Now now);
  /// Counts what the connection keeps.
  void account(Link& link);

  // for the sessions
  void end_connection(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now) override;
  std::size_t forget_identity(Session& session, std::string_view identity, std::uint64_t& left_groups) override;
  void publish_will(const std::shared_ptr<const Message>& will, Now now) override { publishing.publish_will(will, now); }
  void is_unsubscribed(Session& session, Subscription& subscription) override { grants.forget(session, subscription); }
  void has_ended(Session& session) override { grants.forget_all(session); }
  void is_away(const Session& session) override { grants.tell_groups(session, MemberEvent::What::away); }
  void give_to_others(const std::vector<Delivery>& jobs, Number left, Now now) override {
    router.give_to_others(jobs, left, now);
  }
  void forget_retained(Subscription& subscription) override { deliveries.forget_retained(subscription); }

  /// What schemes have of a connection ends with it.
  void forget_connection(Link& link, Session& session);
  /// Whatever rights or policy have taken away since.
  void review_keyed();
  bool may_still_get(const Session& session, const Delivery& delivery, Now now) const override {
    return entitlement.still(session, delivery, now).has_value();
  }
  void send_frame(ConnectionId connection, std::string_view topic, Bytes payload) override;

  void make_room(ConnectionId connection, Now now) override;
  void send_deferred(DeferredAck& ack, Now now) override;
  ConnectionFlow* flow_of(ConnectionId connection) override;
  void resume(ConnectionId connection, Now now) override;

  ClientConnection::Neighbours of_connections_;
  ConnectionTable<ClientConnection> connections_;
};

}  // namespace sealmq::broker
