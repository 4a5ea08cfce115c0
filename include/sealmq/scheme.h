// Scheme: what a security scheme is to the rest of SealMQ.
//
// A scheme lives in one folder, schemes/<name>/, and has one line in schemes/all.cpp. It has a broker side (one object per shard)
// and a client side (one object per client). The mandatory part is small: take a PUBLISH payload apart, and put one together.
// Further abilities are separate interfaces that a scheme may answer; ARCHITECTURE.md says which scheme will use which.
//
// A scheme has no socket, thread, file or clock: time, chance, keys and the list of identities are handed to it. What it answers
// has been verified, but not yet authorised: rights, policy and replay are the broker core's work, the same for every scheme.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/identity.h"
#include "sealmq/keystore.h"
#include "sealmq/login.h"
#include "sealmq/ports.h"
#include "sealmq/registry.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"
#include "sealmq/topic_keys.h"

namespace sealmq {

struct RabinKeys;

// -- what it claims -----------------------------------------------------------------------------------------------------------

enum class Authorship : std::uint8_t { none, checked_by_broker, verified_by_subscriber };
enum class Confidentiality : std::uint8_t { none, hop, end_to_end };

/// What policy, the command line, the tour and the attack tests read. Each claim is tested.
struct Claims {
  Authorship authorship = Authorship::none;
  Confidentiality confidentiality = Confidentiality::none;
  bool bound_to_topic = false;
  bool refuses_replay = false;
  bool hides_subscriber = false;
  bool hides_publisher = false;
  bool forward_secrecy = false;
  bool revocable = false;
};

enum class Profile : std::uint8_t {
  hardened,  ///< the default
  paper,     ///< as published, for study: by name only, and it warns
};

/// Something that the configuration can tell a scheme, in a table [scheme.NAME]; NAME without its profile.
struct SchemeOption {
  std::string_view name;
  std::string_view help;      ///< one line, with the default
  bool is_file = false;       ///< a secret, perhaps: its value is @FILE, and what stands in there is what counts
  bool changes_live = false;  ///< BrokerScheme::change_options() takes it over; others count from the next start on
};

/// What the configuration tells schemes: `cover` of `[scheme.sl2]` is "sl2.cover". Values as they stand there, without quotes.
using SchemeOptions = std::map<std::string, std::string, std::less<>>;

/// What a scheme's client side has a use for. What else a user names is refused: it would promise a protection that is not there.
struct ClientUses {
  bool key = false;                                ///< the user's own keys, --key
  bool broker_key = false;                         ///< --broker-key
  bool readers = false;                            ///< whom a message is encrypted for, --to
  bool authors = false;                            ///< whose messages are taken, --from
  bool evidence = false;                           ///< it leaves some of what is received
  std::span<const std::string_view> options = {};  ///< of ClientPorts::options: "sl2.capability"
};

struct SchemeInfo {
  std::string_view name;  ///< as people type it: "sl1", "sl1@paper"
  std::string_view title;
  Profile profile = Profile::hardened;
  Claims claims;
  std::span<const std::string_view> hazards;  ///< known weaknesses, one line each; what the warning lists
  std::span<const SchemeOption> options = {};
  ClientUses uses = {};  ///< besides keys of topics, where it has_topic_keys
  /// A broker without [[topic]] rows lets it in and out. Only for schemes whose every message the broker itself verifies to be by
  /// an identity on its list.
  bool in_default_policy = false;
  bool has_login = false;  ///< connections can log in by it,
  Factors login_proves{};  ///< which proves this at most; of a published form: nothing
  /// Its messages come from, and go to, connections that have logged in by one of these schemes, and no others; empty: any will
  /// do.
  std::span<const std::string_view> needs_login = {};
  bool names_ends = false;        ///< its topics name who may publish and subscribe: may_send() and may_get() are asked
  bool needs_rabin = false;       ///< the broker has to make Rabin keys: it does that when its policy names the scheme
  bool needs_rsa = false;         ///< likewise an RSA key of the broker's own
  bool login_protects = false;    ///< its messages are those of connections that its own login let in, and protects them there
  bool exactly_once = false;      ///< its connections have one message in flight each way, all of QoS 2, and end their session
  bool signs_on_shard = false;    ///< uses the broker's key in its event loop, where no token or card may be waited for
  bool has_topic_keys = false;    ///< its clients keep keys of topics (topic_keys.h)
  bool needs_topic_keys = false;  ///< so does its broker side: a policy that names it comes with a folder of them
  bool leaves_hidden = false;     ///< where no scheme hides its messages on their way out, the connection has to
  bool between_partners = false;  ///< the ends name each other, and the broker cannot tell who wrote what
  /// Of those of a broker's configuration. Errors: caller_misused. Null: any values will do.
  Result<> (*check_options)(const SchemeOptions& options) = nullptr;
};

// -- broker side ----------------------------------------------------------------------------------------------------------------

/// A PUBLISH as it stands on the wire. Views into the packet.
struct Incoming {
  std::string_view topic;
  Bytes payload;
  Now now{};  ///< for prepare(), which is given no Scene
};

/// What a scheme has verified about a PUBLISH. Views point into the Incoming, or into `plaintext`.
struct Opened {
  std::string_view topic;                ///< the real one; differs from the wire's where topics are hidden
  Bytes payload;                         ///< what the author said
  Buffer plaintext;                      ///< holds the payload where it had to be decrypted
  const Identity* author = nullptr;      ///< null: nobody on the list (or the scheme names no author)
  bool names_author = false;             ///< true: without an author on the list it must be refused
  std::optional<ReplayMark> mark{};      ///< to be judged once rights are known to be there
  Bytes carried{};                       ///< what seal() will need of it (`Outgoing::wire`); empty: the payload as it came in
  std::optional<ReplayMark> key_mark{};  ///< of a key that it came by and that must be new; judged before `mark`
  bool repeat = false;                   ///< an exact copy of one opened before, as the scheme's own counters tell: not passed on
};

/// A message inside the core, on its way out.
struct Outgoing {
  std::string_view topic;
  Bytes payload;             ///< what the author said
  Bytes wire;                ///< `Opened::carried`, or the payload as it came in
  std::string_view came_by;  ///< the scheme it came in by
  const Identity* author;    ///< still on the list; null if the message names none
};

/// Work that takes milliseconds (a Rabin root, a question to the registry). run() is called once, by a thread that may wait; it
/// uses nothing that belongs to the shard. What it found is read by open() or read_request() of the same message.
class Preparation {
 public:
  virtual ~Preparation() = default;
  virtual void run() = 0;
  /// True: it computes little and may wait long for others (a database), so it must not stand before what computes.
  virtual bool waits() const { return false; }
};

/// What a scheme keeps for one connection, publishers' session keys for instance. Ends with it.
class ConnectionState {
 public:
  virtual ~ConnectionState() = default;
  virtual std::size_t memory() const = 0;  ///< bytes, about
  /// Nothing of this identity may be used any more.
  virtual void forget(std::string_view identity) = 0;
};

/// The connection that a proof is made for, and on which alone it is worth something.
struct ThisConnection {
  std::string_view client_id{};  ///< in use
  Bytes channel_binding{};       ///< 32 bytes, tls-exporter (RFC 9266); empty without TLS
};

/// What a broker-side scheme is given for each call.
struct Scene {
  Now now;
  const Directory& directory;
  std::unique_ptr<ConnectionState>* state = nullptr;  ///< this scheme's, of the connection that the call is about
  Preparation* prepared = nullptr;                    ///< has run; null: prepare() wanted none
  ThisConnection connection{};
};

/// How one subscription gets its messages, when it has a key of its own or shares one with a group. Made by read_request(); lives
/// as long as the subscription, which ends with its connection. The shard's thread.
class Receiver {
 public:
  virtual ~Receiver() = default;

  /// The topic on which this connection gets its frames.
  virtual std::string_view topic() const = 0;
  /// A frame that has to come before the next message: a new group key, cover traffic. Appends one to `out`; false: none is due.
  /// Asked before each message and once a second.
  virtual bool next_due(Now now, Buffer& out) = 0;
  /// As BrokerScheme::seal, for this receiver.
  virtual Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) = 0;

  /// Whether this receiver may have every message that its filter matches, and policy wants one encryption for all who may.
  virtual void may_share(bool) {}
  /// Receivers that answer the same get the same bytes of a message; null: this one gets its own.
  virtual const void* group() const { return nullptr; }
  /// Milliseconds between two frames, whole seconds: at each such time the next message leaves, or if none waits what next_due()
  /// appends, so that the times tell nothing. 0: messages leave when they come.
  virtual std::uint64_t pace() const { return 0; }
  /// Its key has served its time: the subscription is over.
  virtual bool has_ended(Now) const { return false; }
};

/// Someone asked for something. Verified like a message, and granted or refused by the core.
struct Asked {
  enum class What : std::uint8_t {
    subscription,  ///< to receive what `topic`, a filter, matches
    publishing,    ///< to publish to `topic`
    other,         ///< has been judged by the scheme
  };
  What what = What::subscription;
  std::string_view topic{};
  const Identity* identity = nullptr;  ///< who asks; null: anonymous, or nobody on the list
  bool names_identity = false;         ///< true: without an identity on the list it must be refused
  bool by_connection = false;          ///< proves nobody: whoever the connection belongs to asks
  std::optional<ReplayMark> mark{};
  Buffer plaintext{};                    ///< holds the topic where it had to be decrypted
  std::unique_ptr<Receiver> receiver{};  ///< of a subscription that ends with the connection; null: an ordinary one
  Buffer reply{};                        ///< for this connection, on reply_topic(), when it is granted
  std::optional<Error> refusal{};        ///< of `other`: the reply says no, and this is why, for the log
};

/// Questions to the registry. They block: for Preparation::run() alone. Any thread.
class Registrar {
 public:
  virtual ~Registrar() = default;
  /// Somebody with this ticket wants its keys on the list, with rights to these topics, or if none are named to all that the
  /// ticket allows. `proved`: it has shown that it holds each of the keys. The ticket is used up, whatever the answer.
  virtual Result<> join(Bytes ticket, const PublicKeys& keys, bool proved, const std::vector<std::string>& publish,
                        const std::vector<std::string>& subscribe, Now now) = 0;
  /// An order of the revocation authority, as it was published. Verifies it, and sees to it that every broker carries it out.
  virtual Result<> take_order(Bytes frame, Now now) = 0;
};

/// What it is given for life.
struct BrokerPorts {
  KeyStore& key;  ///< the broker's own
  Random& random;
  /// The Rabin keys as they are at present (keystore/rabin_key.h). Any thread. Empty function: there are none.
  std::function<std::shared_ptr<const RabinKeys>()> rabin{};
  std::optional<std::array<std::uint8_t, 33>> authority{};  ///< the revocation authority's key for agreement
  Registrar* registrar = nullptr;                           ///< null: nobody can join, no orders are taken
  PasswordSource passwords{};
  SchemeOptions options{};
  std::shared_ptr<TopicKeys> topic_keys = nullptr;  ///< this shard's; null: there are none
};

/// One per scheme and shard; called by that shard's thread only.
class BrokerScheme {
 public:
  template <class T>
  using Checked = Verified<T, BrokerScheme>;

  virtual ~BrokerScheme() = default;
  virtual const SchemeInfo& info() const = 0;

  /// Whether the payload is in this scheme's container, by its first bytes or its topic. Cheap. A payload that one of the schemes
  /// of its topic recognises and can take apart is never passed on as anything else.
  virtual bool recognises(const Incoming& message) const = 0;

  /// Verifies everything a message itself can prove. Errors: payload_format_invalid as code for a malformed container, any other
  /// failure without a code (the peer learns "not authorised" and nothing more).
  virtual Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) = 0;

  /// The payload for a subscriber of this scheme: appended to `out`. An error means this message cannot leave by this scheme.
  virtual Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) = 0;

  // -- abilities: absent unless overridden

  /// What shows the authority who wrote a message that was opened (schemes/malina/revocation.md). `wire`: as in Outgoing. Empty:
  /// no such ability.
  virtual Buffer evidence(const Opened& opened, Bytes wire);

  /// Topics under '$' on which this scheme takes messages whose topic is hidden, and requests.
  virtual bool takes(std::string_view reserved_topic) const;
  /// Of a PUBLISH on such a topic that it recognises: a request, not a message.
  virtual bool is_request(const Incoming& incoming) const;
  virtual Result<Checked<Asked>> read_request(const Incoming& request, const Scene& scene);
  /// Of a request: it is about the list of identities, and is taken whichever schemes policy names.
  virtual bool concerns_the_list(const Incoming& request) const;
  /// Of a request: it tries something that can be guessed. Those that fail count like failed logins, and an address from which
  /// too many failed must wait.
  virtual bool tries_a_secret(const Incoming& request) const;
  /// The slow part of open() or read_request(), if there is one.
  virtual std::unique_ptr<Preparation> prepare(const Incoming& incoming);
  /// Where replies and frames for receivers go: a topic under '$' that means "this connection" to everybody. Empty: no such
  /// ability.
  virtual std::string_view reply_topic() const;
  /// False: the sender of a message or request on a reserved topic is told "success" whatever became of it, because any
  /// difference would help to decrypt others' messages.
  virtual bool tells_refusals() const;

  /// The same inside an MQTT 5 SUBSCRIBE, as the value of the user property `subscribe_property()`. Empty name: no such ability.
  virtual std::string_view subscribe_property() const;
  /// Nothing: the value is not one of this scheme's.
  virtual std::optional<Result<Checked<Asked>>> read_subscribe(std::string_view value, std::string_view filter,
                                                               const Scene& scene);

  /// A login by an Authentication Method; null if the method is not this scheme's. Re-authentication is a new login that has to
  /// end with the same identity.
  virtual std::unique_ptr<Login> begin_login(LoginRequest& request);
  /// The same for a login that is in CONNECT itself; asked only while policy names the scheme. Null: it is none of this scheme's.
  virtual std::unique_ptr<Login> begin_login_in_connect(LoginRequest& request);

  /// The configuration was read again: what changes_live is taken over, of options that check_options() has seen.
  virtual void change_options(const SchemeOptions& options);

  /// Of a scheme whose topics name their ends: may somebody logged in under this name (empty: nobody in particular) publish
  /// there,
  virtual bool may_send(std::string_view identity, std::string_view topic) const;
  /// and get what is published there? Asked for filters too, which may be wider than what is delivered by them.
  virtual bool may_get(std::string_view identity, std::string_view filter) const;

 protected:
  /// Only a scheme can say that something is verified.
  template <class T>
  static Checked<T> verified(T value) {
    return Checked<T>(std::move(value));
  }
};

// -- client side ----------------------------------------------------------------------------------------------------------------

/// What the log of a revocation authority says that the client has pinned, as far as it has come. One thread.
class AuthorityView {
 public:
  /// The last deal of an administrator's keys for a filter.
  struct Deal {
    std::uint64_t number = 0;
    std::uint64_t time = 0;  ///< wall milliseconds
  };

  virtual ~AuthorityView() = default;
  /// The serial of the order that stands against a key; nothing: none does.
  virtual std::optional<std::uint64_t> revoked(const KeyHash& key) const = 0;
  /// `administrator`: its identity_digest(); `filter`: its SHA-256. Nothing: the log has none.
  virtual std::optional<Deal> last_deal(const std::array<std::uint8_t, 32>& administrator,
                                        const std::array<std::uint8_t, 32>& filter) const = 0;
  /// Another number after any change.
  virtual std::uint64_t version() const = 0;
};

struct ClientPorts {
  KeyStore* key = nullptr;               ///< the client's own; null if the user named none
  std::optional<BrokerIdentity> broker;  ///< the broker's public keys, if pinned
  std::vector<PublicIdentity> peers;     ///< --to and --from
  Random& random;
  SchemeOptions options{};                                   ///< of the client: "sl2.capability"
  bool keeps_evidence = false;                               ///< messages are wanted with their evidence
  std::shared_ptr<TopicKeys> topic_keys = nullptr;           ///< null: there are none
  std::shared_ptr<const AuthorityView> authority = nullptr;  ///< null: none is pinned
};

/// What arrived, and whether it may be old.
struct Arrived {
  std::string_view topic;
  Bytes payload;
  bool retain = false;
  bool stored = false;         ///< the session was there before this connection: the message may have waited in it
  bool at_least_once = false;  ///< QoS 1 or 2: whoever sent it wants to know what becomes of it
};

/// What the client side has verified.
struct Received {
  enum class What : std::uint8_t {
    message,
    grant,  ///< the broker confirms the subscription to `topic`, a filter
    own,    ///< a matter between scheme and broker: an answer, a key, cover traffic
  };
  What what = What::message;
  std::string topic;
  Buffer payload;
  std::string author;          ///< the name of a pinned peer, else `id:` and the start of its key; empty if none is claimed
  std::string checked;         ///< what was checked, in words
  bool repeat = false;         ///< an exact copy of one accepted before: not to be shown again
  Buffer evidence{};           ///< if ClientPorts::keeps_evidence: what a revocation authority needs to judge the message
  std::uint64_t delivery = 0;  ///< to be told to taken(); 0: nobody asks
  std::string notice{};        ///< what its user should know besides: that others before it have not come; of `own`: a new key
};

/// What has become of messages that went to a partner. Both numbers are of delivery().
struct Delivered {
  enum class Outcome : std::uint8_t {
    taken,     ///< the application at the other end has it
    unwanted,  ///< it got there, and no subscription asks for it
    lost,      ///< whatever has no receipt by now will not be read: to be protected and sent once more
  };
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  Outcome outcome = Outcome::taken;
};

/// A PUBLISH to the broker itself, or to a partner.
struct Request {
  std::string topic;
  Buffer payload;
  std::string filter{};  ///< that it asks to subscribe to; empty: it asks for something else
};

/// For so many milliseconds what protect() made may be sent as it is; later it is made anew. Receivers take it longer
/// (schemes/freshness.h), but it has a way to go.
inline constexpr std::uint64_t sendable_for = 15'000;

/// One per client; one thread at a time. Errors: caller_misused (no key, no broker key), peer_misbehaved (does not verify).
class ClientScheme {
 public:
  template <class T>
  using Checked = Verified<T, ClientScheme>;

  virtual ~ClientScheme() = default;
  virtual const SchemeInfo& info() const = 0;

  virtual Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) = 0;
  virtual Result<Checked<Received>> unprotect(const Arrived& message, Now now) = 0;
  /// A will, which may be published long after. As protect(), unless the scheme has a way to say so.
  virtual Result<Buffer> protect_will(std::string_view topic, Bytes payload, Now now);

  /// How many milliseconds this message may wait before it is opened, because something that it depends on is to come; 0: it can
  /// be opened now. Asked again whenever something has come, and once a second.
  virtual std::uint64_t holds(const Arrived& message, Now now);

  /// A user property for SUBSCRIBE in MQTT 5, name and value; nothing if the scheme needs none.
  virtual Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view filter,
                                                                                        const ThisConnection& on, Now now);
  /// The same for MQTT 3: a PUBLISH whose acknowledgement is the grant.
  virtual Result<std::optional<Request>> subscribe_request(std::string_view filter, const ThisConnection& on, Now now);

  // -- abilities of a scheme that has its own conversation with the broker, under keys that end with the connection. protect() is
  // -- then called when the message is sent, and again when it has to be sent on another connection.

  /// Where the scheme's own messages come, subscribed first of all on every connection.
  struct Inbox {
    std::string filter;
    std::uint8_t qos = 1;
    bool is_optional = false;  ///< the scheme may have all it needs without it
  };
  /// Where the broker answers, or partners do. Empty: no such ability.
  virtual std::vector<Inbox> inboxes() const;
  /// Of a scheme without such a conversation: where keys come that it takes by itself. They are subscribed on every connection,
  /// and what comes there is own. Messages are kept while may_publish() says so: until keys_heard().
  virtual std::vector<Inbox> key_inboxes() const;
  /// Everything that waited there when this connection began has come. `refused`: those of them that the broker has refused.
  virtual void keys_heard(const std::vector<std::string>& refused);
  /// The topic on which a message to `topic` travels; empty: its own.
  virtual std::string_view wire_topic() const;
  /// A connection begins: what was agreed on the one before is over, what was subscribed is asked for again.
  virtual void connected(Now now);
  /// False: something has to be agreed on first, and will be.
  virtual bool may_publish(std::string_view topic, Now now);
  /// From now on, also after the connection.
  virtual Result<> subscribe(std::string_view filter, Now now);
  virtual void unsubscribe(std::string_view filter);
  /// True: a subscription is granted when a Received says so; false: when its request is acknowledged.
  virtual bool confirms() const;
  /// What the broker is to be asked next; asked after each call and at least once a second.
  virtual Result<std::optional<Request>> next_request(Now now);
  /// The broker has refused it.
  virtual void request_refused(const Request& request);

  /// The client identifier that its login proves, on each connection and without a user name; empty: any will do.
  virtual std::string_view client_id() const;
  /// A login of the scheme's own, anew on each connection on which a user name is to be proved. Null: there is no such ability.
  /// Errors: caller_misused (no key, no broker key, a name it cannot take).
  virtual Result<std::unique_ptr<ClientLogin>> begin_login(const ClientLoginRequest& request);

  // -- abilities of a scheme between partners, whose conversation goes through any broker, under keys that outlive connections.

  /// The topics on which copies of a message to `topic` travel, one to each partner; they are what may_publish() and protect()
  /// are then given. Empty: no such ability.
  virtual std::vector<std::string> addresses(std::string_view topic) const;
  /// The number of what protect() has made last, which deliveries() will tell of; 0: nothing more is heard of it.
  virtual std::uint64_t delivery() const;
  /// What was protected under that number may still be sent as it is.
  virtual bool is_current(std::uint64_t delivery, Now now) const;
  /// What has become known since the last call.
  virtual std::vector<Delivered> deliveries();
  /// The application has a message that was received with this number.
  virtual void taken(std::uint64_t delivery);
  /// Who is waited for before a message to this address can go, in words.
  virtual std::string awaited(std::string_view address) const;

 protected:
  template <class T>
  static Checked<T> verified(T value) {
    return Checked<T>(std::move(value));
  }
};

// -- the list (schemes/all.cpp) -----------------------------------------------------------------------------------------------

struct Scheme {
  const SchemeInfo* info;
  std::unique_ptr<BrokerScheme> (*broker_side)(const BrokerPorts& ports);
  /// Errors: caller_misused when a port that the scheme needs is missing, with a hint for the user.
  Result<std::unique_ptr<ClientScheme>> (*client_side)(ClientPorts ports);
};

/// An order of a revocation authority.
struct RevocationByAuthority {
  std::uint64_t serial;
  bool restores;                      ///< otherwise it revokes
  std::vector<KeyHash> keys;          ///< whoever has any of these is meant; none: nobody
  std::array<std::uint8_t, 32> name;  ///< SHA-256 of what is signed
  Buffer frame;                       ///< to be passed on
};
/// In any of its forms. Errors: malformed, peer_misbehaved (not signed by this ECDSA key).
Result<RevocationByAuthority> read_authority_order(Bytes frame, const std::array<std::uint8_t, 33>& authority);

/// Every scheme of this build; unprotected MQTT, which recognises every payload, is the last.
std::span<const Scheme> all_schemes();
/// Null if there is none of that name.
const Scheme* find_scheme(std::string_view name);

}  // namespace sealmq
