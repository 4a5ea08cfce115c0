// Who wants too much, of memory or of time. A client that is too fast is not read for a while, one that does not take what it
// asked for is ended in the end, and what connections and sessions keep is counted.
#include "broker/core.h"
#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

// Beside the strings: the objects with what they allocate for themselves, and what the allocator adds.
constexpr std::size_t cost_of_link = 2560;
constexpr std::size_t cost_of_session = 2048;
constexpr std::size_t cost_of_subscription = 512;
constexpr std::size_t cost_of_node = 256;
constexpr std::size_t cost_of_delivery = 192;
constexpr std::size_t cost_of_packet_id = 48;

// What a connection may make us keep of what it sent (an incomplete packet, topic aliases) while memory is short, and when it is
// nearly full. Whoever is beyond it when it sends more is ended: were it only stopped, all of them could wait for each other.
constexpr std::size_t kept_when_short = 64 * 1024;
constexpr std::size_t kept_when_full = 4 * 1024;
constexpr std::size_t owed_when_short = 16 * 1024;

// Answers waiting for the store; a client that sends on meanwhile may as well wait.
constexpr std::size_t most_promised = 10'000;
// A client is not read for at least so long, in milliseconds: looking after it message by message would be work in itself.
constexpr std::uint64_t shortest_stop = 100;
// Of a client whose message is being prepared, this much is read ahead.
constexpr std::size_t kept_while_preparing = 16 * 1024;
constexpr std::uint32_t inflight_when_short = 8;

// Some milliseconds of work, and what each packet costs besides.
constexpr std::uint64_t steps_of_a_turn = 40'000;
constexpr std::size_t steps_of_a_packet = 5;

constexpr const char* short_of_memory = "memory is short";

std::size_t in_steps(std::size_t bytes) {
  return bytes / Charge::step * Charge::step;
}

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

// -- memory --------------------------------------------------------------------------------------------------------------------

void Core::account(Link& link) {
  const mqtt::Connection& c = link.connection;
  std::size_t changing = c.kept() + c.unwritten_memory() + link.unsent + link.writer.memory();
  if (link.preparing != nullptr) changing += 2 * link.preparing->packet.capacity();  // the job has a part of it
  for (const auto& state : link.states) changing += state != nullptr ? state->memory() : 0;
  if (link.logging_in != nullptr) changing += 3 * link.logging_in->connect.size();  // its login and the job have copies
  link.charge.set(cost_of_link + link.peer.memory + in_steps(changing));
}

void Core::account(Session& session) {
  if (session.charge.bytes() == 0) {
    session.charge = Charge(ports.budget, cost_of_session + 2 * session.name.size() + session.client_id.size(), true);
    session.waiting = Charge(ports.budget);
  }
  session.waiting.set(in_steps((session.queue.size() + session.outgoing.size()) * cost_of_delivery +
                               session.incoming.size() * cost_of_packet_id));
}

void Core::account_first(Session& session, std::string_view party) {
  account(session);
  session.lasting = ShareInUse(lasting, party, cost_of_session);
  session.place = ShareInUse(session_places, party, 1);
}

std::size_t Core::lasting_cost(std::string_view filter) {
  return cost_of_subscription + 3 * filter.size() + mqtt::levels(filter) * cost_of_node;
}

void Core::account_first(Subscription& subscription, std::string_view party) {
  const std::size_t levels = mqtt::levels(subscription.filter), cost = lasting_cost(subscription.filter);
  subscription.charge = Charge(ports.budget, cost - levels * cost_of_node, true);  // nodes are counted by the tree
  subscription.lasting = ShareInUse(lasting, party, cost);
  subscription.nodes = ShareInUse(node_places, party, levels);
}

void Core::account_to(Session& session, std::string_view party) {
  if (session.place.is_of(party)) return;
  account_first(session, party);
  for (auto& [filter, subscription] : session.subscriptions) account_first(*subscription, party);
  step(session.subscriptions.size());
}

bool Core::has_room_for_session(std::string_view party) const {
  return Shares::may_take(1, session_places.of(party), sessions.size(), settings.maximum_sessions) &&
         has_room_to_last(cost_of_session, party);
}

// Clients of a party are on all shards.
bool Core::has_room_to_last(std::size_t more, std::string_view party) const {
  const Budget* budget = ports.budget;
  return budget == nullptr || budget->most() == 0 ||
         Shares::may_take(more, lasting.of(party) * count, budget->lasting(), budget->most() / 2);
}

void Core::account_tree() {
  tree_charge_.set(in_steps(tree.nodes() * cost_of_node));
}

const char* Core::lacks_room_for(const mqtt::Publish& packet) const {
  if (packet.retain && packet.payload.empty() && retained.holds(packet.topic)) return nullptr;  // it makes room
  return packet.qos != mqtt::QoS::at_most_once && ports.budget != nullptr && !ports.budget->has_room() ? short_of_memory
                                                                                                       : nullptr;
}

const char* Core::lacks_room_to_retain(const Link& link, const mqtt::Publish& packet) const {
  if (packet.payload.empty()) return nullptr;  // to erase, there is always room
  const std::size_t size = Message::size_of(packet.topic, packet.payload, packet.properties);
  if (!retained.has_room(packet.topic, size, link.party())) return "too many retained messages; it is delivered and not kept";
  if (!has_room_to_wait() && !retained.replaces(packet.topic, size)) return short_of_memory;
  return nullptr;
}

std::size_t Core::outbox_limit() const {
  if (has_room_to_wait()) return settings.outbox_high_water;
  return std::min(settings.outbox_high_water, has_room_to_grow() ? owed_when_short : owed_when_full);
}

std::uint32_t Core::quota(const Link& link) const {
  const std::uint32_t most = std::min<std::uint32_t>(settings.maximum_inflight, link.connection.peer_receive_maximum());
  return has_room_to_wait() ? most : std::min(most, inflight_when_short);
}

void Core::look_after(Link& link) {
  if (link.ended) link.connection.forget_kept();
  account(link);
  if (link.ended) return;
  const std::size_t kept = link.connection.kept();
  const bool is_too_much =
      kept > kept_when_full && !has_room_to_wait() && (!has_room_to_grow() || (kept > kept_when_short && !link.is_slowed()));
  if (is_too_much) {
    abort(link, {Blame::not_authorised, "it sends more than can be kept while memory is short",
                 static_cast<std::uint8_t>(mqtt::Reason::quota_exceeded)});
    link.connection.forget_kept();
    return account(link);
  }
  // Messages stop at the high water. Only answers go beyond it, and one message that was begun below.
  const std::size_t unwritten = link.connection.unwritten();
  if (unwritten > settings.outbox_high_water + settings.limits.maximum_packet_size || link.waiting_acks.count() > most_promised)
    link.owes_reading = true;
  else if (unwritten < settings.outbox_high_water && link.waiting_acks.count() <= most_promised / 2)
    link.owes_reading = false;
  update_reading(link);
}

// -- time ----------------------------------------------------------------------------------------------------------------------

void Core::meter(Link& link, std::size_t bytes) {
  if (link.peer.is_own) return;  // a bridge speaks for many
  const std::uint64_t now = link.now.steady;
  std::uint64_t until = now;
  if (const Rate rate = message_rate(settings); rate.per_second != 0) until = link.messages.take(rate, 1, now);
  if (const Rate rate = byte_rate(settings); rate.per_second != 0) until = std::max(until, link.bytes.take(rate, bytes, now));
  if (until <= now || link.slowed_until != 0) return;
  link.slowed_until = std::max(until, now + shortest_stop);
  slowed_.emplace(link.slowed_until, link.id);
  link.connection.hold();
  update_reading(link);
}

void Core::read_on(Now now) {
  while (!slowed_.empty() && slowed_.begin()->first <= now.steady) {
    Link* link = find(slowed_.begin()->second);
    slowed_.erase(slowed_.begin());
    if (link == nullptr || link->ended) continue;
    link->slowed_until = 0;
    release(*link, now);
  }
}

void Core::release(Link& link, Now now) {
  link.now = now;
  turn_began_ = steps();
  if (!link.is_held_back())
    if (auto released = link.connection.release(link, now); !released && !link.ended) abort(link, released.error());
  look_after(link);
  if (link.connection.unwritten() > 0) tell_writable(link);
}

void Core::take_turns(Link& link) {
  step(steps_of_a_packet);
  const bool is_over = steps() - turn_began_ > steps_of_a_turn;
  // What is kept of it meanwhile takes memory.
  if (!is_over || link.ended || link.waits_for_turn || !has_room_to_wait()) return;
  link.waits_for_turn = true;
  links_in_line_.push_back(link.id);
  link.connection.hold();
  update_reading(link);
}

// -- other shards
// ----------------------------------------------------------------------------------------------------------------
//
// What they do not take as fast as it comes has to wait with its publisher: only messages go to other shards, so nobody else
// waits, and a publisher not for longer than it publishes.

bool Core::is_heard(const Link& link) const {
  if (!link.publishes) return true;
  if (held_back_ == HeldBack::publishers || has_much_to_hand_over()) return false;
  return held_back_ == HeldBack::nobody || !link.was_promised;
}

void Core::wait_for_others(Link& link, const mqtt::Publish& packet) {
  link.publishes = true;
  link.was_promised = link.was_promised || packet.qos != mqtt::QoS::at_most_once || packet.retain;
  if (is_heard(link) || link.waits_for_others) return;
  link.waits_for_others = true;
  waiting_for_others_.push_back(link.id);
  link.connection.hold();
  update_reading(link);
}

void Core::handed_over(HeldBack held_back, Now now) {
  parcel_bytes_ = 0;
  held_back_ = held_back;
  for (const ConnectionId id : std::exchange(waiting_for_others_, {})) {
    Link* link = find(id);
    if (link == nullptr || link->ended) continue;
    if (!is_heard(*link)) {  // those before it have filled the parcels again
      waiting_for_others_.push_back(id);
      continue;
    }
    link->waits_for_others = false;
    release(*link, now);
  }
}

void Core::update_reading(Link& link) {
  const bool waits = link.preparing != nullptr && link.connection.kept() > kept_while_preparing;
  const bool is_wanted = !link.is_slowed() && !link.owes_reading && !waits;
  if (is_wanted == link.is_read) return;
  link.is_read = is_wanted;
  effects.reading.push_back({link.id, is_wanted});
}

void Core::end_if_stalled(Link& link, Now now) {
  look_after(link);
  if (link.ended || settings.slow_consumer_timeout == 0) return;
  const std::size_t unwritten = link.connection.unwritten();
  if (unwritten == 0)
    link.stalled_since = 0;
  else if (link.stalled_since == 0)
    link.stalled_since = now.steady;
  const bool is_stalled =
      unwritten != 0 && now.steady - link.stalled_since >= std::uint64_t{1000} * settings.slow_consumer_timeout;
  if (!is_stalled || unwritten < outbox_limit()) return;
  refuse(link, {Refusal::slow_consumer, mqtt::Reason::quota_exceeded, "it does not take what it asked for"}, now);
  link.connection.discard_unwritten();  // a goodbye would stand behind all that it does not read
  end(link, Ending::error, true, now);
}

}  // namespace sealmq::broker
