#include "server/message_keys.h"

#include <gtest/gtest.h>

#include "server/session_tables.h"
#include "support/fakes.h"
#include "support/in_child.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

// AES-GCM's bound with a counter is far away; a key is left long before it.
TEST(MessageKeys, AKeyThatHasSealedSoManyIsReplacedAndTheOldOneStillOpens) {
  testing::TemporaryFolder folder;
  testing::CountingRandom random;
  auto database = sqlite::Database::open(folder / "sessions.db").value();
  ASSERT_TRUE(database.execute(session_schema));
  const auto key = make_memory_keys("broker-1", Kind::broker, random);
  MessageKeys keys(*key, random, 3);
  ASSERT_TRUE(keys.begin_epoch(database));
  auto insert = database.prepare("INSERT INTO message_1 VALUES (?, ?, ?, ?)").value();
  std::vector<MessageKeys::Sealed> sealed;
  for (std::uint64_t number = 1; number <= 4; ++number) {
    EXPECT_EQ(keys.is_used_up(), number == 4);
    if (keys.is_used_up()) {
      ASSERT_TRUE(keys.begin_epoch(database));
    }
    sealed.push_back(keys.seal(number, as_bytes("record")));
    const auto& its = sealed.back();
    ASSERT_TRUE(insert.bind(number).bind(its.epoch).bind(its.iv).bind(Bytes(its.bytes)).run());
  }
  EXPECT_EQ(sealed[0].epoch, sealed[2].epoch);
  EXPECT_NE(sealed[3].epoch, sealed[0].epoch);
  EXPECT_NE(sealed[1].iv, sealed[0].iv);
  auto earlier = MessageKeys(*key, random).earlier(database).value();
  for (std::uint64_t number = 1; number <= 4; ++number) {
    const auto& its = sealed[number - 1];
    EXPECT_EQ(as_text(MessageKeys::open(earlier, number, its.epoch, its.iv, its.bytes).value()), "record");
    EXPECT_FALSE(MessageKeys::open(earlier, number + 1, its.epoch, its.iv, its.bytes)) << "in the place of another";
  }
}

// Both sides would have the key, and the next number of it.
TEST(MessageKeys, OnTheOtherSideOfAForkNothingIsSealedUnderItsKey) {
  testing::TemporaryFolder folder;
  testing::CountingRandom random;
  auto database = sqlite::Database::open(folder / "sessions.db").value();
  ASSERT_TRUE(database.execute(session_schema));
  const auto key = make_memory_keys("broker-1", Kind::broker, random);
  MessageKeys keys(*key, random);
  ASSERT_TRUE(keys.begin_epoch(database));
  const auto before = keys.seal(1, as_bytes("record"));
  const std::string there = testing::in_child([&]() -> std::string {
    try {
      return "sealed under number " + std::to_string(keys.seal(2, as_bytes("other")).iv);
    } catch (const std::exception&) {
      return "nothing";
    }
  });
  EXPECT_EQ(there, "nothing");
  const auto after = keys.seal(2, as_bytes("record"));
  EXPECT_EQ(after.epoch, before.epoch);
  EXPECT_EQ(after.iv, before.iv + 1) << "here it goes on";
}

}  // namespace
}  // namespace sealmq::server
