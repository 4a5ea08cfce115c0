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

bool counts_as_failure(Refusal kind) {
  return kind == Refusal::verification_failed || kind == Refusal::container_malformed || kind == Refusal::author_not_listed ||
         kind == Refusal::author_revoked || kind == Refusal::replay;
}

}  // namespace

Core::Core(std::size_t index_, std::size_t count, Settings settings_, Ports ports_, std::shared_ptr<const Policy> policy,
           std::shared_ptr<const Directory> directory)
    : index(index_),
      settings(settings_),
      ports(std::move(ports_)),
      access(ports.schemes, std::move(policy), std::move(directory)),
      memory(settings, ports.budget, count),
      tree(ports.interest, ports.budget, count),
      retained(settings.maximum_retained, settings.maximum_retained_bytes, ports.budget),
      durability(settings, index, count, ports.replays, ports.lasting_subscriptions, *this),
      grants({index, count, settings, ports.schemes, access, admission, memory, kinds, tree, groups, keyed, durability, flow,
              counters, steps_, *this}),
      router({index, count, settings, ports.schemes, access, entitlement, tree, groups, retained, session_table, deliveries,
              keyed, encoder, durability, flow, counters, steps_, ports.interest, ports.budget}),
      restoring({index, count, settings, kinds, memory, tree, retained, durability, session_table, grants, router, counters,
                 ports.budget}),
      of_connections_{index,  count,      settings,         ports.schemes,   ports.random,    memory,
                      flow,   login_flow, session_table,    background_jobs, scheme_requests, publishing,
                      grants, deliveries, acknowledgements, durability,      effects,         counters,
                      steps_, *this,      ports.budget} {}

ConnectionId Core::open(Peer peer, Now now) {
  Link& link = connections_.open(
      [&](ConnectionId id) { return std::make_unique<ClientConnection>(of_connections_, id, std::move(peer), now); });
  account(link);
  ++counters.connections;
  return link.id;
}

void Core::receive(ClientConnection& link, Bytes bytes, Now now) {
  if (link.ended) return;
  link.now = now;
  flow.begin_turn(steps());
  counters.bytes_received += bytes.size();
  link.bytes_in += bytes.size();
  auto received = link.connection.receive(bytes, link, now);
  if (!received && !link.ended) abort(link, received.error());
  if (!link.moving.empty()) return move(link);
  look_after(link);
  if (link.connection.unwritten() > 0) link.tell_writable();
}

void Core::move(Link& link) {
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
}

void Core::finish(const Job::Name& job, Now now) {
  flow.begin_turn(steps());
  if (job.kind == Job::Kind::message) {
    background_jobs.over(job, now);
  } else {
    login_flow.over(job);
  }
  ClientConnection* link = find(job.connection);
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
  if (link->connection.unwritten() > 0) link->tell_writable();
}

void Core::gone(Link& link, Now now) {
  end(link, Ending::connection_lost, true, now);
  connections_.close(ConnectionId(link.id));
}

void Core::abort(Link& link, const Error& error) {
  refuse(link, {refusal_of(error), static_cast<mqtt::Reason>(error.code), error.what}, link.now, true);
  if (link.ended) return;
  link.connection.abort(error);
  link.tell_writable();
  end(link, Ending::error, true, link.now);
}

void Core::refuse(Link& link, const Refused& why, Now now, bool may_disconnect) {
  ports.journal.refused(why.kind, link.label(), why.cause, now);
  if (link.ended || !may_disconnect || !counts_as_failure(why.kind)) return;
  if (now.steady - link.failures_since > 60'000) {
    link.failures_since = now.steady;
    link.failures = 0;
  }
  if (++link.failures < settings.failures_until_disconnect) return;
  ports.journal.refused(Refusal::too_many_failures, link.label(), "disconnected", now);
  link.connection.disconnect(mqtt::Reason::not_authorized);
  link.tell_writable();
  end(link, Ending::refused_too_often, true, now);
}

/// Somebody changes what it says, or it is somebody else. It counts like a failed login by the publication that has such keys.
void Core::part(Link& link, const Error& error) {
  refuse(link, {Refusal::verification_failed, mqtt::Reason::unspecified_error, error.what}, link.now, false);
  LoginTry(ports.gate, LoginGate::Tested::held_off, link.identity, link.peer.address, link.now).is(LoginGate::Outcome::failed);
  link.connection.disconnect(mqtt::Reason::unspecified_error, link.relay()->farewell());
  link.tell_writable();
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
  connections_.for_each([&](ClientConnection& link) { tick(link, now); });
  session_table.tick(now);
  counters.retained_bytes = retained.tick(now.steady, [&](const Message& message) { durability.erased(message); });
}

void Core::tick(ClientConnection& link, Now now) {
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
  link.tell_writable();
  end(link, Ending::lasted, true, now);
  return true;
}

void Core::look_at_proofs(Now now) {
  connections_.for_each([&](ClientConnection& link) {
    if (link.peer.still_proved != nullptr && !link.peer.still_proved())
      end_unproved(link, "its certificate or key is no longer taken", now);
    else if (link.has_former_password())
      end_unproved(link, "its password is another now", now);
  });
}

/// Who is not active any more ends by the order about it, which tells how much that was.
void Core::look_at_logins(Now now) {
  connections_.for_each([&](ClientConnection& link) {
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
  link.tell_writable();
  end(link, Ending::revoked, false, now);
}

void Core::go_on(Now now) {
  flow.resume_next(now);
  if (!deliveries.has_in_line()) return;
  Session* session = session_table.find(deliveries.take_from_line());
  if (session == nullptr) return;
  session->is_in_line = false;
  Link* link = session->link;
  if (link == nullptr) return;  // it goes on when its client is back
  link->now = now;
  deliveries.pump(*session, now);
  if (!link->ended) look_after(*link);
}

void Core::shut_down(Now now) {
  durability.shut_down();
  connections_.for_each([&](Link& link) {
    if (link.session != nullptr && link.session->will)
      publish_will(std::exchange(link.session->will, std::nullopt)->message, now);
  });
  connections_.for_each([&](Link& link) {
    link.connection.disconnect(mqtt::Reason::server_shutting_down);
    link.tell_writable();
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
  link.tell_writable();
  end(link, ending, with_will, now);
}

void Core::lose(Number number, Now now) {
  if (Session* session = session_table.find(number))
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
  if (!link->writer.write_frame(topic, payload, link->now)) {
    ++counters.dropped[static_cast<std::size_t>(Drop::cannot_seal)];
    return;
  }
  link->tell_writable();
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
  refuse(link, {Refusal::slow_consumer, mqtt::Reason::quota_exceeded, "it does not take what it asked for"}, now, true);
  link.connection.discard_unwritten();  // a goodbye would stand behind all that it does not read
  end(link, Ending::error, true, now);
}

void Core::take_turns(Link& link) {
  steps_.add(FlowControl::steps_of_a_packet);
  if (!link.ended) flow.take_turns(link.flow, steps());
}

void Core::send_deferred(DeferredAck& ack, Now now) {
  Link* link = find(ack.connection);
  if (link == nullptr || link->ended) return;
  link->waiting_acks.remove(ack.type);
  link->now = now;
  acknowledgements.send(*link, ack);
  if (link->flow.owes_reading() && !link->ended) look_after(*link);
}

ConnectionFlow* Core::flow_of(ConnectionId connection) {
  Link* link = find(connection);
  return link == nullptr || link->ended ? nullptr : &link->flow;
}

void Core::resume(ConnectionId connection, Now now) {
  ClientConnection& link = *find(connection);
  link.now = now;
  flow.begin_turn(steps());
  if (!link.flow.is_held_back())
    if (auto released = link.connection.release(link, now); !released && !link.ended) abort(link, released.error());
  look_after(link);
  if (link.connection.unwritten() > 0) link.tell_writable();
}

}  // namespace sealmq::broker
