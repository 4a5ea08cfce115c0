#include "broker/limits/memory_limits.h"

#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

// Beside the strings: the objects with what they allocate for themselves, and what the allocator adds.
constexpr std::size_t cost_of_connection = 2560;
constexpr std::size_t cost_of_session = 2048;
constexpr std::size_t cost_of_subscription = 512;
constexpr std::size_t cost_of_node = 256;
constexpr std::size_t cost_of_delivery = 192;
constexpr std::size_t cost_of_packet_id = 48;

constexpr std::size_t owed_when_short = 16 * 1024;
constexpr std::uint32_t inflight_when_short = 8;

std::size_t in_steps(std::size_t bytes) {
  return bytes / Charge::step * Charge::step;
}

}  // namespace

void MemoryLimits::account(Charge& connection, std::size_t transport, std::size_t changing) const {
  connection.set(cost_of_connection + transport + in_steps(changing));
}

void MemoryLimits::account(Session& session) const {
  if (session.charge.bytes() == 0) {
    session.charge = Charge(budget_, cost_of_session + 2 * session.name.size() + session.client_id.size(), true);
    session.waiting = Charge(budget_);
  }
  session.waiting.set(in_steps((session.queue.size() + session.outgoing.size()) * cost_of_delivery +
                               session.incoming.size() * cost_of_packet_id));
}

void MemoryLimits::account_first(Session& session, std::string_view party) {
  account(session);
  session.lasting = ShareInUse(lasting_, party, cost_of_session);
  session.place = ShareInUse(session_places_, party, 1);
}

std::size_t MemoryLimits::lasting_cost(std::string_view filter) {
  return cost_of_subscription + 3 * filter.size() + mqtt::levels(filter) * cost_of_node;
}

void MemoryLimits::account_first(Subscription& subscription, std::string_view party) {
  const std::size_t levels = mqtt::levels(subscription.filter), cost = lasting_cost(subscription.filter);
  subscription.charge = Charge(budget_, cost - levels * cost_of_node, true);  // nodes are counted by the tree
  subscription.lasting = ShareInUse(lasting_, party, cost);
  subscription.nodes = ShareInUse(node_places_, party, levels);
}

std::size_t MemoryLimits::account_to(Session& session, std::string_view party) {
  if (session.place.is_of(party)) return 0;
  account_first(session, party);
  for (auto& [filter, subscription] : session.subscriptions) account_first(*subscription, party);
  return session.subscriptions.size();
}

void MemoryLimits::account_tree(std::size_t nodes) {
  tree_charge_.set(in_steps(nodes * cost_of_node));
}

bool MemoryLimits::has_room_for_session(std::string_view party, std::size_t present) const {
  return Shares::may_take(1, session_places_.of(party), present, settings_.maximum_sessions) &&
         has_room_to_last(cost_of_session, party);
}

// Clients of a party are on all shards.
bool MemoryLimits::has_room_to_last(std::size_t more, std::string_view party) const {
  return budget_ == nullptr || budget_->most() == 0 ||
         Shares::may_take(more, lasting_.of(party) * shards_, budget_->lasting(), budget_->most() / 2);
}

bool MemoryLimits::has_room_in_tree(std::string_view filter, std::string_view party, std::size_t nodes) const {
  return Shares::may_take(mqtt::levels(filter), node_places_.of(party), nodes, settings_.maximum_topic_nodes);
}

std::size_t MemoryLimits::outbox_limit() const {
  if (has_room_to_wait()) return settings_.outbox_high_water;
  return std::min(settings_.outbox_high_water, has_room_to_grow() ? owed_when_short : owed_when_full);
}

std::uint32_t MemoryLimits::quota(std::uint16_t receive_maximum) const {
  const std::uint32_t most = std::min<std::uint32_t>(settings_.maximum_inflight, receive_maximum);
  return has_room_to_wait() ? most : std::min(most, inflight_when_short);
}

}  // namespace sealmq::broker
