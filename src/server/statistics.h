// Statistics: asks every shard once a second for its counters, without ever making one wait, and so also knows which shards
// answer.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "broker/shard.h"
#include "server/key_exchanges.h"
#include "server/refusal_log.h"
#include "server/shard_thread.h"

namespace sealmq::server {

/// What the system knows of this process.
struct ProcessFigures {
  std::uint64_t resident_bytes = 0;
  double cpu_seconds = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t maximum_descriptors = 0;
  std::uint64_t threads = 0;
};
ProcessFigures read_process_figures();
/// A part of them that costs less.
std::uint64_t resident_bytes();

/// What happens per minute, smoothed over 1, 5 and 15 minutes as load averages are.
class Load {
 public:
  /// `total` is a counter that only grows.
  void update(std::uint64_t total, double seconds);
  const std::array<double, 3>& per_minute() const { return per_minute_; }

 private:
  std::uint64_t last_ = 0;
  std::array<double, 3> per_minute_{};
};

struct Loads {
  Load messages_received, messages_sent;  // PUBLISH and all other packets
  Load publish_received, publish_sent, publish_dropped;
  Load bytes_received, bytes_sent;
  Load sockets, connections;
};

/// The broker as a whole.
struct Totals {
  broker::Counters counters;                             ///< of all shards; `retained` of one, as all hold the same
  RefusalCounts refused{};                               ///< with those that never became a connection of a shard
  std::map<std::string, std::uint64_t> key_exchanges{};  ///< TLS handshakes by group
  std::uint64_t clients = 0;                             ///< logged in at present
  std::uint64_t maximum_clients = 0;
  std::uint64_t maximum_resident_bytes = 0;
  std::uint64_t uptime = 0;   ///< seconds
  std::uint64_t started = 0;  ///< wall milliseconds
};

std::uint64_t sum_of_drops(const broker::Counters& counters);
/// The counters of one more shard added to a sum.
void add(broker::Counters& sum, const broker::Counters& shard);
std::uint64_t clients_of(const broker::Counters& counters);

class Statistics {
 public:
  /// Lives on `loop`, which runs in one thread; all outlive the threads of the shards.
  Statistics(boost::asio::io_context& loop, const std::vector<std::unique_ptr<ShardThread>>& shards, const RefusalLog& refusals,
             const KeyExchanges& key_exchanges);

  /// `each_second` is called after the shards were asked, with the answers of the second before. From now on on the loop's thread
  /// only.
  void start(std::function<void()> each_second);
  void stop();

  const Totals& totals() const { return totals_; }
  const Loads& loads() const { return loads_; }
  const std::vector<broker::Counters>& shards() const { return latest_; }
  /// Of those that run, how many have answered within two seconds.
  std::size_t answering() const;
  std::size_t count() const { return latest_.size(); }

 private:
  struct Question {
    bool open = false;
    std::uint64_t asked = 0;  // steady
  };
  void round();
  void ask(std::size_t index);
  void sum_up();

  boost::asio::io_context& loop_;
  const std::vector<std::unique_ptr<ShardThread>>& shards_;
  const RefusalLog& refusals_;
  const KeyExchanges& key_exchanges_;
  boost::asio::steady_timer timer_;
  std::function<void()> each_second_;
  std::vector<broker::Counters> latest_;
  std::vector<Question> questions_;
  Totals totals_;
  Loads loads_;
  std::uint64_t begun_ = 0;      // steady
  std::uint64_t summed_up_ = 0;  // steady
};

}  // namespace sealmq::server
