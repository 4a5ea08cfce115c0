// Core: the inside of a Shard. link.cpp holds what packets mean, core.cpp the tables and time, admission.cpp who may come in,
// delivery.cpp, group_delivery.cpp and encoding.cpp how messages go out.
#pragma once

#include <map>

#include "broker/access.h"
#include "broker/link.h"
#include "broker/login_places.h"
#include "broker/retained.h"
#include "broker/shard.h"
#include "broker/shared_groups.h"
#include "broker/topic_tree.h"
#include "broker/turns.h"

namespace sealmq::broker {

/// Unwritten bytes that every client may have, however short memory is.
inline constexpr std::size_t owed_when_full = 4 * 1024;

/// Why something was not admitted; the reason is all the peer learns.
struct Refused {
  Refusal kind;
  mqtt::Reason reason;
  std::string cause;
};
template <class T>
using Admission = tl::expected<T, Refused>;
tl::unexpected<Refused> refused(Refusal kind, std::string cause, mqtt::Reason reason = mqtt::Reason::not_authorized);
/// What a scheme has not verified.
tl::unexpected<Refused> not_verified(const Error& error);

/// A packet that leaves when a batch is stored.
struct Promise {
  mqtt::PacketType type;  ///< puback, pubrec, pubrel, pubcomp, suback, unsuback, publish
  std::uint16_t packet_id;
  mqtt::Reason reason = mqtt::Reason::success;
  bool dup = false;         ///< of a publish
  Buffer encoded{};         ///< of a suback and unsuback
  std::uint64_t batch = 0;  ///< set by promise()
  ConnectionId link{};      ///< likewise
};

class Core {
 public:
  Core(std::size_t index, std::size_t count, Settings settings, Ports ports, std::shared_ptr<const Policy> policy,
       std::shared_ptr<const Directory> directory);

  // -- core.cpp: connections and sessions

  ConnectionId open(Peer peer, Now now);
  Link* find(ConnectionId id);
  void receive(Link& link, Bytes bytes, Now now);
  void gone(Link& link, Now now);
  void finish(const Job::Name& job, Now now);
  void tick(Now now);
  void look_at_proofs(Now now);
  bool has_run_out(Link& link, Now now);
  bool has_lasted(Link& link, Now now);
  void shut_down(Now now);
  /// The connection is over for this reason; a session that outlives it keeps its Will until it is due.
  void abort(Link& link, const Error& error);
  void end(Link& link, Ending ending, bool with_will, Now now);
  /// Ends who uses this identity's session of that identifier now, and finds or makes it. Answers whether it was there.
  std::pair<Session*, bool> take_session(std::string_view client_id, std::string_view identity, bool clean_start,
                                         std::string_view party, Now now);
  /// `by` becomes the scheme's index.
  std::unique_ptr<Login> begin_login(LoginRequest& request, std::optional<std::size_t>& by);
  /// By a scheme, in CONNECT itself.
  std::unique_ptr<Login> begin_login_in_connect(LoginRequest& request, std::optional<std::size_t>& by);
  /// False: there is none.
  bool take_login_place(Link& link);
  /// The login waits for its next step to be worked on; addresses take turns.
  void line_up_login(Link& link, std::function<void()> work);
  void begin_logins();
  /// It is decided, or given up.
  void forget_login(Link& link);
  void destroy(Session& session, Now now);
  void tell_writable(Link& link);
  Session* find(Number session);
  void set_policy(std::shared_ptr<const Policy> policy);
  void set_directory(std::shared_ptr<const Directory> directory);
  RevocationReport revoke(std::string_view name, Now now);
  void lose(Number session, Now now);

  // -- overload.cpp: who wants too much, of memory or of time

  /// Counts what the connection keeps, and sees whether it keeps or owes too much: it may end the link, or stop reading from it.
  void look_after(Link& link);
  /// Counts only.
  void account(Link& link);
  void account(Session& session);
  /// When it is made: takes it from the share of that party.
  void account_first(Session& session, std::string_view party);
  /// It belongs to another party from now on: who comes for it now, or has come from elsewhere.
  void account_to(Session& session, std::string_view party);
  void account_first(Subscription& subscription, std::string_view party);
  void account_tree();
  /// A packet came: above the rate, nothing is read for a while.
  void meter(Link& link, std::size_t bytes);
  /// A packet has been dealt with. If the connection has taken much of the shard's time, others have theirs before it goes on.
  void take_turns(Link& link);
  void read_on(Now now);
  std::uint64_t next_reading() const { return slowed_.empty() ? UINT64_MAX : slowed_.begin()->first; }
  void end_if_stalled(Link& link, Now now);
  /// A message came, and perhaps no more may come now.
  void wait_for_others(Link& link, const mqtt::Publish& packet);
  bool is_heard(const Link& link) const;
  void handed_over(HeldBack held_back, Now now);
  bool has_much_to_hand_over() const { return parcel_bytes_ > most_parcel_bytes; }
  void count_lost(std::size_t messages) { counters.dropped[static_cast<std::size_t>(Drop::queue_full)] += messages; }
  bool has_room_to_wait() const { return ports.budget == nullptr || ports.budget->has_room_to_wait(); }
  bool has_room_to_grow() const { return ports.budget == nullptr || ports.budget->has_room_to_grow(); }
  /// Unwritten bytes from which a client gets no more messages.
  std::size_t outbox_limit() const;
  /// For one more session of this party.
  bool has_room_for_session(std::string_view party) const;
  /// In memory, for so much more of sessions and subscriptions.
  bool has_room_to_last(std::size_t more, std::string_view party) const;
  /// Of a subscription, with the nodes of the tree that it may need.
  static std::size_t lasting_cost(std::string_view filter);
  /// Why this message cannot be taken in now; null: it can.
  const char* lacks_room_for(const mqtt::Publish& packet) const;
  /// Why it cannot be retained now, though it may be delivered; null: it can.
  const char* lacks_room_to_retain(const Link& link, const mqtt::Publish& packet) const;
  std::uint32_t quota(const Link& link) const;

  // -- admission.cpp: what may come in

  struct Admitted {
    BrokerScheme::Checked<Opened> opened;
    const Identity* author;  ///< who the message names, or else who logged in; null: nobody
    std::size_t scheme;
    bool repeat;
    std::optional<ReplayMark> unkept;  ///< to be kept when the message is
  };
  /// Verified by one of the schemes that policy allows here, by an author who may publish it, and not a replay.
  Admission<Admitted> admit(Link& link, std::string_view topic, Bytes payload, mqtt::QoS qos, Now now);
  std::string form_of(const Incoming& incoming) const;
  std::string accepted(const TopicRule& rule) const;
  struct Accepted {
    mqtt::Reason reason;  ///< what the acknowledgement says
    bool relies = false;  ///< on changes that may not be stored yet
  };
  /// Somebody's message or request came through the session.
  void hear(Session& session, const std::string& name);
  /// A client's PUBLISH: admitted, stored if retained, delivered.
  Accepted accept(Link& link, const mqtt::Publish& packet, Preparation* prepared, Now now);
  /// `$SYS/broker/connection/CLIENT/state`, the one topic under $SYS that a client may publish to, and this client alone: what
  /// bridges say of themselves, by a Will and retained, as mosquitto's do without being asked. Policy decides whether it is
  /// passed on; if not, it is taken and forgotten.
  static bool is_state(std::string_view client_id, std::string_view topic, Bytes payload);
  bool passes_on_state(std::string_view topic) const;
  /// `client_id`: of the client whose Will it is; the link has no session yet.
  Admission<PendingWill> admit_will(Link& link, std::string_view client_id, const mqtt::Will& will, Now now);
  struct Granted {
    Subscription* subscription;  ///< null: an inbox
    bool is_new;
    mqtt::QoS qos;
  };

  // -- subscriptions.cpp

  Admission<Granted> subscribe(Link& link, const mqtt::SubscribeEntry& entry, const mqtt::Properties& properties, Now now);
  bool unsubscribe(Session& session, std::string_view filter);
  void forget(Session& session, Subscription& subscription);
  /// To the shard that owns the group.
  void tell_group(const Subscription& subscription, MemberEvent::What what);
  void tell_groups(const Session& session, MemberEvent::What what);
  /// Counts, tells the journal, and ends a connection that fails too often.
  void refuse(Link& link, const Refused& refused, Now now, bool may_disconnect = true);

  // -- reserved.cpp: topics under '$', and subscriptions with receivers

  bool is_taken(std::size_t scheme, const Incoming& incoming) const;
  /// True if the message has a slow part: it has been begun, and the connection waits for it.
  bool prepare(Link& link, const mqtt::Publish& packet, Now now);
  /// Of that filter; "this connection" is subscribed no more.
  bool close_inbox(Link& link, std::string_view filter);
  /// Takes away what ends with the connection.
  void forget_connection(Link& link, Session& session);
  /// Whatever rights or policy have taken away since.
  void review_receivers();
  void tick_receivers(Link& link, Now now);
  /// Those of the identity; answers how many, and adds the groups that lost a member.
  std::size_t forget_receivers(Link& link, std::string_view identity, std::uint64_t& left_groups);
  /// What must come before the next message of this subscription.
  void send_due(Link& link, Receiver& receiver, Now now);

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
  void forget_retained(Subscription& subscription);
  /// Goes on with what was too much for one turn.
  void go_on(Now now);
  bool has_work() const { return !in_line_.empty() || !links_in_line_.empty(); }
  /// Sends what the session is owed as far as limits allow.
  void pump(Session& session, Now now);
  std::uint64_t next_stamp(Now now);

  // -- promises.cpp: what the store has to hold, and what waits for it

  template <class T>
  void change(T change) {
    if (!settings.durable) return;
    changes.emplace_back(std::move(change));
    urgent_ = true;
  }
  /// Counts the session's subscriptions among the lasting ones as long as it lasts.
  void recount(Session& session, bool present = true);
  bool anybody_lasts() const {
    return ports.lasting_subscriptions == nullptr || ports.lasting_subscriptions->load(std::memory_order_acquire) > 0;
  }
  Number next_number() { return ++last_number_ * count + index; }
  /// The session as it is now, if it is to be known to the store.
  void save(Session& session);
  void save(const Subscription& subscription);
  void save(const Session& session, Delivery& delivery, std::uint16_t packet_id);
  /// It is over, one way or the other.
  void finished(const Session& session, const Delivery& delivery);
  /// PUBREC came for it: only its identifier matters now.
  void received(const Session& session, Delivery& delivery);
  /// Sends an answer, if what it promises is stored, or when it will be. `relies`: it rests on changes made lately.
  void promise(Link& link, Promise promise, bool relies);
  void stored(std::uint64_t batch, Now now);
  /// A retained message has gone; every shard holds them all, and one tells the store.
  void erased(const Message& message) {
    if (index == 0) change(RetainedEnded{std::string(message.view().topic), message.view().stamp});
  }
  /// Makes a mark survive with the present batch, or at once if nothing has been collected for it. False: it could not.
  bool keep_mark(const ReplayMark& mark, bool relies, Now now);
  /// The marks of messages in batches up to this one. False: they could not be kept, and what was promised has to wait.
  bool keep_marks(std::uint64_t batch, Now now);
  bool is_stored(std::uint64_t batch) const { return batch <= stored_; }
  std::uint64_t present_batch() const { return changes.empty() ? batch_ - 1 : batch_; }
  std::optional<Batch> take_changes(Now now);
  bool has_changes() const { return !changes.empty() || !held_.empty() || written_ > stored_; }
  bool has_urgent_changes() const { return urgent_ || last_urgent_ > given_; }
  std::size_t count_changes() const { return changes.size() + held_changes_; }
  std::size_t restore(const Restored& restored, Now now);
  void restore_transits(const Restored& restored, Now now);

  std::size_t owner_of(std::string_view name) const { return Shard::shard_of(name, count, settings.shard_key); }

  const std::size_t index;
  const std::size_t count;
  const Settings settings;
  Ports ports;
  Access access;
  FilterKinds kinds;      // outlives the sessions,
  Shares lasting;         // likewise: bytes of sessions and subscriptions,
  Shares session_places;  // sessions,
  Shares node_places;     // and levels of filters
  TopicTree tree{ports.interest};
  SharedGroups groups{tree};
  Retained retained;
  TextMap<std::unique_ptr<Session>> sessions;  // by their names
  std::unordered_map<Number, Session*> by_number;
  std::vector<Change> changes;  // of the present batch
  Effects effects;
  Counters counters;
  /// See Shard::steps().
  void step(std::size_t some = 1) { steps_ += some; }
  std::uint64_t steps() const { return steps_ + tree.visited(); }
  std::uint64_t last_tick = 0;
  LoginPlaces login_places{settings.maximum_logins};  // of those that are not decided

 private:
  /// What somebody else proved in it (a signed SUBSCRIBE) is not for who goes on with the session.
  void forget_proofs_of_others(Session& session, Now now);
  /// Ends those of its deliveries that `ends` names; what others of a group may do is added to `jobs`. Answers how many.
  std::size_t end_deliveries(Session& session, const std::function<bool(const Delivery&)>& ends, std::vector<Delivery>& jobs);
  /// Whoever is there is told why. Its Will is published if `with_will`.
  void end_session(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now);

  struct Slot {
    std::uint32_t generation = 0;
    std::unique_ptr<Link> link;
  };

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
  /// A PUBLISH encoded once for all receivers that get the same bytes; a packet identifier goes in at `id_at`.
  struct Encoded {
    std::uint8_t scheme;
    const void* group;
    bool v5;
    mqtt::QoS qos;
    bool retain;
    Buffer bytes;
    std::size_t id_at;
    std::size_t topic_size;
    std::size_t payload_size;
    mutable std::shared_ptr<const Buffer>
        shared_rest;  ///< made when first wanted, of a large one: what follows the packet identifier
  };
  /// A batch that the store has not been given yet.
  struct Held {
    std::uint64_t number;
    std::vector<Change> changes;
    std::size_t withdrawn;  ///< how many of them need not be written any more
    std::uint64_t since;    ///< steady
    bool empty() const { return withdrawn == changes.size(); }
  };
  /// The mark of a message in a batch that is not stored yet.
  struct Unkept {
    std::uint64_t batch;
    ReplayMark mark;
  };
  /// In which form a message leaves.
  struct Leaving {
    std::uint8_t scheme;
    bool v5;
    mqtt::QoS qos;
    bool retain;
    const std::vector<std::uint32_t>& identifiers;
    Receiver* receiver;  ///< null: everybody of the scheme gets the same
  };
  struct Sealed {
    std::uint64_t of = 0;  ///< the publication it belongs to
    const void* group = nullptr;
    bool possible = false;
    Buffer payload;
  };

  // admission.cpp
  PendingWill keep_will(const Link& link, std::string_view client_id, MessageView view, const mqtt::Will& will);
  using Keeping = ReplayMemory::Keeping;
  Admission<std::monostate> judge_replay(const std::optional<ReplayMark>& mark, bool& repeat, Now now,
                                         Keeping keeping = Keeping::at_once);
  /// The same for what must not come twice.
  Admission<std::monostate> judge_once(const std::optional<ReplayMark>& mark, const char* cause, Now now);
  /// May its author publish it here, and is it new?
  /// `wire`: the payload as it came in.
  Admission<Admitted> entitle(Link& link, BrokerScheme::Checked<Opened> opened, std::size_t scheme, Bytes wire, mqtt::QoS qos,
                              Now now);
  void tell_misuse(const Opened& opened, std::size_t scheme, Bytes wire, std::string_view what, Now now);
  Accepted pass_on(Link& link, const mqtt::Publish& packet, const Admitted& admitted, Now now);

  // subscriptions.cpp
  struct Subscriber {
    const Identity* identity;  ///< null: nobody in particular
    mqtt::QoS qos;             ///< that it gets of what it wanted
  };
  /// Who subscribes, if it may.
  Admission<Subscriber> may_subscribe(const Link& link, std::string_view filter, std::size_t scheme, mqtt::QoS wanted,
                                      const Asked* asked, Now now);
  Admission<std::monostate> has_room_for_subscription(const Link& link, std::string_view filter) const;
  Admission<std::monostate> check_shape(std::string_view filter) const;
  Admission<Granted> grant(Link& link, std::string_view filter, mqtt::SubscriptionOptions options, std::uint32_t identifier,
                           std::size_t scheme, const Asked* asked, Now now);

  // reserved.cpp
  Scene scene(Link& link, std::size_t scheme, Preparation* prepared, Now now);
  Accepted take_state(Link& link, const mqtt::Publish& packet, Now now);
  Accepted take_guarded(Link& link, const mqtt::Publish& packet, Now now);
  Accepted publish_plain(Link& link, const mqtt::Publish& packet, Now now);
  bool is_guarded(std::string_view topic) const { return ports.guard != nullptr && ports.guard->watches(topic); }
  Accepted take_reserved(Link& link, const mqtt::Publish& packet, Preparation* prepared, Now now);
  Admission<Accepted> take_hidden(Link& link, const mqtt::Publish& packet, std::size_t scheme, Preparation* prepared, Now now);
  Admission<Accepted> answer_request(Link& link, const mqtt::Publish& packet, std::size_t scheme, Preparation* prepared, Now now);
  Admission<std::monostate> grant_own(Link& link, std::size_t scheme, Asked& asked, Now now);
  Admission<std::monostate> grant_publishing(Link& link, std::size_t scheme, const Asked& asked, Now now);
  bool is_reply_topic(std::string_view topic) const;
  Admission<Granted> open_inbox(Link& link, const mqtt::SubscribeEntry& entry);
  const std::pair<std::string, mqtt::QoS>* inbox(const Link& link, std::string_view topic) const;
  void send_frame(Link& link, std::string_view topic, Bytes payload);
  void forget_own(Link& link, std::size_t place);
  void queue_paced(Subscription& subscription, Publication& publication);
  void send_paced(Subscription& subscription, Now now);
  void begin_work(std::size_t scheme);
  void work_is_over(const Job::Name& job);

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
  static Leaving leaving(const Delivery& delivery, const Link& link);
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
  void begin(const Publication& publication);
  /// What a member that has left for good was to get of its groups.
  static std::vector<Delivery> jobs_of(Session& session);
  void give_to_others(const std::vector<Delivery>& jobs, Number left, Now now);

  // encoding.cpp
  /// Another message: what was sealed and encoded last is not its.
  void begin_message();
  Sealed& place_of_sealed(std::size_t scheme, const Receiver* receiver);
  const Buffer* seal(const MessageView& view, std::size_t scheme, Receiver* receiver, Now now);
  const Encoded* encode(const MessageView& view, const Leaving& as, Now now);
  /// With what a sealed payload is longer on this connection.
  std::size_t size_on(const Link& link, const Encoded& encoded) const;
  void append_sealed(Link& link, const Encoded& encoded, std::uint16_t packet_id, bool dup);
  bool append_with_alias(Link& link, const Encoded& encoded, std::string_view topic, std::uint16_t packet_id, bool dup);
  /// Sends, or drops what the client cannot take.
  void send(Link& link, const Encoded& encoded, std::uint16_t packet_id, bool dup);

  // promises.cpp
  void keep(Promise& promise);
  /// The change that made it known, if the store has not been given it yet.
  DeliverySaved* unwritten(const Delivery& delivery, std::size_t*& withdrawn);
  void pass_over_empty_batches(Now now);
  std::size_t count_leaving(Now now) const;
  void restore(const Restored::Session& from, Now now);

  // overload.cpp
  void update_reading(Link& link);
  /// Goes on with what came while it was held, if nothing holds it any more.
  void release(Link& link, Now now);
  /// To other shards, at the end of the turn.
  void hand_over(Parcel parcel) {
    parcel_bytes_ += parcel.size();
    effects.parcels.push_back(std::move(parcel));
  }

  void drop(Drop why) { ++counters.dropped[static_cast<std::size_t>(why)]; }

  std::vector<bool> is_restricted_;  // schemes that say more about who sends and gets their messages
  std::vector<bool> is_of_login_;    // schemes whose messages are what comes on connections of their login
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::multimap<std::uint64_t, ConnectionId> slowed_;  // until that steady moment
  Turns login_turns_{most_logins_of_address, most_logins_at_work};
  std::vector<Turns> turns_;  // of messages that are prepared; by scheme, so that dear work does not hold up cheap
  static constexpr std::size_t most_logins_of_address = 8, most_logins_at_work = 16;
  static constexpr std::size_t most_parcel_bytes = 1 << 20;
  std::size_t parcel_bytes_ = 0;  // of Effects::parcels
  HeldBack held_back_ = HeldBack::nobody;
  std::vector<ConnectionId> waiting_for_others_;
  Charge tree_charge_;
  std::uint64_t steps_ = 0;
  std::uint64_t stamp_ = 0;
  std::uint64_t last_number_ = 0;
  std::uint64_t batch_ = 1;        // collects now
  std::uint64_t stored_ = 0;       // and everything before it is stored up to here, with the marks of replays
  std::uint64_t written_ = 0;      // likewise, but for marks that could not be kept
  std::deque<Unkept> unkept_;      // by batch
  std::deque<Held> held_;          // in order, behind those that the store was given
  std::uint64_t given_ = 0;        // to the store, up to here
  std::uint64_t last_urgent_ = 0;  // has to be written as things are, with what stands before it
  std::size_t held_changes_ = 0;   // withdrawn ones too
  std::size_t withdrawn_ = 0;      // of the present batch
  bool urgent_ = false;            // the present batch is
  bool shutting_down_ = false;
  std::deque<Promise> promises_;            // in the order of their batches
  std::deque<Number> in_line_;              // sessions that go on in a turn to come,
  std::deque<ConnectionId> links_in_line_;  // and connections
  std::uint64_t turn_began_ = 0;            // in steps

  // scratch of the publication being delivered
  std::uint64_t publication_ = 0;
  std::uint64_t delivery_ = 0;  // of the message; more than one where it comes back after a restart
  std::vector<Target> targets_;
  std::vector<Sealed> sealed_;  // by scheme
  std::vector<Sealed> sealed_for_groups_;
  Sealed sealed_alone_;
  std::vector<Encoded> encoded_;
  std::size_t encoded_used_ = 0;
  std::weak_ptr<const Message> begun_;  // whose these are, if it is kept
  mqtt::Publish packet_;
  bool packet_has_properties_ = false;
};

}  // namespace sealmq::broker
