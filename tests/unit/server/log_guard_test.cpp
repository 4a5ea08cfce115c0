// What a broker keeps of an authority's key log.
#include "server/log_guard.h"

#include <gtest/gtest.h>

#include "support/fakes.h"
#include "support/told_log.h"

namespace sealmq {
namespace {

constexpr std::uint64_t start = 1'800'000'000'000;

class LogGuardTest : public ::testing::Test {
 protected:
  /// As the authority leaves it there, head first.
  void expect_taken(const testing::ToldLog& its, std::uint64_t wall) {
    for (const auto& [topic, payload] : its.retained(wall)) {
      const auto judged = guard.judge(topic, payload, true, nobody);
      EXPECT_TRUE(judged) << topic << ": " << judged.error().what;
    }
  }
  bool takes(const std::string& topic, Bytes payload, bool retain = true) {
    return guard.judge(topic, payload, retain, nobody).has_value();
  }
  void grow(testing::ToldLog& its, std::uint64_t entries) {
    for (std::uint64_t i = 0; i < entries; ++i) its.deal(*admin, "plant/" + std::to_string(i), 512 + its.leaves.size(), start);
  }

  testing::CountingRandom random;
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  std::unique_ptr<KeyStore> admin = make_memory_keys("admin", Kind::person, random);
  std::unique_ptr<KeyStore> broker = make_memory_keys("broker-1", Kind::broker, random);
  testing::ToldLog log{*authority};
  LogGuard guard{authority->identity(), broker->identity().keys.ecdsa};
  const Directory nobody;
};

TEST_F(LogGuardTest, WatchesItsAuthoritysTopicsAlone) {
  EXPECT_TRUE(guard.watches("sealmq-log/authority/head"));
  EXPECT_TRUE(guard.watches("sealmq-log/authority/anything"));
  EXPECT_FALSE(guard.watches("sealmq-log/authority-2/head"));
  EXPECT_FALSE(guard.watches("plant/7"));
}

TEST_F(LogGuardTest, TakesALogThatGrows) {
  expect_taken(log, start);
  grow(log, 3);
  expect_taken(log, start + 1);
  grow(log, 600);
  expect_taken(log, start + 2);
  grow(log, 1);
  expect_taken(log, start + 3);
  expect_taken(log, start + 4);
}

TEST_F(LogGuardTest, TakesNothingThatDoesNotVerify) {
  grow(log, 300);
  EXPECT_FALSE(takes(key_log::state_topic("authority"), log.state())) << "without a head";
  const auto forger = make_memory_keys("authority", Kind::authority, random);
  testing::ToldLog forged{*forger};
  EXPECT_FALSE(takes(key_log::head_topic("authority"), forged.signed_head(start)));
  expect_taken(log, start);
  for (auto [topic, payload] : log.retained(start)) {
    EXPECT_FALSE(takes(topic, payload, false)) << topic << ", not retained";
    payload.back() ^= 1;
    EXPECT_FALSE(takes(topic, payload)) << topic;
    EXPECT_FALSE(takes(topic, {})) << topic << ", to erase it";
  }
  EXPECT_FALSE(takes("sealmq-log/authority/entries/1", log.bundle(0)));
  EXPECT_FALSE(takes("sealmq-log/authority/anything", log.state()));
}

TEST_F(LogGuardTest, TakesNoOlderHead) {
  const Buffer old = log.signed_head(start);
  const Buffer old_state = log.state();
  grow(log, 1);
  expect_taken(log, start + 10);
  EXPECT_FALSE(takes(key_log::head_topic("authority"), old));
  EXPECT_FALSE(takes(key_log::state_topic("authority"), old_state));
}

TEST_F(LogGuardTest, EntriesThatLedToAHeadStay) {
  grow(log, 300);
  expect_taken(log, start);
  testing::ToldLog other{*authority};
  grow(other, 255);
  other.deal(*admin, "other", 9999, start);
  EXPECT_FALSE(takes("sealmq-log/authority/entries/0", other.bundle(0)));
}

TEST_F(LogGuardTest, TakesWhatIsSubmittedByWhoIsListed) {
  const std::string topic = key_log::submit_topic("authority");
  const key_log::Leaf leaf{start, key_log::DealLeaf{crypto::identity_digest(admin->identity().keys), {1}, 512, {}}};
  const Buffer frame = key_log::submit(leaf, *admin).value();
  EXPECT_FALSE(guard.judge(topic, frame, false, nobody)) << "nobody is on the list";
  Identity listed;
  static_cast<PublicIdentity&>(listed) = admin->identity();
  const Directory all({listed});
  EXPECT_TRUE(guard.judge(topic, frame, false, all));
  EXPECT_FALSE(guard.judge(topic, frame, true, all)) << "retained";
  Buffer changed = frame;
  changed[20] ^= 1;
  EXPECT_FALSE(guard.judge(topic, changed, false, all));
  listed.status = Status::revoked;
  EXPECT_FALSE(guard.judge(topic, frame, false, Directory({listed})));
  EXPECT_TRUE(guard.judge(topic, key_log::submit(leaf, *broker).value(), false, nobody)) << "the broker itself";
}

}  // namespace
}  // namespace sealmq
