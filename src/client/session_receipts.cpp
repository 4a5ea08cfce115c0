// What becomes of messages to partners after the broker has them: receipts, and what has to be sent once more.
#include <algorithm>

#include "client/session.h"

namespace sealmq {

using mqtt::Reason;

namespace {

constexpr std::uint64_t longest_unconfirmed = 5'000;  // milliseconds without a receipt

bool is_among(std::uint64_t delivery, const Delivered& delivered) {
  return delivery != 0 && delivery >= delivered.first && delivery <= delivered.last;
}

}  // namespace

/// What the broker has acknowledged; a partner's receipt may be missing, or have come before.
void ClientSession::acknowledged(Message message, Reason reason) {
  if (message.is_lost && !is_error(reason)) {
    message.is_lost = false;
    waiting_.push_front(std::move(message));
    return;
  }
  if (message.delivery == 0 || is_error(reason)) return answered(message, reason);
  if (message.delivered) return answered(message, *message.delivered);
  unconfirmed_.push_back({std::move(message), now_.steady});
}

void ClientSession::settle() {
  if (!conversation_.is_between_partners()) return;
  for (const Delivered& delivered : scheme_->deliveries()) {
    if (delivered.outcome == Delivered::Outcome::lost)
      send_again(delivered);
    else
      settle(delivered);
  }
}

void ClientSession::settle(const Delivered& delivered) {
  const Reason reason = delivered.outcome == Delivered::Outcome::taken ? Reason::success : Reason::no_matching_subscribers;
  for (auto at = unconfirmed_.begin(); at != unconfirmed_.end();) {
    if (!is_among(at->message.delivery, delivered)) {
      ++at;
      continue;
    }
    answered(at->message, reason);
    at = unconfirmed_.erase(at);
  }
  for (auto at = waiting_.begin(); at != waiting_.end();) {  // to be sent again, which is not needed any more
    if (!is_among(at->delivery, delivered)) {
      ++at;
      continue;
    }
    answered(*at, reason);
    at = waiting_.erase(at);
  }
  for (auto& entry : outgoing_)
    if (is_among(entry.message.delivery, delivered)) entry.message.delivered = reason;
}

/// Before everything that waits, in the old order.
void ClientSession::send_again(const Delivered& delivered) {
  std::deque<Message> again;
  std::deque<Unconfirmed> left;
  for (Unconfirmed& unconfirmed : unconfirmed_) {
    if (is_among(unconfirmed.message.delivery, delivered))
      again.push_back(std::move(unconfirmed.message));
    else
      left.push_back(std::move(unconfirmed));
  }
  unconfirmed_ = std::move(left);
  for (auto message = again.rbegin(); message != again.rend(); ++message) waiting_.push_front(std::move(*message));
  for (auto& entry : outgoing_)
    if (is_among(entry.message.delivery, delivered) && !entry.message.delivered) entry.message.is_lost = true;
}

/// The same bytes once more: an end that has them takes them for the copy they are, and one that cannot open them asks for a new
/// session.
void ClientSession::send_unconfirmed_again() {
  const auto young =
      std::ranges::find_if(unconfirmed_, [&](const Unconfirmed& its) { return now_.steady - its.since < longest_unconfirmed; });
  for (auto old = young; old != unconfirmed_.begin();) waiting_.push_front(std::move((--old)->message));
  unconfirmed_.erase(unconfirmed_.begin(), young);
}

std::string ClientSession::give_up(Handle handle) {
  std::string who;
  if (!conversation_.is_between_partners()) return give_up_for_keys(handle);
  for (const Message& message : waiting_)
    if (message.handle == handle && who.empty())
      who = scheme_->awaited(message.topic) + " did not answer in time, and the message was not sent";
  for (const Unconfirmed& unconfirmed : unconfirmed_)
    if (unconfirmed.message.handle == handle && who.empty())
      who = "the broker has the message, and " + scheme_->awaited(unconfirmed.message.topic) + " has not confirmed it in time";
  std::erase_if(waiting_, [&](const Message& message) { return message.handle == handle; });
  std::erase_if(unconfirmed_, [&](const Unconfirmed& unconfirmed) { return unconfirmed.message.handle == handle; });
  for (auto& entry : outgoing_)
    if (entry.message.handle == handle) entry.message.delivery = 0;  // its acknowledgement will end it
  copies_.erase(handle);
  return who;
}

}  // namespace sealmq
