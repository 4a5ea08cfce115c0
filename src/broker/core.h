// Core: the inside of a Shard, where its parts meet. Each part has its own data and knows only what it uses (connections/,
// sessions/, routing/, schemes/, durability/, limits/, policy/); what they ask of each other is answered here. What is still
// without a part of its own stands in routing/ (who gets a message: delivery.cpp, group_delivery.cpp, publishing.cpp), in
// connections/acknowledgements.cpp and in sessions/restoring.cpp.
#pragma once

#include <map>

#include "broker/connections/connection_table.h"
#include "broker/connections/link.h"
#include "broker/connections/login_flow.h"
#include "broker/durability/durability.h"
#include "broker/limits/flow_control.h"
#include "broker/policy/access.h"
#include "broker/policy/admission.h"
#include "broker/routing/publish_encoder.h"
#include "broker/routing/retained.h"
#include "broker/routing/shared_groups.h"
#include "broker/routing/subscription_grants.h"
#include "broker/routing/topic_tree.h"
#include "broker/schemes/keyed_subscriptions.h"
#include "broker/schemes/scheme_requests.h"
#include "broker/sessions/session_table.h"
#include "broker/shard.h"

namespace sealmq::broker {

class Core final : Durability::AckSender,
                   FlowControl::Connections,
                   KeyedSubscriptions::Outlet,
                   LoginFlow::Connections,
                   SessionTable::Connections,
                   SessionTable::Deliveries,
                   SubscriptionGrants::Retaining {
 public:
  Core(std::size_t index, std::size_t count, Settings settings, Ports ports, std::shared_ptr<const Policy> policy,
       std::shared_ptr<const Directory> directory);

  // -- core.cpp: connections and sessions

  ConnectionId open(Peer peer, Now now);
  Link* find(ConnectionId id) const { return connections_.find(id); }
  void receive(Link& link, Bytes bytes, Now now);
  void gone(Link& link, Now now);
  void finish(const Job::Name& job, Now now);
  void tick(Now now);
  void look_at_proofs(Now now);
  /// The list has changed.
  void look_at_logins(Now now);
  void end_unproved(Link& link, const char* why, Now now);
  void tick(Link& link, Now now);
  bool has_run_out(Link& link, Now now);
  bool has_lasted(Link& link, Now now);
  void shut_down(Now now);
  /// The connection is over for this reason; a session that outlives it keeps its Will until it is due.
  void abort(Link& link, const Error& error);
  void end(Link& link, Ending ending, bool with_will, Now now);
  void tell_writable(Link& link);
  Session* find(Number session) const { return session_table.find(session); }
  void set_policy(std::shared_ptr<const Policy> policy);
  void set_directory(std::shared_ptr<const Directory> directory, Now now);
  RevocationReport revoke(std::string_view name, Now now);
  void lose(Number session, Now now);

  // -- limits, on connections

  /// Counts what the connection keeps, and sees whether it keeps or owes too much: it may end the link, or stop reading from it.
  void look_after(Link& link);
  /// Counts only.
  void account(Link& link);
  void end_if_stalled(Link& link, Now now);
  /// A packet has been dealt with.
  void take_turns(Link& link);
  void count_lost(std::size_t messages) { counters.dropped[static_cast<std::size_t>(Drop::queue_full)] += messages; }
  /// Why this message cannot be taken in now; null: it can.
  const char* lacks_room_for(const mqtt::Publish& packet) const;
  /// Why it cannot be retained now, though it may be delivered; null: it can.
  const char* lacks_room_to_retain(const Link& link, const mqtt::Publish& packet) const;
  std::uint32_t quota(const Link& link) const { return memory.quota(link.connection.peer_receive_maximum()); }

  // -- publishing.cpp: what comes in

  /// Somebody's message or request came through the session.
  void hear(Session& session, const std::string& name);
  /// A client's PUBLISH: admitted, stored if retained, delivered.
  Accepted accept(Link& link, const mqtt::Publish& packet, BackgroundJobs::Finished* finished, Now now);
  /// `$SYS/broker/connection/CLIENT/state`, the one topic under $SYS that a client may publish to, and this client alone: what
  /// bridges say of themselves, by a Will and retained, as mosquitto's do without being asked. Policy decides whether it is
  /// passed on; if not, it is taken and forgotten.
  static bool is_state(std::string_view client_id, std::string_view topic, Bytes payload);
  bool passes_on_state(std::string_view topic) const;
  Accepted pass_on(Link& link, const mqtt::Publish& packet, const Admission::Admitted& admitted, Now now);
  void send_frame(ConnectionId connection, std::string_view topic, Bytes payload) override;
  /// `client_id`: of the client whose Will it is; the link has no session yet.
  OrRefused<PendingWill> admit_will(Link& link, std::string_view client_id, const mqtt::Will& will, Now now);
  /// Counts, tells the journal, and ends a connection that fails too often.
  void refuse(Link& link, const Refused& refused, Now now, bool may_disconnect = true);

  /// Takes away what ends with the connection.
  void forget_connection(Link& link, Session& session);
  /// Whatever rights or policy have taken away since.
  void review_keyed();
  // -- delivery.cpp: how messages go out

  /// Stores it if retained, delivers it here and hands it to the other shards.
  /// True: somebody here gets it, or may.
  bool publish(const MessageView& view, Now now);
  void publish(const std::shared_ptr<const Message>& message, Now now);
  void publish_own(std::string_view topic, std::string_view payload, Now now, bool retain = true);
  /// Of nobody's in particular.
  MessageView plain_view(std::string_view topic, Bytes payload) const;
  /// From another shard.
  void take_in(const Parcel& parcel, Now now);
  /// It is new: what is retained of its topics is sent, as the client takes it.
  void owe_retained(Subscription& subscription, Now now);
  void forget_retained(Subscription& subscription) override;
  /// Goes on with what was too much for one turn.
  void go_on(Now now);
  bool has_work() const { return !in_line_.empty() || flow.has_waiting_for_turn(); }
  /// Sends what the session is owed as far as limits allow.
  void pump(Session& session, Now now);
  std::uint64_t next_stamp(Now now);

  // -- acknowledgements.cpp

  /// Sends an answer, if what it promises is stored, or when it will be. `relies`: it rests on changes made lately.
  void promise(Link& link, DeferredAck ack, bool relies);

  // -- restoring.cpp

  std::size_t restore(const Restored& restored, Now now);
  void restore_transits(const Restored& restored, Now now);

  std::size_t owner_of(std::string_view name) const { return Shard::shard_of(name, count, settings.shard_key); }

  const std::size_t index;
  const std::size_t count;
  const Settings settings;
  Ports ports;
  Access access;
  FilterKinds kinds;                                   // outlives the sessions,
  MemoryLimits memory{settings, ports.budget, count};  // likewise
  TopicTree tree{ports.interest, ports.budget, count};
  SharedGroups groups{tree};
  Retained retained;
  Effects effects;
  Counters counters;
  FlowControl flow{settings, memory, effects, *this};
  StepCounter steps_;
  /// See Shard::steps().
  void step(std::size_t some = 1) { steps_.add(some); }
  std::uint64_t steps() const { return steps_.total() + tree.visited(); }
  std::uint64_t last_tick = 0;
  Durability durability{settings, index, count, ports.replays, ports.lasting_subscriptions, *this};
  SessionTable session_table{{memory, durability, steps_, counters, *this, *this}};
  Admission admission{settings, ports.schemes, access, ports.replays, ports.misuse};
  BackgroundJobs background_jobs{settings, ports.schemes.size(), ports.gate, effects};
  SchemeRequests scheme_requests{{settings, ports.schemes, access, admission, memory, background_jobs, ports.gate}};
  PublishEncoder encoder{ports.schemes, access, steps_};
  KeyedSubscriptions keyed{{settings, access, tree, kinds, memory, encoder, counters, *this}};
  SubscriptionGrants grants{{index, count, settings, ports.schemes, access, admission, memory, kinds, tree, groups, keyed,
                             durability, flow, counters, steps_, *this}};
  LoginFlow login_flow{
      {settings, ports.schemes, access, ports.gate, ports.password_login, effects, counters, *this, &ports.password_changes}};

 private:
  void make_room(ConnectionId connection, Now now) override;
  // for the sessions
  void end_connection(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now) override;
  std::size_t forget_identity(Session& session, std::string_view identity, std::uint64_t& left_groups) override;
  void publish_will(const std::shared_ptr<const Message>& will, Now now) override { publish(will, now); }
  void is_unsubscribed(Session& session, Subscription& subscription) override { grants.forget(session, subscription); }
  void has_ended(Session& session) override { grants.forget_all(session); }
  void is_away(const Session& session) override { grants.tell_groups(session, MemberEvent::What::away); }
  void give_to_others(const std::vector<Delivery>& jobs, Number left, Now now) override;

  /// A message being sent, made shared only if somebody must keep it.
  struct Publication {
    Core& core;
    const MessageView& view;
    std::shared_ptr<const Message> shared;
    const std::shared_ptr<const Message>& keep();
  };
  struct Target {
    Subscription* subscription;
    mqtt::QoS qos;
    bool retain;
    std::vector<std::uint32_t> identifiers;
    std::size_t former = none;  ///< of the same session; by another scheme
    static constexpr std::size_t none = SIZE_MAX;
  };
  // publishing.cpp
  PendingWill keep_will(const Link& link, std::string_view client_id, MessageView view, const mqtt::Will& will);

  Accepted take_state(Link& link, const mqtt::Publish& packet, Now now);
  bool may_still_get(const Session& session, const Delivery& delivery, Now now) const override {
    return still_entitled(session, delivery, now).has_value();
  }
  Accepted take_guarded(Link& link, const mqtt::Publish& packet, Now now);
  Accepted publish_plain(Link& link, const mqtt::Publish& packet, Now now);
  bool is_guarded(std::string_view topic) const { return ports.guard != nullptr && ports.guard->watches(topic); }

  // delivery.cpp
  bool spread(Publication& publication, Now now);
  bool may_be_wanted_elsewhere(std::string_view topic) const {
    return count > 1 && (ports.interest == nullptr || ports.interest->may_match(topic));
  }
  /// `only`: to sessions of which it is true; null: to all. True: somebody gets it, or may.
  bool deliver(Publication& publication, Now now, const std::function<bool(const Session&)>* only = nullptr);
  void target_receiver(Subscription& subscription, mqtt::QoS qos);
  /// With which QoS at most a session may get what leaves by this scheme to this subscriber now; nothing: it may not have it.
  std::optional<mqtt::QoS> qos_towards(const Session& session, const MessageView& view, std::size_t scheme,
                                       const std::string* subscriber, const TopicRule* rule, Now now) const;
  static DeliveryFormat format_of(const Delivery& delivery, const Link& link);
  void give_target(Target& target, Publication& publication, Now now);
  void give(Session& session, Delivery delivery, Now now);
  void queue(Session& session, Delivery delivery);
  void start(Session& session, Delivery&& delivery, Now now);
  bool sendable(const Session& session) const;
  bool must_wait(const Link& link, const mqtt::Outgoing<Delivery>& entry) const;
  void send_retained(Session& session, Now now);
  void walk_retained(Session& session, std::size_t& steps, Now now);
  void send_retained(const Subscription& subscription, const std::shared_ptr<const Message>& message, Now now);
  bool takes_retained(const Session& session, const Subscription& subscription) const;
  /// The session does not get this message.
  void misses(Session& session, const MessageView& view);
  void line_up(Session& session);
  /// As qos_towards(), of a message that has waited, also for its author's right.
  std::optional<mqtt::QoS> still_entitled(const Session& session, const Delivery& delivery, Now now) const;
  /// What the schemes say of who gets it, beyond policy and rights.
  bool may_reach(const Session& session, const MessageView& view, std::size_t leaves_by) const;
  /// Not with more than this QoS any more.
  void lower(Session& session, Delivery& delivery, mqtt::QoS most);
  /// What a session gets a message with that was published and asked for so.
  static mqtt::QoS qos_for(const Session& session, mqtt::QoS published, mqtt::QoS wanted);
  void send_pubrec(Link& link, std::uint16_t packet_id, mqtt::Reason reason);
  void send_pubrel(Link& link, std::uint16_t packet_id);
  /// An unfinished delivery of the session, once more or for the first time on this connection.
  /// False if this client cannot take it.
  bool send_unfinished(Link& link, mqtt::Outgoing<Delivery>& entry, bool dup, Now now);
  /// As if it had been delivered: the client takes smaller packets now than it did. [MQTT-3.1.2-25]
  void give_up(Session& session, std::uint16_t packet_id);

  // group_delivery.cpp
  /// To one member of a group that is not `except`. False: there is none for it.
  bool deliver_to_group(SharedGroup& group, Publication& publication, Number except, std::uint32_t tries, Now now);
  bool deliver_to_member(Number session, std::string_view group, Publication& publication, Now now);
  void route(Publication& publication, const SharedRoute& route, Now now);
  void send_parcel(Parcel parcel);
  void send_back(Publication& publication, SharedRoute route, Now now);

  /// Null: it cannot leave so, and has been dropped.
  const EncodedPublish* encode(const MessageView& view, const DeliveryFormat& format, Now now);
  /// Sends, or drops what the client cannot take.
  void send(Link& link, const EncodedPublish& encoded, std::uint16_t packet_id, bool dup);

  // acknowledgements.cpp
  void send_deferred(DeferredAck& ack, Now now) override;
  void send_ack(Link& link, DeferredAck& ack);

  // restoring.cpp
  void restore(const Restored::Session& from, Now now);

  ConnectionFlow* flow_of(ConnectionId connection) override;
  void resume(ConnectionId connection, Now now) override;

  void drop(Drop why) { ++counters.dropped[static_cast<std::size_t>(why)]; }

  ConnectionTable<Link> connections_;
  std::uint64_t stamp_ = 0;
  std::deque<Number> in_line_;  // sessions that go on in a turn to come

  // scratch of the publication being delivered
  std::uint64_t delivery_ = 0;  // of the message; more than one where it comes back after a restart
  std::vector<Target> targets_;
};

}  // namespace sealmq::broker
