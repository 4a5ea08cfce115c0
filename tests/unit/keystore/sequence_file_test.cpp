#include "keystore/sequence_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::read_text;
using testing::write_text;

class SequenceFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<SequenceCounter> open(std::string boot = "boot-1") {
    return open_sequence_file(path_, {[this] { return wall_; }, [boot = std::move(boot)] { return boot; }});
  }

  testing::TemporaryFolder folder_;
  const std::string path_ = folder_ / "boiler-7.key.sequence";
  std::uint64_t wall_ = 1'700'000'000'000'000;
};

TEST_F(SequenceFileTest, StartsFromTheClockAndCountsByOne) {
  const auto counter = open();
  EXPECT_EQ(counter->next().value(), 1'700'000'000'000'000U);
  wall_ += 5'000'000;
  EXPECT_EQ(counter->next().value(), 1'700'000'000'000'001U);
  EXPECT_EQ(read_text(path_), "00001700000000000001 boot-1\n");
}

TEST_F(SequenceFileTest, TwoCountersOnOneFileTakeTurns) {
  const auto one = open();
  const auto two = open();
  const auto first = one->next().value();
  EXPECT_EQ(two->next().value(), first + 1);
  EXPECT_EQ(one->next().value(), first + 2);
}

TEST_F(SequenceFileTest, ALostFileDoesNotRepeatNumbers) {
  const auto counter = open();
  const auto last = counter->next().value();
  std::filesystem::remove(path_);
  wall_ += 1000;
  EXPECT_GT(counter->next().value(), last);
}

TEST_F(SequenceFileTest, AnUnreadableFileDoesNotRepeatNumbers) {
  const auto counter = open();
  const auto last = counter->next().value();
  for (const char* damage : {"", "garbage", "00001700000000000001", "0000170000000000000x boot-1\n",
                             "00001700000000000001 boot-1", "-0001700000000000001 boot-1\n", "99999999999999999999 boot-1\n"}) {
    write_text(path_, damage);
    wall_ += 1000;
    EXPECT_EQ(counter->next().value(), wall_) << damage;
    EXPECT_GT(wall_, last);
    EXPECT_EQ(counter->next().value(), wall_ + 1) << damage;
  }
}

TEST_F(SequenceFileTest, AfterTheMachineStartedAnewItDoesNotTrustTheLastWrites) {
  const auto written_and_lost = open()->next().value() + 100;
  wall_ += 60'000'000;
  const auto next = open("boot-2")->next().value();
  EXPECT_EQ(next, wall_);
  EXPECT_GT(next, written_and_lost);
  EXPECT_EQ(open("boot-2")->next().value(), next + 1);
}

TEST_F(SequenceFileTest, AClockSetBackDoesNotRepeatNumbers) {
  const auto last = open()->next().value();
  wall_ -= 1'000'000'000;
  EXPECT_EQ(open()->next().value(), last + 1);
  EXPECT_EQ(open("boot-2")->next().value(), last + 2);
}

TEST_F(SequenceFileTest, AnUnknownBootIsNeverTheSameBoot) {
  const auto first = open("")->next().value();
  wall_ += 500;
  EXPECT_EQ(open("")->next().value(), first + 500);
}

TEST_F(SequenceFileTest, EndsInAnErrorInsteadOfStartingAgain) {
  write_text(path_, "18446744073709551615 boot-1\n");
  const auto next = open()->next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().blame, Blame::environment);
  EXPECT_FALSE(open("boot-2")->next());
}

TEST_F(SequenceFileTest, BlamesTheEnvironmentWhenItCannotWrite) {
  const auto next = open_sequence_file(folder_ / "missing/x.sequence")->next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().blame, Blame::environment);
  std::filesystem::create_symlink(folder_ / "elsewhere", path_);
  EXPECT_FALSE(open()->next()) << "a link is not followed";
}

TEST_F(SequenceFileTest, ProcessesNeverShareANumber) {
  constexpr int processes = 4;
  constexpr int each = 100;
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const auto child = ::fork();
    if (child == 0) {
      const auto counter = open();
      std::uint64_t before = 0;
      for (int i = 0; i < each; ++i) {
        const auto number = counter->next();
        if (!number || *number <= before || ::write(pipe[1], &*number, sizeof *number) != sizeof *number) ::_exit(1);
        before = *number;
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  std::set<std::uint64_t> seen;
  for (int i = 0; i < processes * each; ++i) {
    std::uint64_t number = 0;
    ASSERT_EQ(::read(pipe[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
    EXPECT_TRUE(seen.insert(number).second) << number;
  }
  for (const auto child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(*seen.rbegin() - *seen.begin() + 1, static_cast<std::uint64_t>(processes * each));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace sealmq
