// Keys that a scheme takes by itself: their topics are subscribed on every connection, and nothing is sealed before everything
// that waits there has come. A broker answers in order, so behind SUBACK a PINGREQ is a fence: what it had retained comes before
// PINGRESP. Where it may have no more than so many unacknowledged, the rest comes with another round.
#include <algorithm>

#include "client/session.h"
#include "mqtt/topic.h"

namespace sealmq {

using mqtt::Reason;

void ClientSession::subscribe_to_keys() {
  scheme_->connected(now_);
  key_fence_ = {};
  const auto inboxes = scheme_->key_inboxes();
  inboxes_left_ = inboxes.size();
  for (const auto& inbox : inboxes) {
    key_fence_.filters.emplace(subscribe_inbox(inbox), inbox.filter);
    key_fence_.is_up = true;
  }
}

void ClientSession::key_inbox_answered(std::uint16_t packet_id, Reason reason) {
  if (!key_fence_.is_up) return;
  if (is_error(reason)) {
    const std::string& filter = key_fence_.filters[packet_id];
    key_fence_.refused.push_back(filter);
    events_.emplace_back(Notice{"the broker refuses " + filter + ": keys that are shared or replaced do not get here"});
  }
  if (inboxes_left_ == 0) ask_for_the_end_of_keys();
}

void ClientSession::ask_for_the_end_of_keys() {
  key_fence_.brought_some = false;
  connection_.send(mqtt::Pingreq{});
  key_fence_.pings = connection_.unanswered_pings();
}

/// Of a message as it comes, whatever becomes of it.
void ClientSession::note_key(const mqtt::Publish& publish) {
  if (!key_fence_.is_up || !publish.retain) return;
  key_fence_.brought_some = key_fence_.brought_some || std::ranges::any_of(key_fence_.filters, [&](const auto& inbox) {
                              return mqtt::matches(inbox.second, publish.topic);
                            });
}

void ClientSession::on_pingresp() {
  if (!key_fence_.is_up || key_fence_.pings == 0 || --key_fence_.pings > 0) return;
  if (key_fence_.brought_some) return ask_for_the_end_of_keys();
  key_fence_.is_up = false;
  scheme_->keys_heard(key_fence_.refused);
  send_waiting();
}

/// A message that waits only for this.
std::string ClientSession::give_up_for_keys(Handle handle) {
  const auto waits = [&](const Message& message) { return message.handle == handle && message.plaintext.has_value(); };
  if (conversation_.exists() || std::erase_if(waiting_, waits) == 0) return {};
  return "the broker has not told in time whether new keys of topics wait there, and the message was not sent";
}

}  // namespace sealmq
