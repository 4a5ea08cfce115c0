// Mailbox: messages on their way from other shards to this one.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "broker/message.h"

namespace sealmq::server {

using Messages = std::vector<std::shared_ptr<const broker::Message>>;

/// Any thread puts, the owner takes.
class Mailbox {
 public:
  struct Put {
    bool wake;      ///< it was empty: the owner has to be told
    bool overfull;  ///< the sender should stop reading until it is told that the owner caught up
  };
  Put put(std::span<const std::shared_ptr<const broker::Message>> messages) {
    std::size_t bytes = 0;
    for (const auto& message : messages) bytes += message->size();
    const std::lock_guard lock(mutex_);
    const bool wake = messages_.empty();
    messages_.insert(messages_.end(), messages.begin(), messages.end());
    bytes_ += bytes;
    holds_some_.store(true, std::memory_order_release);
    return {wake, bytes_ > limit};
  }

  /// Cheap, for asking often.
  bool holds_some() const { return holds_some_.load(std::memory_order_acquire); }

  struct Taken {
    Messages messages;
    bool was_overfull;
  };
  Taken take() {
    const std::lock_guard lock(mutex_);
    holds_some_.store(false, std::memory_order_relaxed);
    return {std::exchange(messages_, {}), std::exchange(bytes_, 0) > limit};
  }

 private:
  static constexpr std::size_t limit = 16 << 20;

  std::mutex mutex_;
  Messages messages_;
  std::size_t bytes_ = 0;
  std::atomic<bool> holds_some_ = false;
};

}  // namespace sealmq::server
