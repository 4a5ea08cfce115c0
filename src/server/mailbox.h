// Mailbox: what is on its way from other shards to this one.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "broker/parcel.h"

namespace sealmq::server {

using Parcels = std::vector<broker::Parcel>;

/// How a mailbox is doing.
enum class Mail : std::uint8_t {
  flows,
  full,   ///< who fills it should wait until the owner has taken it
  stuck,  ///< and has been for so long that messages of QoS 0 are not for it any more
};

/// Any thread puts, the owner takes.
class Mailbox {
 public:
  static constexpr std::size_t largest_limit = 4 << 20;  ///< bytes: taking them in is work of some milliseconds
  static constexpr std::uint64_t patience = 1000;        ///< milliseconds, until a full one is stuck
  /// `budget`: counts what is in it; null or outlives this.
  explicit Mailbox(std::size_t limit = largest_limit, broker::Budget* budget = nullptr)
      : limit_(limit), budget_(budget), charge_(budget) {}

  struct Put {
    bool wake = false;  ///< it was empty: the owner has to be told
    Mail mail = Mail::flows;
    std::size_t dropped = 0;  ///< messages of QoS 0, because it is stuck
  };
  /// Those that are for shard `owner`. Where the answer is not `flows`, the owner will find `sender` in Taken::waiting.
  Put put(std::span<const broker::Parcel> parcels, std::size_t owner, std::size_t sender, std::uint64_t steady) {
    const std::lock_guard lock(mutex_);
    Put put;
    const bool was_empty = parcels_.empty();
    const bool is_stuck = state(steady) == Mail::stuck;
    for (const broker::Parcel& parcel : parcels) {
      if (parcel.to != owner && parcel.to != broker::Parcel::everyone) continue;
      if (is_stuck && parcel.may_be_lost()) {
        ++put.dropped;
        continue;
      }
      parcels_.push_back(parcel);
      bytes_ += parcel.size();
      uncounted_ += parcel.uncounted();
    }
    if (parcels_.empty()) return put;
    holds_some_.store(true, std::memory_order_release);
    charge_.set(uncounted_ / broker::Charge::step * broker::Charge::step);
    if (bytes_ > limit_ && full_since_ == 0) full_since_ = std::max<std::uint64_t>(steady, 1);
    put.wake = was_empty;
    put.mail = state(steady);
    if (put.mail != Mail::flows && std::ranges::find(waiting_, sender) == waiting_.end()) waiting_.push_back(sender);
    return put;
  }
  Mail state_at(std::uint64_t steady) {
    const std::lock_guard lock(mutex_);
    return state(steady);
  }

  /// Cheap, for asking often.
  bool holds_some() const { return holds_some_.load(std::memory_order_acquire); }

  struct Taken {
    Parcels parcels;
    std::vector<std::size_t> waiting;  ///< senders who are to be told that it flows again
    broker::Charge charge;             ///< for as long as the parcels are there
  };
  Taken take() {
    const std::lock_guard lock(mutex_);
    holds_some_.store(false, std::memory_order_relaxed);
    bytes_ = uncounted_ = 0;
    full_since_ = 0;
    return {std::exchange(parcels_, {}), std::exchange(waiting_, {}), std::exchange(charge_, broker::Charge(budget_))};
  }

 private:
  Mail state(std::uint64_t steady) const {
    if (full_since_ == 0) return Mail::flows;
    return steady >= full_since_ + patience ? Mail::stuck : Mail::full;
  }

  const std::size_t limit_;
  broker::Budget* const budget_;
  std::mutex mutex_;
  Parcels parcels_;
  std::vector<std::size_t> waiting_;
  std::size_t bytes_ = 0;
  std::size_t uncounted_ = 0;     // of them, those that do not count themselves
  std::uint64_t full_since_ = 0;  // steady; 0: it is not
  broker::Charge charge_;
  std::atomic<bool> holds_some_ = false;
};

}  // namespace sealmq::server
