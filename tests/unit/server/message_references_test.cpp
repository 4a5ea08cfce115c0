#include "server/message_references.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sealmq::server {
namespace {

TEST(MessageReferences, ForgetsAMessageWithItsLastReferenceAfterTheCommit) {
  MessageReferences references;
  EXPECT_EQ(references.add(7), 1U);
  EXPECT_EQ(references.add(7), 2U);
  references.commit();
  EXPECT_EQ(references.remove(7), 1U);
  EXPECT_EQ(references.remove(7), 0U);
  EXPECT_EQ(references.messages(), 1U) << "the transaction may fail yet";
  references.commit();
  EXPECT_EQ(references.messages(), 0U);
}

TEST(MessageReferences, AreAsBeforeWhenATransactionFails) {
  MessageReferences references;
  references.add(7);
  references.commit();
  references.remove(7);
  references.add(8);
  references.roll_back();
  EXPECT_EQ(references.messages(), 1U);
  EXPECT_EQ(references.add(7), 2U);
}

TEST(MessageReferences, MayFallToNothingAndRiseAgainWithinATransaction) {
  MessageReferences references;
  references.add(7);
  references.commit();
  EXPECT_EQ(references.remove(7), 0U);
  EXPECT_EQ(references.add(7), 1U);
  references.commit();
  EXPECT_EQ(references.remove(7), 0U);
  references.roll_back();
  EXPECT_EQ(references.add(7), 2U);
}

TEST(MessageReferences, CountWhatAPlainMapWould) {
  std::mt19937 chance(1);
  MessageReferences references;
  std::map<broker::Number, std::uint64_t> committed, now;
  for (int step = 0; step < 20'000; ++step) {
    const broker::Number message = 1 + chance() % 20;
    switch (chance() % 8) {
      case 0:
        references.commit();
        committed = now;
        break;
      case 1:
        references.roll_back();
        now = committed;
        break;
      case 2:
      case 3:
      case 4:
        ASSERT_EQ(references.add(message), ++now[message]);
        break;
      default:
        if (now[message] != 0) {
          ASSERT_EQ(references.remove(message), --now[message]);
        }
    }
    std::erase_if(now, [](const auto& entry) { return entry.second == 0; });
  }
  references.commit();
  EXPECT_EQ(references.messages(), now.size());
}

}  // namespace
}  // namespace sealmq::server
