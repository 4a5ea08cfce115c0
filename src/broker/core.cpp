#include "broker/core.h"

#include <algorithm>

namespace sealmq::broker {
namespace {

Refusal refusal_of(const Error& error) {
  switch (static_cast<mqtt::Reason>(error.code)) {
    case mqtt::Reason::malformed_packet:
      return Refusal::malformed_packet;
    case mqtt::Reason::packet_too_large:
      return Refusal::packet_too_large;
    case mqtt::Reason::keep_alive_timeout:
      return Refusal::keep_alive_timeout;
    case mqtt::Reason::client_identifier_not_valid:
      return Refusal::client_identifier_refused;
    case mqtt::Reason::not_authorized:
    case mqtt::Reason::bad_authentication_method:
      return Refusal::login_refused;
    case mqtt::Reason::quota_exceeded:
      return Refusal::limit_reached;
    default:
      return Refusal::protocol_error;
  }
}

}  // namespace

Core::Core(std::size_t index_, std::size_t count_, Settings settings_, Ports ports_, std::shared_ptr<const Policy> policy,
           std::shared_ptr<const Directory> directory)
    : index(index_),
      count(count_),
      settings(settings_),
      ports(std::move(ports_)),
      access(ports.schemes, std::move(policy), std::move(directory)),
      retained(settings.maximum_retained, settings.maximum_retained_bytes, ports.budget) {}

ConnectionId Core::open(Peer peer, Now now) {
  Link& link = connections_.open([&](ConnectionId id) { return std::make_unique<Link>(*this, id, std::move(peer), now); });
  account(link);
  ++counters.connections;
  return link.id;
}

void Core::receive(Link& link, Bytes bytes, Now now) {
  if (link.ended) return;
  link.now = now;
  flow.begin_turn(steps());
  counters.bytes_received += bytes.size();
  link.bytes_in += bytes.size();
  auto received = link.connection.receive(bytes, link, now);
  if (!received && !link.ended) abort(link, received.error());
  if (!link.moving.empty()) {
    const Secret connect(std::exchange(link.moving, {}));
    const Buffer behind = link.connection.take_unread();
    Move move{link.id, link.moving_to, link.peer, {}};
    move.unread.reserve(connect.size() + behind.size());  // what grows leaves a copy, and there may be a password in it
    append(move.unread, connect.reveal());
    append(move.unread, behind);
    counters.bytes_received -= move.unread.size();  // they are received once more, there
    --counters.packets.received[static_cast<std::size_t>(mqtt::PacketType::connect)];
    effects.moves.push_back(std::move(move));
    --counters.connections;
    connections_.close(effects.moves.back().connection);
    return;
  }
  look_after(link);
  if (link.connection.unwritten() > 0) tell_writable(link);
}

void Core::finish(const Job::Name& job, Now now) {
  flow.begin_turn(steps());
  if (job.kind == Job::Kind::message) {
    background_jobs.over(job, now);
  } else {
    login_flow.over(job);
  }
  Link* link = find(job.connection);
  if (link == nullptr || link->ended) return;
  bool is_awaited = job.kind == Job::Kind::login ? login_flow.is_pending(link->id) : background_jobs.is_waiting(link->id);
  if (!is_awaited) return;
  link->now = now;
  if (job.kind == Job::Kind::login && login_flow.holds_answer_back(link->id, now)) return;  // tick() comes back to it
  auto gone_on = job.kind == Job::Kind::login ? link->go_on_with_login() : link->go_on_with_message();
  if (gone_on && !link->ended && link->connection.held() && !link->flow.is_held_back())
    gone_on = link->connection.release(*link, now);
  if (!gone_on && !link->ended) abort(*link, gone_on.error());
  look_after(*link);
  if (link->connection.unwritten() > 0) tell_writable(*link);
}

void Core::gone(Link& link, Now now) {
  end(link, Ending::connection_lost, true, now);
  connections_.close(ConnectionId(link.id));
}

void Core::tell_writable(Link& link) {
  if (link.writable_told) return;
  link.writable_told = true;
  effects.writable.push_back(link.id);
}

void Core::abort(Link& link, const Error& error) {
  refuse(link, {refusal_of(error), static_cast<mqtt::Reason>(error.code), error.what}, link.now);
  if (link.ended) return;
  link.connection.abort(error);
  tell_writable(link);
  end(link, Ending::error, true, link.now);
}

void Core::end(Link& link, Ending ending, bool with_will, Now now) {
  if (link.ended) return;
  link.ended = true;
  --counters.connections;
  login_flow.leave(link.login(), ending == Ending::shut_down, now);
  effects.closing.push_back(link.id);
  background_jobs.leave(link.id);
  link.flow.end_waiting_for_work();
  Session* session = std::exchange(link.session, nullptr);
  if (session == nullptr) return;
  forget_connection(link, *session);
  ++counters.ended[static_cast<std::size_t>(ending)];
  session_table.leave(*session, with_will, now);
}

void Core::tick(Now now) {
  last_tick = now.steady;
  connections_.for_each([&](Link& link) { tick(link, now); });
  session_table.tick(now);
  counters.retained_bytes = retained.tick(now.steady, [&](const Message& message) { durability.erased(message); });
}

void Core::tick(Link& link, Now now) {
  link.now = now;
  if (has_run_out(link, now) || has_lasted(link, now)) return;
  if (!flow.is_heard(link.flow)) link.connection.excuse(now);
  if (login_flow.is_overdue(link.id, now))
    return abort(link, {Blame::peer_misbehaved, "a step of its login took too long",
                        static_cast<std::uint8_t>(mqtt::Reason::not_authorized)});
  if (auto alive = link.connection.tick(now); !alive) return abort(link, alive.error());
  if (login_flow.is_due(link.login(), now)) finish({Job::Kind::login, link.id, {}}, now);
  if (link.ended) return;
  keyed.tick(link.keyed, now);
  end_if_stalled(link, now);
}

/// A certificate lets nobody in, or stay, after its last moment.
bool Core::has_run_out(Link& link, Now now) {
  if (link.peer.proof_ends == 0 || now.wall < link.peer.proof_ends) return false;
  abort(link, {Blame::not_authorised, "its certificate has run out", static_cast<std::uint8_t>(mqtt::Reason::not_authorized)});
  return true;
}

/// Keys that cannot be changed protect no connection for ever; a moment at which nothing is lost is waited for.
bool Core::has_lasted(Link& link, Now now) {
  const bool is_due =
      now.steady >= link.ends || (link.peer.most_bytes != 0 && std::max(link.bytes_in, link.bytes_out) >= link.peer.most_bytes);
  if (!is_due || link.session == nullptr || link.flow.waits_for_work() || link.flow.is_slowed()) return false;
  if (!link.connection.outbox().empty() || link.session->outgoing.size() != 0) return false;
  link.connection.disconnect(mqtt::Reason::maximum_connect_time);
  tell_writable(link);
  end(link, Ending::lasted, true, now);
  return true;
}

void Core::look_at_proofs(Now now) {
  connections_.for_each([&](Link& link) {
    if (link.peer.still_proved != nullptr && !link.peer.still_proved())
      end_unproved(link, "its certificate or key is no longer taken", now);
    else if (link.has_former_password())
      end_unproved(link, "its password is another now", now);
  });
}

/// Who is not active any more ends by the order about it, which tells how much that was.
void Core::look_at_logins(Now now) {
  connections_.for_each([&](Link& link) {
    if (link.session == nullptr || link.identity.empty()) return;
    const Identity* listed = access.directory().find(link.identity);
    if (listed != nullptr && listed->status == Status::active && !link.still_proves())
      end_unproved(link, "the list no longer lets it in as it came", now);
  });
}

void Core::end_unproved(Link& link, const char* why, Now now) {
  link.now = now;
  ports.journal.refused(Refusal::login_refused, link.label(), why, now);
  link.connection.disconnect(mqtt::Reason::administrative_action);
  tell_writable(link);
  end(link, Ending::revoked, false, now);
}

void Core::shut_down(Now now) {
  durability.shut_down();
  connections_.for_each([&](Link& link) {
    if (link.session != nullptr && link.session->will) publish(std::exchange(link.session->will, std::nullopt)->message, now);
  });
  connections_.for_each([&](Link& link) {
    link.connection.disconnect(mqtt::Reason::server_shutting_down);
    tell_writable(link);
    end(link, Ending::shut_down, false, now);
  });
}

void Core::set_policy(std::shared_ptr<const Policy> policy) {
  access.set(std::move(policy));
  review_keyed();
}

void Core::set_directory(std::shared_ptr<const Directory> directory, Now now) {
  access.set(std::move(directory));
  look_at_logins(now);
  review_keyed();
}

RevocationReport Core::revoke(std::string_view name, Now now) {
  RevocationReport report;
  retained.erase_of(name, [&](const Message& message) {
    if (index == 0) ++report.retained;  // every shard holds them all: one counts them
    durability.erased(message);
  });
  session_table.revoke(name, report, now);
  return report;
}

void Core::make_room(ConnectionId connection, Now now) {
  Link& other = *find(connection);
  other.now = now;
  abort(other, {Blame::environment, "its login makes room for others", static_cast<std::uint8_t>(mqtt::Reason::quota_exceeded)});
}

void Core::end_connection(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now) {
  Link& link = *session.link;
  link.connection.disconnect(reason);
  tell_writable(link);
  end(link, ending, with_will, now);
}

void Core::lose(Number number, Now now) {
  if (Session* session = find(number))
    session_table.end(*session, mqtt::Reason::implementation_specific_error, Ending::error, true, now);
}

// -- what schemes have of a connection -----------------------------------------------------------------------------------------

void Core::forget_connection(Link& link, Session& session) {
  keyed.end_all(link.keyed, session);
  link.states.clear();
}

std::size_t Core::forget_identity(Session& session, std::string_view identity, std::uint64_t& left_groups) {
  Link& link = *session.link;
  const std::size_t ended = keyed.end_of(link.keyed, identity, left_groups);
  link.states.forget(identity);
  return ended;
}

void Core::review_keyed() {
  connections_.for_each([&](Link& link) { keyed.review(link.keyed, link.caller(link.now)); });
}

void Core::send_frame(ConnectionId connection, std::string_view topic, Bytes payload) {
  Link* link = find(connection);
  if (link == nullptr || link->ended || link->keyed.inbox(topic) == nullptr) return;
  if (link->connection.outbox().size() >= memory.outbox_limit()) return;
  if (!link->writer.write_frame(topic, payload, link->now)) return drop(Drop::cannot_seal);
  tell_writable(*link);
}

// -- limits --------------------------------------------------------------------------------------------------------------------

void Core::account(Link& link) {
  const mqtt::Connection& c = link.connection;
  std::size_t changing = c.kept() + c.unwritten_memory() + link.unsent + link.writer.memory() + link.states.memory();
  if (link.flow.waits_for_work()) changing += background_jobs.memory(link.id);
  if (link.session == nullptr) changing += login_flow.memory(link.id);
  memory.account(link.charge, link.peer.memory, changing);
}

void Core::look_after(Link& link) {
  if (link.ended) link.connection.forget_kept();
  account(link);
  if (link.ended) return;
  if (!flow.keeps_too_much(link.flow)) return flow.review(link.flow, link.waiting_acks.count());
  abort(link, {Blame::not_authorised, "it sends more than can be kept while memory is short",
               static_cast<std::uint8_t>(mqtt::Reason::quota_exceeded)});
  link.connection.forget_kept();
  account(link);
}

void Core::end_if_stalled(Link& link, Now now) {
  look_after(link);
  if (link.ended || !flow.is_stalled(link.flow, now)) return;
  refuse(link, {Refusal::slow_consumer, mqtt::Reason::quota_exceeded, "it does not take what it asked for"}, now);
  link.connection.discard_unwritten();  // a goodbye would stand behind all that it does not read
  end(link, Ending::error, true, now);
}

void Core::take_turns(Link& link) {
  step(FlowControl::steps_of_a_packet);
  if (!link.ended) flow.take_turns(link.flow, steps());
}

ConnectionFlow* Core::flow_of(ConnectionId connection) {
  Link* link = find(connection);
  return link == nullptr || link->ended ? nullptr : &link->flow;
}

void Core::resume(ConnectionId connection, Now now) {
  Link& link = *find(connection);
  link.now = now;
  flow.begin_turn(steps());
  if (!link.flow.is_held_back())
    if (auto released = link.connection.release(link, now); !released && !link.ended) abort(link, released.error());
  look_after(link);
  if (link.connection.unwritten() > 0) tell_writable(link);
}

// -- Shard: the face of Core
// -----------------------------------------------------------------------------------------------------

Shard::Shard(std::size_t index, std::size_t count, Settings settings, Ports ports, std::shared_ptr<const Policy> policy,
             std::shared_ptr<const Directory> directory)
    : core_(std::make_unique<Core>(index, count, settings, std::move(ports), std::move(policy), std::move(directory))) {}
Shard::~Shard() = default;

ConnectionId Shard::open(Peer peer, Now now) {
  return core_->open(std::move(peer), now);
}

void Shard::receive(ConnectionId connection, Bytes bytes, Now now) {
  if (Link* link = core_->find(connection)) core_->receive(*link, bytes, now);
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
  if (link->session != nullptr) core_->pump(*link->session, now);
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
  for (const auto& parcel : parcels) core_->take_in(parcel, now);
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
  return core_->restore(restored, now);
}
void Shard::restore_transits(const Restored& restored, Now now) {
  core_->restore_transits(restored, now);
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
  core_->publish_own(topic, payload, now, retain);
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
