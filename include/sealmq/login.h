// Logging in by a scheme: the client's and the broker's side of one conversation, what it is told and what it ends with.
//
// In MQTT 5 the conversation goes through AUTH packets; before, and where a publication wants it so, a login is in the CONNECT
// packet itself.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sealmq/factors.h"
#include "sealmq/payload_guard.h"
#include "sealmq/ports.h"
#include "sealmq/registry.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq {

struct Scene;

// -- what protects the connection afterwards

enum class Hop : std::uint8_t {
  none,
  hpp1,     ///< the payload of each message
  ratchet,  ///< likewise, each under a key of its own that is forgotten behind it
  hrl1,     ///< everything
};
/// As the user property `hop` of CONNECT and CONNACK says it: "HPP1", "RATCHET1", "HRL1"; empty for none.
constexpr std::string_view name(Hop hop) {
  constexpr std::string_view names[] = {"", "HPP1", "RATCHET1", "HRL1"};
  return names[static_cast<std::size_t>(hop)];
}
inline constexpr std::string_view hop_property = "hop";

// -- passwords, as a broker keeps them

/// scrypt (RFC 7914) over a password.
struct PasswordRecord {
  unsigned log2_n = 17, r = 8, p = 1;
  Buffer salt;
  Secret verifier;  ///< 32 bytes
};

/// Where passwords are. They may read files: for Login::advance alone. Any thread.
struct PasswordSource {
  /// Nothing: no such name, or it has no password. Empty function: nobody has one.
  std::function<Result<std::optional<PasswordRecord>>(std::string_view name)> record{};
  /// What a record that is made up costs, so that it looks like one of those there are: the cost of one of them, drawn by a
  /// random number; without salt and verifier. Empty function: the usual cost.
  std::function<Result<PasswordRecord>(std::uint64_t draw)> some_cost{};
  /// The password itself, of those few that are kept so.
  std::function<Result<std::optional<Secret>>(std::string_view name)> recoverable{};
};

// -- the broker's side

/// A login as it begins: what CONNECT said and what the transport proved.
struct LoginRequest {
  std::string method;                              ///< Authentication Method of MQTT 5; empty: none
  std::string client_id;                           ///< as sent; may be empty
  std::string user_name;                           ///< empty if none was sent
  Secret password;                                 ///< likewise
  Secret connect;                                  ///< the whole packet; some logins sign it. Empty when logging in again
  std::string address;                             ///< for the log
  std::array<std::uint8_t, 32> channel_binding{};  ///< tls-exporter (RFC 9266); zeroes without TLS
  std::string hop_offer;                           ///< the client's offers in their order, with ',' between them
  Hop hop = Hop::none;                             ///< what the broker has chosen of them
};

/// Who has proved to be who.
struct LoggedIn {
  std::string identity;                   ///< its name on the list
  Secret session_key{};                   ///< 32 bytes that this connection's ends alone know; empty: the login makes none
  unsigned key_bits = 128;                ///< of the hop layer's AES
  std::unique_ptr<PayloadGuard> guard{};  ///< brought by the login itself; then there is no hop layer
  Factors factors{};                      ///< what else it has proved; of a published form: nothing
  bool binds_client_id = false;           ///< the client identifier is this identity's, by the proof itself
};

/// The broker's side of one login: it reads like the conversation. One call at a time, each perhaps on another thread, never on
/// an event loop: a call may block for a card or a slow hash.
class Login {
 public:
  struct Step {
    Buffer data;                                    ///< for the next AUTH, or with `done` for CONNACK
    std::optional<Verified<LoggedIn, Login>> done;  ///< nothing: the client's next AUTH is awaited
  };
  virtual ~Login() = default;
  /// `data` is the Authentication Data of CONNECT or AUTH. Any error refuses the login, and the cause goes to the log. The client
  /// learns "not authorised", or with protocol_error as code that its data are malformed.
  virtual Result<Step> advance(Bytes data, const Scene& scene) = 0;

  /// What has been put to the test so far, or will be by any step. Failures at a secret that people choose are guesses, which are
  /// kept slow for its name; a proof by key is never refused because of them.
  enum class Tested : std::uint8_t {
    key,
    secret,
    held_off,  ///< a key, as a publication has it: its name waits after each failure, where it failed
  };
  Tested tested() const { return tested_; }
  /// Whose secret it is; empty: the user name's of CONNECT, or else the client identifier's.
  virtual std::string_view whose() const { return {}; }

 protected:
  Tested tested_ = Tested::key;
  static Step reply(Buffer data) { return {std::move(data), std::nullopt}; }
  static Step done(std::string identity, Factors factors) {
    LoggedIn who{std::move(identity)};
    who.factors = factors;
    return done(std::move(who), {});
  }
  static Step done(LoggedIn who, Buffer data) { return {std::move(data), Verified<LoggedIn, Login>(std::move(who))}; }
};

// -- the client's side

/// What it is told.
struct ClientLoginRequest {
  std::string client_id;  ///< as it goes into CONNECT
  std::string user_name;
  const Secret* password = nullptr;                ///< outlives the login; null or empty: there is none
  std::array<std::uint8_t, 32> channel_binding{};  ///< as LoginRequest
  std::string hop_offer;                           ///< likewise
  bool is_v5 = true;
  bool is_again = false;  ///< on a connection that has logged in before
};

/// The client's side of one login. The connection's thread; a step may take a moment, for a slow hash or a card. Errors end the
/// connection: peer_misbehaved if the broker has not proved who it is.
class ClientLogin {
 public:
  virtual ~ClientLogin() = default;
  /// Authentication Method of CONNECT and each AUTH; empty: the login is in CONNECT itself.
  virtual std::string_view method() const = 0;
  /// Whether the CONNECT that send_as() is given holds the password.
  virtual bool wants_password() const { return false; }
  /// Authentication Data of CONNECT.
  virtual Result<Buffer> first() { return Buffer{}; }
  /// CONNECT as it would go out; answers it as it goes out.
  virtual Result<Buffer> send_as(Bytes connect) { return to_buffer(connect); }
  /// To the broker's AUTH.
  virtual Result<Buffer> answer(Bytes data);
  /// The broker says that it is done; `hop` is what it has chosen. The session key; empty: the login makes none.
  virtual Result<Secret> finish(Bytes data, std::string_view hop);
  /// Whether finish() answers a key for a hop layer; asked from the start.
  virtual bool makes_key() const { return !method().empty(); }
  virtual unsigned key_bits() const { return 128; }
  /// After finish(): what the login itself brings. Null: a hop layer protects the connection, or nothing does.
  virtual std::unique_ptr<PayloadGuard> guard() { return nullptr; }
  /// What the broker learns from DISCONNECT if it has not proved who it is.
  virtual std::string_view farewell() const { return "auth"; }
};

}  // namespace sealmq
