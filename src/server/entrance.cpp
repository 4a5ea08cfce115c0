#include "server/entrance.h"

#include <algorithm>

#include "base/try.h"

namespace sealmq::server {

Result<std::shared_ptr<net::TlsServer>> load_tls(const Listener& listener) {
  if (!needs_tls(listener)) return nullptr;
  auto tls = net::TlsServer::load(listener.tls);
  if (!tls && !listener.place.text.empty()) tls.error().what = listener.place.text + ": " + tls.error().what;
  return tls;
}

Result<std::unique_ptr<Entrance>> Entrance::open(boost::asio::io_context& loop, const Listener& listener, bool lets_in_anonymous,
                                                 bool shares_port, const std::vector<std::unique_ptr<ShardThread>>& shards,
                                                 ConnectionGate& gate, Log& log) {
  std::unique_ptr<Entrance> entrance(new Entrance(listener, shards, gate, log));
  auto tls = TRY(load_tls(listener));
  entrance->read_terms();
  if (tls != nullptr) log.debug("TLS of " + listener.host + ":" + std::to_string(listener.port) + ": groups " + tls->groups());
  entrance->entry_ = std::make_shared<net::Entry>(listener.transport, listener.proxy, listener.upgrade, std::move(tls));
  const bool is_private = needs_tls(listener) || listener.transport == net::Transport::unix_socket;
  entrance->door_ = std::make_shared<const ShardThread::Door>(
      ShardThread::Door{entrance->entry_, listener.identity, lets_in_anonymous, listener.hop,
                        !is_private && !listener.insecure_channel, is_private, listener.bind_client_id, listener.max_age});
  if (listener.transport == net::Transport::unix_socket)
    entrance->listeners_.push_back(TRY(net::TcpListener::open_unix(loop, listener.socket_path, listener.mode, *entrance)));
  else
    entrance->listeners_ = TRY(net::TcpListener::open(loop, listener.host, listener.port, shares_port, *entrance));
  return entrance;
}

std::vector<std::string> Entrance::urls() const {
  const net::Transport transport = settings_.transport;
  if (transport == net::Transport::unix_socket) return {std::string(prefix(transport)) + settings_.socket_path};
  const bool is_web = transport == net::Transport::websocket || transport == net::Transport::secure_websocket;
  std::vector<std::string> urls;
  for (const auto& listener : listeners_)
    urls.push_back(std::string(prefix(transport)) + to_text(listener->address()) +
                   (is_web ? settings_.upgrade.paths.front() : ""));
  return urls;
}

Result<> Entrance::reload() {
  entry_->set_tls(TRY(load_tls(settings_)));
  read_terms();
  return {};
}

std::vector<std::string> certificates_of(const Listener& listener) {
  std::vector<std::string> paths;
  for (const auto& files : listener.tls.certificates)
    if (!files.cert.empty()) paths.push_back(files.cert);
  return paths;
}

void Entrance::read_terms() {
  std::vector<std::pair<std::string, net::Term>> terms;
  for (const std::string& path : certificates_of(settings_))
    if (const auto term = net::read_term(path)) terms.emplace_back(path, *term);
  const std::lock_guard lock(mutex_);
  terms_ = std::move(terms);
}

std::string Entrance::why_not_now(std::int64_t now) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, term] : terms_)
    if (std::string why = net::why_not_now(path, term, now); !why.empty()) return why;
  return {};
}

Result<> Entrance::look_at_responses() {
  const auto tls = entry_->tls();
  return tls == nullptr ? Result<>() : tls->look_at_responses();
}

void Entrance::accepted(Descriptor socket) {
  const std::string from = net::peer_address(socket.number());
  const Now now = system_now();
  if (entry_->expects_proxy_header() && !entry_->proxies().believe(from)) return gate_.refuse_proxy(from, now);
  // Behind a proxy it is not the proxy that counts: its client is admitted when the proxy has named it.
  const bool is_told_later = entry_->expects_proxy_header() || entry_->is_forwarded(from);
  ConnectionGate::Ticket ticket = is_told_later ? nullptr : gate_.admit(from, now);
  const bool may_come = is_told_later ? gate_.may_come(from, now) : ticket != nullptr;
  if (!may_come) return;
  next_shard().welcome(std::move(socket), door_, std::move(ticket));
}

/// They take turns, but for one that does not get round to those whom it was given.
ShardThread& Entrance::next_shard() {
  const std::size_t first = next_shard_;
  next_shard_ = (next_shard_ + 1) % shards_.size();
  std::size_t chosen = first;
  for (std::size_t i = 1; i < shards_.size() && shards_[chosen]->arriving() > 0; ++i) {
    const std::size_t other = (first + i) % shards_.size();
    if (shards_[other]->arriving() < shards_[chosen]->arriving()) chosen = other;
  }
  return *shards_[chosen];
}

void Entrance::accept_failed(std::string cause) {
  log_.error(cause + "; those who wait are served when it is over");
}

}  // namespace sealmq::server
