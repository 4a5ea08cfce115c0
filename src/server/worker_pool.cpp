#include "server/worker_pool.h"

#include "server/thread_priority.h"

namespace sealmq::server {

WorkerPool::WorkerPool(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
}

bool WorkerPool::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || waiting_.size() >= most_waiting) return false;
  waiting_.push_back(std::move(work));
  wake_.notify_one();
  return true;
}

std::size_t WorkerPool::waiting() {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    waiting_.clear();
  }
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();  // joins
}

void WorkerPool::run(const std::stop_token& stop) {
  give_way();
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, stop, [this] { return !waiting_.empty(); });
      if (stop.stop_requested()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
    std::this_thread::yield();  // whoever waits for the outcome goes first
  }
}

}  // namespace sealmq::server
