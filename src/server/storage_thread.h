// StorageThread: the one thread that writes sessions and the memory of replays. Shards put batches; whatever has come while the
// last group was written makes up the next one, so that under load one wait for the disk serves many clients.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "server/log.h"
#include "server/replay_memory.h"
#include "server/session_store.h"

namespace sealmq::server {

class StorageThread {
 public:
  /// `stored(shard, batch)`: on the storage thread, when every batch of the shard up to this one is on the disk.
  using Stored = std::function<void(std::size_t shard, std::uint64_t batch)>;
  /// `lost(session)`: likewise, before that; the session cannot be kept, and its shard should end it.
  using Lost = std::function<void(broker::Number session)>;

  /// Without a store put() must not be called; `replays` may be null and outlives this.
  /// `budget`: counts what waits; null or outlives this.
  StorageThread(std::unique_ptr<SessionStore> store, StoredReplayMemory* replays, Log& log, Stored stored, Lost lost,
                broker::Budget* budget = nullptr);
  ~StorageThread() { stop(); }

  void start();
  /// Writes what it has, as far as the disk lets it, and ends.
  void stop();

  /// Any thread. In the order of the calls. False: it is far behind, and the sender should read no more until it hears of
  /// `stored`.
  bool put(std::size_t shard, broker::Batch batch);

  /// Nothing is written at present, because the disk refuses. Any thread.
  bool in_trouble() const { return in_trouble_.load(std::memory_order_relaxed); }
  /// Likewise of the memory of replays.
  bool replays_in_trouble() const { return replays_in_trouble_.load(std::memory_order_relaxed); }

  static constexpr std::size_t many = 200'000;  ///< changes waiting; fewer if an eighth of the budget holds no more

 private:
  struct Waiting {
    std::size_t shard;
    broker::Batch batch;
  };
  void run(const std::stop_token& stop);
  void write(const std::vector<Waiting>& group, const std::stop_token& stop);
  void tell_refused(const std::vector<SessionStore::Refused>& refused);
  void maintain_replays();

  std::unique_ptr<SessionStore> store_;
  StoredReplayMemory* const replays_;
  Log& log_;
  const std::size_t many_;
  Stored stored_;
  Lost lost_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Waiting> waiting_;
  std::size_t changes_ = 0;
  broker::Charge charge_;
  std::chrono::steady_clock::time_point replays_due_{};
  std::atomic<bool> replays_in_trouble_ = false;
  std::atomic<bool> in_trouble_ = false;
  std::jthread thread_;
};

}  // namespace sealmq::server
