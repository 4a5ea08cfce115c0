#include "server/storage_thread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <future>

#include "support/fakes.h"

namespace sealmq::server {
namespace {

class CountingLog : public Log {
 public:
  void write(Severity, std::string_view) override { ++lines; }
  std::size_t lines = 0;
};

/// Fails as often as it is told to, and waits where a test wants it to.
class FakeStore : public SessionStore {
 public:
  Result<Loaded> load(Now) override { return Loaded{}; }
  Result<std::vector<Refused>> write(const std::vector<const broker::Batch*>& group, Now) override {
    if (gate.valid()) gate.get();
    if (is_in_trouble) trouble.push_back(is_in_trouble());
    if (failures > 0) {
      --failures;
      return fail(Blame::environment, "the disk is full");
    }
    sizes.push_back(group.size());
    return refused;
  }
  std::future<void> gate;
  int failures = 0;
  std::vector<std::size_t> sizes;
  std::vector<Refused> refused;
  std::function<bool()> is_in_trouble;
  std::vector<bool> trouble;
};

class StorageThreadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = std::make_unique<FakeStore>();
    store = made.get();
    storage = std::make_unique<StorageThread>(
        std::move(made), nullptr, log,
        [this](std::size_t shard, std::uint64_t batch) {
          stored.emplace_back(shard, batch);
          if (stored.size() == wanted) done.set_value();
        },
        [this](broker::Number session) { lost.emplace_back(session, stored.size()); });
  }
  static broker::Batch batch(std::uint64_t number, std::size_t changes = 1) {
    return {number, std::vector<broker::Change>(changes, broker::SessionEnded{1})};
  }

  CountingLog log;
  FakeStore* store = nullptr;
  std::vector<std::pair<std::size_t, std::uint64_t>> stored;
  std::vector<std::pair<broker::Number, std::size_t>> lost;  // with how much had been stored by then
  std::size_t wanted = 1;
  std::promise<void> done;
  std::unique_ptr<StorageThread> storage;
};

TEST_F(StorageThreadTest, WritesWhatCameMeanwhileAsOneGroup) {
  std::promise<void> open;
  store->gate = open.get_future();
  wanted = 3;
  storage->start();
  EXPECT_TRUE(storage->put(0, batch(1)));
  for (std::uint64_t number = 2; number <= 5; ++number) EXPECT_TRUE(storage->put(0, batch(number)));
  EXPECT_TRUE(storage->put(1, batch(1)));
  open.set_value();
  storage->stop();
  // The last of each shard is told; how they fell into groups depends on when the thread woke up.
  EXPECT_EQ(stored.back().first, 1U);
  EXPECT_TRUE(std::ranges::find(stored, std::pair<std::size_t, std::uint64_t>{0, 5}) != stored.end());
  std::size_t written = 0;
  for (std::size_t size : store->sizes) written += size;
  EXPECT_EQ(written, 6U);
  EXPECT_LE(store->sizes.size(), 2U);
}

TEST_F(StorageThreadTest, TriesAgainUntilTheDiskTakesIt) {
  store->failures = 1;
  store->is_in_trouble = [this] { return storage->in_trouble(); };
  storage->start();
  storage->put(0, batch(1));
  done.get_future().wait();
  EXPECT_EQ(store->sizes, (std::vector<std::size_t>{1}));
  EXPECT_EQ(store->trouble, (std::vector<bool>{false, true})) << "before each try";
  EXPECT_FALSE(storage->in_trouble());
}

TEST_F(StorageThreadTest, TellsWhatCannotBeKeptBeforeTheRestIsPromised) {
  store->refused = {{7, "cannot use sessions.db"}, {0, "cannot use sessions.db"}};
  storage->start();
  storage->put(0, batch(1));
  done.get_future().wait();
  storage->stop();
  EXPECT_EQ(lost, (std::vector<std::pair<broker::Number, std::size_t>>{{7, 0}}));
  EXPECT_EQ(log.lines, 2U);
}

TEST_F(StorageThreadTest, SaysWhenItIsFarBehind) {
  EXPECT_FALSE(storage->put(0, batch(1, StorageThread::many)));
  EXPECT_FALSE(storage->put(0, batch(2)));
}

TEST_F(StorageThreadTest, EndsAlsoWhenTheDiskRefuses) {
  store->failures = 1'000'000;
  storage->start();
  storage->put(0, batch(1));
  storage->stop();
  EXPECT_TRUE(stored.empty());
}

}  // namespace
}  // namespace sealmq::server
