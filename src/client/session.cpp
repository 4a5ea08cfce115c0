#include "client/session.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "base/try.h"
#include "client/message_properties.h"
#include "mqtt/topic.h"

namespace sealmq {

using mqtt::Awaiting;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;
using State = mqtt::Connection::State;

namespace {

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

  using mqtt::Events::on;  // what only servers receive
  Result<> on(const mqtt::Connack& connack) override { return session_.on_connack(connack); }
  Result<> on(const mqtt::Publish& publish) override { return session_.on_publish(publish); }
  Result<> on(const mqtt::Puback& puback) override { return session_.on_puback(puback), Result<>{}; }
  Result<> on(const mqtt::Pubrec& pubrec) override { return session_.on_pubrec(pubrec), Result<>{}; }
  Result<> on(const mqtt::Pubrel& pubrel) override { return session_.on_pubrel(pubrel), Result<>{}; }
  Result<> on(const mqtt::Pubcomp& pubcomp) override { return session_.on_pubcomp(pubcomp), Result<>{}; }
  Result<> on(const mqtt::Suback& suback) override { return session_.on_granted(suback.packet_id, suback.reasons); }
  Result<> on(const mqtt::Unsuback& unsuback) override { return session_.on_granted(unsuback.packet_id, unsuback.reasons); }
  Result<> on(const mqtt::Pingresp&) override { return session_.on_pingresp(), Result<>{}; }
  Result<> on(const mqtt::Auth& auth) override { return session_.on_auth(auth); }
  Result<> on(const mqtt::Disconnect& disconnect) override {
    session_.close(refusal("the broker ended the connection", disconnect.reason));
    return {};
  }

 private:
  ClientSession& session_;
};

ClientSession::ClientSession(const ConnectOptions& options, ClientScheme* scheme, MessageStore* store)
    : options_(options),
      scheme_(scheme),
      store_(store),
      conversation_(scheme),
      connection_(mqtt::Role::client, limits_of(options), {}),
      client_id_(options.client_id) {
  if (store_ != nullptr) go_on_with_kept();
}

Result<> ClientSession::start(Now now, const Underneath& underneath) {
  now_ = now;
  TRY(check_version(options_.version, options_));
  bool is_v5 = options_.version == Version::v5;
  mqtt::Connect connect;
  connect.version = options_.version;
  // What is kept for a session must not be thrown away by the reconnection. MQTT 3 has one flag for both ends of a session's
  // life.
  connect.clean_start = is_v5 ? options_.clean_start && !was_connected_ : options_.clean_start;
  if (is_exactly_once()) {
    if (!options_.clean_start || options_.session_expiry.count() > 0)
      return fail(Blame::caller_misused, "this scheme's keys end with the connection, and so does its session");
    connect.clean_start = true;
  }
  if (scheme_ != nullptr && !scheme_->client_id().empty()) {
    if (!options_.client_id.empty() && options_.client_id != scheme_->client_id())
      return fail(Blame::caller_misused,
                  "this scheme's client id is " + std::string(scheme_->client_id()) + "\nhint: leave -i out");
    client_id_ = scheme_->client_id();
  }
  connect.keep_alive = whole_seconds<std::uint16_t>(options_.keep_alive);
  connect.client_id = client_id_;
  if (!options_.user_name.empty()) connect.user_name = options_.user_name;
  login_.reset();
  auto login = TRY(begin_login(underneath));
  const bool sends_password = login == nullptr || login->wants_password();
  if (!options_.password.empty() && sends_password) connect.password = options_.password.reveal();
  Buffer login_data;
  if (login != nullptr && !login->method().empty()) {
    login_data = TRY(login->first());
    connect.properties.authentication_method = login->method();
    connect.properties.authentication_data = login_data;
    if (hop_ != Hop::none) connect.properties.user.push_back({hop_property, name(hop_)});
  }
  if (is_v5) {
    if (options_.session_expiry.count() > 0)
      connect.properties.session_expiry_interval = whole_seconds<std::uint32_t>(options_.session_expiry);
    connect.properties.receive_maximum = is_exactly_once() ? 1 : std::max<std::uint16_t>(options_.receive_maximum, 1);
    connect.properties.maximum_packet_size = options_.maximum_packet_size;
    connect.properties.topic_alias_maximum = mqtt::Limits{}.topic_alias_maximum;
    TRY(check_properties(options_.user_properties));
    put(options_.user_properties, connect.properties);
  }

  Buffer will_payload;
  if (const auto& will = options_.will) {
    if (!mqtt::is_topic_name(will->topic)) return fail(Blame::caller_misused, "the will's topic is not a topic name");
    if (conversation_.exists()) return fail(Blame::caller_misused, "this scheme has no wills: its keys end with the connection");
    will_payload = scheme_ ? TRY(scheme_->protect_will(will->topic, will->payload, now)) : will->payload;
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

  Buffer encoded;
  if (login != nullptr) {
    mqtt::encode(connect, encoded);
    const Secret unsent(std::move(encoded));  // there may be a password in it
    encoded = TRY(login->send_as(unsent.reveal()));
  }

  connection_ = mqtt::Connection(mqtt::Role::client, limits_of(options_), now);
  login_ = std::move(login);
  guard_.reset();
  closed_ = false;
  paused_ = false;
  maximum_qos_ = QoS::exactly_once;
  retain_available_ = true;
  asked_.clear();  // [MQTT-4.4.0-1] only PUBLISH and PUBREL are ever sent again
  awaiting_inbox_.clear();
  // What was asked for on another connection is worth nothing on this one.
  outgoing_.erase_if([](const auto& entry) { return entry.message.request || entry.message.asks_to_subscribe; });
  std::erase_if(waiting_, [](const Message& message) { return message.asks_to_subscribe; });
  for (auto& entry : outgoing_) entry.sent = false;
  if (!conversation_.exists()) forget_what_is_old();
  for (auto& entry : unacknowledged_) entry.here = false;
  connection_.send(connect, encoded);
  return {};
}

std::uint64_t ClientSession::deadline() const {
  if (paused_) return next_blind_ping_;
  if (!is_open()) return connection_.deadline();
  const bool converses = conversation_.exists() || !waiting_.empty();
  const std::uint64_t wakes = converses || !held_.empty() ? now_.steady + 1000 : never;
  return std::min({connection_.deadline(), key_fence_.open_at, wakes});
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
    send_unconfirmed_again();
    converse();
    look_for_late_keys();
    open_held();
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
  connection_.discard_unwritten();
  close(std::move(error));
}

void ClientSession::disconnect(Reason reason, Now now) {
  now_ = now;
  connection_.disconnect(reason);
  close({Blame::environment, "disconnected", 0});
}

void ClientSession::close(Error error) {
  if (std::exchange(closed_, true)) return;
  events_.emplace_back(Closed{std::move(error)});
}

Result<> ClientSession::on_connack(const mqtt::Connack& connack) {
  if (is_error(connack.reason)) {
    close(refusal("the broker refused the connection", connack.reason));
    return {};
  }
  const mqtt::Properties& properties = connack.properties;
  if (!TRY(finish_login(properties))) return {};
  bool asked_clean = options_.clean_start && (options_.version != Version::v5 || !was_connected_ || is_exactly_once());
  if (asked_clean && connack.session_present)
    return protocol_error("the broker kept a session that was to be new");  // [MQTT-3.2.2-2]
  // A session of an earlier process, of which nothing is known here, is gone on with: that is what its user asked for.
  if (!connack.session_present) forget_unfinished();
  if (properties.assigned_client_identifier) client_id_ = *properties.assigned_client_identifier;
  maximum_qos_ = properties.maximum_qos.value_or(QoS::exactly_once);
  retain_available_ = properties.retain_available.value_or(true);
  topic_alias_maximum_ = properties.topic_alias_maximum.value_or(0);
  was_connected_ = true;
  events_.emplace_back(Connected{connack.session_present, client_id_});
  session_was_there_ = connack.session_present;
  if (conversation_.exists())
    begin_conversation();
  else if (scheme_ != nullptr)
    subscribe_to_keys();
  send_waiting();
  return {};
}

/// What was protected long ago is protected anew, and then all of it: among numbers that are new, old ones would be refused.
void ClientSession::forget_what_is_old() {
  const bool are_old = std::ranges::any_of(outgoing_, [&](const auto& entry) {
    return entry.message.plaintext && now_.steady - entry.message.protected_at >= sendable_for / 2;
  });
  for (auto& entry : outgoing_)
    if (are_old && entry.message.plaintext) entry.message.payload.clear();
  for (Message& message : waiting_)
    if (message.plaintext) message.payload.clear();
}

/// The broker knows nothing of what was in flight. Whether a message arrived cannot be told: where the client connects by itself,
/// one of QoS 1 goes out once more, as a new one; otherwise its publisher decides.
void ClientSession::forget_unfinished() {
  incoming_ = {};
  unacknowledged_.clear();
  std::deque<Message> again;
  while (!outgoing_.empty()) {
    const auto awaiting = outgoing_.begin()->awaiting;
    Message message = outgoing_.finish(outgoing_.begin()->packet_id);
    const bool goes_again = awaiting == Awaiting::puback && (options_.reconnect || message.stored != 0);
    if (goes_again && message.stored != 0) store_->started(message.stored, 0);
    if (goes_again && !message.asks_to_subscribe)
      again.push_back(std::move(message));
    else if (awaiting == Awaiting::pubcomp)
      answered(message, Reason::success);
    else
      answered(message, Reason::unspecified_error,
               fail(Blame::environment, "the broker has lost the session; whether the message arrived is not known").value());
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(again.begin()), std::make_move_iterator(again.end()));
}

// -- subscriptions --------------------------------------------------------------------------------------------------------------

ThisConnection ClientSession::this_connection() const {
  const auto& binding = underneath_.channel_binding;
  return {client_id_, is_there(binding) ? Bytes(binding) : Bytes()};
}

Result<Handle> ClientSession::subscribe(std::string_view filter, const SubscribeOptions& options, Now now) {
  now_ = now;
  if (!is_filter(filter))
    return fail(Blame::caller_misused, "not a topic filter: " + printable(filter), code(Reason::topic_filter_invalid));
  TRY(check_version(options_.version, options));
  if (!is_open()) return fail(Blame::environment, "not connected");

  if (conversation_.is_between_partners()) {
    TRY(scheme_->subscribe(filter, now));
    converse();
    if (inboxes_left_ == 0)
      events_.emplace_back(Subscribed{++last_handle_, Reason::success});
    else
      awaiting_inbox_.push_back(++last_handle_);
    return last_handle_;
  }
  if (conversation_.exists()) {
    TRY(conversation_.subscribe(filter, last_handle_ + 1, now));
    Handle handle = ++last_handle_;
    converse();
    return handle;
  }
  bool is_v5 = options_.version == Version::v5;
  if (scheme_ && !is_v5) {
    if (auto request = TRY(scheme_->subscribe_request(filter, this_connection(), now))) {
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
  if (scheme_ && is_v5) property = TRY(scheme_->subscribe_property(filter, this_connection(), now));
  if (property) subscribe.properties.user.push_back({property->first, property->second});
  mqtt::SubscriptionOptions wish;
  wish.qos = is_exactly_once() ? QoS::exactly_once : options.qos;
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
  if (conversation_.exists()) {  // its key is forgotten; for the broker it ends with the connection
    conversation_.unsubscribe(filter);
    events_.emplace_back(Subscribed{++last_handle_, Reason::success});
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
  const bool is_needed = asked->second == needed_inbox;
  if (!is_needed && asked->second != optional_inbox)
    events_.emplace_back(Subscribed{asked->second, reason});
  else if (is_error(reason) && is_needed && conversation_.is_between_partners())
    return Failure(refusal("the broker refused the topics of this scheme", reason));
  else if (is_error(reason) && is_needed)
    return fail(Blame::peer_incompatible, "the broker does not know this scheme", code(reason));
  else if (--inboxes_left_ == 0)
    for (Handle handle : std::exchange(awaiting_inbox_, {})) events_.emplace_back(Subscribed{handle, Reason::success});
  const bool is_of_scheme = is_needed || asked->second == optional_inbox;
  asked_.erase(asked);
  if (is_of_scheme) key_inbox_answered(packet_id, reason);
  return {};
}
}  // namespace sealmq
