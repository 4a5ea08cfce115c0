#include "broker/core.h"

#include <algorithm>

namespace sealmq::broker {
namespace {

constexpr std::uint32_t never = UINT32_MAX;
constexpr std::uint64_t longest_step = 5000;  // milliseconds that a client takes for its part of a login
constexpr std::size_t steps_of_an_end = 5;    // of a subscription, or of a message that is owed

std::uint64_t seconds_from(Now now, std::uint32_t seconds) {
  return seconds == never ? UINT64_MAX : now.steady + std::uint64_t{1000} * seconds;
}

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
      retained(settings.maximum_retained, settings.maximum_retained_bytes, ports.budget),
      turns_(ports.schemes.size(), Turns(settings.maximum_preparations_of_address, settings.maximum_preparations)),
      tree_charge_(ports.budget, 0, true),
      sealed_(ports.schemes.size()) {
  for (const auto& scheme : ports.schemes) {
    const SchemeInfo& info = scheme->info();
    is_restricted_.push_back(!info.needs_login.empty() || info.names_ends || info.leaves_hidden);
    is_of_login_.push_back(info.login_protects);
  }
}

Session* Core::find(Number session) {
  auto at = by_number.find(session);
  return at == by_number.end() ? nullptr : at->second;
}

ConnectionId Core::open(Peer peer, Now now) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  ConnectionId id{slot, ++slots_[slot].generation};
  slots_[slot].link = std::make_unique<Link>(*this, id, std::move(peer), now);
  account(*slots_[slot].link);
  ++counters.connections;
  return id;
}

Link* Core::find(ConnectionId id) {
  if (id.slot >= slots_.size() || slots_[id.slot].generation != id.generation) return nullptr;
  return slots_[id.slot].link.get();
}

void Core::receive(Link& link, Bytes bytes, Now now) {
  if (link.ended) return;
  link.now = now;
  turn_began_ = steps();
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
    slots_[link.id.slot].link.reset();
    free_slots_.push_back(effects.moves.back().connection.slot);
    return;
  }
  look_after(link);
  if (link.connection.unwritten() > 0) tell_writable(link);
}

void Core::finish(const Job::Name& job, Now now) {
  turn_began_ = steps();
  if (job.kind == Job::Kind::message) {
    work_is_over(job);
  } else {
    login_turns_.over(job.address);
    begin_logins();
  }
  Link* link = find(job.connection);
  if (link == nullptr || link->ended) return;
  bool is_awaited = job.kind == Job::Kind::login ? link->logging_in != nullptr : link->preparing != nullptr;
  if (!is_awaited) return;
  link->now = now;
  if (job.kind == Job::Kind::login && link->logging_in->answer_at > now.steady) {
    link->logging_in->is_answered = true;  // tick() comes back to it
    return;
  }
  auto gone_on = job.kind == Job::Kind::login ? link->go_on_with_login() : link->go_on_with_message();
  if (gone_on && !link->ended && link->connection.held() && !link->is_held_back()) gone_on = link->connection.release(*link, now);
  if (!gone_on && !link->ended) abort(*link, gone_on.error());
  look_after(*link);
  if (link->connection.unwritten() > 0) tell_writable(*link);
}

void Core::gone(Link& link, Now now) {
  end(link, Ending::connection_lost, true, now);
  std::uint32_t slot = link.id.slot;
  slots_[slot].link.reset();
  free_slots_.push_back(slot);
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
  if (link.logging_in != nullptr) {
    // Who leaves instead of answering has failed. Who is kept waiting by the broker has not: a hundred devices behind one address
    // that come back at once would shut themselves out.
    if (ending != Ending::shut_down && !link.logging_in->running && !link.logging_in->displaced) {
      const bool is_held_off = link.logging_in->login->tested() == LoginGate::Tested::held_off;
      const auto tested = is_held_off ? LoginGate::Tested::held_off : LoginGate::Tested::key;
      LoginTry(ports.gate, tested, link.logging_in->name, link.peer.address, now).is(LoginGate::Outcome::failed);
    }
    forget_login(link);
    link.logging_in.reset();
  }
  effects.closing.push_back(link.id);
  if (link.preparing != nullptr) turns_[link.preparing->scheme].leave(link.place(), link.preparing->ticket);
  link.preparing.reset();
  Session* session = std::exchange(link.session, nullptr);
  if (session == nullptr) return;
  forget_connection(link, *session);
  ++counters.ended[static_cast<std::size_t>(ending)];
  session->link = nullptr;
  if (!with_will) session->will.reset();
  if (!session->lasts()) return destroy(*session, now);
  session->expires = seconds_from(now, session->expiry_interval);
  tell_groups(*session, MemberEvent::What::away);
  if (session->will) {
    session->will_due = std::min(seconds_from(now, session->will->delay), session->expires);
    if (session->will_due <= now.steady) publish(std::exchange(session->will, std::nullopt)->message, now);
  }
  save(*session);
}

std::string session_name(std::string_view owner, std::string_view client_id) {
  std::string name;
  name.reserve(owner.size() + 1 + client_id.size());
  return name.append(owner).append("/").append(client_id);
}

std::pair<Session*, bool> Core::take_session(std::string_view client_id, std::string_view identity, bool clean_start,
                                             std::string_view party, Now now) {
  const std::string name = session_name(identity, client_id);
  auto at = sessions.find(name);
  const bool had_one = at != sessions.end();  // and has its place, whatever becomes of that one
  if (had_one && at->second->link != nullptr) {
    Link& old = *at->second->link;
    old.connection.disconnect(mqtt::Reason::session_taken_over);  // [MQTT-3.1.4-3]
    tell_writable(old);
    end(old, Ending::taken_over, true, now);
    at = sessions.find(name);
  }
  if (at != sessions.end() && clean_start) {
    destroy(*at->second, now);  // [MQTT-3.1.2-4]
    at = sessions.end();
  }
  if (at != sessions.end()) {
    Session& session = *at->second;
    if (session.will && session.will_due <= now.steady) publish(std::exchange(session.will, std::nullopt)->message, now);
    session.expires = session.will_due = UINT64_MAX;
    session.will.reset();  // a Will that was not due yet is not published. [MQTT-3.1.3-9]
    account_to(session, party);
    forget_proofs_of_others(session, now);
    return {&session, true};
  }
  if (!had_one && !has_room_for_session(party)) return {nullptr, false};
  auto session = std::make_unique<Session>(identity, client_id, next_number());
  Session* made = session.get();
  account_first(*made, party);
  by_number.emplace(made->number, made);
  sessions.emplace(made->name, std::move(session));
  ++counters.sessions;
  return {made, false};
}

std::size_t Core::end_deliveries(Session& session, const std::function<bool(const Delivery&)>& ends,
                                 std::vector<Delivery>& jobs) {
  const auto finish = [&](const Delivery& delivery, bool may_have_come) {
    if (delivery.share != nullptr && !may_have_come) jobs.push_back(delivery);
    finished(session, delivery);
  };
  std::size_t ended = std::erase_if(session.queue, [&](const Delivery& delivery) {
    if (!ends(delivery)) return false;
    finish(delivery, false);
    session.queued_bytes -= delivery.message->size();
    return true;
  });
  ended += session.outgoing.erase_if([&](const auto& entry) {
    if (entry.awaiting == mqtt::Awaiting::pubcomp || !ends(entry.message)) return false;
    if (entry.sent && session.link != nullptr) --session.link->in_flight;
    finish(entry.message, entry.awaiting != mqtt::Awaiting::puback);
    return true;
  });
  return ended;
}

void Core::forget_proofs_of_others(Session& session, Now now) {
  const auto is_others = [&](const std::shared_ptr<const std::string>& who) { return who != nullptr && *who != session.owner; };
  std::vector<Delivery> jobs;
  // A client that may have one of QoS 2 still gets PUBREL for it, so that its identifier means nothing older when it comes again.
  for (auto& entry : session.outgoing) {
    if (entry.awaiting != mqtt::Awaiting::pubrec || !is_others(entry.message.subscriber)) continue;
    entry.awaiting = mqtt::Awaiting::pubcomp;
    received(session, entry.message);
    drop(Drop::not_entitled);
  }
  const auto ended = end_deliveries(
      session, [&](const Delivery& d) { return is_others(d.subscriber); }, jobs);
  counters.dropped[static_cast<std::size_t>(Drop::not_entitled)] += ended;
  std::erase_if(session.subscriptions, [&](const auto& entry) {
    if (!is_others(entry.second->subscriber)) return false;
    forget(session, *entry.second);
    return true;
  });
  recount(session);
  account(session);
  give_to_others(jobs, session.number, now);
}

void Core::destroy(Session& session, Now now) {
  auto will = std::exchange(session.will, std::nullopt);
  const Number number = session.number;
  step(steps_of_an_end * (session.subscriptions.size() + session.queue.size() + session.outgoing.size()));
  const std::vector<Delivery> jobs = jobs_of(session);
  tell_groups(session, MemberEvent::What::left);
  for (auto& [filter, subscription] : session.subscriptions)
    if (subscription->node != nullptr) tree.remove(*subscription);
  account_tree();
  counters.subscriptions -= session.subscriptions.size();
  --counters.sessions;
  if (session.saved) change(SessionEnded{number});
  recount(session, false);
  by_number.erase(number);
  sessions.erase(sessions.find(session.name));
  give_to_others(jobs, number, now);
  if (will) publish(will->message, now);
}

void Core::tick(Now now) {
  last_tick = now.steady;
  for (std::size_t i = 0; i < slots_.size(); ++i) {  // by index: ending one may publish a Will
    Link* link = slots_[i].link.get();
    if (link == nullptr || link->ended) continue;
    link->now = now;
    if (has_run_out(*link, now) || has_lasted(*link, now)) continue;
    if (!is_heard(*link)) link->connection.excuse(now);
    const PendingLogin* login = link->logging_in.get();
    if (login != nullptr && !login->running && login->since + longest_step < now.steady) {
      abort(*link, {Blame::peer_misbehaved, "a step of its login took too long",
                    static_cast<std::uint8_t>(mqtt::Reason::not_authorized)});
      continue;
    }
    if (auto alive = link->connection.tick(now); !alive) {
      abort(*link, alive.error());
    } else {
      if (link->logging_in != nullptr && link->logging_in->waits)
        link->wait_turn();
      else if (link->logging_in != nullptr && std::exchange(link->logging_in->is_answered, false))
        finish({Job::Kind::login, link->id, {}}, now);
      if (link->ended) continue;
      tick_receivers(*link, now);
      end_if_stalled(*link, now);
    }
  }
  std::vector<Session*> due;
  counters.inflight = counters.queued = counters.queued_bytes = 0;
  for (auto& [id, session] : sessions) {
    counters.inflight += session->outgoing.size();
    counters.queued += session->queue.size();
    counters.queued_bytes += session->queued_bytes;
    if (session->expires <= now.steady || session->will_due <= now.steady) due.push_back(session.get());
  }
  for (Session* session : due) {
    if (session->expires <= now.steady) {
      ++counters.expired_sessions;
      destroy(*session, now);
    } else {
      session->will_due = UINT64_MAX;
      if (session->will) publish(std::exchange(session->will, std::nullopt)->message, now);
      save(*session);
    }
  }
  counters.retained_bytes = retained.tick(now.steady, [&](const Message& message) { erased(message); });
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
  if (!is_due || link.session == nullptr || link.preparing != nullptr || link.is_slowed()) return false;
  if (!link.connection.outbox().empty() || link.session->outgoing.size() != 0) return false;
  link.connection.disconnect(mqtt::Reason::maximum_connect_time);
  tell_writable(link);
  end(link, Ending::lasted, true, now);
  return true;
}

void Core::look_at_proofs(Now now) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {  // by index: ending one may hand its work to others
    Link* link = slots_[i].link.get();
    if (link == nullptr || link->ended) continue;
    if (link->peer.still_proved != nullptr && !link->peer.still_proved())
      end_unproved(*link, "its certificate or key is no longer taken", now);
    else if (link->has_former_password())
      end_unproved(*link, "its password is another now", now);
  }
}

/// Who is not active any more ends by the order about it, which tells how much that was.
void Core::look_at_logins(Now now) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Link* link = slots_[i].link.get();
    if (link == nullptr || link->ended || link->session == nullptr || link->identity.empty()) continue;
    const Identity* listed = access.directory().find(link->identity);
    if (listed != nullptr && listed->status == Status::active && !link->still_proves())
      end_unproved(*link, "the list no longer lets it in as it came", now);
  }
}

void Core::end_unproved(Link& link, const char* why, Now now) {
  link.now = now;
  ports.journal.refused(Refusal::login_refused, link.label(), why, now);
  link.connection.disconnect(mqtt::Reason::administrative_action);
  tell_writable(link);
  end(link, Ending::revoked, false, now);
}

void Core::shut_down(Now now) {
  shutting_down_ = true;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Link* link = slots_[i].link.get();
    if (link == nullptr || link->ended) continue;
    if (link->session != nullptr && link->session->will) publish(std::exchange(link->session->will, std::nullopt)->message, now);
  }
  for (auto& slot : slots_) {
    if (slot.link == nullptr || slot.link->ended) continue;
    slot.link->connection.disconnect(mqtt::Reason::server_shutting_down);
    tell_writable(*slot.link);
    end(*slot.link, Ending::shut_down, false, now);
  }
}

void Core::set_policy(std::shared_ptr<const Policy> policy) {
  access.set(std::move(policy));
  review_receivers();
}

void Core::set_directory(std::shared_ptr<const Directory> directory, Now now) {
  access.set(std::move(directory));
  look_at_logins(now);
  review_receivers();
}

RevocationReport Core::revoke(std::string_view name, Now now) {
  RevocationReport report;
  retained.erase_of(name, [&](const Message& message) {
    if (index == 0) ++report.retained;  // every shard holds them all: one counts them
    erased(message);
  });
  std::vector<Session*> ending;
  std::vector<std::pair<Number, std::vector<Delivery>>> jobs;
  for (auto& present : sessions) {
    Session* session = present.second.get();
    auto by_author = [&](const Delivery& d) { return d.message != nullptr && d.message->view().author == name; };
    auto to_subscriber = [&](const Delivery& d) { return d.subscriber != nullptr && *d.subscriber == name; };
    auto& its_jobs = jobs.emplace_back(session->number, std::vector<Delivery>()).second;  // of groups, where others may do them
    report.queued += end_deliveries(
        *session, [&](const Delivery& d) { return by_author(d) || to_subscriber(d); }, its_jobs);
    std::erase_if(its_jobs, by_author);
    if (session->will && session->will->message->view().author == name) {
      session->will.reset();
      save(*session);
    }
    report.subscriptions += std::erase_if(session->subscriptions, [&](const auto& entry) {
      const Subscription& subscription = *entry.second;
      if (subscription.subscriber == nullptr || *subscription.subscriber != name) return false;
      forget(*session, *entry.second);
      return true;
    });
    recount(*session);
    if (session->link != nullptr) report.subscriptions += forget_receivers(*session->link, name, report.groups);
    // A connection that spoke for others too (a gateway) goes on for them.
    bool its_own = session->speakers.only() == name;
    if (its_own || session->owner == name) ending.push_back(session);
  }
  for (Session* session : ending) {
    ++report.sessions;
    report.subscriptions += session->subscriptions.size();
    end_session(*session, mqtt::Reason::administrative_action, Ending::revoked, false, now);
  }
  for (const auto& [number, its_jobs] : jobs) give_to_others(its_jobs, number, now);
  return report;
}

void Core::end_session(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now) {
  session.expiry_interval = 0;
  if (session.link == nullptr) return destroy(session, now);
  Link& link = *session.link;
  link.connection.disconnect(reason);
  tell_writable(link);
  end(link, ending, with_will, now);
}

void Core::lose(Number number, Now now) {
  if (Session* session = find(number))
    end_session(*session, mqtt::Reason::implementation_specific_error, Ending::error, true, now);
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
  link->stalled_since = 0;
  link->bytes_out += written;
  if (link->session != nullptr) core_->pump(*link->session, now);
  core_->look_after(*link);
}

bool Shard::has_much_to_hand_over() const {
  return core_->has_much_to_hand_over();
}
void Shard::handed_over(HeldBack held_back, Now now) {
  core_->handed_over(held_back, now);
}
void Shard::lost(std::size_t messages) {
  core_->count_lost(messages);
}
bool Shard::is_heard(ConnectionId connection) const {
  const Link* link = core_->find(connection);
  return link == nullptr || core_->is_heard(*link);
}

void Shard::take_in(std::span<const Parcel> parcels, Now now) {
  for (const auto& parcel : parcels) core_->take_in(parcel, now);
}

std::optional<Batch> Shard::take_changes(Now now) {
  return core_->take_changes(now);
}
bool Shard::has_changes() const {
  return core_->has_changes();
}
bool Shard::has_urgent_changes() const {
  return core_->has_urgent_changes();
}
std::size_t Shard::count_changes() const {
  return core_->count_changes();
}
void Shard::stored(std::uint64_t batch, Now now) {
  core_->stored(batch, now);
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
  core_->read_on(now);
}
std::uint64_t Shard::next_reading() const {
  return core_->next_reading();
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
