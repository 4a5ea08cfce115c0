// A client that follows an authority's log through brokers that keep it back, change it, or show older and other ones.
#include "client/log_follower.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/text.h"
#include "support/fakes.h"
#include "support/temporary_folder.h"
#include "support/told_log.h"

namespace sealmq {
namespace {

constexpr std::uint64_t max_age = 600'000;

class LogFollowerTest : public ::testing::Test {
 protected:
  std::shared_ptr<LogFollower> open() { return LogFollower::open(authority->identity(), folder / "log", max_age).value(); }
  Now at(std::uint64_t milliseconds) const { return {0, start + milliseconds}; }
  /// All that the broker retains; answers how the last of it was taken.
  void show(LogFollower& follower, const testing::ToldLog& its, std::uint64_t when) {
    for (const auto& [topic, payload] : its.retained(start + when)) (void)follower.take(topic, payload, at(when));
  }
  auto take_head(LogFollower& follower, const Buffer& frame, std::uint64_t when) {
    return follower.take(key_log::head_topic("authority"), frame, at(when));
  }
  std::optional<std::uint64_t> revoked(const LogFollower& follower, const KeyStore& whom) {
    return follower.revoked(crypto::key_hash(whom.identity().keys.ecdsa));
  }

  testing::TemporaryFolder folder;
  testing::CountingRandom random;
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  std::unique_ptr<KeyStore> admin = make_memory_keys("admin", Kind::person, random);
  std::unique_ptr<KeyStore> boiler = make_memory_keys("boiler-7", Kind::device, random);
  testing::ToldLog log{*authority};
  static constexpr std::uint64_t start = 1'800'000'000'000;
};

TEST_F(LogFollowerTest, KnowsWhatTheLogSays) {
  log.order(1, false, *boiler, start);
  log.deal(*admin, "plant/#", 512, start + 1);
  const auto follower = open();
  EXPECT_FALSE(follower->need_fresh(at(0)));
  show(*follower, log, 10);
  ASSERT_TRUE(follower->need_fresh(at(20)));
  EXPECT_EQ(revoked(*follower, *boiler), 1U);
  EXPECT_EQ(revoked(*follower, *admin), std::nullopt);
  const auto deal = follower->last_deal(crypto::identity_digest(admin->identity().keys), crypto::sha256(as_bytes("plant/#")));
  ASSERT_TRUE(deal);
  EXPECT_EQ(deal->number, 512U);
  EXPECT_EQ(deal->time, start + 1);
}

TEST_F(LogFollowerTest, AnEmptyLogIsOne) {
  const auto follower = open();
  show(*follower, log, 0);
  EXPECT_TRUE(follower->need_fresh(at(0)));
}

// Head held back.
TEST_F(LogFollowerTest, SilenceMakesItStale) {
  const auto follower = open();
  show(*follower, log, 0);
  EXPECT_TRUE(follower->need_fresh(at(max_age)));
  const auto stale = follower->need_fresh(at(max_age + 1));
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().what, "stale: revocations not known since 2027-01-15 08:00:00 UTC");
  show(*follower, log, max_age + 10);
  EXPECT_TRUE(follower->need_fresh(at(max_age + 20)));
  EXPECT_FALSE(take_head(*open(), log.signed_head(start), max_age + 1)) << "too old to begin with";
  EXPECT_FALSE(take_head(*follower, log.signed_head(start + 40'000 + max_age), max_age + 20)) << "of the future";
}

TEST_F(LogFollowerTest, AnOlderHeadIsNotBelieved) {
  const Buffer old = log.signed_head(start);
  const Buffer old_state = log.state();
  log.order(1, false, *boiler, start + 5);
  const auto follower = open();
  show(*follower, log, 10);
  const auto refused = take_head(*follower, old, 20);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "an older head of the log than is known here");
  (void)follower->take(key_log::state_topic("authority"), old_state, at(20));
  EXPECT_EQ(revoked(*follower, *boiler), 1U);
  EXPECT_TRUE(follower->need_fresh(at(20))) << "and it takes nothing away";
}

TEST_F(LogFollowerTest, NorAfterARestart) {
  log.order(1, false, *boiler, start);
  const Buffer old = log.signed_head(start + 1);
  log.order(2, false, *admin, start + 5);
  show(*open(), log, 10);
  const auto follower = open();
  EXPECT_TRUE(follower->need_fresh(at(20)));
  EXPECT_EQ(revoked(*follower, *admin), 2U);
  EXPECT_FALSE(take_head(*follower, old, 20));
  EXPECT_EQ(testing::mode_of(folder / "log/authority-" +
                             to_hex(Bytes(crypto::identity_digest(authority->identity().keys)).first(8)) + ".log"),
            0600);
}

TEST_F(LogFollowerTest, GrowsByTheEntriesAlone) {
  const auto follower = open();
  show(*follower, log, 0);
  log.order(1, false, *boiler, start + 5);
  const auto told = log.retained(start + 10);
  for (const auto& [topic, payload] : std::span(told).first(3)) EXPECT_TRUE(follower->take(topic, payload, at(10)));
  EXPECT_EQ(revoked(*follower, *boiler), std::nullopt) << "head, state and frontier without the entries";
  EXPECT_TRUE(follower->take(told.back().first, told.back().second, at(10)));
  EXPECT_EQ(revoked(*follower, *boiler), 1U);
}

TEST_F(LogFollowerTest, GrowsOverManyBundles) {
  const auto follower = open();
  show(*follower, log, 0);
  for (std::uint64_t i = 0; i < 700; ++i) log.deal(*admin, "plant/" + std::to_string(i), 512 + i, start);
  show(*follower, log, 10);
  EXPECT_EQ(follower->state().size, 700U);
  log.order(1, false, *boiler, start + 15);
  show(*follower, log, 20);
  EXPECT_EQ(revoked(*follower, *boiler), 1U);
}

TEST_F(LogFollowerTest, AChangedEntryLeadsNowhere) {
  const auto follower = open();
  show(*follower, log, 0);
  log.order(1, false, *boiler, start + 5);
  auto told = log.retained(start + 10);
  told.back().second.back() ^= 1;
  for (const auto& [topic, payload] : told) (void)follower->take(topic, payload, at(10));
  EXPECT_EQ(revoked(*follower, *boiler), std::nullopt);
  EXPECT_FALSE(follower->need_fresh(at(max_age + 1))) << "and the head is not taken";
}

TEST_F(LogFollowerTest, AStateOfAnotherSizeIsNone) {
  const auto follower = open();
  log.order(1, false, *boiler, start);
  const Buffer before = log.state();
  log.deal(*admin, "plant/#", 512, start);
  auto told = log.retained(start);
  told[1].second = before;
  for (const auto& [topic, payload] : told) (void)follower->take(topic, payload, at(0));
  EXPECT_FALSE(follower->knows());
  // The authority itself signs such a thing: the state has to say how long the log is.
  auto head = log.head(start);
  head.state = crypto::sha256(before);
  (void)take_head(*follower, sign_head(head, *authority).value(), 0);
  EXPECT_FALSE(follower->knows());
}

TEST_F(LogFollowerTest, OfAnotherAuthorityNothingIsTaken) {
  const auto forger = make_memory_keys("authority", Kind::authority, random);
  testing::ToldLog forged{*forger};
  forged.order(1, false, *boiler, start);
  const auto follower = open();
  show(*follower, forged, 0);
  EXPECT_FALSE(follower->knows());
}

// Head of another tree.
TEST_F(LogFollowerTest, TwoHistoriesAreRefusedForGood) {
  testing::ToldLog other{*authority};
  log.deal(*admin, "plant/#", 512, start);
  other.deal(*admin, "plant/#", 513, start);
  const auto follower = open();
  show(*follower, log, 0);
  const auto forked = take_head(*follower, other.signed_head(start + 5), 10);
  ASSERT_FALSE(forked);
  EXPECT_TRUE(forked.error().what.starts_with("policy: the log of authority shows two histories")) << forked.error().what;
  show(*follower, log, 20);
  EXPECT_EQ(follower->need_fresh(at(20)).error().what, "policy: the log of authority shows two histories");
  EXPECT_FALSE(open()->need_fresh(at(20))) << "also after a restart";
  std::size_t proofs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "log"))
    if (entry.path().filename().string().starts_with("fork-authority-")) {
      std::filesystem::remove(entry);
      ++proofs;
    }
  EXPECT_EQ(proofs, 1U);
  EXPECT_TRUE(open()->need_fresh(at(20))) << "until a person has removed the file";
}

// The same tree, and not the same people revoked.
TEST_F(LogFollowerTest, TwoStatesOfOneTreeAreTwoHistories) {
  testing::ToldLog other{*authority};
  log.order(1, false, *boiler, start);
  other.order(1, false, *admin, start);
  ASSERT_EQ(log.head(start).root, other.head(start).root);
  const auto follower = open();
  show(*follower, log, 0);
  const auto forked = take_head(*follower, other.signed_head(start + 5), 10);
  ASSERT_FALSE(forked);
  EXPECT_TRUE(forked.error().what.starts_with("policy: the log of authority shows two histories")) << forked.error().what;
}

TEST_F(LogFollowerTest, ALogThatShrinksIsTwoHistories) {
  const testing::ToldLog before = log;
  log.order(1, false, *boiler, start);
  const auto follower = open();
  show(*follower, log, 0);
  const auto forked = take_head(*follower, before.signed_head(start + 5), 10);
  ASSERT_FALSE(forked);
  EXPECT_TRUE(forked.error().what.starts_with("policy: the log of authority shows two histories"));
}

TEST_F(LogFollowerTest, AnOrderMayBeLaterThanTheHead) {
  const auto follower = open();
  log.order(1, false, *boiler, start);
  show(*follower, log, 0);
  const auto keys = crypto::key_hashes(boiler->identity().keys);
  follower->take({.serial = 2, .restores = true, .keys = keys, .name = {}, .frame = {}});
  EXPECT_EQ(revoked(*follower, *boiler), std::nullopt);
  log.order(2, true, *boiler, start + 5);
  log.order(3, false, *boiler, start + 6);
  show(*follower, log, 10);
  EXPECT_EQ(revoked(*follower, *boiler), 3U) << "what the head has counts";
}

}  // namespace
}  // namespace sealmq
