// Budget: the bytes that all shards together keep on behalf of their clients, and the bound on them. Whoever keeps something
// holds a Charge for it; whoever is about to keep more asks first whether there is room.
//
// As it fills, one use after the other ends, so that what waits for long shuts out neither those who come to fetch it nor those
// who are in touch:
//   1/2    of it in sessions and subscriptions: no new ones
//   3/4    nothing more is queued or retained, and a connection may owe and be owed little
//   7/8    hardly anything
//   15/16  no new connections
//   1      no messages but those that nobody has to keep
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sealmq::broker {

/// Any thread. Outlives every Charge, that is, everything that came out of the shards.
class Budget {
 public:
  /// 0: no bound.
  explicit Budget(std::size_t most = 0) : most_(most) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  bool has_room() const { return most_ == 0 || used() < most_; }
  bool has_room_to_come() const { return most_ == 0 || used() < most_ / 16 * 15; }
  bool has_room_to_grow() const { return most_ == 0 || used() < most_ / 8 * 7; }
  bool has_room_to_wait() const { return most_ == 0 || used() < most_ / 4 * 3; }

  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  /// Of it, sessions and subscriptions.
  std::size_t lasting() const { return lasting_.load(std::memory_order_relaxed); }
  std::size_t most() const { return most_; }

 private:
  friend class Charge;
  // Sums wrap around together, so that differences may be added.
  void add(std::size_t bytes, bool lasts) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    if (lasts) lasting_.fetch_add(bytes, std::memory_order_relaxed);
  }

  const std::size_t most_;
  std::atomic<std::size_t> used_ = 0;
  std::atomic<std::size_t> lasting_ = 0;
};

/// Bytes of a budget, given back with it. One thread at a time; without a budget it counts nothing.
class Charge {
 public:
  /// What changes often is counted in steps of this, to leave the counters alone.
  static constexpr std::size_t step = 4096;

  Charge() = default;
  explicit Charge(Budget* budget, std::size_t bytes = 0, bool lasts = false) : budget_(budget), lasts_(lasts) { set(bytes); }
  Charge(Charge&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)), lasts_(other.lasts_) {}
  Charge& operator=(Charge&& other) noexcept {
    if (this == &other) return *this;
    set(0);
    budget_ = other.budget_;
    bytes_ = std::exchange(other.bytes_, 0);
    lasts_ = other.lasts_;
    return *this;
  }
  ~Charge() { set(0); }

  void set(std::size_t bytes) {
    if (budget_ == nullptr || bytes == bytes_) return;
    budget_->add(bytes - bytes_, lasts_);
    bytes_ = bytes;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  Budget* budget_ = nullptr;
  std::size_t bytes_ = 0;
  bool lasts_ = false;
};

}  // namespace sealmq::broker
