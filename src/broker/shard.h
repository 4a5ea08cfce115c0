// Shard: a part of the broker that one thread owns, whole: connections, their sessions, subscriptions, retained messages.
// Bytes in, bytes and effects out. No socket, thread, lock or clock.
//
// A client identifier belongs to one shard (shard_of); a connection that turns up elsewhere is moved there with its bytes, so
// that takeover and sessions never cross threads. A message is matched against the tree of its publisher's shard and handed to
// the other shards as one shared immutable object.
//
// After every call the owner carries out effects(): writes what stands in outbox(), closes, moves, hands on.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/keyed_hash.h"
#include "broker/durability/changes.h"
#include "broker/limits/budget.h"
#include "broker/limits/token_bucket.h"
#include "broker/parcel.h"
#include "broker/policy/policy.h"
#include "broker/routing/interest.h"
#include "mqtt/connection.h"
#include "sealmq/ports.h"
#include "sealmq/registry.h"
#include "sealmq/scheme.h"

namespace sealmq::broker {

/// Never reused while the shard lives.
struct ConnectionId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  bool operator==(const ConnectionId&) const = default;
};

/// What protects connections after a login by a scheme.
enum class HopRule : std::uint8_t {
  as_offered,  ///< the strongest that the client offers
  none,        ///< nothing
  hpp1,        ///< this, or nobody comes in
  ratchet,     ///< likewise
  hrl1,        ///< likewise
};

/// What is known of a client before its CONNECT.
struct Peer {
  std::string address;                   ///< for the log, and for throttling
  std::string identity{};                ///< proven by the transport: a certificate's name, a pre-shared key's; empty: none
  bool binds_client_id = false;          ///< to that identity: a client identifier is it, or begins with it and ':'
  std::uint64_t proof_ends = 0;          ///< when its certificate runs out, wall milliseconds; 0: never
  std::uint64_t lasts = 0;               ///< milliseconds after which its connection ends at a quiet moment; 0: for ever
  std::uint64_t most_bytes = 0;          ///< one way, after which it ends likewise; 0: any number
  std::function<bool()> still_proved{};  ///< its certificate or key has not been revoked meanwhile; null: there is none
  bool is_own = false;                   ///< the broker's other half: it alone may use own_names
  bool may_be_anonymous = true;          ///< else it has to prove an identity
  HopRule hop = HopRule::as_offered;
  bool must_be_protected = false;  ///< nothing of its transport hides what is sent: whoever logs in by a scheme needs a Hop
  bool is_hidden = false;          ///< TLS, or a socket of this machine: nobody on the way reads what is sent
  std::array<std::uint8_t, 32> channel_binding{};  ///< see LoginRequest
  std::size_t memory = 0;                          ///< bytes that its transport takes beyond a socket
  std::string place{};  ///< the address without its port, or the network of it: its connections share what one may take. Empty:
                        ///< the address
};

/// Client identifiers that begin so are the broker's.
inline constexpr std::string_view own_names = "sealmq-own-";

struct Settings {
  mqtt::Limits limits;
  std::uint32_t maximum_inflight = 100;              ///< QoS 1 and 2 messages unacknowledged towards one client
  std::uint32_t maximum_queued_messages = 1000;      ///< per session, beyond those in flight
  std::size_t maximum_queued_bytes = 8 << 20;        ///< per session
  bool queue_qos0 = false;                           ///< also those of QoS 0, for clients that are away; in memory alone
  std::size_t outbox_high_water = 4 << 20;           ///< bytes unwritten: QoS 0 is dropped, QoS 1 and 2 stay queued
  std::uint16_t maximum_keep_alive = 0;              ///< seconds, MQTT 5 only; 0: what the client wishes
  std::uint32_t maximum_session_expiry = 7 * 86400;  ///< seconds; what a client may ask at most (MQTT 3: what it gets)
  std::size_t maximum_sessions = 200'000;            ///< per shard, connected or not
  std::size_t maximum_subscriptions = 10'000;        ///< per session
  std::size_t maximum_levels = 200;                  ///< of a topic name or filter
  std::size_t maximum_retained = 100'000;            ///< messages, and marks of those just erased
  std::size_t maximum_retained_bytes = 256 << 20;    ///< the same
  std::uint32_t publish_rate = 0;                    ///< messages a second from one client; 0: no bound
  std::uint32_t publish_burst = 0;                   ///< messages at once beyond it; 0: one second's worth
  std::uint32_t publish_bytes_rate = 0;              ///< bytes a second in messages of one client; 0: no bound
  std::uint32_t slow_consumer_timeout = 60;          ///< seconds at the high water without taking a byte; 0: for ever
  std::uint32_t failures_until_disconnect = 10;      ///< messages that fail verification within 60 s
  std::size_t maximum_topic_nodes = 1'000'000;       ///< levels in the tree of subscriptions, per shard
  std::size_t maximum_wildcards = 8;                 ///< '+' in one filter
  std::uint16_t topic_alias_maximum_out = 32;        ///< aliases used towards one client, if it allows them
  std::size_t maximum_logins = 8192;                 ///< undecided at the same time, per shard
  std::size_t maximum_preparations = 16;             ///< of messages at the same time, per shard and scheme; others wait,
  std::size_t maximum_preparations_of_address = 8;   ///< and of messages of one address
  std::size_t maximum_receivers = 64;                ///< subscriptions with a key of their own, per connection
  HashKey shard_key{};                               ///< of shard_of; the store keeps it
  bool durable = false;                              ///< changes go to a store, and promises wait for it
  std::uint32_t store_delay = 0;  ///< milliseconds that a QoS 1 message may be kept from the store, if its client is there: most
                                  ///< often it is acknowledged before that, and need not be written at all
};

/// Of one client. A burst that is too small for the rate is larger than configured.
Rate message_rate(const Settings& settings);
Rate byte_rate(const Settings& settings);

/// Why a message or a client was refused; the key by which refusals are counted, and the log is kept from flooding.
enum class Refusal : std::uint8_t {
  malformed_packet,
  protocol_error,
  packet_too_large,
  login_refused,
  topic_not_allowed,
  container_malformed,
  verification_failed,
  author_not_listed,
  author_revoked,
  replay,
  subscription_refused,
  client_identifier_refused,
  keep_alive_timeout,
  too_many_failures,
  limit_reached,
  too_many_connections,
  connecting_too_fast,
  memory_full,
  slow_consumer,
  count_,
};
std::string_view name(Refusal refusal);

enum class Drop : std::uint8_t { queue_full, slow_consumer, expired, too_large, not_entitled, cannot_seal, count_ };
std::string_view name(Drop drop);

/// How a connection ended that had logged in.
enum class Ending : std::uint8_t {
  by_client,
  connection_lost,
  error,
  taken_over,
  refused_too_often,
  revoked,
  shut_down,
  lasted,
  count_
};
std::string_view name(Ending ending);

/// What the shard did since it began.
struct Counters {
  std::uint64_t connections = 0;    ///< present, logged in or not
  std::uint64_t sessions = 0;       ///< present
  std::uint64_t retained = 0;       ///< present; every shard holds them all
  std::uint64_t subscriptions = 0;  ///< present
  // as of the last tick()
  std::uint64_t inflight = 0;
  std::uint64_t queued = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t retained_bytes = 0;

  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  mqtt::PacketCounts packets;
  std::uint64_t published = 0;                      ///< messages of clients that were admitted,
  std::array<std::uint64_t, 3> published_by_qos{};  ///< likewise,
  std::uint64_t published_bytes = 0;                ///< and their payloads
  std::uint64_t delivered = 0;                      ///< messages sent to clients,
  std::array<std::uint64_t, 3> delivered_by_qos{};  ///< likewise,
  std::uint64_t delivered_bytes = 0;                ///< and their packets
  std::uint64_t logins = 0;                         ///< connections that were accepted by CONNACK
  std::uint64_t slowed_logins = 0;                  ///< tries whose answer was held back, see LoginGate::take_turn
  std::array<std::uint64_t, static_cast<std::size_t>(Ending::count_)> ended{};  ///< of those
  std::uint64_t expired_sessions = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Drop::count_)> dropped{};
};

/// Where a shard tells what happened. Called on the shard's thread; must not block or flood.
class Journal {
 public:
  virtual ~Journal() = default;
  /// `cause` is for the local log only. `client` is its identifier as sent: treat as hostile text.
  virtual void refused(Refusal refusal, std::string_view client, std::string_view cause, Now now) = 0;
};

/// Who is told of misuse: of messages that an identity on the list has shown to have written, and has no right to publish. One
/// for all shards. Any thread.
class MisuseWatch {
 public:
  virtual ~MisuseWatch() = default;
  /// `show`: what shows the authority who wrote it, empty if nothing does; works only now, and costs something.
  virtual void saw(const std::string& author, std::string_view misuse, Now now, const std::function<Buffer()>& show) = 0;
};

/// Topics whose messages prove themselves, whoever brings them: policy and rights are not asked, and nothing else is taken there.
/// One for all shards. Any thread.
class TopicGuard {
 public:
  virtual ~TopicGuard() = default;
  virtual bool watches(std::string_view topic) const = 0;
  /// Errors: it is not what belongs there.
  virtual Result<> judge(std::string_view topic, Bytes payload, bool retain, const Directory& directory) = 0;
};

/// Keeps guessing slow (index of specifications, section 3 rule 5); one for all shards. Any thread. Failures are counted for a
/// name as one network tries it, so that nobody can close a name to others, and for the network whatever the name. Secrets that
/// people choose and proofs by key are counted apart: failed passwords close no proof by key.
class LoginGate {
 public:
  using Tested = Login::Tested;
  enum class Outcome { failed, succeeded, untried };
  virtual ~LoginGate() = default;
  /// False: too many have failed lately. An empty name: the network alone counts.
  virtual bool may_try(Tested by, std::string_view name, std::string_view address, Now now) = 0;
  /// Likewise, and if so, one has begun, which counts as a failure until end() is called for it.
  virtual bool begin(Tested by, std::string_view name, std::string_view address, Now now) = 0;
  virtual void end(Tested by, std::string_view name, std::string_view address, Outcome outcome, Now now) = 0;
  struct Turn {
    bool is_now = true;           ///< else it is asked for again in a moment
    std::uint64_t answer_at = 0;  ///< steady; what came of it is not told before
  };
  /// Of a try at a secret: nothing is closed to a name at which many have failed from everywhere, but from networks that do not
  /// know it one try at a time is worked on.
  virtual Turn take_turn(std::string_view /*name*/, std::string_view /*address*/, Now /*now*/) { return {}; }
};

/// One try, from its beginning to what came of it: a failure, if nothing else is said.
class LoginTry {
 public:
  /// `gate` may be null, and outlives it.
  LoginTry(LoginGate* gate, LoginGate::Tested by, std::string_view name, std::string_view address, Now now);
  LoginTry(LoginTry&& other) noexcept;
  LoginTry& operator=(LoginTry&& other) noexcept;
  ~LoginTry();
  /// False: it is refused, and nothing is to be tried.
  bool is_open() const { return is_open_; }
  void is(LoginGate::Outcome outcome) { outcome_ = outcome; }

 private:
  LoginGate* gate_;  // null: nothing to tell
  LoginGate::Tested by_;
  std::string name_, address_;
  Now now_;
  bool is_open_;
  LoginGate::Outcome outcome_ = LoginGate::Outcome::failed;
};

/// A login by user name and password; null: such mean nothing.
struct BegunLogin {
  BegunLogin() = default;
  template <class Kind>
  BegunLogin(std::unique_ptr<Kind> its, bool quick = false) : login(std::move(its)), is_quick(quick) {}

  std::unique_ptr<Login> login;
  bool is_quick = false;  ///< its one step neither blocks nor takes long: the shard makes it, and it waits for nobody
};
using BeginLogin = std::function<BegunLogin(LoginRequest& request, Now now)>;

using PasswordChanges = std::function<std::uint64_t(std::string_view name)>;

struct Ports {
  std::vector<std::unique_ptr<BrokerScheme>>
      schemes;  ///< this shard's own, in the order of all_schemes(); its place is its index
  ReplayMemory& replays;
  Journal& journal;
  Random& random;
  LoginGate* gate = nullptr;  ///< null: nothing is slowed down
  /// How often a name's password was changed or taken away, as far as somebody has looked; null: nobody knows.
  PasswordChanges password_changes{};
  MisuseWatch* misuse = nullptr;  ///< null: nobody is told
  TopicGuard* guard = nullptr;    ///< null: there are no such topics
  Budget* budget = nullptr;       ///< shared by all shards; null: memory has no bound but those of Settings
  BeginLogin password_login{};    ///< null: user names and passwords are not looked at
  /// Subscriptions of sessions that outlive their connections, in all shards; shared by them. While there are none, a message on
  /// its way to another shard need not be stored. Null: it always is.
  std::atomic<std::size_t>* lasting_subscriptions = nullptr;
  /// Shared by all shards. Null: with several, nobody is told that a message had no subscriber.
  Interest* interest = nullptr;
};

/// Work that may block, for a thread that may wait; it works without the shard. Done or not (no thread had time), the shard is
/// told by finish().
struct Job {
  enum class Kind : std::uint8_t { login, message };
  struct Name {
    Kind kind;
    ConnectionId connection;
    std::string address;     ///< of a message: whose places it takes
    std::size_t scheme = 0;  ///< likewise, and in which line
  };
  Name name;
  std::function<void()> work;
  bool waits = false;  ///< for others, more than it computes: see Preparation
};

/// A connection whose client identifier belongs to another shard.
struct Move {
  ConnectionId connection;
  std::size_t shard;
  Peer peer;
  Buffer unread;  ///< to be received there after open()
};

/// Who has to wait because other shards do not take what is on its way to them.
enum class HeldBack : std::uint8_t {
  nobody,
  who_was_promised,  ///< publishers of QoS 1 and 2 and of retained messages; the others' messages are lost to those shards
  publishers,        ///< all of them
};

/// Whether anything is to be read from a connection.
struct Reading {
  ConnectionId connection;
  bool wanted;  ///< no: it sends faster than it may, or does not take the answers; what it sends waits on its side
};

/// What the owner must do. The owner clears it when it is done, or swaps it with an empty one.
struct Effects {
  std::vector<ConnectionId> writable;  ///< something stands in outbox(); each once
  std::vector<ConnectionId> closing;   ///< write what stands in outbox(), then close the transport and call gone()
  std::vector<Job> jobs;               ///< for the worker pool
  std::vector<Move> moves;             ///< reopen at that shard; already forgotten here
  std::vector<Reading> reading;        ///< in this order
  std::vector<Parcel> parcels;         ///< to take_in() of other shards, in this order; after the changes went to the store
  bool empty() const {
    return writable.empty() && closing.empty() && moves.empty() && parcels.empty() && jobs.empty() && reading.empty();
  }
};

class Shard {
 public:
  Shard(std::size_t index, std::size_t count, Settings settings, Ports ports, std::shared_ptr<const Policy> policy,
        std::shared_ptr<const Directory> directory);
  ~Shard();

  /// A transport was accepted.
  ConnectionId open(Peer peer, Now now);
  void receive(ConnectionId connection, Bytes bytes, Now now);
  /// The transport ended, by either side. Unknown ids are ignored, here and everywhere.
  void gone(ConnectionId connection, Now now);
  /// Null when the connection is unknown. The owner writes and consumes; after consuming it calls drained().
  /// Asking takes the connection off the list of writable ones: it is named again when more has come.
  /// `unsent`: bytes that left it earlier and that the transport still keeps.
  mqtt::Outbox* outbox(ConnectionId connection, std::size_t unsent = 0);
  /// It has logged in.
  bool has_session(ConnectionId connection);
  /// A Job is done, or will not be.
  void finish(const Job::Name& job, Now now);
  /// Bytes went out, so many: a slow consumer may now get what was kept back.
  void drained(ConnectionId connection, Now now, std::size_t written = 0);

  /// Parcels fill up: they should be handed over before anything else is received, and until then publishers wait.
  bool has_much_to_hand_over() const;
  /// The parcels of effects() have been taken, and this is how the others do.
  void handed_over(HeldBack held_back, Now now);
  /// Messages of QoS 0 that another shard did not get.
  void lost(std::size_t messages);
  /// Whether anything is to be received from this connection now: it is no publisher who has to wait.
  bool is_heard(ConnectionId connection) const;

  /// From other shards, in order.
  void take_in(std::span<const Parcel> parcels, Now now);

  /// What the store has to hold now, if there is something; then the next batch begins. To be asked at the end of each turn,
  /// before the effects are carried out, to which it may add.
  std::optional<Batch> take_changes(Now now);
  /// Some are left: ask again, at the latest after Settings::store_delay.
  bool has_changes() const;
  /// Some of them cannot wait.
  bool has_urgent_changes() const;
  /// What is left takes memory, as do the answers that wait for it: above some number the owner reads no more until stored().
  std::size_t count_changes() const;
  /// Every batch up to this one is stored. What waited for it goes out.
  void stored(std::uint64_t batch, Now now);
  /// The store cannot keep this session; if it is one of this shard, it ends, and its client is told (0x83).
  void lose(Number session, Now now);
  /// Before the first open(): makes what belongs to this shard as it was. Answers how many sessions that are.
  std::size_t restore(const Restored& restored, Now now);
  /// After that, when every shard has been restored and the parcels that came of it were taken in. What changes now must reach
  /// the store together with the changes of the other shards.
  void restore_transits(const Restored& restored, Now now);
  /// Deadlines: keep-alive, logins, session and message expiry, Will delay. Call at least once a second, and when next_deadline()
  /// has come.
  void tick(Now now);
  std::uint64_t next_deadline() const;
  /// Something was too much for one turn: go_on() in the next one, until there is no more.
  bool has_work() const;
  void go_on(Now now);
  /// Listens again to clients that had sent too fast. To be called when next_reading() has come; UINT64_MAX: nobody waits.
  void read_on(Now now);
  std::uint64_t next_reading() const;

  /// A message of the broker itself, retained unless said otherwise, for instance under $SYS; policy decides who gets it, as
  /// plain MQTT.
  void publish_own(std::string_view topic, std::string_view payload, Now now, bool retain = true);

  /// A new list or policy: everything on its way is checked against it. Answers what ended for each identity that was revoked
  /// since.
  void set_policy(std::shared_ptr<const Policy> policy, Now now);
  /// Ends the connections whose transport proves nobody any more (Peer::still_proved), or whose password is another now. To be
  /// called when lists or passwords were read again, and every few minutes, as lists run out.
  void look_at_proofs(Now now);
  /// What schemes can change while they run.
  void set_options(const SchemeOptions& options, Now now);
  void set_directory(std::shared_ptr<const Directory> directory, Now now);
  /// Ends everything of a revoked identity here: sessions (0x98), subscriptions, queued, in-flight, retained, Will.
  RevocationReport revoke(std::string_view name, Now now);

  /// Every client gets DISCONNECT 0x8B; Wills are published first.
  void shut_down(Now now);

  Effects& effects();
  const Counters& counters() const;
  /// A measure of the work done so far that no clock disturbs: things looked at, each of which takes some hundred nanoseconds.
  std::uint64_t steps() const;
  /// That no packet takes more of: some milliseconds.
  static constexpr std::uint64_t most_steps = 60'000;

  /// The shard that owns a client identifier, or a group of shared subscriptions. `key`: Settings::shard_key.
  static std::size_t shard_of(std::string_view name, std::size_t count, const HashKey& key);

 private:
  std::unique_ptr<class Core> core_;
};

}  // namespace sealmq::broker
