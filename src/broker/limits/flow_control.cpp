#include "broker/limits/flow_control.h"

namespace sealmq::broker {
namespace {

// What a connection may make us keep of what it sent (an incomplete packet, topic aliases) while memory is short, and when it is
// nearly full. Whoever is beyond it when it sends more is ended: were it only stopped, all of them could wait for each other.
constexpr std::size_t kept_when_short = 64 * 1024;
constexpr std::size_t kept_when_full = 4 * 1024;

// Answers waiting for the store; a client that sends on meanwhile may as well wait.
constexpr std::size_t most_waiting_acks = 10'000;
// A client is not read for at least so long, in milliseconds: looking after it message by message would be work in itself.
constexpr std::uint64_t shortest_stop = 100;
// Of a client whose message is being prepared, this much is read ahead.
constexpr std::size_t kept_while_preparing = 16 * 1024;

// Some milliseconds of work.
constexpr std::uint64_t steps_of_a_turn = 40'000;

std::uint32_t at_least_a_stop(std::uint32_t burst, std::uint32_t per_second) {
  return std::max(burst, per_second / 5);  // less could not use up the rate between two stops
}

}  // namespace

Rate message_rate(const Settings& s) {
  return {s.publish_rate, at_least_a_stop(s.publish_burst != 0 ? s.publish_burst : s.publish_rate, s.publish_rate)};
}

Rate byte_rate(const Settings& s) {
  return {s.publish_bytes_rate, s.publish_bytes_rate};
}

// -- one connection ------------------------------------------------------------------------------------------------------------

std::optional<std::uint64_t> ConnectionFlow::slow_down(const Settings& settings, std::size_t bytes, Now at) {
  if (is_own_) return std::nullopt;
  const std::uint64_t now = at.steady;
  std::uint64_t until = now;
  if (const Rate rate = message_rate(settings); rate.per_second != 0) until = messages_.take(rate, 1, now);
  if (const Rate rate = byte_rate(settings); rate.per_second != 0) until = std::max(until, bytes_.take(rate, bytes, now));
  if (until <= now || slowed_until_ != 0) return std::nullopt;
  slowed_until_ = std::max(until, now + shortest_stop);
  connection_.hold();
  return slowed_until_;
}

bool ConnectionFlow::has_stalled(std::uint32_t seconds, Now now) {
  const bool is_owed = connection_.unwritten() != 0;
  if (!is_owed)
    stalled_since_ = 0;
  else if (stalled_since_ == 0)
    stalled_since_ = now.steady;
  return is_owed && now.steady - stalled_since_ >= std::uint64_t{1000} * seconds;
}

std::optional<bool> ConnectionFlow::changed_reading() {
  const bool waits = waits_for_work_ && connection_.kept() > kept_while_preparing;
  const bool is_wanted = !is_slowed() && !owes_reading_ && !waits;
  if (is_wanted == is_read_) return std::nullopt;
  is_read_ = is_wanted;
  return is_wanted;
}

// -- all of them ---------------------------------------------------------------------------------------------------------------

void FlowControl::update_reading(ConnectionFlow& flow) {
  if (const auto wanted = flow.changed_reading()) effects_.reading.push_back({flow.id(), *wanted});
}

void FlowControl::count_against_rate(ConnectionFlow& flow, std::size_t bytes, Now now) {
  const auto until = flow.slow_down(settings_, bytes, now);
  if (!until) return;
  slowed_.emplace(*until, flow.id());
  update_reading(flow);
}

void FlowControl::resume_slowed(Now now) {
  while (!slowed_.empty() && slowed_.begin()->first <= now.steady) {
    const ConnectionId connection = slowed_.begin()->second;
    slowed_.erase(slowed_.begin());
    ConnectionFlow* flow = connections_.flow_of(connection);
    if (flow == nullptr) continue;
    flow->end_slowing();
    connections_.resume(connection, now);
  }
}

void FlowControl::take_turns(ConnectionFlow& flow, std::uint64_t steps) {
  const bool is_over = steps - turn_began_ > steps_of_a_turn;
  // What is kept of it meanwhile takes memory.
  if (!is_over || flow.waits_for_turn() || !memory_.has_room_to_wait()) return;
  in_line_.push_back(flow.id());
  flow.wait_for_turn();
  update_reading(flow);
}

void FlowControl::resume_next(Now now) {
  if (in_line_.empty()) return;
  const ConnectionId connection = in_line_.front();
  in_line_.pop_front();
  ConnectionFlow* flow = connections_.flow_of(connection);
  if (flow == nullptr) return;
  flow->end_waiting_for_turn();
  connections_.resume(connection, now);
}

// -- other shards
//
// What they do not take as fast as it comes has to wait with its publisher: only messages go to other shards, so nobody else
// waits, and a publisher not for longer than it publishes.

void FlowControl::hand_over(Parcel parcel) {
  parcel_bytes_ += parcel.size();
  effects_.parcels.push_back(std::move(parcel));
}

bool FlowControl::is_heard(const ConnectionFlow& flow) const {
  if (!flow.publishes()) return true;
  if (held_back_ == HeldBack::publishers || has_much_to_hand_over()) return false;
  return held_back_ == HeldBack::nobody || !flow.was_promised();
}

void FlowControl::wait_for_others(ConnectionFlow& flow, bool was_promised) {
  flow.has_published(was_promised);
  if (is_heard(flow) || !flow.wait_for_others()) return;
  waiting_for_others_.push_back(flow.id());
  update_reading(flow);
}

void FlowControl::handed_over(HeldBack held_back, Now now) {
  parcel_bytes_ = 0;
  held_back_ = held_back;
  for (const ConnectionId connection : std::exchange(waiting_for_others_, {})) {
    ConnectionFlow* flow = connections_.flow_of(connection);
    if (flow == nullptr) continue;
    if (!is_heard(*flow)) {  // those before it have filled the parcels again
      waiting_for_others_.push_back(connection);
      continue;
    }
    flow->end_waiting_for_others();
    connections_.resume(connection, now);
  }
}

// -- what is kept, and owed ----------------------------------------------------------------------------------------------------

bool FlowControl::keeps_too_much(const ConnectionFlow& flow) const {
  const std::size_t kept = flow.connection().kept();
  return kept > kept_when_full && !memory_.has_room_to_wait() &&
         (!memory_.has_room_to_grow() || (kept > kept_when_short && !flow.is_slowed()));
}

// Messages stop at the high water. Only answers go beyond it, and one message that was begun below.
void FlowControl::review(ConnectionFlow& flow, std::size_t waiting_acks) {
  const std::size_t unwritten = flow.connection().unwritten();
  if (unwritten > settings_.outbox_high_water + settings_.limits.maximum_packet_size || waiting_acks > most_waiting_acks)
    flow.set_owes_reading(true);
  else if (unwritten < settings_.outbox_high_water && waiting_acks <= most_waiting_acks / 2)
    flow.set_owes_reading(false);
  update_reading(flow);
}

bool FlowControl::is_stalled(ConnectionFlow& flow, Now now) const {
  if (settings_.slow_consumer_timeout == 0 || !flow.has_stalled(settings_.slow_consumer_timeout, now)) return false;
  return flow.connection().unwritten() >= memory_.outbox_limit();
}

}  // namespace sealmq::broker
