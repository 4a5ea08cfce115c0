// WorkerPool: threads for work that may block: a card, a slow hash. The queue is bounded, and they give way to all other threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sealmq::server {

class WorkerPool {
 public:
  explicit WorkerPool(std::size_t threads);
  ~WorkerPool() { stop(); }

  /// Any thread. False: too much is waiting, or it has stopped; nothing was taken.
  bool post(std::function<void()> work);
  /// Any thread. How much has not been begun.
  std::size_t waiting();
  /// What is being worked on is finished, what waits is dropped.
  void stop();

  static constexpr std::size_t most_waiting = 1024;

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::function<void()>> waiting_;
  bool stopped_ = false;
  std::vector<std::jthread> threads_;
};

/// What waits for others, a database for instance, must not hold up what computes.
struct Workers {
  explicit Workers(std::size_t computing_threads) : computing(computing_threads), waiting(1) {}
  void stop() {
    computing.stop();
    waiting.stop();
  }

  WorkerPool computing;
  WorkerPool waiting;
};

}  // namespace sealmq::server
