// The log in an authority's folder: what is entered, what is told, and whether the folder is as new as the world.
#include "authority/log_keeper.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "crypto/identity_digest.h"
#include "crypto/random.h"
#include "support/temporary_folder.h"

namespace sealmq::authority {
namespace {

using key_log::DealLeaf;
using key_log::Leaf;
using testing::TemporaryFolder;

constexpr std::uint64_t start = 1'800'000'000'000;

class LogKeeperTest : public ::testing::Test {
 protected:
  static Result<Buffer> content(Bytes frame) { return to_buffer(frame.first(1)); }
  std::unique_ptr<LogKeeper> open(const std::string& at = "log.db") {
    return LogKeeper::open(folder / at, *key, *orders, content).value();
  }
  void issue(bool restores, std::uint8_t whom) {
    Decision decision;
    decision.restores = restores;
    decision.keys = {{whom}};
    const auto sign = [](std::uint64_t serial, const Decision&) -> Result<Buffer> {
      return Buffer{static_cast<std::uint8_t>(serial), 0xAA};
    };
    ASSERT_TRUE(orders->issue(decision, sign));
  }
  Result<bool> enter(LogKeeper& log, const Leaf& leaf, KeyStore& by, std::uint64_t wall) {
    return log.enter(key_log::read_submitted(key_log::submit(leaf, by).value()).value(), {admin->identity()}, wall);
  }
  Leaf deal(std::uint64_t number, std::uint64_t time) const {
    return {time, DealLeaf{crypto::identity_digest(admin->identity().keys), {7}, number, {}}};
  }
  key_log::Head head_of(LogKeeper& log, std::uint64_t wall) {
    return *key_log::read_head(log.make_head(wall).value(), key->identity().keys).value();
  }

  const TemporaryFolder folder;
  crypto::OsRandom random;
  std::unique_ptr<KeyStore> key = make_memory_keys("authority", Kind::authority, random);
  std::unique_ptr<KeyStore> admin = make_memory_keys("admin", Kind::person, random);
  std::unique_ptr<KeyStore> stranger = make_memory_keys("stranger", Kind::person, random);
  std::unique_ptr<OrderLedger> orders = OrderLedger::open(folder / "authority.db", key->identity().keys.ecdsa).value();
};

TEST_F(LogKeeperTest, EntersOrdersOnceAndInTheirOrder) {
  issue(false, 1);
  issue(false, 2);
  const auto log = open();
  EXPECT_EQ(log->enter_orders(start), true);
  EXPECT_EQ(log->enter_orders(start), false);
  issue(true, 1);
  EXPECT_EQ(log->enter_orders(start), true);
  EXPECT_EQ(log->size(), 3U);
  const auto state = key_log::decode_state(log->state()).value();
  EXPECT_EQ(state.revoked, (std::vector<key_log::State::Revoked>{{2, {KeyHash{2}}}}));
  EXPECT_EQ(head_of(*log, start).last_serial, 3U);
}

TEST_F(LogKeeperTest, GoesOnAfterARestart) {
  issue(false, 1);
  Buffer state, frontier;
  key_log::Head before;
  {
    const auto log = open();
    ASSERT_TRUE(log->enter_orders(start));
    ASSERT_TRUE(enter(*log, deal(512, start), *admin, start));
    before = head_of(*log, start);
    state = log->state();
    frontier = log->frontier();
  }
  const auto log = open();
  EXPECT_EQ(log->state(), state);
  EXPECT_EQ(log->frontier(), frontier);
  EXPECT_EQ(log->enter_orders(start), false);
  const auto after = head_of(*log, start - 5000);
  EXPECT_EQ(after.root, before.root);
  EXPECT_GT(after.time, before.time) << "whatever the clock says";
  EXPECT_EQ(testing::mode_of(folder / "log.db"), 0600);
}

TEST_F(LogKeeperTest, EntersWhatAnAdministratorSaysOfItself) {
  const auto log = open();
  EXPECT_EQ(enter(*log, deal(512, start), *admin, start), true);
  EXPECT_EQ(enter(*log, deal(512, start), *admin, start), false) << "once";
  EXPECT_FALSE(enter(*log, deal(511, start), *admin, start)) << "a number only grows";
  EXPECT_EQ(enter(*log, deal(513, start), *admin, start), true);
  EXPECT_FALSE(enter(*log, deal(600, start), *stranger, start)) << "of nobody who is listed";
  Leaf others = deal(600, start);
  std::get<DealLeaf>(others.body).administrator = crypto::identity_digest(stranger->identity().keys);
  EXPECT_FALSE(enter(*log, others, *admin, start)) << "about somebody else";
  EXPECT_FALSE(enter(*log, deal(600, start - 30'001), *admin, start));
  EXPECT_FALSE(enter(*log, deal(600, start + 5'001), *admin, start));
  EXPECT_EQ(log->size(), 2U);
}

TEST_F(LogKeeperTest, EntersNothingOfWhoIsRevoked) {
  Decision decision;
  decision.keys = crypto::key_hashes(admin->identity().keys);
  ASSERT_TRUE(orders->issue(decision, [](std::uint64_t, const Decision&) -> Result<Buffer> { return Buffer{1, 0xAA}; }));
  const auto log = open();
  ASSERT_TRUE(log->enter_orders(start));
  EXPECT_FALSE(enter(*log, deal(512, start), *admin, start));
}

TEST_F(LogKeeperTest, BundlesHoldAllEntries) {
  const auto log = open();
  for (std::uint64_t i = 1; i <= 300; ++i) ASSERT_TRUE(enter(*log, deal(i, start), *admin, start));
  crypto::TreeFrontier tree;
  for (std::uint64_t bundle = 0; bundle < 2; ++bundle) {
    const auto entries = key_log::decode_entries(log->bundle(bundle).value()).value();
    for (const Buffer& leaf : entries.leaves) tree.add(leaf);
  }
  EXPECT_EQ(tree.size(), 300U);
  EXPECT_EQ(tree.root(), head_of(*log, start).root);
}

// The authority's folder set back.
TEST_F(LogKeeperTest, AFolderThatWasSetBackIsSeen) {
  const auto log = open();
  ASSERT_TRUE(enter(*log, deal(512, start), *admin, start));
  const Buffer first = log->make_head(start).value();
  EXPECT_TRUE(log->judge(first));
  std::filesystem::copy(folder / "log.db", folder / "old.db");
  if (std::filesystem::exists(folder / "log.db-wal")) std::filesystem::copy(folder / "log.db-wal", folder / "old.db-wal");
  const Buffer sign_of_life = log->make_head(start + 60'000).value();
  ASSERT_TRUE(enter(*log, deal(513, start + 60'000), *admin, start + 60'000));
  const Buffer grown = log->make_head(start + 61'000).value();

  const auto old = open("old.db");
  EXPECT_TRUE(old->judge(first));
  EXPECT_FALSE(old->judge(sign_of_life)) << "it never signed that";
  const auto refused = old->judge(grown);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::peer_misbehaved);
  EXPECT_TRUE(refused.error().what.starts_with("a head of this authority's log has more entries than this folder"))
      << refused.error().what;
  EXPECT_TRUE(log->judge(sign_of_life)) << "an older head says nothing";
  const auto forger = make_memory_keys("authority", Kind::authority, random);
  EXPECT_TRUE(old->judge(key_log::sign_head(head_of(*log, start + 70'000), *forger).value())) << "nor does another's";

  // It may take over what it lacks, if that leads to the head.
  Buffer changed = log->bundle(0).value();
  changed.back() ^= 1;
  EXPECT_FALSE(old->adopt(grown, {{0, changed}}));
  EXPECT_FALSE(old->adopt(grown, {}));
  EXPECT_EQ(old->size(), 1U);
  ASSERT_TRUE(old->adopt(grown, {{0, log->bundle(0).value()}}));
  EXPECT_EQ(old->size(), 2U);
  EXPECT_TRUE(old->judge(grown));
  EXPECT_EQ(enter(*old, deal(513, start), *admin, start), false) << "it knows that deal";
}

TEST_F(LogKeeperTest, OtherEntriesAreAnotherHistory) {
  const auto log = open();
  const auto other = open("other.db");
  ASSERT_TRUE(enter(*log, deal(512, start), *admin, start));
  ASSERT_TRUE(enter(*other, deal(777, start), *admin, start));
  const Buffer theirs = other->make_head(start).value();
  ASSERT_TRUE(log->make_head(start + 10));
  EXPECT_FALSE(log->judge(theirs));
}

TEST_F(LogKeeperTest, ALogIsOfOneKey) {
  ASSERT_TRUE(open()->make_head(start));
  const auto forger = make_memory_keys("authority", Kind::authority, random);
  EXPECT_FALSE(LogKeeper::open(folder / "log.db", *forger, *orders, content));
}

}  // namespace
}  // namespace sealmq::authority
