// ConnectionGate: who may come in at all, decided before anything is spent on it: how many connections there are, how many from
// one address, how fast they come from there, and whether there is memory left.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/keyed_hash.h"
#include "broker/limits/token_bucket.h"
#include "broker/shard.h"

namespace sealmq::server {

/// 0: no bound.
struct GateLimits {
  std::size_t maximum_connections = 0;
  std::size_t connections_per_address = 20'000;
  std::uint32_t connects_per_second_per_address = 0;  ///< ten seconds' worth may come at once
};

/// Any thread. Outlives the tickets.
class ConnectionGate {
 public:
  /// Kept as long as the connection.
  using Ticket = std::shared_ptr<const void>;

  ConnectionGate(GateLimits limits, const broker::Budget& budget, broker::Journal& journal);

  /// Null: it is refused; the journal has been told. Addresses are as peer_address() writes them.
  Ticket admit(std::string_view address, Now now);
  /// For those whose address is not known yet; they are to be admitted when it is.
  bool may_come(std::string_view from, Now now);
  /// It would speak for others and is not among those who may: tells the journal.
  void refuse_proxy(std::string_view from, Now now);

  std::size_t addresses() const;
  static constexpr std::size_t most_remembered = 100'000;  ///< addresses
  static constexpr std::uint32_t burst = 10;               ///< seconds

 private:
  struct Place {
    std::size_t present = 0;
    broker::TokenBucket connects;
  };
  class Entered;
  using Places = TextMap<Place>;

  bool refuse(broker::Refusal why, std::string_view address, const char* cause, Now now);
  bool has_room(std::string_view from, Now now);
  bool make_room(Now now);
  void left(const std::string& place);

  const GateLimits limits_;
  const broker::Rate rate_;
  const broker::Budget& budget_;
  broker::Journal& journal_;
  mutable std::mutex mutex_;
  std::size_t present_ = 0;
  Places places_;
  std::uint64_t looked_through_ = 0;  // steady: when places nobody has to remember were last removed
};

}  // namespace sealmq::server
