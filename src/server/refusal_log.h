// RefusalLog: tells the operator what is refused, without letting an attacker fill the disk: of each kind of refusal the first
// eight in ten seconds are told at once, with who and why; the others become one line: `replay: 1312 more in 10 s`.
#pragma once

#include <array>
#include <mutex>
#include <tuple>

#include "broker/shard.h"
#include "server/log.h"

namespace sealmq::server {

/// By broker::Refusal.
using RefusalCounts = std::array<std::uint64_t, static_cast<std::size_t>(broker::Refusal::count_)>;

/// Any thread.
class RefusalLog : public broker::Journal {
 public:
  explicit RefusalLog(Log& log) : log_(log) {}

  void refused(broker::Refusal refusal, std::string_view client, std::string_view cause, Now now) override;
  /// Tells what has been counted long enough. To be called about once a second.
  void sum_up(Now now);

  /// All that were refused, told or not.
  RefusalCounts counts() const;

  static constexpr std::uint64_t period = 10'000;  ///< milliseconds
  static constexpr unsigned in_full = 8;           ///< of a kind, in a period

 private:
  struct Kind {
    std::uint64_t counts_until = 0;  // steady; 0: nothing was refused lately
    unsigned told = 0;
    std::uint64_t untold = 0;
  };
  void sum_up(broker::Refusal refusal, Kind& kind, Now now);

  Log& log_;
  mutable std::mutex mutex_;
  std::array<Kind, std::tuple_size_v<RefusalCounts>> kinds_;
  RefusalCounts counts_{};
};

}  // namespace sealmq::server
