#include "broker/shard.h"

#include "broker/core.h"

namespace sealmq::broker {

Shard::Shard(std::size_t index, std::size_t count, Settings settings, Ports ports, std::shared_ptr<const Policy> policy,
             std::shared_ptr<const Directory> directory)
    : core_(std::make_unique<Core>(index, count, settings, std::move(ports), std::move(policy), std::move(directory))) {}
Shard::~Shard() = default;

ConnectionId Shard::open(Peer peer, Now now) {
  return core_->open(std::move(peer), now);
}

void Shard::receive(ConnectionId connection, Bytes bytes, Now now) {
  if (ClientConnection* link = core_->find(connection)) core_->receive(*link, bytes, now);
}

void Shard::gone(ConnectionId connection, Now now) {
  if (Link* link = core_->find(connection)) core_->gone(*link, now);
}

void Shard::finish(const Job::Name& job, Now now) {
  core_->finish(job, now);
}

mqtt::Outbox* Shard::outbox(ConnectionId connection, std::size_t unsent) {
  Link* link = core_->find(connection);
  if (link == nullptr) return nullptr;
  link->writable_told = false;
  link->unsent = unsent;
  return &link->connection.to_wire();
}

bool Shard::has_session(ConnectionId connection) {
  const Link* link = core_->find(connection);
  return link != nullptr && link->session != nullptr;
}

void Shard::drained(ConnectionId connection, Now now, std::size_t written) {
  core_->counters.bytes_sent += written;
  Link* link = core_->find(connection);
  if (link == nullptr) return;
  link->flow.has_taken();
  link->bytes_out += written;
  if (link->session != nullptr) core_->deliveries.pump(*link->session, now);
  core_->look_after(*link);
}

bool Shard::has_much_to_hand_over() const {
  return core_->flow.has_much_to_hand_over();
}
void Shard::handed_over(HeldBack held_back, Now now) {
  core_->flow.handed_over(held_back, now);
}
void Shard::lost(std::size_t messages) {
  core_->count_lost(messages);
}
bool Shard::is_heard(ConnectionId connection) const {
  const Link* link = core_->find(connection);
  return link == nullptr || core_->flow.is_heard(link->flow);
}

void Shard::take_in(std::span<const Parcel> parcels, Now now) {
  for (const auto& parcel : parcels) core_->router.take_in(parcel, now);
}

std::optional<Batch> Shard::take_changes(Now now) {
  return core_->durability.take_changes(now);
}
bool Shard::has_changes() const {
  return core_->durability.has_changes();
}
bool Shard::has_urgent_changes() const {
  return core_->durability.has_urgent_changes();
}
std::size_t Shard::count_changes() const {
  return core_->durability.count_changes();
}
void Shard::stored(std::uint64_t batch, Now now) {
  core_->durability.stored(batch, now);
}
void Shard::lose(Number session, Now now) {
  core_->lose(session, now);
}
std::size_t Shard::restore(const Restored& restored, Now now) {
  return core_->restoring.restore(restored, now);
}
void Shard::restore_transits(const Restored& restored, Now now) {
  core_->restoring.restore_transits(restored, now);
}

void Shard::tick(Now now) {
  core_->tick(now);
}
bool Shard::has_work() const {
  return core_->has_work();
}
void Shard::go_on(Now now) {
  core_->go_on(now);
}
std::uint64_t Shard::next_deadline() const {
  return core_->last_tick + 1000;
}
void Shard::publish_own(std::string_view topic, std::string_view payload, Now now, bool retain) {
  core_->router.publish_own(topic, payload, now, retain);
}
void Shard::read_on(Now now) {
  core_->flow.resume_slowed(now);
}
std::uint64_t Shard::next_reading() const {
  return core_->flow.next_resumption();
}
void Shard::set_policy(std::shared_ptr<const Policy> policy, Now) {
  core_->set_policy(std::move(policy));
}
void Shard::look_at_proofs(Now now) {
  core_->look_at_proofs(now);
}
void Shard::set_options(const SchemeOptions& options, Now) {
  for (const auto& scheme : core_->ports.schemes) scheme->change_options(options);
}
void Shard::set_directory(std::shared_ptr<const Directory> directory, Now now) {
  core_->set_directory(std::move(directory), now);
}
RevocationReport Shard::revoke(std::string_view name, Now now) {
  return core_->revoke(name, now);
}
void Shard::shut_down(Now now) {
  core_->shut_down(now);
}
Effects& Shard::effects() {
  return core_->effects;
}

std::uint64_t Shard::steps() const {
  return core_->steps();
}

const Counters& Shard::counters() const {
  core_->counters.retained = core_->retained.size();
  return core_->counters;
}

std::size_t Shard::shard_of(std::string_view name, std::size_t count, const HashKey& key) {
  return keyed_hash(key, name) % count;
}

std::string_view name(Refusal refusal) {
  constexpr std::string_view names[] = {"malformed packet",     "protocol error",
                                        "packet too large",     "login refused",
                                        "topic not allowed",    "container malformed",
                                        "verification failed",  "author not listed",
                                        "author revoked",       "replay",
                                        "subscription refused", "client identifier refused",
                                        "keep-alive timeout",   "too many failures",
                                        "limit reached",        "too many connections",
                                        "connecting too fast",  "memory full",
                                        "slow consumer"};
  static_assert(std::size(names) == static_cast<std::size_t>(Refusal::count_));
  return names[static_cast<std::size_t>(refusal)];
}

std::string_view name(Drop drop) {
  constexpr std::string_view names[] = {"queue full", "slow consumer", "expired", "too large", "not entitled", "cannot seal"};
  static_assert(std::size(names) == static_cast<std::size_t>(Drop::count_));
  return names[static_cast<std::size_t>(drop)];
}

std::string_view name(Ending ending) {
  constexpr std::string_view names[] = {"by client",         "connection lost", "error",     "taken over",
                                        "refused too often", "revoked",         "shut down", "lasted long enough"};
  static_assert(std::size(names) == static_cast<std::size_t>(Ending::count_));
  return names[static_cast<std::size_t>(ending)];
}

}  // namespace sealmq::broker
