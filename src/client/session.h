// ClientSession: a client without sockets. Calls and bytes in, events and bytes out.
//
// It lives longer than a connection: start() begins one, connection_lost() tells that it is over, and the next start() goes on
// with what is unacknowledged. A scheme protects what goes out once, and what is sent again is the same bytes, unless these have
// become too old for who receives them.
//
// Messages come as Arrival events and are acknowledged when the caller takes responsibility with take(), in the order in which
// they came. What does not verify never becomes an Arrival; it is acknowledged in silence, so that the sender of a forgery learns
// nothing.
//
// One thread.
#pragma once

#include <deque>
#include <map>
#include <variant>

#include "client/conversation.h"
#include "client/message_store.h"
#include "crypto/hop.h"
#include "mqtt/connection.h"
#include "mqtt/session_state.h"
#include "sealmq/client_types.h"
#include "sealmq/payload_guard.h"
#include "sealmq/scheme.h"

namespace sealmq {

struct Connected {
  bool session_present;
  std::string client_id;  ///< the one in use, also when the broker chose it
};
struct Published {
  Handle handle;
  mqtt::Reason reason;         ///< success, no_matching_subscribers or an error
  std::optional<Error> error;  ///< why it never went; nothing: it was the broker who answered
};
struct Subscribed {  ///< also the answer to unsubscribe
  Handle handle;
  mqtt::Reason reason;
};
/// To be answered by take(), whatever becomes of it.
struct Arrival {
  ReceivedMessage message;
  std::uint64_t receipt;
};
/// Of the store, which has it no longer.
struct Undelivered {
  std::string topic;
  Buffer payload;
  Error why;
};
/// What its user is to know.
struct Notice {
  std::string line;
};
/// The connection is over, or could not begin; handles that are still open stay open over a reconnection.
struct Closed {
  Error error;
};
using ClientEvent = std::variant<Connected, Published, Subscribed, Arrival, RefusedMessage, Notice, Undelivered, Closed>;

/// What is known of the transport.
struct Underneath {
  std::array<std::uint8_t, 32> channel_binding{};  ///< tls-exporter; zeroes without TLS
  bool is_private = false;                         ///< nobody else reads or writes there: TLS, a socket of this machine
  std::uint64_t most_forgeries = crypto::usual_most_forgeries;  ///< of HPP1
};

class ClientSession {
 public:
  /// Of the options it reads what is MQTT's: they, the scheme (null: unprotected) and the store (null: none) outlive it. It goes
  /// on with what the store holds.
  ClientSession(const ConnectOptions& options, ClientScheme* scheme, MessageStore* store = nullptr);

  // -- the connection

  /// A connection has been opened: sends CONNECT. Errors: the will cannot be protected or is not legal; the scheme cannot log in.
  Result<> start(Now now, const Underneath& underneath = {});
  /// Proves once more who this is, by the login of the scheme, while everything goes on. Errors: caller_misused.
  Result<> log_in_again(Now now);
  void receive(Bytes in, Now now);
  void tick(Now now);
  std::uint64_t deadline() const;
  /// The transport broke. Emits Closed unless the end was known already.
  void connection_lost(Error error);
  /// Nothing is read for a while, because the application is slow: the peer's silence means nothing. Keeps the connection alive.
  void pause(Now now);
  void resume(Now now);

  /// What is to be written. After Closed it may still hold the last DISCONNECT.
  mqtt::Outbox& outbox() {
    connection_.pass_time(now_);
    return connection_.to_wire();
  }
  /// What was subscribed is subscribed on each connection by the scheme itself.
  bool asks_again_by_itself() const { return conversation_.exists(); }
  /// Messages wait until release(): what is subscribed to again goes first, so that their answers are not missed.
  void hold() { holds_ = true; }
  void release(Now now);
  bool is_open() const { return connection_.state() == mqtt::Connection::State::Open; }

  // -- asking. Errors are the caller's: illegal topic, too large, something the broker has said it lacks.

  /// QoS 0 is done with the call; otherwise Published follows, or Undelivered if there is a store and the message does not
  /// arrive. To be written to the wire after store->sync(). While the peer's Receive Maximum is used up, or before CONNACK, it
  /// waits.
  Result<Handle> publish(std::string_view topic, Bytes payload, const PublishOptions& options, Now now);
  /// In MQTT 3 a scheme with such an ability asks by a PUBLISH, whose PUBACK counts as the grant. MQTT 3 has no refusal there: a
  /// broker that refuses ends the connection or says nothing, so that the caller sees Closed or has to time out.
  Result<Handle> subscribe(std::string_view filter, const SubscribeOptions& options, Now now);
  Result<Handle> unsubscribe(std::string_view filter, Now now);
  void disconnect(mqtt::Reason reason, Now now);

  /// Nobody waits for the answer to publish() any more: what has not gone will not go. Answers who has not answered, if it was a
  /// partner, or that keys were waited for, in words.
  std::string give_up(Handle handle);

  /// The application has an Arrival now: its acknowledgement is due.
  void take(std::uint64_t receipt);

  std::vector<ClientEvent> take_events() { return std::exchange(events_, {}); }

 private:
  /// A QoS 1 or 2 PUBLISH as it goes on the wire, every time.
  struct Message {
    std::string topic;
    Buffer payload;
    mqtt::QoS qos;
    bool retain = false;
    std::vector<std::pair<std::string, std::string>> user_properties;
    MessageProperties properties;
    std::uint16_t topic_alias = 0;
    Handle handle;
    std::uint64_t stored = 0;  ///< its number in the store; 0: it is not there
    bool asks_to_subscribe = false;
    std::optional<Buffer> plaintext;  ///< of one that is protected when it is sent, or once more when it is sent late
    std::uint64_t protected_at = 0;   ///< steady
    std::optional<Request> request;   ///< of the scheme's own

    // Between partners:
    std::uint64_t delivery = 0;             ///< the scheme's number for `payload`; 0: no receipt is awaited
    std::optional<mqtt::Reason> delivered;  ///< what the receipt said, if it came before the broker's acknowledgement
    bool is_lost = false;                   ///< to be sent once more when the broker has acknowledged it
  };
  /// An incoming message that waits until its scheme can open it.
  struct Held {
    ReceivedMessage message;  // without a payload
    Buffer wire;
    bool stored;
    std::uint64_t receipt;  // 0: QoS 0
    Now came;
    std::uint64_t until;  // steady

    Arrived as_arrived() const;
  };
  /// A message that the broker has and whose partner has not confirmed it.
  struct Unconfirmed {
    Message message;
    std::uint64_t since;  // steady
  };
  /// What publish() was asked for, where it takes several messages.
  struct Copies {
    std::size_t left;
    mqtt::Reason worst;
  };
  /// An incoming QoS 1 or 2 message whose acknowledgement has not been sent.
  struct Unacknowledged {
    std::uint64_t receipt;
    std::uint16_t packet_id;
    mqtt::QoS qos;
    bool taken;
    bool here;  // came on the present connection
  };
  static constexpr std::size_t most_held = 1000;
  static constexpr std::size_t most_held_bytes = 16 * 1024 * 1024;
  class PacketEvents;
  // In asked_, for what nobody but the scheme has asked for.
  static constexpr Handle needed_inbox = 0;
  static constexpr Handle optional_inbox = UINT64_MAX;

  Result<> on_connack(const mqtt::Connack& connack);
  Result<> on_auth(const mqtt::Auth& auth);
  Result<> on_publish(const mqtt::Publish& publish);
  Result<> on_message(const mqtt::Publish& publish);
  void open(ReceivedMessage message, const Arrived& arrived, std::uint64_t receipt, Now came);
  void open_held();
  bool may_hold(std::size_t size) const;
  Result<> on_granted(std::uint16_t packet_id, const std::vector<mqtt::Reason>& reasons);
  void on_puback(const mqtt::Puback& puback);
  void on_pubrec(const mqtt::Pubrec& pubrec);
  void on_pubrel(const mqtt::Pubrel& pubrel);
  void on_pubcomp(const mqtt::Pubcomp& pubcomp);
  Result<> check(std::string_view topic, const PublishOptions& options) const;
  Result<Handle> enqueue(Message message);
  Result<> keep(Message& message);
  void go_on_with_kept();
  Result<Handle> enqueue_copies(const Message& message, const std::vector<std::string>& addresses);
  void acknowledge_taken();
  std::uint64_t expect_acknowledgement(const mqtt::Publish& publish, bool taken);
  bool came_before(const mqtt::Publish& publish);
  Result<std::unique_ptr<ClientLogin>> begin_login(const Underneath& underneath);
  Result<bool> finish_login(const mqtt::Properties& connack);
  void leave_broker(Error error, std::string_view farewell);
  KeyRelay* relay() const { return guard_ != nullptr ? guard_->relay() : nullptr; }
  bool is_exactly_once() const { return scheme_ != nullptr && scheme_->info().exactly_once; }
  void send_pubrec(std::uint16_t packet_id);
  void send_pubrel(std::uint16_t packet_id);
  mqtt::Publish packet(const Message& message, std::uint16_t packet_id, bool dup) const;
  bool send(const Message& message, std::uint16_t packet_id, bool dup);
  mqtt::Outgoing<Message>& start_exchange(Message message);
  std::uint16_t free_packet_id();
  void send_waiting();
  void answered(const Message& message, mqtt::Reason reason, std::optional<Error> error = {});
  void acknowledged(Message message, mqtt::Reason reason);
  void settle();
  void settle(const Delivered& delivered);
  void send_again(const Delivered& delivered);
  void send_unconfirmed_again();
  void forget_unfinished();
  void forget_what_is_old();
  void begin_conversation();
  void subscribe_to_keys();
  void key_inbox_answered(std::uint16_t packet_id, mqtt::Reason reason);
  void ask_for_the_end_of_keys();
  bool some_inbox_is_silent() const;
  void look_for_late_keys();
  void open_key_fence();
  void note_key(const mqtt::Publish& publish);
  void on_pingresp();
  std::string give_up_for_keys(Handle handle);
  std::uint16_t subscribe_inbox(const ClientScheme::Inbox& inbox);
  void converse();
  Result<bool> make_ready(Message& message);
  static mqtt::Reason reason_of(const Error& error);
  ThisConnection this_connection() const;
  void answered_request(const Request& request, mqtt::Reason reason);
  void close(Error error);

  const ConnectOptions& options_;
  ClientScheme* scheme_;
  MessageStore* store_;
  Conversation conversation_;
  mqtt::Connection connection_;
  mqtt::OutgoingState<Message> outgoing_;
  mqtt::IncomingState incoming_;
  std::deque<Message> waiting_;
  std::deque<Held> held_;
  std::size_t held_bytes_ = 0;
  std::deque<Unacknowledged> unacknowledged_;
  std::deque<Unconfirmed> unconfirmed_;
  std::map<Handle, Copies> copies_;
  std::map<std::uint64_t, std::uint64_t> not_confirmed_here_;  // receipts of arrivals, and the scheme's numbers for them
  std::vector<Handle> awaiting_inbox_;                         // subscriptions that begin with the scheme's own
  std::size_t inboxes_left_ = 0;                               // its subscriptions without an answer
  /// While up, what waits on the scheme's key topics may not have come yet.
  struct KeyInbox {
    std::string filter{};
    bool is_refused = false;
    bool has_spoken = false;  // something was retained there
  };
  static constexpr std::uint64_t never = UINT64_MAX;
  struct KeyFence {
    bool is_up = false;
    bool brought_some = false;                  // in this round
    bool has_waited = false;                    // for what comes late
    std::size_t pings = 0;                      // PINGRESP until the end of this round
    std::uint64_t open_at = never;              // steady, while it waits for that
    std::map<std::uint16_t, KeyInbox> inboxes;  // by the packet identifiers of their SUBSCRIBE
  };
  KeyFence key_fence_;
  std::map<std::uint16_t, Handle> asked_;  // SUBSCRIBE and UNSUBSCRIBE without an answer, by packet identifier
  std::vector<ClientEvent> events_;
  std::string client_id_;
  Handle last_handle_ = 0;
  std::uint64_t last_receipt_ = 0;
  std::uint16_t last_asked_id_ = 0;
  bool was_connected_ = false;
  bool session_was_there_ = false;  ///< before this connection: messages may have waited in it
  bool closed_ = true;              // Closed has been emitted for this connection, or there was none yet
  bool holds_ = false;
  bool paused_ = false;
  std::uint64_t next_blind_ping_ = 0;  // steady, while paused_
  Now now_;
  mqtt::QoS maximum_qos_ = mqtt::QoS::exactly_once;
  bool retain_available_ = true;
  std::uint16_t topic_alias_maximum_ = 0;
  Underneath underneath_;
  std::unique_ptr<ClientLogin> login_;   // under way
  Hop hop_ = Hop::none;                  // asked for
  std::unique_ptr<PayloadGuard> guard_;  // null: payloads go as they are
};

}  // namespace sealmq
