#include "server/shard_thread.h"

#include <algorithm>
#include <cassert>

#include "net/address.h"
#include "server/thread_priority.h"

namespace sealmq::server {
namespace {

constexpr std::uint64_t longest_sleep = 1000;  // milliseconds between two tick()
constexpr std::chrono::seconds longest_goodbye{2};
constexpr std::size_t most_handshakes = 256;  // of one listener, in all shards

// TLS and WebSocket: what OpenSSL and the codecs keep for one connection; an estimate.
constexpr std::size_t cost_of_channel = 24 * 1024;

/// TLS 1.2 cannot change its keys (index of specifications, section 4, tells why so many).
constexpr std::uint64_t most_bytes_of_a_key = std::uint64_t{1} << 36;

/// Each mailbox gets its part of an eighth of the budget's size.
std::size_t most_mail(const broker::Budget* budget, std::size_t shards) {
  if (budget == nullptr || budget->most() == 0) return Mailbox::largest_limit;
  return std::clamp<std::size_t>(budget->most() / 8 / shards, 64 * 1024, Mailbox::largest_limit);
}

net::Key key_of(broker::ConnectionId id) {
  return {id.slot, id.generation};
}
broker::ConnectionId id_of(net::Key key) {
  return {key.slot, key.generation};
}

/// What follows `prefix` in the only alternative name that begins so; empty: there is none, or more than one.
std::string only_name(const net::PeerInfo& peer, std::string_view prefix) {
  const auto fits = [&](const std::string& name) { return name.starts_with(prefix); };
  if (std::ranges::count_if(peer.alternative_names, fits) != 1) return {};
  return std::ranges::find_if(peer.alternative_names, fits)->substr(prefix.size());
}

/// The name among those that the transport has proven; empty: none of them.
std::string identity_of(const net::PeerInfo& peer, IdentityFrom from) {
  switch (from) {
    case IdentityFrom::nothing:
      return {};
    case IdentityFrom::common_name:
      return peer.certificate_name;
    case IdentityFrom::shared_key:
      return peer.psk_identity;
    case IdentityFrom::uri:
      return only_name(peer, "uri:mqtt://client/");
    case IdentityFrom::dns:
      return only_name(peer, "dns:");
    case IdentityFrom::certificate_key:
      return peer.key_digest;
    case IdentityFrom::alternative_name:
      break;
  }
  for (const std::string& name : peer.alternative_names) {
    std::string value = name.substr(name.find(':') + 1);
    if (is_identity_name(value)) return value;
  }
  return {};
}

broker::Peer peer_at(const ShardThread::Door& door, const net::Stream& stream) {
  net::PeerInfo info = net::peer_of(stream);
  std::string place = net::place_of(info.address);
  // Where keys alone count, their certificates' dates and lists do not.
  const bool has_dates = door.identity != IdentityFrom::certificate_key;
  const bool is_old = info.tls_version == "TLSv1.2";
  net::TlsProof proof = std::move(info.proof);
  if (!has_dates) proof.certificate = nullptr;
  std::function<bool()> still_proved;
  if (!proof.empty())
    still_proved = [entry = door.entry, proof = std::move(proof)] {
      const auto tls = entry->tls();
      return tls == nullptr || tls->still_counts(proof);
    };
  return {.address = std::move(info.address),
          .identity = identity_of(info, door.identity),
          .binds_client_id = door.bind_client_id,
          .proof_ends = has_dates ? static_cast<std::uint64_t>(std::max<std::int64_t>(info.certificate_ends, 0)) * 1000 : 0,
          .lasts = is_old ? door.max_age : 0,
          .most_bytes = is_old && door.max_age != 0 ? most_bytes_of_a_key : 0,
          .still_proved = std::move(still_proved),
          .may_be_anonymous = door.anonymous,
          .hop = door.hop,
          .must_be_protected = door.must_be_protected,
          .is_hidden = door.is_hidden,
          .channel_binding = info.channel_binding,
          .place = std::move(place)};
}

}  // namespace

ShardThread::ShardThread(std::size_t index, const std::vector<std::unique_ptr<ShardThread>>& all, broker::Settings settings,
                         broker::Ports ports, std::shared_ptr<const broker::Policy> policy,
                         std::shared_ptr<const Directory> directory, std::size_t count, StorageThread* storage, Workers& workers,
                         ConnectionGate& gate, KeyExchanges& groups)
    : index_(index),
      all_(all),
      workers_(workers),
      gate_(gate),
      storage_(storage),
      mailbox_(most_mail(ports.budget, count), ports.budget),
      store_delay_(settings.store_delay),
      longest_handshake_(settings.limits.connect_timeout),
      connections_(loop_, *this),
      journal_(ports.journal),
      login_gate_(ports.gate),
      groups_(groups),
      shard_(index, count, settings, std::move(ports), std::move(policy), std::move(directory)),
      mail_(count, Mail::flows) {}

ShardThread::~ShardThread() {
  join();
}

std::size_t ShardThread::restore(const broker::Restored& restored) {
  const std::size_t sessions = shard_.restore(restored, system_now());
  end_turn();
  return sessions;
}

void ShardThread::restore_transits(const broker::Restored& restored) {
  shard_.restore_transits(restored, system_now());
  end_turn();
}

void ShardThread::start() {
  set_timer();
  thread_ = std::jthread([this] {
    prefer_latency();
    loop_.run();
  });
}

void ShardThread::begin_stop() {
  boost::asio::post(loop_, [this] { stop(); });
}

void ShardThread::join() {
  if (thread_.joinable()) thread_.join();
}

void ShardThread::stop() {
  stopping_ = true;
  std::ranges::fill(mail_, Mail::flows);
  tell_mail();
  connections_.resume();
  shard_.shut_down(system_now());
  carry_out();
  stop_timer_.expires_after(longest_goodbye);
  stop_timer_.async_wait([this](const boost::system::error_code&) { loop_.stop(); });
  stop_if_empty();
}

// Deferred to the end of the turn, in which Wills of the clients that were just sent away are handed to the other shards.
void ShardThread::stop_if_empty() {
  if (!stopping_ || connections_.size() > 0) return;
  boost::asio::post(loop_, [this] {
    end_turn();
    loop_.stop();
  });
}

// -- from other threads

void ShardThread::welcome(Descriptor socket, std::shared_ptr<const Door> door, ConnectionGate::Ticket ticket) {
  arriving_.fetch_add(1, std::memory_order_relaxed);
  boost::asio::post(loop_, [this, socket = std::move(socket), door = std::move(door), ticket = std::move(ticket)]() mutable {
    arriving_.fetch_sub(1, std::memory_order_relaxed);
    take(std::move(socket), door, std::move(ticket));
  });
}

void ShardThread::adopt(net::Stream stream, broker::Peer peer, Buffer unread) {
  boost::asio::post(loop_, [this, stream = std::move(stream), peer = std::move(peer), unread = std::move(unread)]() mutable {
    open(std::move(stream), std::move(peer), unread);
    wipe(unread.data(), unread.size());
  });
}

Mailbox::Put ShardThread::hand_over(const Parcels& parcels, std::size_t sender) {
  const Mailbox::Put put = mailbox_.put(parcels, index_, sender, system_now().steady);
  if (put.wake) boost::asio::post(loop_, [this] { take_mail(); });
  return put;
}

void ShardThread::caught_up(std::size_t shard) {
  boost::asio::post(loop_, [this, shard] {
    mail_[shard] = Mail::flows;
    tell_mail();
  });
}

void ShardThread::stored(std::uint64_t batch) {
  boost::asio::post(loop_, [this, batch] {
    shard_.stored(batch, system_now());
    connections_.resume();
    carry_out();
  });
}

// -- on this thread

void ShardThread::take(Descriptor socket, const std::shared_ptr<const Door>& door, ConnectionGate::Ticket ticket) {
  if (stopping_) return;
  if (door->entry->is_direct()) {
    net::Stream stream;
    stream.socket = std::move(socket);
    stream.ticket = std::move(ticket);
    broker::Peer peer = peer_at(*door, stream);
    return open(std::move(stream), std::move(peer), {});
  }
  const net::Entry* entry = door->entry.get();
  auto at = handshakes_.find(entry);
  if (at == handshakes_.end()) {
    const std::size_t share = std::max<std::size_t>(1, most_handshakes / all_.size());
    net::HandshakeHandler& handler = *this;
    at = handshakes_
             .emplace(std::piecewise_construct, std::forward_as_tuple(entry),
                      std::forward_as_tuple(door, loop_, door->entry, handler, share, longest_handshake_))
             .first;
  }
  at->second.handshakes.begin(std::move(socket), std::move(ticket));
}

void ShardThread::established(const net::Entry& entry, net::Stream stream, Bytes first) {
  const net::PeerInfo info = net::peer_of(stream);
  groups_.add(info.tls_group);
  if (!info.psk_identity.empty()) {
    const Now now = system_now();
    broker::LoginTry attempt(login_gate_, broker::LoginGate::Tested::key, info.psk_identity, info.address, now);
    if (!attempt.is_open())
      return journal_.refused(broker::Refusal::login_refused, info.address, "too many logins by this key have failed", now);
    attempt.is(broker::LoginGate::Outcome::succeeded);
  }
  broker::Peer peer = peer_at(*handshakes_.at(&entry).door, stream);
  open(std::move(stream), std::move(peer), first);
}

std::shared_ptr<const void> ShardThread::admit(const std::string& address) {
  return gate_.admit(address, system_now());
}

void ShardThread::handshake_failed(const std::string& address, const std::string& cause, const std::string& offered) {
  const Now now = system_now();
  journal_.refused(broker::Refusal::login_refused, address, cause, now);
  if (!offered.empty()) broker::LoginTry(login_gate_, broker::LoginGate::Tested::key, offered, address, now);  // a failure
}

void ShardThread::open(net::Stream stream, broker::Peer peer, Bytes unread) {
  if (stopping_ || !stream.socket.is_open()) return;
  take_mail();  // as in received()
  const Now now = system_now();
  peer.memory = stream.channel ? cost_of_channel : 0;
  const broker::ConnectionId id = shard_.open(std::move(peer), now);
  connections_.add(key_of(id), std::move(stream));
  if (!unread.empty()) shard_.receive(id, unread, now);
  carry_out();
}

bool ShardThread::received(net::Key key, Bytes bytes) {
  take_mail();  // what was published before these bytes were sent must be here before they are read
  const bool is_secret = !shard_.has_session(id_of(key));
  shard_.receive(id_of(key), bytes, system_now());
  carry_out();
  // A flood of small messages fills memory within one turn of many connections.
  if (shard_.has_much_to_hand_over()) end_turn();
  return is_secret;
}

bool ShardThread::is_heard(net::Key key) {
  return shard_.is_heard(id_of(key));
}

std::size_t ShardThread::gather(net::Key key, std::span<iovec> parts) {
  const mqtt::Outbox* outbox = shard_.outbox(id_of(key), connections_.unsent(key));
  return outbox == nullptr ? 0 : outbox->gather(parts);
}

void ShardThread::written(net::Key key, std::size_t count) {
  if (mqtt::Outbox* outbox = shard_.outbox(id_of(key), connections_.unsent(key))) outbox->consume(count);
  shard_.drained(id_of(key), system_now(), count);
  carry_out();
}

void ShardThread::closed(net::Key key) {
  shard_.gone(id_of(key), system_now());
  carry_out();
  stop_if_empty();
}

void ShardThread::take_mail() {
  if (!mailbox_.holds_some()) return;
  const Mailbox::Taken mail = mailbox_.take();
  for (const std::size_t sender : mail.waiting) all_[sender]->caught_up(index_);
  shard_.take_in(mail.parcels, system_now());
  carry_out();
}

void ShardThread::carry_out() {
  broker::Effects& effects = shard_.effects();
  if (!effects.empty()) {
    for (broker::Job& job : std::exchange(effects.jobs, {})) begin_job(std::move(job));
    for (broker::Move& move : std::exchange(effects.moves, {}))
      all_[move.shard]->adopt(connections_.release(key_of(move.connection)), std::move(move.peer), std::move(move.unread));
    for (const broker::Reading& reading : std::exchange(effects.reading, {}))
      connections_.set_reading(key_of(reading.connection), reading.wanted);
    // They are written to at the end of the turn like the others, and a connection that owes nothing is closed there.
    for (broker::ConnectionId id : std::exchange(effects.closing, {})) {
      connections_.finish(key_of(id));
      effects.writable.push_back(id);
    }
    // What is left waits in the effects, where the shard keeps each connection only once.
  }
  if (!turn_end_posted_ && (!effects.empty() || shard_.has_changes())) {
    turn_end_posted_ = true;
    boost::asio::post(loop_, [this] { end_turn(); });
  }
  if (shard_.has_work() && !std::exchange(going_on_, true))
    boost::asio::post(loop_, [this] {
      going_on_ = false;
      shard_.go_on(system_now());
      carry_out();
    });
  set_timer();
}

void ShardThread::begin_job(broker::Job job) {
  const auto finish = [this, name = std::move(job.name)] {
    boost::asio::post(loop_, [this, name] {
      shard_.finish(name, system_now());
      carry_out();
    });
  };
  WorkerPool& pool = job.waits ? workers_.waiting : workers_.computing;
  const bool is_taken = pool.post([work = std::move(job.work), finish] {
    work();
    finish();
  });
  if (!is_taken) finish();
}

void ShardThread::end_turn() {
  turn_end_posted_ = false;
  // First to the store: a shard that ends what is on its way to it must come after this one there.
  give_changes();
  broker::Effects& effects = shard_.effects();
  std::swap(parcels_, effects.parcels);
  std::swap(writable_, effects.writable);
  if (!parcels_.empty()) {
    assert(!shard_.has_urgent_changes());
    for (std::size_t to = 0; to < all_.size(); ++to) {
      if (to == index_) continue;
      const Mailbox::Put put = all_[to]->hand_over(parcels_, index_);
      shard_.lost(put.dropped);
      if (!stopping_) mail_[to] = put.mail;
    }
    parcels_.clear();
    tell_mail();
  }
  for (broker::ConnectionId id : writable_) connections_.write(key_of(id));
  writable_.clear();
}

/// Who is not to be read because others do not keep up.
void ShardThread::tell_mail() {
  const bool is_full = std::ranges::find(mail_, Mail::full) != mail_.end();
  const bool is_stuck = std::ranges::find(mail_, Mail::stuck) != mail_.end();
  const auto held_back = is_full    ? broker::HeldBack::publishers
                         : is_stuck ? broker::HeldBack::who_was_promised
                                    : broker::HeldBack::nobody;
  shard_.handed_over(held_back, system_now());
  if (std::exchange(held_back_, held_back) != held_back) connections_.ask_before_reading(held_back != broker::HeldBack::nobody);
  carry_out();
}

void ShardThread::give_changes() {
  if (!shard_.has_changes()) return;
  bool is_behind = false;
  if (auto batch = shard_.take_changes(system_now())) is_behind = !storage_->put(index_, *std::move(batch));
  is_behind = is_behind || shard_.count_changes() > StorageThread::many;
  if (is_behind && !stopping_) connections_.pause();
  if (!shard_.has_changes() || store_timer_set_) return;
  store_timer_set_ = true;
  store_timer_.expires_after(store_delay_);
  store_timer_.async_wait([this](const boost::system::error_code& error) {
    store_timer_set_ = false;
    if (!error) carry_out();
  });
}

void ShardThread::set_timer() {
  const std::uint64_t deadline = std::min(shard_.next_deadline(), shard_.next_reading());
  if (timer_at_ <= deadline) return;
  const std::uint64_t now = system_now().steady;
  timer_at_ = std::clamp(deadline, now, now + longest_sleep);
  timer_.expires_after(std::chrono::milliseconds(timer_at_ - now));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    timer_at_ = no_timer;
    const Now then = system_now();
    shard_.read_on(then);
    if (std::ranges::find(mail_, Mail::full) != mail_.end()) {  // it does not tell that it is stuck
      for (std::size_t i = 0; i < all_.size(); ++i)
        if (mail_[i] == Mail::full) mail_[i] = all_[i]->mail_at(then.steady);
      tell_mail();
    }
    if (then.steady >= shard_.next_deadline()) shard_.tick(then);
    carry_out();
  });
}

}  // namespace sealmq::server
