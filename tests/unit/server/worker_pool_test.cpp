#include "server/worker_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <future>

namespace sealmq::server {
namespace {

TEST(WorkerPool, DoesWhatItIsGiven) {
  std::atomic<int> done = 0;
  std::promise<void> all;
  WorkerPool pool(2);
  for (int i = 0; i < 10; ++i)
    EXPECT_TRUE(pool.post([&] {
      if (++done == 10) all.set_value();
    }));
  all.get_future().wait();
}

TEST(WorkerPool, TakesABoundedNumberAndDropsTheRestAtItsEnd) {
  std::promise<void> open, begun;
  std::shared_future<void> gate = open.get_future().share();
  std::atomic<std::size_t> done = 0;
  WorkerPool pool(1);
  EXPECT_TRUE(pool.post([&] {
    begun.set_value();
    gate.wait();
  }));
  begun.get_future().wait();
  for (std::size_t i = 0; i < WorkerPool::most_waiting; ++i) EXPECT_TRUE(pool.post([&] { ++done; }));
  EXPECT_FALSE(pool.post([&] { ++done; }));
  std::thread opener([&] { open.set_value(); });
  pool.stop();
  opener.join();
  EXPECT_LE(done, WorkerPool::most_waiting);
}

// On Linux each thread has a priority of its own.
TEST(WorkerPool, GivesWayToOtherThreads) {
  const int ours = ::getpriority(PRIO_PROCESS, 0);
  std::promise<int> theirs;
  WorkerPool pool(1);
  pool.post([&] { theirs.set_value(::getpriority(PRIO_PROCESS, 0)); });
  EXPECT_GT(theirs.get_future().get(), std::min(ours, 18));
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), ours);
}

}  // namespace
}  // namespace sealmq::server
