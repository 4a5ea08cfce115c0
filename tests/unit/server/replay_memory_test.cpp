#include "server/replay_memory.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <thread>

#include "registry/sqlite.h"
#include "server/replay_table.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::TemporaryFolder;

constexpr std::uint64_t noon = 1'700'000'000'000;
constexpr std::uint64_t minute = 60'000;

/// Both clocks go on together.
Now at(std::uint64_t wall) {
  return {1'000'000 + wall - noon, wall};
}

std::array<std::uint8_t, 32> named(std::uint64_t number) {
  std::array<std::uint8_t, 32> name{};
  for (std::size_t i = 0; i < 8; ++i) name[i] = static_cast<std::uint8_t>(number >> (8 * i));
  return name;
}

ReplayMark numbered(std::uint64_t sequence, std::uint64_t author = 1, std::string_view scheme = "one") {
  return {scheme, named(author), true, sequence, named(author << 32 | sequence), noon + minute};
}

ReplayMark unnumbered(std::uint64_t message, std::string_view scheme = "one") {
  return {scheme, named(1), false, 0, named(message), noon + minute};
}

/// On disk and not: the same answers.
enum class Where { disk, memory };

class ReplayMemoryTest : public ::testing::TestWithParam<Where> {
 protected:
  void SetUp() override { open(); }
  void open(ReplayLimits limits = {}) {
    memory_.reset();
    if (GetParam() == Where::memory) {
      memory_ = make_volatile_replay_memory(limits);
    } else {
      memory_ = open_replay_memory(folder_ / "sessions.db", limits).value();
    }
  }
  Replay judge(const ReplayMark& mark, std::uint64_t wall = noon) {
    const auto verdict = memory_->judge(mark, at(wall));
    EXPECT_TRUE(verdict) << verdict.error().what;
    return verdict ? *verdict : Replay::stale;
  }

  TemporaryFolder folder_;
  std::unique_ptr<ReplayMemory> memory_;
};

TEST_P(ReplayMemoryTest, TheSecondTimeAMessageIsARepeat) {
  EXPECT_EQ(judge(numbered(7)), Replay::fresh);
  EXPECT_EQ(judge(numbered(7)), Replay::repeat);
  EXPECT_EQ(judge(unnumbered(8)), Replay::fresh);
  EXPECT_EQ(judge(unnumbered(8)), Replay::repeat);
}

TEST_P(ReplayMemoryTest, TakesAnyFirstNumber) {
  EXPECT_EQ(judge(numbered(0, 1)), Replay::fresh);
  EXPECT_EQ(judge(numbered(1'700'000'000'000'000, 2)), Replay::fresh);
  EXPECT_EQ(judge(numbered(~std::uint64_t{0}, 3)), Replay::fresh);
}

TEST_P(ReplayMemoryTest, AnotherMessageUnderAUsedNumberIsStale) {
  EXPECT_EQ(judge(numbered(7)), Replay::fresh);
  auto other = numbered(7);
  other.digest = named(99);
  EXPECT_EQ(judge(other), Replay::stale);
}

TEST_P(ReplayMemoryTest, AcceptsWhatIsUpToSixtyThreeBehindOnce) {
  EXPECT_EQ(judge(numbered(100)), Replay::fresh);
  EXPECT_EQ(judge(numbered(37)), Replay::fresh);
  EXPECT_EQ(judge(numbered(36)), Replay::stale);
  auto other = numbered(37);
  other.digest = named(99);
  EXPECT_EQ(judge(other), Replay::stale);
}

TEST_P(ReplayMemoryTest, TheWindowMovesWithTheHighestNumber) {
  EXPECT_EQ(judge(numbered(100)), Replay::fresh);
  EXPECT_EQ(judge(numbered(163)), Replay::fresh);
  auto other = numbered(100);
  other.digest = named(99);
  EXPECT_EQ(judge(other), Replay::stale) << "used, at the far edge of the window";
  EXPECT_EQ(judge(numbered(101)), Replay::fresh);
  EXPECT_EQ(judge(numbered(10'000)), Replay::fresh);
  EXPECT_EQ(judge(numbered(162)), Replay::stale);
  EXPECT_EQ(judge(numbered(9'999)), Replay::fresh);
}

TEST_P(ReplayMemoryTest, AStaleMessageIsNotRemembered) {
  EXPECT_EQ(judge(numbered(100)), Replay::fresh);
  EXPECT_EQ(judge(numbered(36)), Replay::stale);
  EXPECT_EQ(judge(numbered(36)), Replay::stale) << "not a repeat of something accepted";
}

TEST_P(ReplayMemoryTest, AuthorsAndSchemesAreSeparate) {
  EXPECT_EQ(judge(numbered(7, 1, "one")), Replay::fresh);
  EXPECT_EQ(judge(numbered(7, 2, "one")), Replay::fresh);
  EXPECT_EQ(judge(numbered(7, 1, "two")), Replay::fresh);
  EXPECT_EQ(judge(unnumbered(8, "one")), Replay::fresh);
  EXPECT_EQ(judge(unnumbered(8, "two")), Replay::fresh);
}

TEST_P(ReplayMemoryTest, ForgetsADigestAfterItsTimeAndNotBefore) {
  EXPECT_EQ(judge(numbered(7)), Replay::fresh);
  EXPECT_EQ(judge(numbered(7), noon + minute), Replay::repeat);
  EXPECT_EQ(judge(numbered(7), noon + minute + 1), Replay::stale) << "the number stays used";
}

TEST_P(ReplayMemoryTest, RefusesAnUnnumberedMessageThatCouldNotBeRemembered) {
  EXPECT_EQ(judge(unnumbered(8)), Replay::fresh);
  EXPECT_EQ(judge(unnumbered(8), noon + minute), Replay::repeat);
  EXPECT_EQ(judge(unnumbered(8), noon + minute + 1), Replay::stale);
  EXPECT_EQ(judge(unnumbered(9), noon + minute + 1), Replay::stale);
}

TEST_P(ReplayMemoryTest, ANumberAloneProtectsAMessageThatMayBeForgottenAtOnce) {
  auto mark = numbered(7);
  mark.forget_after = 0;
  EXPECT_EQ(judge(mark), Replay::fresh);
  EXPECT_EQ(judge(mark), Replay::stale);
}

TEST_P(ReplayMemoryTest, AForgottenMessageMayComeAgainWithANewTime) {
  auto mark = unnumbered(8);
  EXPECT_EQ(judge(mark), Replay::fresh);
  mark.forget_after = noon + 3 * minute;
  EXPECT_EQ(judge(mark, noon + 2 * minute), Replay::fresh);
  EXPECT_EQ(judge(mark, noon + 3 * minute), Replay::repeat);
}

TEST_P(ReplayMemoryTest, RefusesMessagesWhenItIsFullAndRecoversWithTime) {
  open({10});
  const auto of_one_author = [](std::uint64_t message) {
    auto mark = unnumbered(message);
    mark.author = named(message);
    return mark;
  };
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(judge(of_one_author(i)), Replay::fresh);
  const auto refused = memory_->judge(of_one_author(10), at(noon));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::environment);
  EXPECT_EQ(judge(of_one_author(3)), Replay::repeat) << "what it knows it still knows";
  auto later = of_one_author(10);
  later.forget_after = noon + 9 * minute;
  EXPECT_EQ(judge(later, noon + 2 * minute), Replay::fresh);
}

TEST_P(ReplayMemoryTest, WhoFillsItShutsOutItself) {
  open({800});
  const auto of = [](std::uint64_t author, std::uint64_t number) {
    ReplayMark mark = unnumbered(author * 10'000 + number);
    mark.author = named(author);
    return mark;
  };
  const auto fill = [&](std::uint64_t author) {
    std::size_t taken = 0;
    while (memory_->judge(of(author, taken), at(noon))) ++taken;
    return taken;
  };
  EXPECT_EQ(fill(1), 600U) << "three quarters";
  EXPECT_EQ(judge(of(2, 1)), Replay::fresh);
  for (std::uint64_t author = 3; author < 20; ++author) fill(author);
  EXPECT_EQ(judge(of(50, 1)), Replay::fresh) << "however many fill it together";
  EXPECT_FALSE(memory_->judge(of(3, 9999), at(noon)));
}

TEST_P(ReplayMemoryTest, AClockThatJumpsAheadAndBackMakesNothingNew) {
  open();
  std::uint64_t steady = 1000;
  const auto mark = unnumbered(7);
  ASSERT_EQ(*memory_->judge(mark, {steady, noon}), Replay::fresh);
  for (std::uint64_t i = 0; i < 20; ++i) {  // in which it would be dropped
    auto other = unnumbered(100 + i);
    other.forget_after = noon + 2000 * minute;
    ASSERT_EQ(*memory_->judge(other, {steady += 10, noon + 1000 * minute}), Replay::fresh);
  }
  EXPECT_EQ(*memory_->judge(mark, {steady += 10, noon}), Replay::repeat);
}

TEST_P(ReplayMemoryTest, OnlyOneOfManyThreadsGetsFresh) {
  std::atomic<int> fresh = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 1; i <= 50; ++i) fresh += judge(unnumbered(i)) == Replay::fresh ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(fresh, 50);
}

INSTANTIATE_TEST_SUITE_P(All, ReplayMemoryTest, ::testing::Values(Where::disk, Where::memory),
                         [](const auto& chosen) { return chosen.param == Where::disk ? "OnDisk" : "InMemory"; });

class StoredReplayMemoryTest : public ::testing::Test {
 protected:
  std::unique_ptr<StoredReplayMemory> open() { return open_replay_memory(path_).value(); }
  Replay judge(ReplayMemory& memory, const ReplayMark& mark, std::uint64_t wall = noon) {
    return memory.judge(mark, at(wall)).value();
  }
  std::uint64_t rows(const char* table) {
    auto database = sqlite::Database::open(path_).value();
    return database.number(std::string("SELECT count(*) FROM ") + table).value();
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "sessions.db";
};

TEST_F(StoredReplayMemoryTest, KnowsEverythingWhenOpenedAgain) {
  {
    const auto memory = open();
    EXPECT_EQ(judge(*memory, numbered(100)), Replay::fresh);
    EXPECT_EQ(judge(*memory, numbered(98)), Replay::fresh);
    EXPECT_EQ(judge(*memory, numbered(~std::uint64_t{0}, 2)), Replay::fresh);
    EXPECT_EQ(judge(*memory, unnumbered(8)), Replay::fresh);
  }
  const auto memory = open();
  EXPECT_EQ(judge(*memory, numbered(100)), Replay::repeat);
  EXPECT_EQ(judge(*memory, unnumbered(8)), Replay::repeat);
  EXPECT_EQ(judge(*memory, numbered(98), noon + 2 * minute), Replay::stale);
  EXPECT_EQ(judge(*memory, numbered(~std::uint64_t{0}, 2), noon + 2 * minute), Replay::stale);
  EXPECT_EQ(judge(*memory, numbered(99)), Replay::fresh) << "the gap is still open";
}

TEST_F(StoredReplayMemoryTest, AKilledProcessLosesNothing) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  constexpr std::uint64_t messages = 300;
  const auto child = ::fork();
  if (child == 0) {
    const auto memory = open();
    for (std::uint64_t i = 1;; ++i) {
      const bool fresh = judge(*memory, numbered(i)) == Replay::fresh && judge(*memory, unnumbered(i, "two")) == Replay::fresh;
      if (!fresh || ::write(pipe[1], &i, sizeof i) != sizeof i) ::_exit(1);
    }
  }
  std::uint64_t last = 0;
  while (last < messages) ASSERT_EQ(::read(pipe[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  ::close(pipe[1]);
  while (::read(pipe[0], &last, sizeof last) == sizeof last) {
  }
  ::close(pipe[0]);

  const auto memory = open();
  for (std::uint64_t i = 1; i <= last; ++i) {
    EXPECT_EQ(judge(*memory, numbered(i)), Replay::repeat) << i << " of " << last;
    EXPECT_EQ(judge(*memory, unnumbered(i, "two")), Replay::repeat) << i << " of " << last;
  }
}

TEST_F(StoredReplayMemoryTest, WhatIsToBeKeptLaterIsLostWithoutIt) {
  const auto later = ReplayMemory::Keeping::later;
  {
    const auto memory = open();
    for (std::uint64_t i = 1; i <= 4; ++i) {
      EXPECT_EQ(memory->judge(numbered(i), at(noon), later).value(), Replay::fresh);
      EXPECT_EQ(memory->judge(numbered(i), at(noon), later).value(), Replay::repeat);
    }
    const std::array kept{numbered(2), numbered(4)};
    ASSERT_TRUE(memory->keep(kept, at(noon)));
  }
  const auto come_back = [&] {
    const auto memory = open();
    EXPECT_EQ(judge(*memory, numbered(2)), Replay::repeat);
    EXPECT_EQ(judge(*memory, numbered(4)), Replay::repeat);
    EXPECT_EQ(memory->judge(numbered(1), at(noon), later).value(), Replay::fresh);
    EXPECT_EQ(memory->judge(numbered(3), at(noon), later).value(), Replay::fresh);
    return memory->maintain(at(noon)).has_value();
  };
  EXPECT_TRUE(come_back()) << "from the journal";
  EXPECT_TRUE(come_back()) << "from the database, which holds nothing of 1 and 3 either";
}

TEST_F(StoredReplayMemoryTest, NothingIsPutOffWhileTheFileRefuses) {
  const auto memory = open();
  const auto later = ReplayMemory::Keeping::later;
  ASSERT_TRUE(memory->judge(numbered(7), at(noon), later));
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit none { 0, before.rlim_max };
  ::setrlimit(RLIMIT_FSIZE, &none);  // as if the disk were full
  const std::array marks{numbered(7)};
  EXPECT_FALSE(memory->keep(marks, at(noon)));
  EXPECT_FALSE(memory->judge(numbered(8), at(noon), later));
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(memory->keep(marks, at(noon)));
  EXPECT_EQ(memory->judge(numbered(8), at(noon), later).value(), Replay::fresh);
}

TEST_F(StoredReplayMemoryTest, MaintenanceRemovesWhatIsForgottenAndOnlyThat) {
  const auto memory = open();
  for (std::uint64_t i = 0; i < 1200; ++i) {
    auto mark = numbered(i);
    if (i >= 1100) mark.forget_after = noon + 10 * minute;
    EXPECT_EQ(judge(*memory, mark), Replay::fresh);
  }
  ASSERT_TRUE(memory->maintain(at(noon + minute)));
  EXPECT_EQ(rows("replay_digest_1"), 1200U);
  ASSERT_TRUE(memory->maintain(at(noon + 2 * minute)));
  EXPECT_EQ(rows("replay_digest_1"), 100U);
  EXPECT_EQ(rows("replay_window_1"), 1U);
  EXPECT_EQ(judge(*memory, numbered(1150), noon + 2 * minute), Replay::repeat);
  EXPECT_EQ(judge(*memory, numbered(1050), noon + 2 * minute), Replay::stale);
}

TEST_F(StoredReplayMemoryTest, MaintenanceKeepsTheFilesFromGrowing) {
  const auto memory = open();
  std::uint64_t number = 0;
  constexpr std::uintmax_t checkpoint_at = 1000 * 4096;  // SQLite's own
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 1500; ++i) ASSERT_EQ(judge(*memory, numbered(++number)), Replay::fresh);
    ASSERT_TRUE(memory->maintain(at(noon)));
    const auto size = std::filesystem::file_size(path_ + "-wal");
    EXPECT_EQ(std::filesystem::file_size(path_ + ".replays-0") + std::filesystem::file_size(path_ + ".replays-1"), 0U);
    EXPECT_LE(size, 2 * checkpoint_at);
  }
  EXPECT_EQ(judge(*memory, numbered(1)), Replay::repeat);
}

TEST_F(StoredReplayMemoryTest, JudgesWhileItIsMaintained) {
  const auto memory = open();
  std::thread maintenance([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(memory->maintain(at(noon)));
  });
  for (std::uint64_t i = 1; i <= 500; ++i) EXPECT_EQ(judge(*memory, numbered(i)), Replay::fresh);
  maintenance.join();
  for (std::uint64_t i = 1; i <= 500; ++i) EXPECT_EQ(judge(*memory, numbered(i)), Replay::repeat);
}

TEST_F(StoredReplayMemoryTest, AnErrorMeansThatNothingWasRemembered) {
  const auto memory = open();
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit none { 0, before.rlim_max };
  ::setrlimit(RLIMIT_FSIZE, &none);  // as if the disk were full
  const auto verdict = memory->judge(numbered(7), at(noon));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().blame, Blame::environment);
  EXPECT_EQ(judge(*memory, numbered(7)), Replay::fresh);
}

TEST_F(StoredReplayMemoryTest, ADatabaseThatRefusesForAWhileLosesNothing) {
  {
    const auto memory = open();
    auto other = sqlite::Database::open(path_).value();
    ASSERT_TRUE(other.execute("CREATE TRIGGER refuse BEFORE INSERT ON replay_window_1 BEGIN SELECT RAISE(ABORT, 'no'); END"));
    for (std::uint64_t i = 1; i <= 10; ++i) EXPECT_EQ(judge(*memory, numbered(i)), Replay::fresh);
    EXPECT_FALSE(memory->maintain(at(noon)));
    for (std::uint64_t i = 11; i <= 20; ++i) EXPECT_EQ(judge(*memory, numbered(i)), Replay::fresh);
    EXPECT_FALSE(memory->maintain(at(noon)));
    EXPECT_EQ(rows("replay_digest_1"), 0U);
    ASSERT_TRUE(other.execute("DROP TRIGGER refuse"));
  }
  const auto memory = open();
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_EQ(judge(*memory, numbered(i)), Replay::repeat) << i;
}

TEST_F(StoredReplayMemoryTest, AJournalThatWasCutIsReadUpToTheCut) {
  {
    const auto memory = open();
    for (std::uint64_t i = 1; i <= 2; ++i) EXPECT_EQ(judge(*memory, numbered(i)), Replay::fresh);
  }
  const std::string journal = path_ + ".replays-0";
  std::filesystem::resize_file(journal, std::filesystem::file_size(journal) - 1);
  const auto memory = open();
  EXPECT_EQ(judge(*memory, numbered(1)), Replay::repeat);
  EXPECT_EQ(judge(*memory, numbered(2)), Replay::fresh);
}

TEST_F(StoredReplayMemoryTest, IsForTheOwnerOnly) {
  const auto before = ::umask(0);
  const auto memory = open();
  ::umask(before);
  EXPECT_EQ(testing::mode_of(path_), 0600U);
  EXPECT_EQ(testing::mode_of(path_ + ".replays-0"), 0600U);
}

/// The same rules, said in the plainest way.
struct Model {
  std::map<std::string, std::map<std::array<std::uint8_t, 32>, std::set<std::uint64_t>>> used;
  std::map<std::string, std::map<std::array<std::uint8_t, 32>, std::uint64_t>> digests;

  Replay judge(const ReplayMark& mark, std::uint64_t wall) {
    const std::string scheme(mark.scheme);
    if (const auto found = digests[scheme].find(mark.digest); found != digests[scheme].end() && wall <= found->second)
      return Replay::repeat;
    auto& numbers = used[scheme][mark.author];
    if (!mark.ordered && wall > mark.forget_after) return Replay::stale;
    if (mark.ordered && numbers.contains(mark.sequence)) return Replay::stale;
    if (mark.ordered && !numbers.empty() && mark.sequence < *numbers.rbegin() && *numbers.rbegin() - mark.sequence >= 64)
      return Replay::stale;
    if (mark.ordered) numbers.insert(mark.sequence);
    digests[scheme][mark.digest] = mark.forget_after;
    return Replay::fresh;
  }
};

RC_GTEST_PROP(ReplayMemoryModel, AnswersWhatThePlainRulesSay, ()) {
  const TemporaryFolder folder;
  const auto path = folder / "sessions.db";
  auto stored = open_replay_memory(path).value();
  const auto unstored = make_volatile_replay_memory();
  Model model;
  std::uint64_t wall = noon;
  const int steps = *rc::gen::inRange(1, 200);
  std::uint64_t around = *rc::gen::element<std::uint64_t>(0, 60, 1'000'000, ~std::uint64_t{0} - 200);
  for (int i = 0; i < steps; ++i) {
    const auto action = *rc::gen::inRange(0, 20);
    if (action == 0) wall += *rc::gen::inRange<std::uint64_t>(1, 5000);
    if (action == 1) around += *rc::gen::inRange<std::uint64_t>(0, 100) % (~std::uint64_t{0} - around);
    if (action == 2) stored = nullptr, stored = open_replay_memory(path).value();
    if (action == 3) RC_ASSERT(stored->maintain(at(wall)).has_value());
    ReplayMark mark{};
    mark.scheme = *rc::gen::element<std::string_view>("one", "two");
    mark.author = named(*rc::gen::inRange<std::uint64_t>(0, 2));
    mark.ordered = *rc::gen::arbitrary<bool>();
    const auto behind = *rc::gen::inRange<std::uint64_t>(0, 70);
    mark.sequence = around >= behind ? around - behind : behind;
    mark.digest = named(*rc::gen::inRange<std::uint64_t>(0, 40));
    mark.forget_after = wall + 2000 - *rc::gen::inRange<std::uint64_t>(0, 2500);
    const auto expected = model.judge(mark, wall);
    RC_ASSERT(stored->judge(mark, at(wall)).value() == expected);
    RC_ASSERT(unstored->judge(mark, at(wall)).value() == expected);
  }
}

}  // namespace
}  // namespace sealmq
