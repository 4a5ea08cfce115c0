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
  std::promise<void> filled, begun;
  std::atomic<std::size_t> done = 0;
  std::atomic<bool> was_dropped = false;
  WorkerPool pool(1);
  EXPECT_TRUE(pool.post([&] {
    begun.set_value();
    filled.get_future().wait();
    const auto most = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!was_dropped && std::chrono::steady_clock::now() < most) was_dropped = pool.waiting() == 0;
  }));
  begun.get_future().wait();
  for (std::size_t i = 0; i < WorkerPool::most_waiting; ++i) EXPECT_TRUE(pool.post([&] { ++done; }));
  EXPECT_FALSE(pool.post([&] { ++done; }));
  filled.set_value();
  pool.stop();
  EXPECT_TRUE(was_dropped) << "while one was still being worked on";
  EXPECT_EQ(done, 0U);
  EXPECT_FALSE(pool.post([&] { ++done; }));
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
