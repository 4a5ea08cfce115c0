// The claim: what a subscriber has seen it shows once, and who fills its memory forgets its own past alone.
#include "schemes/malina/author_memory.h"

#include <gtest/gtest.h>

#include "crypto/replay_window.h"

namespace sealmq::malina {
namespace {

struct AuthorMemoryTest : ::testing::Test {
  using Memory = AuthorMemory<crypto::ReplayWindow>;
  static Id author(std::uint8_t which) { return Id{which}; }
  Replay judge(std::uint8_t by, std::uint64_t topic, std::uint64_t number) {
    auto* window = memory.find(author(by), "plant/" + std::to_string(topic), number);
    return window != nullptr ? window->judge(number) : Replay::stale;
  }
  Memory memory{{.each = 16, .everybody = 40}};
};

TEST_F(AuthorMemoryTest, TellsCopiesOnEachTopicOfEachAuthor) {
  EXPECT_EQ(judge(1, 1, 10), Replay::fresh);
  EXPECT_EQ(judge(1, 1, 10), Replay::repeat);
  EXPECT_EQ(judge(1, 2, 9), Replay::fresh) << "on another topic, late";
  EXPECT_EQ(judge(2, 1, 10), Replay::fresh);
}

TEST_F(AuthorMemoryTest, AnAuthorOfManyTopicsForgetsItsOwnPastAlone) {
  for (std::uint64_t topic = 0; topic < 16; ++topic) EXPECT_EQ(judge(1, topic, 5), Replay::fresh);
  for (std::uint64_t topic = 0; topic < 1000; ++topic) EXPECT_EQ(judge(2, topic, 100 + topic), Replay::fresh);
  for (std::uint64_t topic = 0; topic < 16; ++topic) EXPECT_EQ(judge(1, topic, 5), Replay::repeat) << topic;
  for (std::uint64_t topic = 0; topic < 1000; ++topic) EXPECT_NE(judge(2, topic, 100 + topic), Replay::fresh) << topic;
  EXPECT_LE(memory.size(), 32U);
}

TEST_F(AuthorMemoryTest, ATopicThatComesBackBringsNothingBackThatWasSeenOnIt) {
  for (std::uint64_t number = 1; number <= 20; ++number) EXPECT_EQ(judge(1, 0, number), Replay::fresh);
  for (std::uint64_t topic = 1; topic < 100; ++topic) EXPECT_EQ(judge(1, topic, 20 + topic), Replay::fresh);
  EXPECT_EQ(judge(1, 0, 130), Replay::fresh);
  for (std::uint64_t number = 1; number <= 20; ++number) EXPECT_NE(judge(1, 0, number), Replay::fresh) << number;
  EXPECT_EQ(judge(1, 0, 129), Replay::fresh) << "a little late";
}

TEST_F(AuthorMemoryTest, WhatIsOlderThanWhatWasLetGoTakesNoPlace) {
  for (std::uint64_t topic = 0; topic <= 16; ++topic) EXPECT_EQ(judge(1, topic, 100 + topic), Replay::fresh);
  const std::size_t before = memory.size();
  for (std::uint64_t topic = 1000; topic < 1100; ++topic) EXPECT_EQ(judge(1, topic, 99), Replay::stale);
  EXPECT_EQ(memory.size(), before);
}

TEST_F(AuthorMemoryTest, WhenThereAreTooManyInAllTheFullestAuthorMakesRoom) {
  for (std::uint64_t topic = 0; topic < 16; ++topic) EXPECT_EQ(judge(1, topic, 100 + topic), Replay::fresh);
  for (std::uint8_t by = 2; by < 40; ++by) EXPECT_EQ(judge(by, 0, 7), Replay::fresh);
  EXPECT_LE(memory.size(), 40U);
  for (std::uint8_t by = 2; by < 40; ++by) EXPECT_NE(judge(by, 0, 7), Replay::fresh);
  for (std::uint64_t topic = 0; topic < 16; ++topic) EXPECT_NE(judge(1, topic, 100 + topic), Replay::fresh);
}

}  // namespace
}  // namespace sealmq::malina
