// What a client receives: messages, verified by its scheme, and their acknowledgements.
#include <algorithm>

#include "client/message_properties.h"
#include "client/session.h"

namespace sealmq {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

Result<> ClientSession::on_message(const mqtt::Publish& publish) {
  ReceivedMessage message;
  message.topic = publish.topic;
  message.qos = publish.qos;
  message.retain = publish.retain;
  message.duplicate = publish.dup;
  for (const auto& user : publish.properties.user) message.user_properties.emplace_back(user.name, user.value);
  message.properties = copy_of(publish.properties);
  message.subscription_identifiers = publish.properties.subscription_identifiers;
  message.packet_id = publish.packet_id;

  const std::uint64_t receipt = expect_acknowledgement(publish, false);
  if (!scheme_) {
    message.payload = to_buffer(publish.payload);
    message.scheme = "plain";
    events_.emplace_back(std::in_place_type<Arrival>, Arrival{std::move(message), receipt});
    return {};
  }
  note_key(publish);
  const Arrived arrived{.topic = publish.topic,
                        .payload = publish.payload,
                        .retain = publish.retain,
                        .stored = session_was_there_,
                        .at_least_once = publish.qos != QoS::at_most_once};
  const std::uint64_t waits = scheme_->holds(arrived, now_);
  if (waits == 0 || !may_hold(publish.payload.size())) {
    open(std::move(message), arrived, receipt, now_);
    return {};
  }
  held_bytes_ += publish.payload.size();
  held_.push_back({std::move(message), to_buffer(publish.payload), arrived.stored, receipt, now_, now_.steady + waits});
  return {};
}

Arrived ClientSession::Held::as_arrived() const {
  return {.topic = message.topic,
          .payload = wire,
          .retain = message.retain,
          .stored = stored,
          .at_least_once = message.qos != QoS::at_most_once};
}

bool ClientSession::may_hold(std::size_t size) const {
  return held_.size() < most_held && held_bytes_ + size <= most_held_bytes;
}

/// Those that can be opened by now, or have waited long enough; what they are told is as of when they came.
void ClientSession::open_held() {
  while (!held_.empty()) {
    const Held& first = held_.front();
    if (now_.steady < first.until && scheme_->holds(first.as_arrived(), now_) > 0) return;
    Held its = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= its.wire.size();
    open(its.message, its.as_arrived(), its.receipt, its.came);
  }
}

void ClientSession::open(ReceivedMessage message, const Arrived& arrived, std::uint64_t receipt, Now came) {
  auto verified = scheme_->unprotect(arrived, came);
  if (verified && (*verified)->what == Received::What::grant)
    for (Handle handle : conversation_.granted((*verified)->topic))
      events_.emplace_back(std::in_place_type<Subscribed>, Subscribed{handle, Reason::success});
  if (verified && (*verified)->what != Received::What::message) {
    if (!(*verified)->notice.empty()) events_.emplace_back(Notice{(*verified)->notice});
    if (receipt != 0) take(receipt);
    settle();
    converse();
    send_waiting();
    return open_held();
  }
  if (!verified)
    events_.emplace_back(std::in_place_type<RefusedMessage>, RefusedMessage{std::string(arrived.topic), verified.error().what});
  if (!verified || (*verified)->repeat) {
    if (receipt != 0) take(receipt);
    converse();  // it may want to ask for something, or to tell once more what has become of a copy
    return;
  }
  message.topic = (*verified)->topic;
  message.payload = (*verified)->payload;
  message.author = (*verified)->author;
  message.checked = (*verified)->checked;
  message.evidence = (*verified)->evidence;
  message.notice = (*verified)->notice;
  message.scheme = scheme_->info().name;
  message.verified = true;
  if ((*verified)->delivery != 0) not_confirmed_here_[receipt] = (*verified)->delivery;
  events_.emplace_back(std::in_place_type<Arrival>, Arrival{std::move(message), receipt});
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
  send_pubrec(publish.packet_id);  // [MQTT-4.3.3-10]
  return true;
}

std::uint64_t ClientSession::expect_acknowledgement(const mqtt::Publish& publish, bool taken) {
  if (publish.qos == QoS::at_most_once) return 0;
  unacknowledged_.push_back({++last_receipt_, publish.packet_id, publish.qos, taken, true});
  return last_receipt_;
}

void ClientSession::take(std::uint64_t receipt) {
  if (const auto due = not_confirmed_here_.extract(receipt)) {
    scheme_->taken(due.mapped());
    converse();
  }
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
      send_pubrec(entry->packet_id);
    } else {
      connection_.send(mqtt::Puback{.packet_id = entry->packet_id, .reason = Reason::success, .properties = {}});
      connection_.answered();
    }
    entry = unacknowledged_.erase(entry);
  }
}

void ClientSession::on_pubrel(const mqtt::Pubrel& pubrel) {
  bool is_copy = false;
  if (relay() != nullptr) {
    const bool is_awaited = incoming_.contains(pubrel.packet_id);
    const auto accepted = relay()->released(pubrel.packet_id, pubrel.properties.user, is_awaited);
    if (!accepted) return leave_broker(accepted.error(), relay()->farewell());
    is_copy = *accepted && !is_awaited;
  }
  bool known = incoming_.release(pubrel.packet_id);
  if (known) connection_.answered();
  auto reason = known || is_copy || options_.version != Version::v5 ? Reason::success : Reason::packet_identifier_not_found;
  connection_.send(mqtt::Pubcomp{.packet_id = pubrel.packet_id, .reason = reason, .properties = {}});  // [MQTT-4.3.3-11]
}

}  // namespace sealmq
