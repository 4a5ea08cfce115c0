// Mailbox: what is on its way from other shards to this one.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "broker/parcel.h"

namespace sealmq::server {

using Parcels = std::vector<broker::Parcel>;

/// Any thread puts, the owner takes.
class Mailbox {
 public:
  static constexpr std::size_t largest_limit = 16 << 20;
  explicit Mailbox(std::size_t limit = largest_limit) : limit_(limit) {}

  struct Put {
    bool wake;      ///< it was empty: the owner has to be told
    bool overfull;  ///< the sender should stop reading until it is told that the owner caught up
  };
  /// Those that are for shard `owner`.
  Put put(std::span<const broker::Parcel> parcels, std::size_t owner) {
    const std::lock_guard lock(mutex_);
    const bool was_empty = parcels_.empty();
    for (const broker::Parcel& parcel : parcels) {
      if (parcel.to != owner && parcel.to != broker::Parcel::everyone) continue;
      parcels_.push_back(parcel);
      bytes_ += parcel.size();
    }
    if (parcels_.empty()) return {false, false};
    holds_some_.store(true, std::memory_order_release);
    return {was_empty, bytes_ > limit_};
  }

  /// Cheap, for asking often.
  bool holds_some() const { return holds_some_.load(std::memory_order_acquire); }

  struct Taken {
    Parcels parcels;
    bool was_overfull;
  };
  Taken take() {
    const std::lock_guard lock(mutex_);
    holds_some_.store(false, std::memory_order_relaxed);
    return {std::exchange(parcels_, {}), std::exchange(bytes_, 0) > limit_};
  }

 private:
  const std::size_t limit_;
  std::mutex mutex_;
  Parcels parcels_;
  std::size_t bytes_ = 0;
  std::atomic<bool> holds_some_ = false;
};

}  // namespace sealmq::server
