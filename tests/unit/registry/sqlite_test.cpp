#include "registry/sqlite.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace sealmq::sqlite {
namespace {

class SqliteTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(database_.execute("CREATE TABLE t (n INTEGER, s TEXT, b BLOB) STRICT")); }

  std::uint64_t rows() { return database_.number("SELECT count(*) FROM t").value(); }

  testing::TemporaryFolder folder_;
  Database database_ = Database::open(folder_ / "test.db").value();
};

TEST_F(SqliteTest, GivesBackWhatWasBound) {
  const Buffer blob{0, 1, 0xFF};
  auto insert = database_.prepare("INSERT INTO t VALUES (?, ?, ?)").value();
  ASSERT_TRUE(insert.bind(~std::uint64_t{0}).bind(std::string_view("a\0b", 3)).bind(Bytes(blob)).run());
  ASSERT_TRUE(insert.bind(std::uint64_t{7}).bind(std::string_view()).bind(Bytes()).run());

  auto select = database_.prepare("SELECT n, s, b FROM t").value();
  ASSERT_TRUE(select.step().value());
  EXPECT_EQ(select.number(0), ~std::uint64_t{0});
  EXPECT_EQ(select.text(1), std::string("a\0b", 3));
  EXPECT_EQ(to_buffer(select.blob(2)), blob);
  ASSERT_TRUE(select.step().value());
  EXPECT_EQ(select.number(0), 7U);
  EXPECT_FALSE(select.is_null(1));
  EXPECT_FALSE(select.is_null(2));
  EXPECT_FALSE(select.step().value());
}

TEST_F(SqliteTest, AStatementCanBeUsedAgainAfterAFailure) {
  ASSERT_TRUE(database_.execute("CREATE UNIQUE INDEX one ON t (n)"));
  auto insert = database_.prepare("INSERT INTO t (n) VALUES (?)").value();
  ASSERT_TRUE(insert.bind(std::uint64_t{1}).run());
  const auto doubled = insert.bind(std::uint64_t{1}).run();
  ASSERT_FALSE(doubled);
  EXPECT_EQ(doubled.error().blame, Blame::caller_misused) << "no disk is to blame, and trying again is of no use";
  EXPECT_NE(doubled.error().what.find("test.db"), std::string::npos) << doubled.error().what;
  EXPECT_TRUE(insert.bind(std::uint64_t{2}).run());
}

TEST_F(SqliteTest, BindingTooMuchIsAnError) {
  auto insert = database_.prepare("INSERT INTO t (n) VALUES (?)").value();
  EXPECT_FALSE(insert.bind(std::uint64_t{1}).bind(std::uint64_t{2}).run());
  EXPECT_EQ(rows(), 0U);
}

// SQLite's default, and NORMAL in write-ahead mode, would lose what was committed last when the power fails.
TEST_F(SqliteTest, ACommitReachesTheDisk) {
  constexpr std::uint64_t full = 2;
  EXPECT_EQ(database_.number("PRAGMA synchronous"), full);
  auto mode = database_.prepare("PRAGMA journal_mode").value();
  ASSERT_TRUE(mode.step().value());
  EXPECT_EQ(mode.text(0), "wal");
}

TEST_F(SqliteTest, WhatIsNotThereIsToBlameOnTheEnvironment) {
  const auto missing = database_.execute("INSERT INTO nowhere VALUES (1)");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().blame, Blame::environment);
  EXPECT_FALSE(found_damage(missing.error()));
}

TEST_F(SqliteTest, TellsADamagedFileApart) {
  testing::write_text(folder_ / "other.db", std::string(8192, 'x'));
  const auto opened = Database::open(folder_ / "other.db");
  ASSERT_FALSE(opened);
  EXPECT_TRUE(found_damage(opened.error())) << opened.error().what;
}

TEST_F(SqliteTest, ATransactionWithoutCommitIsUndone) {
  {
    auto transaction = Transaction::begin(database_).value();
    ASSERT_TRUE(database_.execute("INSERT INTO t (n) VALUES (1)"));
  }
  EXPECT_EQ(rows(), 0U);
  auto transaction = Transaction::begin(database_).value();
  ASSERT_TRUE(database_.execute("INSERT INTO t (n) VALUES (1)"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(rows(), 1U);
}

TEST_F(SqliteTest, RefusesALinkInPlaceOfTheFile) {
  std::filesystem::create_symlink(folder_ / "test.db", folder_ / "link.db");
  EXPECT_FALSE(Database::open(folder_ / "link.db"));
}

}  // namespace
}  // namespace sealmq::sqlite
