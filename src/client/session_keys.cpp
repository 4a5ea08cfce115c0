// Keys that a scheme takes by itself: their topics are subscribed on every connection, and nothing is sealed before everything
// that waits there has come. A broker answers in order, so behind SUBACK a PINGREQ is a fence: what it had retained comes before
// PINGRESP. Where it may have no more than so many unacknowledged, the rest comes with another round. Some brokers send what they
// had retained only behind PINGRESP: where nothing at all has come from one of these topics, a moment more is waited.
#include <algorithm>
#include <utility>

#include "client/session.h"
#include "mqtt/topic.h"

namespace sealmq {

using mqtt::Reason;

namespace {

constexpr std::uint64_t late_keys = 300;  // milliseconds behind PINGRESP

}  // namespace

void ClientSession::subscribe_to_keys() {
  scheme_->connected(now_);
  key_fence_ = {};
  const auto inboxes = scheme_->key_inboxes();
  inboxes_left_ = inboxes.size();
  for (const auto& inbox : inboxes) {
    key_fence_.inboxes.emplace(subscribe_inbox(inbox), KeyInbox{.filter = inbox.filter});
    key_fence_.is_up = true;
  }
}

void ClientSession::key_inbox_answered(std::uint16_t packet_id, Reason reason) {
  if (!key_fence_.is_up) return;
  if (is_error(reason)) {
    KeyInbox& inbox = key_fence_.inboxes[packet_id];
    inbox.is_refused = true;
    events_.emplace_back(Notice{"the broker refuses " + inbox.filter + ": keys that are shared or replaced do not get here"});
  }
  if (inboxes_left_ == 0) ask_for_the_end_of_keys();
}

void ClientSession::ask_for_the_end_of_keys() {
  key_fence_.brought_some = false;
  key_fence_.open_at = never;
  connection_.send(mqtt::Pingreq{});
  key_fence_.pings = connection_.unanswered_pings();
}

bool ClientSession::some_inbox_is_silent() const {
  return std::ranges::any_of(key_fence_.inboxes,
                             [](const auto& its) { return !its.second.is_refused && !its.second.has_spoken; });
}

/// Of a message as it comes, whatever becomes of it.
void ClientSession::note_key(const mqtt::Publish& publish) {
  if (!key_fence_.is_up || !publish.retain) return;
  for (auto& [packet_id, inbox] : key_fence_.inboxes)
    if (mqtt::matches(inbox.filter, publish.topic)) inbox.has_spoken = key_fence_.brought_some = true;
}

void ClientSession::on_pingresp() {
  if (!key_fence_.is_up || key_fence_.pings == 0 || --key_fence_.pings > 0) return;
  if (key_fence_.brought_some) return ask_for_the_end_of_keys();
  if (some_inbox_is_silent() && !std::exchange(key_fence_.has_waited, true)) {
    key_fence_.open_at = now_.steady + late_keys;
    return;
  }
  open_key_fence();
}

void ClientSession::look_for_late_keys() {
  if (now_.steady < key_fence_.open_at) return;
  if (key_fence_.brought_some) return ask_for_the_end_of_keys();
  open_key_fence();
}

void ClientSession::open_key_fence() {
  std::vector<std::string> refused;
  for (const auto& [packet_id, inbox] : key_fence_.inboxes)
    if (inbox.is_refused) refused.push_back(inbox.filter);
  key_fence_ = {};
  scheme_->keys_heard(refused);
  send_waiting();
}

/// In words, if it waited only for this.
std::string ClientSession::give_up_for_keys(Handle handle) {
  const auto withdrawn = std::erase_if(waiting_, [&](const Message& message) { return message.handle == handle; });
  if (withdrawn == 0 || !key_fence_.is_up) return {};
  return "the broker has not told in time whether new keys of topics wait there, and the message was not sent";
}

}  // namespace sealmq
