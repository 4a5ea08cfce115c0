// ShardThread: one shard of the broker with the thread and the sockets that belong to it. It carries out the shard's effects.
//
// A turn of the loop handles whatever sockets had to say. Then, once, messages are handed to the other shards, and after that
// every connection that is owed something is written to: so a client that has seen its PUBACK knows that the message is on its
// way to every shard, and many messages to one client cost one system call.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "broker/shard.h"
#include "net/handshakes.h"
#include "net/tcp_connections.h"
#include "server/clock.h"
#include "server/configuration.h"
#include "server/connection_gate.h"
#include "server/key_exchanges.h"
#include "server/mailbox.h"
#include "server/storage_thread.h"
#include "server/worker_pool.h"

namespace sealmq::server {

class ShardThread final : private net::ByteSink, private net::HandshakeHandler {
 public:
  /// Makes the shard; nothing runs yet. `all` holds every shard's thread by index; it is complete before start(), and outlives
  /// this.
  ShardThread(std::size_t index, const std::vector<std::unique_ptr<ShardThread>>& all, broker::Settings settings,
              broker::Ports ports, std::shared_ptr<const broker::Policy> policy, std::shared_ptr<const Directory> directory,
              std::size_t count, StorageThread* storage, Workers& workers, ConnectionGate& gate, KeyExchanges& groups);
  ~ShardThread() override;

  // Before start(), each for all shards before the next: what a store has kept comes back.
  std::size_t restore(const broker::Restored& restored);
  void take_mail();
  void restore_transits(const broker::Restored& restored);

  void start();
  /// Says goodbye to all clients and ends the thread, after at most two seconds. Any thread but this one.
  void begin_stop();
  void join();

  boost::asio::io_context& loop() { return loop_; }

  // -- any thread

  /// How connections come in: how they begin, and what their transport says of who they are.
  struct Door {
    std::shared_ptr<const net::Entry> entry;
    IdentityFrom identity = IdentityFrom::nothing;
    bool anonymous = true;
    broker::HopRule hop = broker::HopRule::as_offered;
    bool must_be_protected = false;
    bool is_hidden = false;
    bool bind_client_id = true;
    std::uint64_t max_age = 0;  ///< of TLS 1.2
  };
  /// With a ticket, unless a PROXY header comes first.
  void welcome(Descriptor socket, std::shared_ptr<const Door> door, ConnectionGate::Ticket ticket);
  /// How many of these it has not got round to.
  std::size_t arriving() const { return arriving_.load(std::memory_order_relaxed); }
  /// A connection that is moved here with bytes that were read elsewhere.
  void adopt(net::Stream stream, broker::Peer peer, Buffer unread);
  /// What another shard has to say. Where the answer is not that it flows, that one's caught_up() follows.
  Mailbox::Put hand_over(const Parcels& parcels, std::size_t sender);
  Mail mail_at(std::uint64_t steady) { return mailbox_.state_at(steady); }
  /// The mailbox of that shard flows again.
  void caught_up(std::size_t shard);
  /// Its batches up to this one are on the disk.
  void stored(std::uint64_t batch);
  /// Calls `work(shard, now)` on the shard's thread.
  template <class Work>
  void post(Work work) {
    boost::asio::post(loop_, [this, work = std::move(work)]() mutable {
      work(shard_, system_now());
      carry_out();
    });
  }

 private:
  bool received(net::Key key, Bytes bytes) override;
  bool is_heard(net::Key key) override;
  std::size_t gather(net::Key key, std::span<iovec> parts) override;
  void written(net::Key key, std::size_t count) override;
  void closed(net::Key key) override;

  void established(const net::Entry& entry, net::Stream stream, Bytes first) override;
  std::shared_ptr<const void> admit(const std::string& address) override;
  void handshake_failed(const std::string& address, const std::string& cause, const std::string& offered) override;

  void open(net::Stream stream, broker::Peer peer, Bytes unread);
  void carry_out();
  void begin_job(broker::Job job);
  void end_turn();
  void give_changes();
  void tell_mail();
  void take(Descriptor socket, const std::shared_ptr<const Door>& door, ConnectionGate::Ticket ticket);
  void set_timer();
  void stop();
  void stop_if_empty();

  using Clock = std::chrono::steady_clock;
  using Executor = boost::asio::io_context::executor_type;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

  const std::size_t index_;
  const std::vector<std::unique_ptr<ShardThread>>& all_;
  Workers& workers_;
  ConnectionGate& gate_;
  StorageThread* const storage_;  ///< null: nothing outlives the process
  Mailbox mailbox_;
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<Executor> keep_running_{loop_.get_executor()};
  Timer timer_{loop_.get_executor()};
  Timer stop_timer_{loop_.get_executor()};
  static constexpr std::uint64_t no_timer = UINT64_MAX;
  std::uint64_t timer_at_ = no_timer;  // steady milliseconds
  Timer store_timer_{loop_.get_executor()};
  bool store_timer_set_ = false;
  const std::chrono::milliseconds store_delay_;
  const std::chrono::milliseconds longest_handshake_;
  net::TcpConnections connections_;
  struct Waiting {
    Waiting(std::shared_ptr<const Door> its, boost::asio::io_context& loop, std::shared_ptr<const net::Entry> entry,
            net::HandshakeHandler& handler, std::size_t most, std::chrono::milliseconds longest)
        : door(std::move(its)), handshakes(loop, std::move(entry), handler, most, longest) {}
    std::shared_ptr<const Door> door;
    net::Handshakes handshakes;
  };
  std::map<const net::Entry*, Waiting> handshakes_;  // of each listener that has them
  broker::Journal& journal_;
  broker::LoginGate* const login_gate_;  ///< null: nobody counts
  KeyExchanges& groups_;
  broker::Shard shard_;
  std::atomic<std::size_t> arriving_ = 0;
  bool turn_end_posted_ = false;
  bool going_on_ = false;  // go_on() is posted
  bool stopping_ = false;
  std::vector<broker::ConnectionId> writable_;  // scratch of end_turn()
  Parcels parcels_;                             // likewise
  std::vector<Mail> mail_;                      // of the other shards, as was last heard
  broker::HeldBack held_back_ = broker::HeldBack::nobody;
  std::jthread thread_;
};

}  // namespace sealmq::server
