// What both faces of the client, client.h and async_client.h, take and answer.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sealmq/identity.h"
#include "sealmq/keystore.h"
#include "sealmq/mqtt.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"
#include "sealmq/tls_options.h"
#include "sealmq/topic_keys.h"

#pragma GCC visibility push(default)
namespace sealmq {

/// What a message says of itself in MQTT 5. No scheme protects it.
struct MessageProperties {
  bool is_text = false;                   ///< Payload Format Indicator: the payload is UTF-8
  std::optional<std::uint32_t> expiry{};  ///< seconds; in a message received, what is left of them
  std::string content_type{};             ///< empty: not said
  std::string response_topic{};           ///< empty: not said
  Buffer correlation_data{};              ///< empty: not said
};

/// What the broker publishes in this client's name if its connection ends without a DISCONNECT. With a scheme it is protected
/// like any message, at the moment of connecting: a topic of its own keeps it from being older than what its readers have seen.
struct WillMessage {
  std::string topic{};
  Buffer payload{};
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  bool retain = false;
  std::chrono::seconds delay{0};   ///< MQTT 5: how long the broker waits for this client to return
  MessageProperties properties{};  ///< MQTT 5
  std::vector<std::pair<std::string, std::string>> user_properties{};
};

struct ReceivedMessage {
  std::string topic{};
  Buffer payload{};
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  bool retain = false;
  bool duplicate = false;  ///< the broker may have sent it before
  std::string scheme{};    ///< "plain": unprotected
  bool verified = false;   ///< by that scheme; false exactly for "plain"
  std::string author{};    ///< a pinned peer's name, or `id:` and the start of a key; empty if the scheme names none
  std::string checked{};   ///< what was checked, in words
  std::string notice{};    ///< what else is to be known of it, in words: others before it have not come. Mostly empty
  Buffer evidence{};       ///< what `sealmq authority report` makes a complaint of; empty if not wanted, or the scheme has none
  std::vector<std::pair<std::string, std::string>> user_properties{};
  MessageProperties properties{};
  std::vector<std::uint32_t> subscription_identifiers{};
  std::uint16_t packet_id = 0;  ///< of QoS 1 and 2
  std::uint64_t receipt = 0;    ///< for AsyncClient::acknowledge(); 0: there is nothing to acknowledge
};

/// A message for this client was not what it claims to be, and was dropped.
struct RefusedMessage {
  std::string topic{};
  std::string why{};
};

/// A message out of the store (ConnectOptions::store) that nobody will bring to the broker any more.
struct UndeliveredMessage {
  std::string topic{};
  Buffer payload{};
  Error why{};  ///< its code is the broker's reason
};

/// What protects the connection after a login by a scheme that makes keys for it (schemes/pmqtt/README.md).
enum class HopWish : std::uint8_t {
  automatic,  ///< HRL1, unless TLS or a socket of this machine protects it already
  none,
  hpp1,     ///< the payloads of messages; or the connection is given up
  ratchet,  ///< likewise, each message under a key of its own
  hrl1,     ///< everything; likewise
};

struct ConnectOptions {
  /// `mqtt://user:password@host:port`, likewise mqtts://, ws:// and wss:// (these with a path, `/mqtt` if none is named), or
  /// `unix:/path`. What it names goes before the fields below.
  std::string url{};
  std::string host = "localhost";
  std::uint16_t port = 1883;
  std::string bind_address{};  ///< of this machine, to connect from; empty: whichever the system takes
  TlsOptions tls{};
  /// SOCKS5: `socks5h://user:password@host:port`, or `socks5://` where names are looked up here and not by the proxy. Empty:
  /// none. For schemes whose subscribers are anonymous, and without a user in it, each client logs in there by a name of its own:
  /// Tor then gives it a circuit of its own, so that no two of them are seen together.
  std::string proxy{};

  std::string client_id{};                    ///< empty: the broker chooses
  mqtt::Version version = mqtt::Version::v5;  ///< in an older one, whatever only MQTT 5 has is an error, caller_misused
  std::chrono::seconds keep_alive{60};        ///< 0: off
  bool clean_start = true;
  /// How long the broker keeps the session after the connection; in MQTT 3 the broker decides, if clean_start is false.
  std::chrono::seconds session_expiry{0};
  std::optional<WillMessage> will{};
  std::string user_name{};
  Secret password{};
  /// User name and password go to the broker as MQTT has them, also with a scheme that would log in itself.
  bool plain_login = false;
  HopWish hop = HopWish::automatic;
  std::vector<std::pair<std::string, std::string>> user_properties{};  ///< MQTT 5

  /// Empty or "plain": unprotected MQTT. Otherwise every message out is protected, and every message in verified, by this scheme.
  /// What is named below and has no use in this scheme is an error, caller_misused.
  std::string scheme{};
  std::string key_file{};           ///< NAME.key, or where keys are (open_keys()); or a store that is open already:
  std::unique_ptr<KeyStore> key{};  ///< goes before key_file
  PinAsker ask_pin{};               ///< for a token or card, where neither a file nor SEALMQ_PIN has the PIN
  std::string broker_key_file{};    ///< broker.pub; or what it holds:
  std::optional<BrokerIdentity> broker{};
  std::string topic_keys{};                      ///< a folder with keys of topics; or a store that is open already:
  std::shared_ptr<TopicKeys> topic_key_store{};  ///< goes before topic_keys
  std::vector<PublicIdentity> peers{};           ///< the other ends of an end-to-end scheme; the pinned publishers of others
  /// A revocation authority (read_authority()) whose log is followed, below sealmq-log/NAME at the broker: what somebody sends
  /// against whom an order stands is refused, and nothing is sealed for it; of keys of topics the last deal counts. While the
  /// log's newest head is older than max_age, nothing is opened and nothing sealed.
  std::optional<PublicIdentity> authority{};
  std::chrono::seconds max_age{600};  ///< of what the authority says; a day at most
  /// A folder where it is kept over restarts how far the log had come, so that no older one is believed; made if it is missing.
  /// Empty: it is forgotten with the process.
  std::string authority_log{};
  std::map<std::string, std::string, std::less<>> scheme_options{};  ///< what the scheme's README lists: "sl2.capability"
  bool keep_evidence = false;                                        ///< messages come with ReceivedMessage::evidence

  /// For connecting, and for each answer of the broker.
  std::chrono::milliseconds timeout{10'000};
  /// Between partners: for what the other end has to answer. With topic keys: for those that wait at the broker. 0: as `timeout`.
  std::chrono::milliseconds partner_timeout{0};
  std::uint16_t receive_maximum = 100;                   ///< MQTT 5: unacknowledged messages inwards
  std::uint32_t maximum_packet_size = 16 * 1024 * 1024;  ///< inwards
  std::size_t inbox = 1000;  ///< messages kept for receive(); beyond it nothing is read from the broker

  /// Connects again by itself whenever the connection is lost, until disconnect() or until the broker says that this client may
  /// not come back (not_authorised, peer_incompatible, taken over by another client of the same name). Meanwhile:
  /// - publish() of QoS 1 and 2 waits, as long as it takes: the message is sent when there is a connection. QoS 0 is an error.
  /// - subscribe() and unsubscribe() wait for a connection, `timeout` at most.
  /// - receive() goes on waiting.
  /// What is subscribed is subscribed again where the broker has kept no session (session_expiry, or clean_start in MQTT 3, let
  /// it keep one). Without that session a message of QoS 1 is sent again, and may come twice; one of QoS 2 that was under way is
  /// an error of its publish() (unspecified_error), because nobody can tell whether it came. A message signed long ago is
  /// protected anew.
  bool reconnect = false;
  std::chrono::milliseconds reconnect_delay{500};             ///< before the first attempt; doubled after each, less up to half
  std::chrono::milliseconds longest_reconnect_delay{60'000};  ///< at most so long
  /// With `reconnect`: called when the connection is lost, with the cause, when it is there again, and when it will not come
  /// back, with the cause once more. Like on_refused.
  std::function<void(const Result<>&)> on_connection{};

  /// A file that keeps messages of QoS 1 and 2 until the broker has them, also over a restart of the process; empty: none. Then
  /// publish() of such a message returns when it is on the disk, with or without a connection; so does connect(), with
  /// `reconnect`, if there is no broker. What the broker refuses later is told to on_undelivered. It takes a client_id,
  /// clean_start = false and (MQTT 5) a session_expiry: the broker's half of the session tells apart what came already, so that
  /// nothing of QoS 2 comes twice. If it has lost that half, QoS 1 is sent again and QoS 2 that was under way is undelivered.
  /// What lies there is what was given to publish(): a scheme protects it when it is sent, under numbers never used before. With
  /// a scheme the file is sealed for the client's own key, which has to be able to agree (no card); without, it is in clear.
  /// Others cannot read it, and one process has it at a time. Messages that come in are not kept: what receive() has answered is
  /// acknowledged, and QoS 2 may come twice if the process ends just then. Each turn waits for the disk.
  std::string store{};
  std::size_t store_limit = 64 * 1024 * 1024;  ///< octets of messages; beyond it publish() is an error (quota_exceeded)
  /// Of a message in the store: the broker refused it, or has forgotten the session. It is kept no longer. Like on_refused.
  std::function<void(const UndeliveredMessage&)> on_undelivered{};

  /// For programs that pass messages on, AsyncClient only. The broker counts a message as received when acknowledge() is called
  /// with its receipt, not when receive() answers it.
  bool acknowledge_later = false;
  /// Likewise: publish() of QoS 1 and 2 has no timeout and waits across reconnect(), until the broker has answered, or has
  /// forgotten the session (unspecified_error).
  bool publish_across_connections = false;
  /// Answers a connected stream socket, which the client then owns, instead of connecting to host and port; for a broker in the
  /// same process. May be empty.
  std::function<Result<int>()> open_socket{};
  /// How many octets are still to go to the system, whenever some have gone. May be empty. Like on_refused.
  std::function<void(std::size_t left)> on_sending{};

  /// Takes the messages instead of receive(); when it returns, the broker counts the message as received. May be empty. Like
  /// on_refused; calls of Client that wait are errors in there (caller_misused).
  std::function<void(ReceivedMessage)> on_message{};
  /// Called for each message that was refused, on the thread of the connection; keep it short. May be empty.
  std::function<void(const RefusedMessage&)> on_refused{};
  /// Called for what a scheme tells its user, a line without a line end: that a key of topics has come. Likewise. May be empty.
  std::function<void(const std::string& line)> on_notice{};
};

struct PublishOptions {
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  bool retain = false;
  std::vector<std::pair<std::string, std::string>> user_properties{};  ///< MQTT 5
  MessageProperties properties{};                                      ///< MQTT 5
  std::uint16_t topic_alias = 0;  ///< MQTT 5; sent beside the topic, if the broker takes as many. 0: none
};

enum class RetainedMessages : std::uint8_t { send = 0, send_if_new = 1, do_not_send = 2 };

struct SubscribeOptions {
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  bool no_local = false;                                               ///< MQTT 5: nothing that this client published
  bool retain_as_published = false;                                    ///< MQTT 5
  RetainedMessages retained = RetainedMessages::send;                  ///< MQTT 5
  std::uint32_t identifier = 0;                                        ///< MQTT 5: comes back with each message; 0: none
  std::vector<std::pair<std::string, std::string>> user_properties{};  ///< MQTT 5
};

/// Whether the broker refuses somebody, or something went wrong, in the words and with the blame of this library. The error's
/// code is the reason code.
Error refusal(std::string_view what, mqtt::Reason reason);

}  // namespace sealmq
#pragma GCC visibility pop
