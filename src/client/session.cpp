#include "client/session.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "base/text.h"
#include "client/message_properties.h"
#include "mqtt/topic.h"

namespace sealmq {

using mqtt::Awaiting;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;
using State = mqtt::Connection::State;

namespace {

constexpr std::size_t most_in_flight = 1024;   // however much the broker would take
constexpr std::size_t most_waiting = 100'000;  // messages the caller may ask for before the first of them is answered

std::uint8_t code(Reason reason) {
  return static_cast<std::uint8_t>(reason);
}

Failure protocol_error(const char* what) {
  return fail(Blame::peer_misbehaved, what, code(Reason::protocol_error));
}

mqtt::Limits limits_of(const ConnectOptions& options) {
  mqtt::Limits limits;
  limits.maximum_packet_size = options.maximum_packet_size;
  limits.receive_maximum = options.receive_maximum;
  return limits;
}

template <class Seconds, class Duration>
Seconds whole_seconds(Duration duration) {
  return static_cast<Seconds>(std::clamp<std::int64_t>(duration.count(), 0, std::numeric_limits<Seconds>::max()));
}

bool is_filter(std::string_view text) {
  return mqtt::is_topic_filter(text) || mqtt::SharedFilter::parse(text);
}

}  // namespace

// -- the connection -------------------------------------------------------------------------------------------------------------

class ClientSession::PacketEvents : public mqtt::Events {
 public:
  explicit PacketEvents(ClientSession& session) : session_(session) {}

  using mqtt::Events::on;  // what only servers receive, and AUTH, which is never asked for
  Result<> on(const mqtt::Connack& connack) override { return session_.on_connack(connack); }
  Result<> on(const mqtt::Publish& publish) override { return session_.on_publish(publish); }
  Result<> on(const mqtt::Puback& puback) override { return session_.on_puback(puback), Result<>{}; }
  Result<> on(const mqtt::Pubrec& pubrec) override { return session_.on_pubrec(pubrec), Result<>{}; }
  Result<> on(const mqtt::Pubrel& pubrel) override { return session_.on_pubrel(pubrel), Result<>{}; }
  Result<> on(const mqtt::Pubcomp& pubcomp) override { return session_.on_pubcomp(pubcomp), Result<>{}; }
  Result<> on(const mqtt::Suback& suback) override { return session_.on_granted(suback.packet_id, suback.reasons); }
  Result<> on(const mqtt::Unsuback& unsuback) override { return session_.on_granted(unsuback.packet_id, unsuback.reasons); }
  Result<> on(const mqtt::Pingresp&) override { return {}; }
  Result<> on(const mqtt::Disconnect& disconnect) override {
    session_.close(refusal("the broker ended the connection", disconnect.reason));
    return {};
  }

 private:
  ClientSession& session_;
};

ClientSession::ClientSession(const ConnectOptions& options, ClientScheme* scheme)
    : options_(options),
      scheme_(scheme),
      connection_(mqtt::Role::client, limits_of(options), {}),
      client_id_(options.client_id) {}

Result<> ClientSession::start(Now now) {
  now_ = now;
  bool is_v5 = options_.version == Version::v5;
  mqtt::Connect connect;
  connect.version = options_.version;
  // What is kept for a session must not be thrown away by the reconnection. MQTT 3 has one flag for both ends of a session's
  // life.
  connect.clean_start = is_v5 ? options_.clean_start && !was_connected_ : options_.clean_start;
  connect.keep_alive = whole_seconds<std::uint16_t>(options_.keep_alive);
  connect.client_id = client_id_;
  if (!options_.user_name.empty()) connect.user_name = options_.user_name;
  if (!options_.password.empty()) connect.password = options_.password.reveal();
  if (is_v5) {
    if (options_.session_expiry.count() > 0)
      connect.properties.session_expiry_interval = whole_seconds<std::uint32_t>(options_.session_expiry);
    connect.properties.receive_maximum = std::max<std::uint16_t>(options_.receive_maximum, 1);
    connect.properties.maximum_packet_size = options_.maximum_packet_size;
    connect.properties.topic_alias_maximum = mqtt::Limits{}.topic_alias_maximum;
    TRY(check_properties(options_.user_properties));
    put(options_.user_properties, connect.properties);
  }

  Buffer will_payload;
  if (const auto& will = options_.will) {
    if (!mqtt::is_topic_name(will->topic)) return fail(Blame::caller_misused, "the will's topic is not a topic name");
    if (converses()) return fail(Blame::caller_misused, "this scheme has no wills: its keys end with the connection");
    will_payload = scheme_ ? TRY(scheme_->protect(will->topic, will->payload, now)) : will->payload;
    if (will_payload.size() > 65535) return fail(Blame::caller_misused, "the will's payload is too large");
    connect.will = mqtt::Will{will->topic, will_payload, will->qos, will->retain, {}};
    if (is_v5) {
      TRY(check_properties(will->properties));
      TRY(check_properties(will->user_properties));
      put(will->properties, connect.will->properties);
      put(will->user_properties, connect.will->properties);
      if (will->delay.count() > 0) connect.will->properties.will_delay_interval = whole_seconds<std::uint32_t>(will->delay);
    }
  }

  connection_ = mqtt::Connection(mqtt::Role::client, limits_of(options_), now);
  closed_ = false;
  paused_ = false;
  maximum_qos_ = QoS::exactly_once;
  retain_available_ = true;
  asked_.clear();  // [MQTT-4.4.0-1] only PUBLISH and PUBREL are ever sent again
  outgoing_.erase_if([](const auto& entry) { return entry.message.request.has_value(); });
  for (auto& entry : outgoing_) entry.sent = false;
  for (auto& entry : unacknowledged_) entry.here = false;
  connection_.send(connect);
  return {};
}

void ClientSession::receive(Bytes in, Now now) {
  now_ = now;
  PacketEvents events(*this);
  auto result = connection_.receive(in, events, now);
  if (result) return;
  connection_.abort(result.error());
  close(std::move(result).error());
}

void ClientSession::tick(Now now) {
  now_ = now;
  if (paused_) {
    if (now.steady < next_blind_ping_ || !is_open()) return;
    next_blind_ping_ = now.steady + connection_.keep_alive() * 500ull;
    connection_.send(mqtt::Pingreq{});
    return;
  }
  auto result = connection_.tick(now);
  if (result) {
    converse();
    return send_waiting();
  }
  connection_.abort(result.error());
  close(std::move(result).error());
}

void ClientSession::pause(Now now) {
  if (paused_) return;
  paused_ = true;
  connection_.hold();
  next_blind_ping_ = connection_.keep_alive() == 0 ? std::numeric_limits<std::uint64_t>::max() : now.steady;
}

void ClientSession::resume(Now now) {
  if (!paused_) return;
  now_ = now;
  paused_ = false;
  PacketEvents events(*this);
  auto result = connection_.release(events, now);
  if (result) return;
  connection_.abort(result.error());
  close(std::move(result).error());
}

void ClientSession::connection_lost(Error error) {
  if (connection_.state() != State::Closed) connection_.abort(error);
  connection_.outbox().clear();
  close(std::move(error));
}

void ClientSession::disconnect(Reason reason, Now now) {
  now_ = now;
  connection_.disconnect(reason);
  close({Blame::environment, "disconnected", 0});
}

void ClientSession::close(Error error) {
  if (std::exchange(closed_, true)) return;
  events_.push_back(Closed{std::move(error)});
}

Result<> ClientSession::on_connack(const mqtt::Connack& connack) {
  if (is_error(connack.reason)) {
    close(refusal("the broker refused the connection", connack.reason));
    return {};
  }
  const mqtt::Properties& properties = connack.properties;
  bool asked_clean = options_.clean_start && (options_.version != Version::v5 || !was_connected_);
  if (asked_clean && connack.session_present)
    return protocol_error("the broker kept a session that was to be new");  // [MQTT-3.2.2-2]
  // A session of an earlier process, of which nothing is known here, is gone on with: that is what its user asked for.
  if (!connack.session_present) forget_unfinished();
  if (properties.assigned_client_identifier) client_id_ = *properties.assigned_client_identifier;
  maximum_qos_ = properties.maximum_qos.value_or(QoS::exactly_once);
  retain_available_ = properties.retain_available.value_or(true);
  topic_alias_maximum_ = properties.topic_alias_maximum.value_or(0);
  was_connected_ = true;
  events_.push_back(Connected{connack.session_present, client_id_});
  if (converses()) begin_conversation();
  send_waiting();
  return {};
}

/// The broker knows nothing of what was in flight. Whether a message arrived cannot be told, so its publisher decides.
void ClientSession::forget_unfinished() {
  incoming_ = {};
  unacknowledged_.clear();
  while (!outgoing_.empty()) {
    bool broker_has_it = outgoing_.begin()->awaiting == Awaiting::pubcomp;
    answered(outgoing_.finish(outgoing_.begin()->packet_id), broker_has_it ? Reason::success : Reason::unspecified_error);
  }
}

// -- outwards -------------------------------------------------------------------------------------------------------------------

Result<> ClientSession::check(std::string_view topic, const PublishOptions& options) const {
  if (!mqtt::is_topic_name(topic))
    return fail(Blame::caller_misused, "not a topic name: " + printable(topic), code(Reason::topic_name_invalid));
  if (options.qos > maximum_qos_)  // [MQTT-3.2.2-11]
    return fail(Blame::caller_misused, "the broker does not take this qos", code(Reason::qos_not_supported));
  if (options.retain && !retain_available_)  // [MQTT-3.2.2-14]
    return fail(Blame::caller_misused, "the broker retains no messages", code(Reason::retain_not_supported));
  TRY(check_properties(options.user_properties));
  return check_properties(options.properties);
}

mqtt::Publish ClientSession::packet(const Message& message, std::uint16_t packet_id, bool dup) const {
  mqtt::Publish publish;
  publish.dup = dup;
  publish.qos = message.qos;
  publish.retain = message.retain;
  const bool is_hidden = message.plaintext && !scheme_->wire_topic().empty();
  publish.topic = is_hidden ? scheme_->wire_topic() : std::string_view(message.topic);
  publish.packet_id = packet_id;
  publish.payload = message.payload;
  if (options_.version == Version::v5) {
    put(message.properties, publish.properties);
    put(message.user_properties, publish.properties);
    if (message.topic_alias != 0 && message.topic_alias <= topic_alias_maximum_)  // [MQTT-3.2.2-17] [MQTT-3.2.2-18]
      publish.properties.topic_alias = message.topic_alias;
  }
  return publish;
}

Result<Handle> ClientSession::publish(std::string_view topic, Bytes payload, const PublishOptions& options, Now now) {
  now_ = now;
  TRY(check(topic, options));
  Message message;
  message.topic = topic;
  if (converses())
    message.plaintext = to_buffer(payload);
  else
    message.payload = scheme_ ? TRY(scheme_->protect(topic, payload, now)) : to_buffer(payload);
  message.qos = options.qos;
  message.retain = options.retain;
  message.user_properties = options.user_properties;
  message.properties = options.properties;
  message.topic_alias = options.topic_alias;
  return enqueue(std::move(message));
}

Result<Handle> ClientSession::enqueue(Message message) {
  std::size_t size = mqtt::encoded_size(packet(message, message.qos == QoS::at_most_once ? 0 : 1, false), options_.version);
  if (size > connection_.peer_maximum_packet_size() || size > mqtt::largest_remaining_length)
    return fail(Blame::caller_misused, "the broker takes no messages of this size", code(Reason::packet_too_large));
  if (waiting_.size() >= most_waiting) return fail(Blame::environment, "too many messages wait to be sent");
  Handle handle = message.handle = ++last_handle_;
  waiting_.push_back(std::move(message));
  send_waiting();
  if (!waiting_.empty()) converse();
  return handle;
}

/// Sends what the broker's Receive Maximum allows: first what a former connection left open, then what waits. [MQTT-3.3.4-9]
void ClientSession::send_waiting() {
  if (!is_open()) return;
  std::size_t window = std::min<std::size_t>(connection_.peer_receive_maximum(), most_in_flight);
  std::size_t in_flight = 0;
  for (auto& entry : outgoing_) {
    if (!entry.sent && in_flight >= window) return;
    ++in_flight;
    if (entry.sent) continue;
    if (entry.awaiting != Awaiting::pubcomp && !make_ready(entry.message).value_or(false)) return;
    entry.sent = true;
    if (entry.awaiting == Awaiting::pubcomp)
      connection_.send(mqtt::Pubrel{.packet_id = entry.packet_id, .reason = Reason::success, .properties = {}});
    else
      connection_.send(packet(entry.message, entry.packet_id, true));  // [MQTT-3.3.1-1] [MQTT-4.4.0-1]
  }
  while (!waiting_.empty() && (waiting_.front().qos == QoS::at_most_once || in_flight < window)) {
    auto ready = make_ready(waiting_.front());
    if (ready && !*ready) return;
    Message message = std::move(waiting_.front());
    waiting_.pop_front();
    if (!ready) {
      answered(message, reason_of(ready.error()));
      continue;
    }
    if (message.qos > maximum_qos_ || (message.retain && !retain_available_)) {
      answered(message, message.qos > maximum_qos_ ? Reason::qos_not_supported : Reason::retain_not_supported);
    } else if (message.qos == QoS::at_most_once) {
      bool fits = connection_.send(packet(message, 0, false));
      answered(message, fits ? Reason::success : Reason::packet_too_large);
    } else {
      auto& entry = start_exchange(std::move(message));
      entry.sent = true;
      ++in_flight;
      if (connection_.send(packet(entry.message, entry.packet_id, false))) continue;
      answered(outgoing_.finish(entry.packet_id), Reason::packet_too_large);
      --in_flight;
    }
  }
}

/// False: the scheme has to agree on something with the broker first. An error: it will never go.
Result<bool> ClientSession::make_ready(Message& message) {
  if (!message.plaintext) return true;
  if (!scheme_->may_publish(message.topic, now_)) return false;
  message.payload = TRY(scheme_->protect(message.topic, *message.plaintext, now_));
  return true;
}

Reason ClientSession::reason_of(const Error& error) {
  return error.code != 0 ? static_cast<Reason>(error.code) : Reason::implementation_specific_error;
}

// -- the scheme's own conversation
// ------------------------------------------------------------------------------------------------

void ClientSession::begin_conversation() {
  mqtt::Subscribe subscribe;
  subscribe.entries.push_back({scheme_->inbox(), {.qos = QoS::at_least_once}});
  subscribe.packet_id = free_packet_id();
  asked_[subscribe.packet_id] = 0;
  connection_.send(subscribe);
  scheme_->connected(now_);
  converse();
}

void ClientSession::converse() {
  if (!converses() || !is_open()) return;
  for (;;) {
    auto request = scheme_->next_request(now_);
    if (!request) return close(std::move(request).error());
    if (!*request) break;
    Message message;
    message.topic = (*request)->topic;
    message.payload = (*request)->payload;
    message.qos = QoS::at_least_once;
    message.request = **std::move(request);
    auto& entry = start_exchange(std::move(message));
    entry.sent = true;
    connection_.send(packet(entry.message, entry.packet_id, false));
  }
}

void ClientSession::answered_request(const Request& request, Reason reason) {
  if (is_error(reason)) scheme_->request_refused(request);
  if (!request.filter.empty()) {
    if (is_error(reason) || !scheme_->confirms()) grant(request.filter, reason);
    return;
  }
  if (!is_error(reason)) return;
  // What waited for it will not be sent.
  for (Message& message : std::exchange(waiting_, {})) {
    if (message.plaintext && !scheme_->may_publish(message.topic, now_))
      answered(message, reason);
    else
      waiting_.push_back(std::move(message));
  }
}

void ClientSession::grant(std::string_view filter, Reason reason) {
  auto [first, last] = granting_.equal_range(filter);
  for (auto at = first; at != last; ++at) events_.push_back(Subscribed{at->second, reason});
  granting_.erase(first, last);
}

/// PUBLISH, SUBSCRIBE and UNSUBSCRIBE share one set of packet identifiers. [MQTT-2.2.1-3]
mqtt::Outgoing<ClientSession::Message>& ClientSession::start_exchange(Message message) {
  QoS qos = message.qos;
  auto* entry = &outgoing_.start(std::move(message), qos);
  while (asked_.contains(entry->packet_id)) entry = &outgoing_.start(outgoing_.finish(entry->packet_id), qos);
  return *entry;
}

std::uint16_t ClientSession::free_packet_id() {
  do {
    if (++last_asked_id_ == 0) last_asked_id_ = 1;  // [MQTT-2.2.1-3] never 0
  } while (outgoing_.in_use(last_asked_id_) || asked_.contains(last_asked_id_));
  return last_asked_id_;
}

void ClientSession::answered(const Message& message, Reason reason) {
  if (message.request) return answered_request(*message.request, reason);
  if (message.asks_to_subscribe)
    events_.push_back(Subscribed{message.handle, reason});
  else
    events_.push_back(Published{message.handle, reason});
}

void ClientSession::on_puback(const mqtt::Puback& puback) {
  if (!outgoing_.find(puback.packet_id, Awaiting::puback)) return;  // answers nothing that is known: harmless
  answered(outgoing_.finish(puback.packet_id), puback.reason);
  send_waiting();
}

void ClientSession::on_pubrec(const mqtt::Pubrec& pubrec) {
  auto* entry = outgoing_.find(pubrec.packet_id, Awaiting::pubrec);
  if (entry && is_error(pubrec.reason)) {
    answered(outgoing_.finish(pubrec.packet_id), pubrec.reason);
    return send_waiting();
  }
  bool known = entry || outgoing_.find(pubrec.packet_id, Awaiting::pubcomp);
  if (!known && is_error(pubrec.reason)) return;
  if (entry) {
    entry->awaiting = Awaiting::pubcomp;
    entry->message.payload = {};  // only the identifier matters from now on
  }
  auto reason = known || options_.version != Version::v5 ? Reason::success : Reason::packet_identifier_not_found;
  connection_.send(mqtt::Pubrel{.packet_id = pubrec.packet_id, .reason = reason, .properties = {}});  // [MQTT-4.3.3-4]
}

void ClientSession::on_pubcomp(const mqtt::Pubcomp& pubcomp) {
  if (!outgoing_.find(pubcomp.packet_id, Awaiting::pubcomp)) return;
  // PUBREC has said that the broker took the message; "identifier not found" says no more than that an answer was lost.
  answered(outgoing_.finish(pubcomp.packet_id), Reason::success);
  send_waiting();
}

// -- subscriptions --------------------------------------------------------------------------------------------------------------

Result<Handle> ClientSession::subscribe(std::string_view filter, const SubscribeOptions& options, Now now) {
  now_ = now;
  if (!is_filter(filter))
    return fail(Blame::caller_misused, "not a topic filter: " + printable(filter), code(Reason::topic_filter_invalid));
  if (!is_open()) return fail(Blame::environment, "not connected");

  if (converses()) {
    TRY(scheme_->subscribe(filter, now));
    granting_.emplace(filter, ++last_handle_);
    Handle handle = last_handle_;
    converse();
    return handle;
  }
  bool is_v5 = options_.version == Version::v5;
  if (scheme_ && !is_v5) {
    if (auto request = TRY(scheme_->subscribe_request(filter, now))) {
      Message message;
      message.topic = std::move(request->topic);
      message.payload = std::move(request->payload);
      message.qos = QoS::at_least_once;
      message.asks_to_subscribe = true;
      return enqueue(std::move(message));
    }
  }

  mqtt::Subscribe subscribe;
  std::optional<std::pair<std::string, std::string>> property;
  if (scheme_ && is_v5) property = TRY(scheme_->subscribe_property(filter, now));
  if (property) subscribe.properties.user.push_back({property->first, property->second});
  mqtt::SubscriptionOptions wish;
  wish.qos = options.qos;
  if (is_v5) {
    TRY(check_properties(options.user_properties));
    put(options.user_properties, subscribe.properties);
    if (options.identifier > mqtt::largest_remaining_length)
      return fail(Blame::caller_misused, "a subscription identifier is at most 268435455");
    if (options.identifier != 0) subscribe.properties.subscription_identifiers.push_back(options.identifier);
    wish.no_local = options.no_local;
    wish.retain_as_published = options.retain_as_published;
    wish.retain_handling = static_cast<mqtt::RetainHandling>(options.retained);
  }
  subscribe.entries.push_back({filter, wish});
  subscribe.packet_id = free_packet_id();
  connection_.send(subscribe);
  return asked_[subscribe.packet_id] = ++last_handle_;
}

Result<Handle> ClientSession::unsubscribe(std::string_view filter, Now now) {
  now_ = now;
  if (!is_filter(filter))
    return fail(Blame::caller_misused, "not a topic filter: " + printable(filter), code(Reason::topic_filter_invalid));
  if (!is_open()) return fail(Blame::environment, "not connected");
  if (converses()) {  // its key is forgotten; for the broker it ends with the connection
    scheme_->unsubscribe(filter);
    events_.push_back(Subscribed{++last_handle_, Reason::success});
    return last_handle_;
  }
  mqtt::Unsubscribe unsubscribe;
  unsubscribe.filters.push_back(filter);
  unsubscribe.packet_id = free_packet_id();
  connection_.send(unsubscribe);
  return asked_[unsubscribe.packet_id] = ++last_handle_;
}

Result<> ClientSession::on_granted(std::uint16_t packet_id, const std::vector<Reason>& reasons) {
  auto asked = asked_.find(packet_id);
  if (asked == asked_.end()) return {};
  // Each asked for one filter; UNSUBACK of MQTT 3 carries no reasons.
  if (reasons.size() > 1) return protocol_error("answers more filters than were asked for");  // [MQTT-3.8.4-6]
  const Reason reason = reasons.empty() ? Reason::success : reasons.front();
  if (asked->second != 0)
    events_.push_back(Subscribed{asked->second, reason});
  else if (is_error(reason))
    return fail(Blame::peer_incompatible, "the broker does not know this scheme", code(reason));
  asked_.erase(asked);
  return {};
}

// -- inwards --------------------------------------------------------------------------------------------------------------------

Result<> ClientSession::on_publish(const mqtt::Publish& publish) {
  if (came_before(publish)) return {};
  ReceivedMessage message;
  message.topic = publish.topic;
  message.qos = publish.qos;
  message.retain = publish.retain;
  message.duplicate = publish.dup;
  for (const auto& user : publish.properties.user) message.user_properties.emplace_back(user.name, user.value);
  message.properties = copy_of(publish.properties);
  message.subscription_identifiers = publish.properties.subscription_identifiers;
  message.packet_id = publish.packet_id;

  if (!scheme_) {
    message.payload = to_buffer(publish.payload);
    message.scheme = "plain";
  } else {
    auto verified = scheme_->unprotect({publish.topic, publish.payload, publish.retain}, now_);
    bool repeat = verified && (*verified)->repeat;
    if (verified && (*verified)->what == Received::What::grant) grant((*verified)->topic, Reason::success);
    bool is_own = verified && (*verified)->what != Received::What::message;
    if (is_own) {
      expect_acknowledgement(publish, true);
      acknowledge_taken();
      converse();
      send_waiting();
      return {};
    }
    if (!verified) events_.push_back(RefusedMessage{std::string(publish.topic), verified.error().what});
    if (!verified || repeat) {
      expect_acknowledgement(publish, true);
      acknowledge_taken();
      return {};
    }
    message.topic = (*verified)->topic;
    message.payload = (*verified)->payload;
    message.author = (*verified)->author;
    message.checked = (*verified)->checked;
    message.evidence = (*verified)->evidence;
    message.scheme = scheme_->info().name;
    message.verified = true;
  }
  std::uint64_t receipt = expect_acknowledgement(publish, false);
  events_.push_back(Arrival{std::move(message), receipt});
  return {};
}

/// A copy that the broker sent because it has no acknowledgement yet: of a message the application took, or is about to.
bool ClientSession::came_before(const mqtt::Publish& publish) {
  if (publish.qos == QoS::at_most_once) return false;
  auto entry = std::ranges::find(unacknowledged_, publish.packet_id, &Unacknowledged::packet_id);
  if (entry != unacknowledged_.end()) {
    bool copy = entry->here || (publish.dup && entry->qos == publish.qos);
    if (!copy) unacknowledged_.erase(entry);  // the broker gave the old one up, as an expired one, and uses its identifier again
    if (copy) entry->here = true;
    acknowledge_taken();
    if (copy) return true;
  }
  if (publish.qos != QoS::exactly_once || !incoming_.contains(publish.packet_id)) return false;
  connection_.send(mqtt::Pubrec{.packet_id = publish.packet_id, .reason = Reason::success, .properties = {}});  // [MQTT-4.3.3-10]
  return true;
}

std::uint64_t ClientSession::expect_acknowledgement(const mqtt::Publish& publish, bool taken) {
  if (publish.qos == QoS::at_most_once) return 0;
  unacknowledged_.push_back({++last_receipt_, publish.packet_id, publish.qos, taken, true});
  return last_receipt_;
}

void ClientSession::take(std::uint64_t receipt) {
  auto entry = std::ranges::find(unacknowledged_, receipt, &Unacknowledged::receipt);
  if (entry == unacknowledged_.end()) return;  // QoS 0, or of a session that the broker has forgotten
  entry->taken = true;
  acknowledge_taken();
}

/// In the order in which the messages came. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
void ClientSession::acknowledge_taken() {
  if (!is_open()) return;
  for (auto entry = unacknowledged_.begin(); entry != unacknowledged_.end();) {
    if (!entry->here) {
      ++entry;
      continue;
    }
    if (!entry->taken) return;
    if (entry->qos == QoS::exactly_once) {
      incoming_.receive(entry->packet_id);
      connection_.send(mqtt::Pubrec{.packet_id = entry->packet_id, .reason = Reason::success, .properties = {}});
    } else {
      connection_.send(mqtt::Puback{.packet_id = entry->packet_id, .reason = Reason::success, .properties = {}});
      connection_.answered();
    }
    entry = unacknowledged_.erase(entry);
  }
}

void ClientSession::on_pubrel(const mqtt::Pubrel& pubrel) {
  bool known = incoming_.release(pubrel.packet_id);
  if (known) connection_.answered();
  auto reason = known || options_.version != Version::v5 ? Reason::success : Reason::packet_identifier_not_found;
  connection_.send(mqtt::Pubcomp{.packet_id = pubrel.packet_id, .reason = reason, .properties = {}});  // [MQTT-4.3.3-11]
}

}  // namespace sealmq
