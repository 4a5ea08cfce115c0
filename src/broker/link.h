// Link: one client's connection to a shard: what each packet of a client means (MQTT 5 section 3, server side).
#pragma once

#include <string>

#include "broker/access.h"
#include "broker/budget.h"
#include "broker/login_places.h"
#include "broker/session.h"
#include "broker/shard.h"
#include "broker/turns.h"
#include "mqtt/connection.h"
#include "sealmq/payload_guard.h"

namespace sealmq::broker {

class Core;

/// A login that is not decided.
struct PendingLogin {
  std::shared_ptr<Login> login;
  std::shared_ptr<std::optional<Result<Login::Step>>> answer;  ///< of the present step; nothing: no thread had time for it
  std::string method;
  std::string name;  ///< whose login it is said to be: failures are counted under it
  Secret connect;    ///< the packet, until it is done; empty when logging in again
  LoginPlaces::Ticket place = 0;
  std::function<void()> work;          ///< the next step, while it waits in line
  Turns::Ticket ticket = 0;            ///< there
  bool running = false;                ///< a step is being worked on, or waits for that
  bool waits = false;                  ///< for its turn to begin, with
  Buffer data{};                       ///< the client's first
  bool displaced = false;              ///< it makes room for others, and has not failed
  std::uint64_t password_changes = 0;  ///< Ports::password_changes when it began
  std::uint64_t since = 0;             ///< steady: when its peer's turn began
  std::uint64_t answer_at = 0;         ///< steady; not before
  bool is_answered = false;            ///< and waits for that moment
  std::optional<std::size_t> scheme;   ///< whose login it is; nothing: by user name and password alone
  Hop hop = Hop::none;                 ///< chosen
};

/// By what somebody logs in, as far as it is known at the beginning.
struct LoginKind {
  std::string_view name;
  Profile profile;
  std::string transport_identity;
  bool by_card = false;

  Access::Login with(Factors factors, std::string_view who) const {
    return {name, profile, factors, !transport_identity.empty() && transport_identity == who, by_card};
  }
};

/// By what somebody has logged in last, to be held against the list again when that changes.
struct CameBy {
  bool has_logged_in = false;  ///< else the transport alone has proved it
  std::optional<std::size_t> scheme;
  Factors factors;
  std::uint64_t password_changes = 0;
};

/// A PUBLISH whose slow part is being worked on.
struct PendingMessage {
  struct Work {
    std::unique_ptr<Preparation> preparation;
    std::optional<LoginTry> attempt;  ///< if it tries a secret
    bool done = false;
  };
  Buffer packet;
  std::shared_ptr<Work> work;
  std::size_t scheme = 0;  ///< in whose line it waits
  Turns::Ticket ticket = 0;
  bool tries_a_secret = false;  ///< BrokerScheme::tries_a_secret
};

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
  /// A try at a name that many have guessed at; begins it if it may.
  void wait_turn();
  /// So is what the message waited for.
  Result<> go_on_with_message();

  /// The guard's part in acknowledgements; null: it has none.
  KeyRelay* relay() const { return guard != nullptr ? guard->relay() : nullptr; }
  /// Nothing of what it sends is looked at for now.
  bool is_held_back() const { return is_slowed() || preparing != nullptr; }
  bool is_slowed() const { return slowed_until != 0 || waits_for_turn || waits_for_others; }
  /// Whether the list, as it is now, still lets in who came so; learns what that proves now.
  bool still_proves();
  bool has_former_password() const;
  bool is_v5() const { return connection.version() == mqtt::Version::v5; }
  /// For the log: the identifier, or the address before there is one.
  std::string_view label() const { return session != nullptr ? std::string_view(session->client_id) : peer.address; }
  /// What rights and policy depend on.
  Caller caller(Now at) const { return {proved, {.identity = identity, .client_id = bound_client_id}, at.steady, peer.is_own}; }
  /// Whose share of what is finite it takes: its identity's, or its address's.
  const std::string& party() const { return identity.empty() ? place() : identity; }
  const std::string& place() const { return peer.place.empty() ? peer.address : peer.place; }

  mqtt::Connection connection;
  const ConnectionId id;
  const Peer peer;
  std::string identity;                  ///< who logged in; empty: nobody, or not yet
  std::optional<std::size_t> proved_by;  ///< whose login it was, a scheme's index
  Proved proved;                         ///< by all its logins
  CameBy came_by;
  std::string bound_client_id;          ///< its client identifier, if that is the identity's; empty: anybody could use it
  bool is_hidden = peer.is_hidden;      ///< nobody on the way reads the payloads that it gets
  bool knows_its_id = true;             ///< false: MQTT 3 has no word for the client identifier that the broker has chosen
  bool is_bridge = false;               ///< says its CONNECT, by the highest bit of the protocol level
  std::unique_ptr<PayloadGuard> guard;  ///< seals the payloads of its messages; null: they go as they are
  std::unique_ptr<PendingLogin> logging_in;
  std::unique_ptr<PendingMessage> preparing;
  std::optional<LoginTry> trying;                                ///< of the message that is taken right now
  std::vector<std::unique_ptr<ConnectionState>> states;          ///< of the schemes, by their index
  std::vector<std::unique_ptr<Subscription>> own_subscriptions;  ///< those with receivers: they end with the connection
  std::vector<std::pair<std::string, mqtt::QoS>> inboxes;        ///< topics that mean "this connection", which it has subscribed
  Session* session = nullptr;
  Now now;                             ///< of the call being handled
  std::uint32_t in_flight = 0;         ///< QoS 1 and 2 messages sent on this connection and not finished
  bool writable_told = false;          ///< stands in Effects::writable
  std::size_t promised = 0;            ///< packets that wait for the store,
  std::size_t publishes_promised = 0;  ///< and PUBLISH among them
  TextMap<std::uint16_t> aliases;      ///< topic aliases in use towards the client
  std::uint16_t alias_maximum = 0;
  bool ended = false;  ///< only its last bytes are still to be written
  Buffer moving;       ///< the CONNECT that belongs to another shard
  std::size_t moving_to = 0;
  std::uint32_t failures = 0;        ///< messages that failed verification,
  std::uint64_t failures_since = 0;  ///< since this steady moment
  TokenBucket messages, bytes;       ///< that it may publish
  std::uint64_t slowed_until = 0;    ///< steady; 0: it keeps to its rates
  bool publishes = false;            ///< has sent a message,
  bool was_promised = false;         ///< and one of QoS 1 or 2, or a retained one
  std::uint64_t ends = UINT64_MAX;   ///< steady: the first quiet moment from then on is its last
  std::uint64_t bytes_in = 0, bytes_out = 0;
  bool waits_for_turn = false;      ///< Core::take_turns
  bool waits_for_others = false;    ///< for shards that do not take its messages
  bool owes_reading = false;        ///< it does not take our answers
  bool is_read = true;              ///< as Effects::reading has told
  std::uint64_t stalled_since = 0;  ///< steady: is owed bytes, and has taken none since; 0: all is well
  std::size_t alias_bytes = 0;      ///< of `aliases`
  std::size_t unsent = 0;           ///< kept by the transport
  Charge charge;

 private:
  friend class Core;  // for part()
  Result<> part(const Error& error);
  /// What one packet asks for is work of a bounded size.
  Result<> check_amount(std::size_t filters, const mqtt::Properties& asked) const;
  /// The message that is acknowledged. Null: none has this identifier. Error: it waits for something else.
  Result<mqtt::Outgoing<Delivery>*> acknowledged(std::uint16_t packet_id, mqtt::Awaiting by, mqtt::Awaiting or_by);
  Result<> take(const mqtt::Publish& packet, Preparation* prepared);
  Result<> answer(const mqtt::Publish& packet, mqtt::Reason reason, bool relies);
  void acknowledge(mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason, bool relies);
  template <class Answer>
  void promise(mqtt::PacketType type, const Answer& answer, bool relies);
  // login.cpp
  Result<> begin(const mqtt::Connect& packet, Bytes raw);
  Result<> enter_by_tls(const mqtt::Connect& packet);
  Result<> prove_by_tls_again(Bytes data);
  Result<Hop> choose_hop(std::string_view offer, bool by_scheme) const;
  Result<> take_part(std::unique_ptr<Login> login, bool is_quick, LoginRequest request, std::string name,
                     std::optional<std::size_t> scheme, Bytes data);
  void step(Bytes data);
  std::function<void()> work_of_step(Bytes data);
  Result<> decide_at_once();
  /// How it logged in.
  struct Proof {
    mqtt::Properties properties{};  ///< for CONNACK
    Hop hop = Hop::none;
    LoggedIn who{};
  };
  Result<> enter(const mqtt::Connect& packet, Proof proof);
  /// Notes what this login (nothing: none) and the transport have proved of an identity. An error: that is not enough for it.
  LoginKind kind_of(std::optional<std::size_t> scheme) const;
  Result<Proved> check(const std::string& who, const CameBy& by) const;
  Result<> prove(const std::string& who, const PendingLogin* login, Factors factors);
  Result<> protect(Proof proof);
  Result<> admit(const mqtt::Publish& packet);

  Core& core_;
};

}  // namespace sealmq::broker
