// Connection: the rules of one MQTT connection, for a server or a client. Bytes in, events out; packets in, bytes out.
//
// It frames, decodes, and enforces what can be enforced by looking at one connection alone: order and direction of packets, the
// version, Maximum Packet Size both ways, Receive Maximum inwards, Topic Alias inwards, keep-alive, the AUTH rules. What needs a
// session (packet identifiers, redelivery) is session_state.h; what needs a broker is broker/.
//
// No clock, socket or thread. One thread at a time. After an error the connection is over: nothing more is read.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "mqtt/outbox.h"
#include "mqtt/packet.h"
#include "mqtt/records.h"
#include "sealmq/ports.h"

namespace sealmq::mqtt {

enum class Role : std::uint8_t { server, client };

/// What this side announces or enforces. The peer's own limits are learned from CONNECT or CONNACK.
struct Limits {
  std::uint32_t maximum_packet_size = 1 << 20;  ///< whole packets inwards, header included
  std::uint16_t receive_maximum = 1024;         ///< unacknowledged QoS 1 and 2 PUBLISH inwards
  std::uint16_t topic_alias_maximum = 32;       ///< inwards
  std::uint32_t connect_timeout = 10'000;       ///< server: milliseconds from open to a complete CONNECT and login
};

/// Whole packets of any number of connections, by their type's number.
struct PacketCounts {
  std::array<std::uint64_t, 16> received{};
  std::array<std::uint64_t, 16> sent{};
};

/// One call per whole packet, in order. Views are valid during the call. A handler that returns an error ends the connection with
/// it. A role's handler overrides what that role can receive; the Connection never calls the others, and not overridden they
/// answer a Protocol Error. Handlers may send, hold, disconnect and abort; they must not destroy the Connection.
class Events {
 public:
  virtual ~Events() = default;
  /// `raw` is the whole packet as received (some login schemes sign it).
  virtual Result<> on(const Connect&, Bytes raw);
  virtual Result<> on(const Connack&);
  virtual Result<> on(const Publish&);  ///< topic is the full name, an alias has been resolved
  virtual Result<> on(const Puback&);
  virtual Result<> on(const Pubrec&);
  virtual Result<> on(const Pubrel&);
  virtual Result<> on(const Pubcomp&);
  virtual Result<> on(const Subscribe&);
  virtual Result<> on(const Suback&);
  virtual Result<> on(const Unsubscribe&);
  virtual Result<> on(const Unsuback&);
  virtual Result<> on(const Pingresp&);
  virtual Result<> on(const Disconnect&);
  virtual Result<> on(const Auth&);
};

class Connection {
 public:
  enum class State : std::uint8_t {
    ExpectConnect,  ///< server: nothing but CONNECT may come [MQTT-3.1.0-1]. Client: it has not been sent yet, nothing may come
    ExpectConnack,  ///< client: CONNECT was sent; CONNACK or AUTH may come. Server: CONNECT came and is being decided; only AUTH
                    ///< may come, or DISCONNECT
    Open,
    Closed,  ///< DISCONNECT was sent or received, or an error ended it
  };

  Connection(Role role, Limits limits, Now now);
  /// From now on counts its packets there; `counts` outlives it. PUBLISH that the owner encodes into outbox() it counts itself.
  void count_into(PacketCounts& counts) { counts_ = &counts; }

  /// Takes in bytes, keeps an incomplete packet, calls `events` for each complete one. PINGREQ is answered here.
  /// While held (see hold) bytes are kept and nothing is called. The error of a violation carries its reason code.
  Result<> receive(Bytes in, Events& events, Now now);

  /// Stops calling events until release(); for a decision that is made elsewhere. The transport should stop reading meanwhile: of
  /// what it hands over while held, no more than maximum_packet_size is kept, then receive() answers an error (0x97). A client's
  /// time to log in stands still meanwhile: who waits in line for a slow hash is not slow. The decision has a time of its own.
  void hold() {
    if (!held_) held_since_ = now_;
    held_ = true;
  }
  Result<> release(Events& events, Now now);
  bool held() const { return held_; }

  /// Bytes received and not yet consumed, to hand a connection to another owner; empties this one. Not from within a handler,
  /// where what the turn still has to look at is missing.
  Buffer take_unread();

  // -- sending: encodes into outbox() and obeys the peer's Maximum Packet Size. After Closed nothing is sent. [MQTT-3.14.4-1]
  // ------

  /// Client; learns version, keep-alive and limits from it. `encoded`: the packet's bytes, where a login has changed them.
  void send(const Connect& packet, Bytes encoded = {});
  void send(const Connack& packet);  ///< server; Open on success, Closed if it refuses or is too large for the client
  void send(const Auth& packet);
  void send(const Disconnect& packet);  ///< closes; see disconnect()
  /// False if the peer's Maximum Packet Size forbids it; the message is then to be treated as delivered. [MQTT-3.1.2-25]
  bool send(const Publish& packet);
  /// An answer's reason string and user properties are left out if the peer did not ask for them [MQTT-3.1.2-29] or the packet
  /// would be too large with them. A packet that is too large even so is not sent.
  template <class Packet>
  void send(const Packet& packet) {
    if constexpr (
        requires { packet.reason; } || requires { packet.reasons; })
      send_answer(packet, peer_wants_explanations_);
    else
      append(packet);
  }
  /// Sends DISCONNECT where the version and role have one, and closes. Reason strings are left out if too large. [MQTT-3.14.2-3]
  void disconnect(Reason reason, std::string_view reason_string = {});
  /// Ends it for an error: CONNACK with the code before Open, DISCONNECT after, nothing in MQTT 3 (or a 3.1.1 return code).
  void abort(const Error& error);

  /// Client: PINGREQ that were sent and have no PINGRESP yet.
  std::size_t unanswered_pings() const { return unanswered_pings_; }

  /// For a PUBLISH encoded once for many: the peer's limit on its size.
  std::uint32_t peer_maximum_packet_size() const { return peer_maximum_packet_size_; }
  std::uint16_t peer_receive_maximum() const { return peer_receive_maximum_; }
  /// To be called when the peer's QoS 1/2 PUBLISH has been answered finally (PUBACK, PUBCOMP, or PUBREC with an error).
  void answered() {
    if (unanswered_ > 0) --unanswered_;
  }

  /// Of this connection, instead of what Limits say; what CONNACK is about to announce.
  void set_receive_maximum(std::uint16_t most) { limits_.receive_maximum = most; }

  // -- time -------------------------------------------------------------------------------------------------------------------

  /// The steady moment at which tick() must be called next.
  std::uint64_t deadline() const;
  /// Server: an error when one and a half keep-alives passed in silence [MQTT-3.1.2-22] or the login took too long.
  /// Client: sends PINGREQ when due, an error when its answer is missing.
  Result<> tick(Now now);
  /// It was not read until now: its silence is none.
  void excuse(Now now) { last_received_ = now.steady; }
  /// Server Keep Alive: what the server decided instead of the client's wish. [MQTT-3.1.2-21]
  void set_keep_alive(std::uint16_t seconds, Now now);

  // -- records -------------------------------------------------------------------------------------------------------------

  /// To be called when CONNACK with success has been sent or is being handled: all that follows, both ways, is in records. A
  /// record that does not open ends the connection without a word. Error: the peer has sent more before it knew that it may.
  Result<> protect_with(std::unique_ptr<Records> records);
  /// The peer has logged in again, and knows it by what has been sent up to here: where there are records, the new key becomes
  /// part of their keys. Error: it has not finished with the login before.
  Result<> protect_again(const Secret& session_key);
  /// For an owner that writes without having received anything: when keys are changed is told by the time.
  void pass_time(Now now) { now_ = now.steady; }
  /// What the transport writes, and consumes: outbox() itself, or its packets in records. Its pieces are valid until the next
  /// call of any member.
  Outbox& to_wire();
  /// Bytes that stand in either.
  std::size_t unwritten() const;
  std::size_t unwritten_memory() const;  ///< that they take, as Outbox::memory()
  /// Throws them away; the connection is over.
  void discard_unwritten();

  State state() const { return state_; }
  Version version() const { return version_; }
  Outbox& outbox() { return outbox_; }
  const Outbox& outbox() const { return outbox_; }
  /// Bytes kept of what the peer has sent: an incomplete packet or record, or what came while held, and topic aliases.
  std::size_t kept() const {
    return unread_.capacity() + alias_bytes_ + (protection_ != nullptr ? protection_->unread.capacity() : 0);
  }
  /// Gives them back; once it is over. Not from within a handler.
  void forget_kept();
  std::uint16_t keep_alive() const { return keep_alive_; }

 private:
  bool over() const { return failed_ || state_ == State::Closed; }

  // -- receiving: bytes, packets, each packet's rules
  Result<> accept(Bytes in, Events& events);
  Result<Bytes> complete_unread(Bytes in, Events& events);
  Result<> keep(Bytes in);
  void set_aside(Bytes in);
  /// What has come is CONNECT, which may hold a password.
  bool is_logging_in() const { return role_ == Role::server && state_ == State::ExpectConnect; }
  Result<Bytes> take(Bytes in, Events& events);
  Result<std::optional<FixedHeader>> next_header(Bytes in) const;
  Result<> check_expected(PacketType type) const;
  Result<> dispatch(const FixedHeader& header, Bytes packet, Events& events);
  Result<> on_connect(Bytes packet, Bytes body, Events& events);
  Result<> on_connack(Bytes body, Events& events);
  Result<> on_publish(std::uint8_t flags, Bytes body, Events& events);
  template <class Ack>
  Result<> on_acknowledgement(Bytes body, Events& events);
  Result<> on_disconnect(Bytes body, Events& events);
  Result<> on_auth(Bytes body, Events& events);
  void on_pingreq();
  Result<> on_pingresp(Events& events);
  Result<> resolve_alias(Publish& publish);

  // -- records
  struct Protection {
    std::unique_ptr<Records> records;
    Outbox sealed;
    Buffer unread;  // an incomplete record
  };
  Result<> accept_records(Bytes in, Events& events);
  void seal_waiting();
  Failure broken(Error error);

  // -- sending
  template <class Packet>
  bool append(const Packet& packet) {
    if (state_ == State::Closed) return true;
    Buffer& tail = outbox_.tail();
    std::size_t before = tail.size();
    encode(packet, version_, tail);
    if constexpr (std::is_same_v<Packet, Pingreq>) ++unanswered_pings_;
    return sent(before);
  }
  template <class Packet>
  bool send_answer(const Packet& packet, bool explain) {
    if (explain && append(packet)) return true;
    if (!explain && !packet.properties.reason_string && packet.properties.user.empty()) return append(packet);
    Packet bare = packet;
    bare.properties.reason_string.reset();
    bare.properties.user.clear();
    return append(bare);
  }
  bool sent(std::size_t tail_before);
  static bool may_disconnect_with(Role sender, Reason reason);
  std::uint64_t ping_due() const;

  PacketCounts* counts_ = nullptr;
  Role role_;
  State state_ = State::ExpectConnect;
  Version version_ = Version::v3_1_1;
  bool version_known_ = false;  // the peer's CONNECT, even a refused one, told in which version to refuse it
  bool failed_ = false;
  bool held_ = false;
  std::uint64_t held_since_ = 0;         // steady
  bool reauthenticating_ = false;        // between AUTH with Re-authenticate and its end. [MQTT-4.12.1-1]
  bool session_ends_here_ = false;       // the client's CONNECT asked for a Session Expiry Interval of 0
  bool peer_wants_explanations_ = true;  // Request Problem Information
  bool ping_outstanding_ = false;
  std::size_t unanswered_pings_ = 0;
  Limits limits_;
  std::uint16_t keep_alive_ = 0;
  std::uint16_t unanswered_ = 0;
  std::uint16_t peer_receive_maximum_ = 65535;
  std::uint32_t peer_maximum_packet_size_ = largest_remaining_length + 5;
  std::uint64_t opened_ = 0;                          // steady
  std::uint64_t last_received_ = 0;                   // steady
  std::uint64_t last_sent_ = 0;                       // steady
  std::uint64_t pinged_ = 0;                          // steady, while ping_outstanding_
  std::uint64_t now_ = 0;                             // steady, of the turn
  std::optional<std::string> authentication_method_;  // of CONNECT; every AUTH repeats it. [MQTT-4.12.0-5]
  Buffer unread_;                                     // an incomplete packet, or what came while held
  Outbox outbox_;
  std::unique_ptr<Protection> protection_;  // null: packets go as they are
  bool protection_begins_ = false;          // client: what follows in the bytes being read is records
  std::vector<std::string> aliases_;        // inwards, index alias - 1
  std::size_t alias_bytes_ = 0;
};

}  // namespace sealmq::mqtt
