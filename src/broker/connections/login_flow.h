// LoginFlow: who comes in: whom the transport has proved, a login by user name and password or by a scheme's method, or nobody in
// particular where that is allowed. Has the logins that are not decided; their slow steps are worked on elsewhere, and addresses
// take turns. Whatever is wrong, the peer gets one answer. What becomes of who has come in is not its matter. One thread.
#pragma once

#include <unordered_map>

#include "broker/connections/login_places.h"
#include "broker/policy/access.h"
#include "broker/schemes/turns.h"
#include "broker/shard.h"

namespace sealmq::broker {

class LoginFlow {
 public:
  /// Whoever has the connections.
  class Connections {
   public:
    /// Its login makes room for another one: it is ended.
    virtual void make_room(ConnectionId connection, Now now) = 0;

   protected:
    ~Connections() = default;
  };
  using Schemes = std::vector<std::unique_ptr<BrokerScheme>>;
  /// All outlive it; `gate` may be null, and `password_login` empty.
  struct Neighbours {
    const Settings& settings;
    const Schemes& schemes;
    const Access& access;
    LoginGate* gate;
    const BeginLogin& password_login;
    Effects& effects;
    Counters& counters;
    Connections& connections;
    const PasswordChanges* password_changes = nullptr;  ///< as Ports has it; may be empty
  };
  explicit LoginFlow(const Neighbours& neighbours) : its_(neighbours), places_(neighbours.settings.maximum_logins) {}

  /// The connection that a call is about.
  struct Of {
    ConnectionId id;
    const Peer& peer;
    const std::string& place;
    mqtt::Connection& connection;
    const std::string& identity;   ///< as which it has come in
    const std::string* client_id;  ///< null: it has not come in
  };
  /// By what somebody has logged in last, to be held against the list again when that changes.
  struct CameBy {
    bool has_logged_in = false;  ///< else the transport alone has proved it
    std::optional<std::size_t> scheme{};
    Factors factors{};
    std::uint64_t password_changes = 0;
  };
  /// It is decided.
  struct Decided {
    std::string identity;                 ///< empty: nobody in particular
    std::optional<std::size_t> scheme{};  ///< whose login it was
    Proved proved{};
    CameBy came_by{};
    std::string method{};  ///< for CONNACK,
    Buffer data{};         ///< likewise
    Hop hop = Hop::none;
    LoggedIn who{};
    bool again = false;  ///< it was there, and has proved itself once more
    Secret connect{};    ///< the packet, of a login that has taken its time
  };
  using Answer = Result<std::optional<Decided>>;

  /// CONNECT. Nothing: it is not decided, and the connection is held.
  Answer begin(const Of& of, const mqtt::Connect& packet, Bytes raw, Now now);
  /// Its next step, or a new login of who is there: the session goes on meanwhile.
  Answer on_auth(const Of& of, const mqtt::Auth& packet, Now now);
  /// A step of it has been worked on, or will not be.
  Answer go_on(const Of& of, Now now);

  /// What it proves by the list as it is now. An error: that is not enough for it.
  Result<Proved> check(const Of& of, const std::string& who, const CameBy& by) const;
  /// How often the password of that name was changed, as far as somebody has looked.
  std::uint64_t password_changes(std::string_view name) const;

  /// A job has ended: others begin.
  void over(const Job::Name& job);
  bool is_pending(ConnectionId connection) const { return pending_.contains(connection.slot); }
  /// What came of its step is not told yet: due() will say when.
  bool holds_answer_back(ConnectionId connection, Now now);
  /// Once a second. True: go_on() is due.
  bool is_due(const Of& of, Now now);
  /// Its peer takes too long for its part.
  bool is_overdue(ConnectionId connection, Now now) const;
  /// The connection has ended. `by_us`: who leaves instead of answering has failed; this one did not.
  void leave(const Of& of, bool by_us, Now now);
  /// Bytes kept for it, about.
  std::size_t memory(ConnectionId connection) const;

 private:
  struct Pending {
    std::shared_ptr<Login> login{};
    std::shared_ptr<std::optional<Result<Login::Step>>> answer{};  ///< of the present step; nothing: no thread had time for it
    std::string method{};
    std::string name{};  ///< whose login it is said to be: failures are counted under it
    std::string address_place{};
    ConnectionId connection{};
    Secret connect{};  ///< the packet, until it is done; empty when logging in again
    LoginPlaces::Ticket place = 0;
    std::function<void()> work{};         ///< the next step, while it waits in line
    Turns::Ticket ticket = 0;             ///< there
    bool running = false;                 ///< a step is being worked on, or waits for that
    bool waits = false;                   ///< for its turn to begin, with
    Buffer data{};                        ///< the client's first
    bool displaced = false;               ///< it makes room for others, and has not failed
    std::uint64_t password_changes = 0;   ///< when it began
    std::uint64_t since = 0;              ///< steady: when its peer's turn began
    std::uint64_t answer_at = 0;          ///< steady; not before
    bool is_answered = false;             ///< and waits for that moment
    std::optional<std::size_t> scheme{};  ///< whose login it is; nothing: by user name and password alone
    Hop hop = Hop::none;                  ///< chosen
  };
  struct Kind;

  Answer enter_by_tls(const Of& of, const mqtt::Connect& packet, Now now);
  Answer prove_by_tls_again(const Of& of, Bytes data, Now now);
  /// `by` becomes the scheme's index.
  std::unique_ptr<Login> begin_login(LoginRequest& request, std::optional<std::size_t>& by);
  /// By a scheme, in CONNECT itself.
  std::unique_ptr<Login> begin_login_in_connect(LoginRequest& request, std::optional<std::size_t>& by);
  Answer take_part(const Of& of, std::unique_ptr<Login> login, bool is_quick, LoginRequest request, std::string name,
                   std::optional<std::size_t> scheme, Bytes data, Now now);
  /// Null: there is no place.
  Pending* take_place(const Of& of, Now now);
  /// A try at a name that many have guessed at; begins it if it may.
  void wait_turn(const Of& of, Pending& pending, Now now);
  void step(const Of& of, Pending& pending, Bytes data, Now now);
  std::function<void()> work_of_step(const Of& of, const Pending& pending, Bytes data, Now now);
  void begin_next();
  /// It is decided, or given up.
  void forget(const Pending& pending);
  Kind kind_of(const Of& of, std::optional<std::size_t> scheme) const;
  /// Notes what this login (null: none) and the transport have proved of an identity. An error: that is not enough for it.
  Result<> prove(const Of& of, const Pending* login, Factors factors, Now now, Decided& decided) const;

  static constexpr std::size_t most_of_address = 8, most_at_work = 16;

  const Neighbours its_;
  LoginPlaces places_;  // of those that are not decided
  Turns turns_{most_of_address, most_at_work};
  std::unordered_map<std::uint32_t, Pending> pending_;  // by the connection's slot
};

}  // namespace sealmq::broker
