// Entrance: one [[listener]] at work. It accepts in the loop of the doors and deals the newcomers out to the shards.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/entry.h"
#include "net/tcp_listener.h"
#include "net/tls_term.h"
#include "server/configuration.h"
#include "server/log.h"
#include "server/shard_thread.h"

namespace sealmq::server {

/// Its certificates, or nothing where it needs none. Errors: as TlsServer::load, with the place in the configuration.
Result<std::shared_ptr<net::TlsServer>> load_tls(const Listener& listener);

/// Files of certificates, where it has some.
std::vector<std::string> certificates_of(const Listener& listener);

class Entrance final : private net::AcceptHandler {
 public:
  /// The shards' threads and the log outlive it. Errors: environment (the port is taken, a file cannot be read), caller_misused
  /// (a file of TLS holds something else).
  /// `shares_port`: as TcpListener::open.
  static Result<std::unique_ptr<Entrance>> open(boost::asio::io_context& loop, const Listener& listener, bool lets_in_anonymous,
                                                bool shares_port, const std::vector<std::unique_ptr<ShardThread>>& shards,
                                                ConnectionGate& gate, Log& log);

  void start() {
    for (const auto& listener : listeners_) listener->start();
  }
  /// In its loop, from start() on.
  void close() {
    for (const auto& listener : listeners_) listener->close();
  }

  /// Of each address, with the port that was picked.
  std::vector<std::string> urls() const;
  const Listener& listener() const { return settings_; }

  /// What is wrong with the term of its certificates at this moment, seconds since 1970; empty: nothing. Any thread.
  std::string why_not_now(std::int64_t now) const;

  /// Reads the files of TLS again, for connections from now on. Any thread. Errors: as open(); nothing changed then.
  Result<> reload();
  /// Reads OCSP responses again that have changed. Likewise.
  Result<> look_at_responses();

 private:
  Entrance(Listener settings, const std::vector<std::unique_ptr<ShardThread>>& shards, ConnectionGate& gate, Log& log)
      : settings_(std::move(settings)), shards_(shards), gate_(gate), log_(log) {}

  void accepted(Descriptor socket) override;
  ShardThread& next_shard();
  void accept_failed(std::string cause) override;
  void read_terms();

  Listener settings_;
  const std::vector<std::unique_ptr<ShardThread>>& shards_;
  ConnectionGate& gate_;
  Log& log_;
  std::shared_ptr<net::Entry> entry_;
  std::shared_ptr<const ShardThread::Door> door_;
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, net::Term>> terms_;  // of its certificates, by file
  std::vector<std::unique_ptr<net::TcpListener>> listeners_;
  std::size_t next_shard_ = 0;
};

}  // namespace sealmq::server
