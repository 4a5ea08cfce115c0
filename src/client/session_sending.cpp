// What a client sends: messages, their exchanges, and the requests of its scheme.
#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "client/message_properties.h"
#include "client/session.h"
#include "mqtt/topic.h"

namespace sealmq {

using mqtt::Awaiting;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

namespace {

constexpr std::size_t most_in_flight = 1024;   // however much the broker would take
constexpr std::size_t most_waiting = 100'000;  // messages the caller may ask for before the first of them is answered
constexpr std::size_t most_unconfirmed = 32;   // to partners, who tell copies of later ones apart no more
constexpr std::size_t most_stepped_over = 64;  // messages to partners who have not answered yet

constexpr const char* wildcards = "; + and # stand for other levels in subscriptions only, a message has one topic";

std::uint8_t code(Reason reason) {
  return static_cast<std::uint8_t>(reason);
}

}  // namespace

Result<> ClientSession::check(std::string_view topic, const PublishOptions& options) const {
  if (!mqtt::is_topic_name(topic))
    return fail(Blame::caller_misused, "not a topic name: " + printable(topic) + (mqtt::is_topic_filter(topic) ? wildcards : ""),
                code(Reason::topic_name_invalid));
  if (options.qos > maximum_qos_)  // [MQTT-3.2.2-11]
    return fail(Blame::caller_misused, "the broker does not take this qos", code(Reason::qos_not_supported));
  if (options.retain && !retain_available_)  // [MQTT-3.2.2-14]
    return fail(Blame::caller_misused, "the broker retains no messages", code(Reason::retain_not_supported));
  TRY(check_version(options_.version, options));
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

bool ClientSession::send(const Message& message, std::uint16_t packet_id, bool dup) {
  mqtt::Publish publish = packet(message, packet_id, dup);
  Buffer sealed;
  if (guard_ != nullptr) {
    if (!guard_->seal(publish.topic, publish.payload, now_, sealed)) return false;
    publish.payload = sealed;
  }
  return connection_.send(publish);
}

Result<Handle> ClientSession::publish(std::string_view topic, Bytes payload, const PublishOptions& options, Now now) {
  now_ = now;
  TRY(check(topic, options));
  if (options.retain && conversation_.is_between_partners())
    return fail(Blame::caller_misused, "under this scheme nothing is retained: who came later could not open it",
                code(Reason::retain_not_supported));
  Message message;
  message.topic = topic;
  (scheme_ != nullptr ? message.plaintext.emplace() : message.payload) = to_buffer(payload);
  // What has to wait is protected when it goes: numbers then rise in the order in which receivers see them.
  const bool goes_at_once =
      is_open() && !holds_ && waiting_.empty() && std::ranges::all_of(outgoing_, [](const auto& entry) { return entry.sent; });
  if (scheme_ != nullptr && !conversation_.exists() && goes_at_once) TRY(make_ready(message));
  message.qos = is_exactly_once() ? QoS::exactly_once : options.qos;
  message.retain = options.retain;
  message.user_properties = options.user_properties;
  message.properties = options.properties;
  message.topic_alias = options.topic_alias;
  if (conversation_.is_between_partners()) return enqueue_copies(message, scheme_->addresses(topic));
  return enqueue(std::move(message));
}

Result<Handle> ClientSession::enqueue_copies(const Message& message, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses)
    if (!mqtt::is_topic_name(address))
      return fail(Blame::caller_misused, "the topic is too long", code(Reason::topic_name_invalid));
  if (waiting_.size() + addresses.size() > most_waiting) return fail(Blame::environment, "too many messages wait to be sent");
  const Handle handle = ++last_handle_;
  copies_[handle] = {addresses.size(), Reason::success};
  for (const std::string& address : addresses) {
    Message& copy = waiting_.emplace_back(message);
    copy.topic = address;
    copy.handle = handle;
  }
  send_waiting();
  if (!waiting_.empty()) converse();
  return handle;
}

Result<Handle> ClientSession::enqueue(Message message) {
  std::size_t size = mqtt::encoded_size(packet(message, message.qos == QoS::at_most_once ? 0 : 1, false), options_.version);
  if (guard_ != nullptr)  // the remaining length may need one byte more
    size += guard_->sealed_size(message.payload.size()) - message.payload.size() + 1;
  if (size > connection_.peer_maximum_packet_size() || size > mqtt::largest_remaining_length)
    return fail(Blame::caller_misused, "the broker takes no messages of this size", code(Reason::packet_too_large));
  if (waiting_.size() >= most_waiting) return fail(Blame::environment, "too many messages wait to be sent");
  if (store_ != nullptr && message.qos != QoS::at_most_once && !message.asks_to_subscribe) TRY(keep(message));
  Handle handle = message.handle = ++last_handle_;
  waiting_.push_back(std::move(message));
  send_waiting();
  if (!waiting_.empty()) converse();
  return handle;
}

Result<> ClientSession::keep(Message& message) {
  StoredMessage kept;
  kept.topic = message.topic;
  kept.payload = message.plaintext ? *message.plaintext : message.payload;
  kept.options.qos = message.qos;
  kept.options.retain = message.retain;
  kept.options.user_properties = message.user_properties;
  kept.options.properties = message.properties;
  message.stored = TRY(store_->put(std::move(kept)));
  return {};
}

void ClientSession::go_on_with_kept() {
  for (const auto& [number, kept] : store_->messages()) {
    Message message;
    message.topic = kept.topic;
    if (!kept.is_received) (scheme_ != nullptr ? message.plaintext.emplace() : message.payload) = kept.payload;
    message.qos = kept.options.qos;
    message.retain = kept.options.retain;
    message.user_properties = kept.options.user_properties;
    message.properties = kept.options.properties;
    message.handle = ++last_handle_;
    message.stored = number;
    if (kept.packet_id == 0) {
      waiting_.push_back(std::move(message));
      continue;
    }
    const auto unsent = message.qos == QoS::exactly_once ? Awaiting::pubrec : Awaiting::puback;
    outgoing_.restore(std::move(message), kept.packet_id, kept.is_received ? Awaiting::pubcomp : unsent);
  }
}

/// Sends what the broker's Receive Maximum allows: first what a former connection left open, then what waits. [MQTT-3.3.4-9]
void ClientSession::release(Now now) {
  now_ = now;
  holds_ = false;
  send_waiting();
}

void ClientSession::send_waiting() {
  if (!is_open() || holds_) return;
  const bool has_partners = conversation_.is_between_partners();
  std::size_t window =
      std::min<std::size_t>(connection_.peer_receive_maximum(), has_partners ? most_unconfirmed : most_in_flight);
  std::size_t in_flight = unconfirmed_.size();
  for (auto& entry : outgoing_) {
    if (!entry.sent && in_flight >= window) return;
    ++in_flight;
    if (entry.sent) continue;
    if (entry.awaiting != Awaiting::pubcomp && !make_ready(entry.message).value_or(!conversation_.exists())) {
      if (!has_partners) return;
      continue;
    }
    entry.sent = true;
    if (entry.awaiting == Awaiting::pubcomp)
      send_pubrel(entry.packet_id);
    else
      send(entry.message, entry.packet_id, true);  // [MQTT-3.3.1-1] [MQTT-4.4.0-1]
  }
  const std::size_t may_step_over = has_partners ? most_stepped_over : 0;
  for (std::size_t stepped_over = 0; stepped_over < waiting_.size();) {
    const auto next = waiting_.begin() + static_cast<std::ptrdiff_t>(stepped_over);
    if (next->qos != QoS::at_most_once && in_flight >= window) return;
    auto ready = make_ready(*next);
    if (ready && !*ready) {
      if (++stepped_over > may_step_over) return;
      continue;
    }
    Message message = std::move(*next);
    waiting_.erase(next);
    if (!ready) {
      // The broker was never asked: its reason alone would mislead.
      answered(message, reason_of(ready.error()), conversation_.exists() ? std::nullopt : std::optional(ready.error()));
      continue;
    }
    if (message.qos > maximum_qos_ || (message.retain && !retain_available_)) {
      answered(message, message.qos > maximum_qos_ ? Reason::qos_not_supported : Reason::retain_not_supported);
    } else if (message.qos == QoS::at_most_once) {
      bool fits = send(message, 0, false);
      answered(message, fits ? Reason::success : Reason::packet_too_large);
    } else {
      auto& entry = start_exchange(std::move(message));
      entry.sent = true;
      ++in_flight;
      if (send(entry.message, entry.packet_id, false)) continue;
      answered(outgoing_.finish(entry.packet_id), Reason::packet_too_large);
      --in_flight;
    }
  }
}

/// False: the scheme has to agree on something with the broker first. An error: it will never go.
Result<bool> ClientSession::make_ready(Message& message) {
  if (!message.plaintext) return true;
  const bool is_young = !conversation_.exists() && !message.payload.empty() && now_.steady - message.protected_at < sendable_for;
  if (is_young || (message.delivery != 0 && scheme_->is_current(message.delivery, now_))) return true;  // the same bytes
  auto payload = TRY(conversation_.protect(message.topic, *message.plaintext, now_));
  if (!payload) return false;
  message.payload = std::move(*payload);
  message.protected_at = now_.steady;
  if (message.qos != QoS::at_most_once) message.delivery = scheme_->delivery();
  return true;
}

Reason ClientSession::reason_of(const Error& error) {
  return error.code != 0 ? static_cast<Reason>(error.code) : Reason::implementation_specific_error;
}

/// PUBLISH, SUBSCRIBE and UNSUBSCRIBE share one set of packet identifiers. [MQTT-2.2.1-3]
mqtt::Outgoing<ClientSession::Message>& ClientSession::start_exchange(Message message) {
  QoS qos = message.qos;
  auto* entry = &outgoing_.start(std::move(message), qos);
  while (asked_.contains(entry->packet_id)) entry = &outgoing_.start(outgoing_.finish(entry->packet_id), qos);
  if (entry->message.stored != 0) store_->started(entry->message.stored, entry->packet_id);
  return *entry;
}

std::uint16_t ClientSession::free_packet_id() {
  do {
    if (++last_asked_id_ == 0) last_asked_id_ = 1;  // [MQTT-2.2.1-3] never 0
  } while (outgoing_.in_use(last_asked_id_) || asked_.contains(last_asked_id_));
  return last_asked_id_;
}

void ClientSession::answered(const Message& message, Reason reason, std::optional<Error> error) {
  if (message.request) return answered_request(*message.request, reason);
  if (message.stored != 0) {
    store_->done(message.stored);
    if (is_error(reason))
      events_.emplace_back(std::in_place_type<Undelivered>,
                           Undelivered{message.topic, message.plaintext ? *message.plaintext : message.payload,
                                       error ? *error : refusal("the message was not delivered", reason)});
  }
  if (message.asks_to_subscribe) {
    events_.emplace_back(Subscribed{message.handle, reason});
    return;
  }
  if (const auto copies = copies_.find(message.handle); copies != copies_.end()) {
    if (copies->second.worst == Reason::success || is_error(reason)) copies->second.worst = reason;
    if (--copies->second.left > 0) return;
    reason = copies->second.worst;
    copies_.erase(copies);
  }
  events_.emplace_back(Published{message.handle, reason, std::move(error)});
}

void ClientSession::on_puback(const mqtt::Puback& puback) {
  if (!outgoing_.find(puback.packet_id, Awaiting::puback)) return;  // answers nothing that is known: harmless
  acknowledged(outgoing_.finish(puback.packet_id), puback.reason);
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
  if (entry && relay() != nullptr)
    if (auto receipted = relay()->receipted(pubrec.packet_id, pubrec.properties.user); !receipted)
      return leave_broker(receipted.error(), relay()->farewell());
  if (entry) {
    entry->awaiting = Awaiting::pubcomp;
    if (entry->message.stored != 0) store_->received(entry->message.stored);
    if (entry->message.delivery == 0)
      entry->message.payload = {}, entry->message.plaintext.reset();  // only the identifier matters from now on
  }
  if (known) return send_pubrel(pubrec.packet_id);
  auto reason = options_.version != Version::v5 ? Reason::success : Reason::packet_identifier_not_found;
  connection_.send(mqtt::Pubrel{.packet_id = pubrec.packet_id, .reason = reason, .properties = {}});  // [MQTT-4.3.3-4]
}

void ClientSession::on_pubcomp(const mqtt::Pubcomp& pubcomp) {
  if (!outgoing_.find(pubcomp.packet_id, Awaiting::pubcomp)) return;
  if (relay() != nullptr) relay()->completed(pubcomp.packet_id);
  // PUBREC has said that the broker took the message; "identifier not found" says no more than that an answer was lost.
  acknowledged(outgoing_.finish(pubcomp.packet_id), Reason::success);
  send_waiting();
}

// -- the scheme's own conversation ----------------------------------------------------------------------------------------------

void ClientSession::begin_conversation() {
  const auto inboxes = conversation_.begin(now_);
  inboxes_left_ = inboxes.size();
  for (const auto& inbox : inboxes) subscribe_inbox(inbox);
  converse();
}

std::uint16_t ClientSession::subscribe_inbox(const ClientScheme::Inbox& inbox) {
  mqtt::Subscribe subscribe;
  subscribe.entries.push_back({inbox.filter, {.qos = static_cast<QoS>(inbox.qos)}});
  subscribe.packet_id = free_packet_id();
  asked_[subscribe.packet_id] = inbox.is_optional ? optional_inbox : needed_inbox;
  connection_.send(subscribe);
  return subscribe.packet_id;
}

void ClientSession::converse() {
  if (!conversation_.exists() || !is_open()) return;
  for (;;) {
    auto request = conversation_.next_request(now_);
    if (!request) return close(std::move(request).error());
    if (!*request) break;
    Message message;
    message.topic = (*request)->topic;
    message.payload = (*request)->payload;
    message.qos = QoS::at_least_once;
    message.request = **std::move(request);
    auto& entry = start_exchange(std::move(message));
    entry.sent = true;
    send(entry.message, entry.packet_id, false);
  }
}

void ClientSession::answered_request(const Request& request, Reason reason) {
  for (Handle handle : conversation_.answered(request, is_error(reason))) events_.emplace_back(Subscribed{handle, reason});
  if (!request.filter.empty() || !is_error(reason)) return;
  // What waited for it will not be sent.
  for (Message& message : std::exchange(waiting_, {})) {
    if (message.plaintext && !conversation_.may_publish(message.topic, now_))
      answered(message, reason);
    else
      waiting_.push_back(std::move(message));
  }
}

}  // namespace sealmq
