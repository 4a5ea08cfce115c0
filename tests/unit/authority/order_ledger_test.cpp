#include "authority/order_ledger.h"

#include <gtest/gtest.h>

#include <thread>

#include "crypto/identity_digest.h"
#include "crypto/random.h"
#include "support/temporary_folder.h"

namespace sealmq::authority {
namespace {

using testing::mode_of;
using testing::TemporaryFolder;

constexpr std::array<std::uint8_t, 33> key{2, 7};

Result<Buffer> sign(std::uint64_t serial, const Decision&) {
  return Buffer{static_cast<std::uint8_t>(serial), 0xAA};
}

Decision revoking(std::uint8_t whom) {
  Decision decision;
  decision.keys = {{whom}, {whom, 1}};
  decision.name = "boiler-7";
  decision.reason = 3;
  decision.remark = "stolen";
  decision.wall = 1700;
  return decision;
}

class OrderLedgerTest : public ::testing::Test {
 protected:
  std::unique_ptr<OrderLedger> open() const { return OrderLedger::open(folder_ / "authority.db", key).value(); }
  const TemporaryFolder folder_;
};

TEST_F(OrderLedgerTest, NumbersOrdersFromOneAndKeepsThem) {
  {
    const auto ledger = open();
    EXPECT_TRUE(ledger->after(0)->empty());
    const auto first = ledger->issue(revoking(1), sign).value();
    EXPECT_EQ(first, (IssuedOrder{1, revoking(1), {1, 0xAA}}));
  }
  Decision restoring = revoking(1);
  restoring.restores = true;
  const auto ledger = open();
  EXPECT_EQ(ledger->issue(restoring, sign)->serial, 2U);
  EXPECT_EQ(ledger->after(0).value(), (std::vector<IssuedOrder>{{1, revoking(1), {1, 0xAA}}, {2, restoring, {2, 0xAA}}}));
  EXPECT_EQ(ledger->after(1)->size(), 1U);
  EXPECT_TRUE(ledger->after(2)->empty());
  EXPECT_TRUE(ledger->after(~std::uint64_t{0})->empty());
  EXPECT_EQ(mode_of(folder_ / "authority.db"), 0600U);
}

TEST_F(OrderLedgerTest, ANumberWhoseSignatureFailedIsGivenToTheNext) {
  const auto ledger = open();
  const auto failing = [](std::uint64_t, const Decision&) -> Result<Buffer> {
    return fail(Blame::environment, "the card is gone");
  };
  EXPECT_FALSE(ledger->issue(revoking(1), failing));
  EXPECT_TRUE(ledger->after(0)->empty());
  EXPECT_EQ(ledger->issue(revoking(2), sign)->serial, 1U);
}

TEST_F(OrderLedgerTest, TwoProcessesNeverGiveOneNumberTwice) {
  const auto give = [](OrderLedger& ledger) {
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(ledger.issue(revoking(1), sign));
  };
  const auto one = open(), other = open();
  std::thread thread(give, std::ref(*other));
  give(*one);
  thread.join();
  EXPECT_EQ(one->after(0)->size(), 20U);
  EXPECT_EQ(one->after(19)->front().serial, 20U);
}

TEST_F(OrderLedgerTest, RemembersHowFarEachBrokerHasGot) {
  EXPECT_TRUE(open()->serve({"mqtt://b:1", "mqtt://a:1"}));
  EXPECT_TRUE(open()->note({"mqtt://a:1", 5, "refuses order 6"}));
  EXPECT_EQ(open()->served().value(), (std::vector<Served>{{"mqtt://a:1", 5, "refuses order 6"}, {"mqtt://b:1", 0, ""}}));
  EXPECT_TRUE(open()->serve({"mqtt://a:1"}));
  EXPECT_EQ(open()->served().value(), (std::vector<Served>{{"mqtt://a:1", 5, ""}})) << "the trouble was that of another process";
  EXPECT_TRUE(open()->note({"mqtt://nobody:1", 5, ""}));
  EXPECT_EQ(open()->served()->size(), 1U);
}

TEST_F(OrderLedgerTest, SeesThatAnotherProcessHasGivenAnOrder) {
  const auto one = open(), other = open();
  const auto before = one->version().value();
  EXPECT_EQ(one->version().value(), before);
  EXPECT_TRUE(other->issue(revoking(1), sign));
  EXPECT_NE(one->version().value(), before);
}

TEST_F(OrderLedgerTest, BelongsToOneKey) {
  static_cast<void>(open());
  const auto opened = OrderLedger::open(folder_ / "authority.db", {2, 8});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().blame, Blame::caller_misused);
}

TEST_F(OrderLedgerTest, NoOrderCanBeChangedOrTakenAway) {
  const auto ledger = open();
  ASSERT_TRUE(ledger->issue(revoking(1), sign));
  auto database = sqlite::Database::open(folder_ / "authority.db").value();
  EXPECT_FALSE(database.execute("UPDATE issued SET remark = 'other'"));
  EXPECT_FALSE(database.execute("DELETE FROM issued"));
  ASSERT_TRUE(database.execute(
      "DROP TRIGGER issued_stays; DELETE FROM issued; INSERT INTO issued VALUES (2, 0, zeroblob(32), 0, '', 0, x'', x'', '')"));
  EXPECT_FALSE(ledger->after(0)) << "a gap is seen";
}

TEST_F(OrderLedgerTest, OrdersOfTheFirstSchemaAreThere) {
  {
    auto database = sqlite::Database::open(folder_ / "authority.db").value();
    ASSERT_TRUE(database.execute((R"(
      CREATE TABLE authority (ecdsa BLOB NOT NULL) STRICT;
      CREATE TABLE issued (
        serial   INTEGER PRIMARY KEY CHECK (serial > 0),
        restores INTEGER NOT NULL CHECK (restores IN (0, 1)),
        id       BLOB NOT NULL CHECK (length(id) = 32),
        reason   INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 255),
        remark   TEXT NOT NULL,
        wall     INTEGER NOT NULL,
        frame    BLOB NOT NULL
      ) STRICT;
      CREATE TABLE served (broker TEXT PRIMARY KEY, serial INTEGER NOT NULL, trouble TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TRIGGER issued_stays_as_it_is BEFORE UPDATE ON issued BEGIN SELECT raise(ABORT, 'an order cannot change'); END;
      CREATE TRIGGER issued_stays          BEFORE DELETE ON issued BEGIN SELECT raise(ABORT, 'an order cannot go'); END;
      INSERT INTO authority VALUES (x'0207)" +
                                  std::string(62, '0') + R"(');
      INSERT INTO issued VALUES (1, 0, x'05)" +
                                  std::string(62, '0') + R"(', 3, 'stolen', 1700, x'01aa');
      INSERT INTO issued VALUES (2, 0, zeroblob(32), 3, 'a card', 1700, x'02aa');
      PRAGMA user_version = 1;)")
                                     .c_str()));
  }
  const auto ledger = open();
  const auto orders = ledger->after(0).value();
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[0].decision.keys, (std::vector<KeyHash>{crypto::key_hash(std::array<std::uint8_t, 32>{5})}));
  EXPECT_EQ(orders[0].decision.remark, "stolen");
  EXPECT_EQ(orders[0].frame, (Buffer{1, 0xAA}));
  EXPECT_TRUE(orders[1].decision.keys.empty()) << "the ID of zeroes was nobody's";
  EXPECT_EQ(ledger->issue(revoking(1), sign)->serial, 3U);
  EXPECT_EQ(open()->after(2).value().front().decision, revoking(1));
}

TEST(AuthorityKey, IsMadeOnceForTheOwnerOnly) {
  const TemporaryFolder folder;
  const AuthorityFolder authority{folder / "authority"};
  crypto::OsRandom random;
  const auto made = open_or_create_authority_key(authority, random).value()->identity();
  EXPECT_EQ(made.kind, Kind::authority);
  EXPECT_EQ(mode_of(authority.key()), 0600U);
  EXPECT_EQ(open_or_create_authority_key(authority, random).value()->identity(), made);
  EXPECT_EQ(read_public_identity(authority.pub()).value(), made);
}

TEST(AuthorityKey, IsNoOtherKindOfKey) {
  const TemporaryFolder folder;
  crypto::OsRandom random;
  ASSERT_TRUE(create_key_files("boiler-7", Kind::device, folder / "authority.key", folder / "authority.pub", random));
  EXPECT_FALSE(open_or_create_authority_key({folder.path()}, random));
}

}  // namespace
}  // namespace sealmq::authority
