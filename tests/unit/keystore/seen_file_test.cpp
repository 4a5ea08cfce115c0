// The claim: what was taken is taken once, also after a restart; and who makes up names forgets its own past alone.
#include "keystore/seen_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/temporary_folder.h"

namespace sealmq {
namespace {

struct SeenFileTest : ::testing::Test {
  testing::TemporaryFolder folder;
  const std::string path = folder / "seen";
  std::unique_ptr<SeenFile> seen = SeenFile::open(path).value();

  static TopicKeys::Seen message(std::uint8_t author, std::uint16_t name, std::uint64_t time, std::uint64_t number = 0) {
    TopicKeys::Seen its;
    its.window = {1, author, static_cast<std::uint8_t>(name), static_cast<std::uint8_t>(name >> 8)};
    its.author = {author};
    its.topic = {2, author};
    its.number = number;
    its.time = time;
    return its;
  }
  Replay judge(const TopicKeys::Seen& its) {
    bool is_newest = false;
    return seen->judge(its, is_newest).value();
  }
  void start_again(const SeenFile::Bounds& bounds) {
    seen.reset();
    seen = SeenFile::open(path).value();
    seen->set_bounds(bounds);
  }
};

TEST_F(SeenFileTest, ForgetsTheOldestOfTheSameAuthorAndTakesNothingOlderThanThat) {
  const SeenFile::Bounds bounds{.each = 4};
  seen->set_bounds(bounds);
  EXPECT_EQ(judge(message(9, 0, 10)), Replay::fresh);
  for (std::uint16_t name = 0; name < 4; ++name) EXPECT_EQ(judge(message(1, name, 100u + name)), Replay::fresh);
  EXPECT_EQ(judge(message(1, 0, 100)), Replay::repeat);
  EXPECT_EQ(judge(message(1, 0, 200, 1)), Replay::fresh);  // now the one with 101 is the oldest
  EXPECT_EQ(judge(message(1, 4, 104)), Replay::fresh);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(judge(message(1, 1, 101)), Replay::stale);   // forgotten, and not taken again
    EXPECT_EQ(judge(message(1, 77, 101)), Replay::stale);  // of another name, and not later
    EXPECT_EQ(judge(message(1, 0, 100)), Replay::repeat);  // the others are as they were
    EXPECT_EQ(judge(message(1, 2, 102)), Replay::repeat);
    EXPECT_EQ(judge(message(9, 0, 10)), Replay::repeat);  // and so is another author's
    EXPECT_EQ(judge(message(9, static_cast<std::uint16_t>(1 + round), 11)), Replay::fresh);
    start_again(bounds);
  }
}

TEST_F(SeenFileTest, ANameThatComesBackBringsNothingBackThatWasSeenUnderIt) {
  const SeenFile::Bounds bounds{.each = 2};
  seen->set_bounds(bounds);
  for (std::uint64_t number = 0; number < 10; ++number) EXPECT_EQ(judge(message(1, 0, 100 + number, number)), Replay::fresh);
  for (std::uint16_t name = 1; name < 3; ++name) EXPECT_EQ(judge(message(1, name, 200u + name)), Replay::fresh);
  EXPECT_EQ(judge(message(1, 0, 300, 10)), Replay::fresh);  // its window was let go
  for (std::uint64_t number = 0; number < 10; ++number) EXPECT_NE(judge(message(1, 0, 100 + number, number)), Replay::fresh);
  EXPECT_EQ(judge(message(1, 0, 300, 12)), Replay::fresh);
  EXPECT_EQ(judge(message(1, 0, 300, 11)), Replay::fresh);
  // Where nothing was let go, messages may overtake each other from the first on.
  EXPECT_EQ(judge(message(2, 0, 300, 5)), Replay::fresh);
  EXPECT_EQ(judge(message(2, 0, 299, 4)), Replay::fresh);
}

TEST_F(SeenFileTest, FiveThousandNamesOfOneAuthorLeaveAnothersAlone) {
  for (std::uint16_t name = 0; name < 100; ++name) EXPECT_EQ(judge(message(1, name, 50)), Replay::fresh);
  for (std::uint16_t name = 0; name < 5000; ++name) EXPECT_EQ(judge(message(2, name, 1000u + name)), Replay::fresh);
  for (std::uint16_t name = 0; name < 100; ++name) EXPECT_EQ(judge(message(1, name, 50)), Replay::repeat) << name;
  for (std::uint16_t name = 0; name < 5000; ++name) EXPECT_NE(judge(message(2, name, 1000u + name)), Replay::fresh) << name;
  EXPECT_EQ(judge(message(1, 777, 51)), Replay::fresh);
}

TEST_F(SeenFileTest, UnderOneKeyAnAuthorDoesNotCrowdOutWhatItSaidUnderAnother) {
  seen->set_bounds({.each = 4});
  auto other_key = message(1, 1000, 10);
  other_key.key = {5};
  EXPECT_EQ(judge(other_key), Replay::fresh);
  for (std::uint16_t name = 0; name < 20; ++name) judge(message(1, name, 100u + name));
  EXPECT_EQ(judge(other_key), Replay::repeat);
}

TEST_F(SeenFileTest, MessagesWithoutAnAuthorHaveABoundOfTheirOwn) {
  seen->set_bounds({.each = 2, .unstamped = 8});
  for (std::uint16_t name = 0; name < 8; ++name) EXPECT_EQ(judge(message(0, name, 100)), Replay::fresh);
  for (std::uint16_t name = 0; name < 8; ++name) EXPECT_EQ(judge(message(0, name, 100)), Replay::repeat);
  EXPECT_EQ(judge(message(0, 8, 200)), Replay::fresh);
  EXPECT_EQ(judge(message(0, 9, 100)), Replay::stale);
}

TEST_F(SeenFileTest, WhenThereAreTooManyInAllTheFullestAuthorLosesItsOldest) {
  const SeenFile::Bounds bounds{.each = 100, .everybody = 10};
  seen->set_bounds(bounds);
  for (std::uint16_t name = 0; name < 3; ++name) EXPECT_EQ(judge(message(1, name, 10)), Replay::fresh);
  for (std::uint16_t name = 0; name < 50; ++name) EXPECT_EQ(judge(message(2, name, 100u + name)), Replay::fresh);
  for (int round = 0; round < 2; ++round) {
    for (std::uint16_t name = 0; name < 3; ++name) EXPECT_EQ(judge(message(1, name, 10)), Replay::repeat);
    EXPECT_EQ(judge(message(2, 0, 100)), Replay::stale);
    EXPECT_EQ(judge(message(2, 49, 149)), Replay::repeat);
    start_again(bounds);
  }
}

TEST_F(SeenFileTest, OnlyTheNewestOfAnAuthorOnATopicIsTheNewestWhateverItsName) {
  bool is_newest = false;
  const auto first = message(1, 1, 100), last = message(1, 2, 200);
  EXPECT_EQ(seen->judge(first, is_newest).value(), Replay::fresh);
  EXPECT_EQ(seen->judge(last, is_newest).value(), Replay::fresh);
  EXPECT_EQ(seen->judge(first, is_newest).value(), Replay::repeat);
  EXPECT_FALSE(is_newest);
  EXPECT_EQ(seen->judge(last, is_newest).value(), Replay::repeat);
  EXPECT_TRUE(is_newest);
}

TEST_F(SeenFileTest, AFileOfTheFormerFormMeansThatEverythingUntilThenWasSeen) {
  seen.reset();
  testing::write_text(path, "SEALMQ-SEEN-1\n" + std::string(50 + 72 * 3, '\0'));
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  const auto then = static_cast<std::uint64_t>(found.st_mtim.tv_sec);
  for (int round = 0; round < 2; ++round) {
    start_again({});
    EXPECT_EQ(judge(message(1, static_cast<std::uint16_t>(round), then)), Replay::stale);
    EXPECT_EQ(judge(message(1, static_cast<std::uint16_t>(10 + round), then + 10)), Replay::fresh);
  }
}

TEST_F(SeenFileTest, AForkedProcessJudgesNothing) {
  const pid_t child = ::fork();
  if (child == 0) {
    bool is_newest = false;
    ::_exit(seen->judge(message(1, 1, 100), is_newest) ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(judge(message(1, 1, 100)), Replay::fresh);
}

}  // namespace
}  // namespace sealmq
