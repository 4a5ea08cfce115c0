// What only a registry in a file can do wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "registry/sqlite.h"
#include "sealmq/registry.h"
#include "support/identities.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::identity_named;
using testing::mode_of;
using testing::TemporaryFolder;

TEST(SqliteRegistry, MakesItsFilesForTheOwnerOnly) {
  const TemporaryFolder folder;
  const auto before = ::umask(0);
  const auto registry = open_sqlite_registry(folder / "registry.db").value();
  ASSERT_TRUE(registry->add(identity_named("a")));
  ::umask(before);
  for (const char* name : {"registry.db", "registry.db-wal", "registry.db-shm"}) EXPECT_EQ(mode_of(folder / name), 0600U) << name;
}

TEST(SqliteRegistry, KeepsItsListWhenItIsOpenedAgain) {
  const TemporaryFolder folder;
  ASSERT_TRUE(open_sqlite_registry(folder / "registry.db").value()->add(identity_named("a")));
  EXPECT_EQ(open_sqlite_registry(folder / "registry.db").value()->find("a").value(), identity_named("a"));
}

TEST(SqliteRegistry, BlamesTheEnvironmentForAFolderThatIsNotThere) {
  const TemporaryFolder folder;
  const auto opened = open_sqlite_registry(folder / "missing/registry.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().blame, Blame::environment);
  EXPECT_NE(opened.error().what.find("missing/registry.db"), std::string::npos) << opened.error().what;
}

TEST(SqliteRegistry, RefusesAFileThatIsNoDatabase) {
  const TemporaryFolder folder;
  testing::write_text(folder / "registry.db", std::string(5000, 'x'));
  const auto opened = open_sqlite_registry(folder / "registry.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().blame, Blame::environment);
}

TEST(SqliteRegistry, RefusesASchemaItDoesNotKnow) {
  const TemporaryFolder folder;
  {
    auto database = sqlite::Database::open(folder / "registry.db").value();
    ASSERT_TRUE(database.execute("PRAGMA user_version = 99"));
  }
  const auto opened = open_sqlite_registry(folder / "registry.db");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().what.find("schema 99"), std::string::npos) << opened.error().what;
}

TEST(SqliteRegistry, ATicketThatThereIsNotIsLookedForWithoutAWrite) {
  const TemporaryFolder folder;
  const auto registry = open_sqlite_registry(folder / "registry.db").value();
  auto other = sqlite::Database::open(folder / "registry.db").value();
  const auto lock = sqlite::Transaction::begin(other).value();  // who wants to write waits for it, and gives up
  const auto burned = registry->burn_ticket({1}, 0);
  ASSERT_TRUE(burned) << burned.error().what;
  EXPECT_EQ(*burned, std::nullopt);
}

TEST(SqliteRegistry, ReportsARowItCannotRead) {
  const TemporaryFolder folder;
  ASSERT_TRUE(open_sqlite_registry(folder / "registry.db").value()->add(identity_named("a")));
  {
    auto database = sqlite::Database::open(folder / "registry.db").value();
    ASSERT_TRUE(database.execute("UPDATE identity SET status = 'happy'"));
  }
  const auto registry = open_sqlite_registry(folder / "registry.db").value();
  const auto found = registry->find("a");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().blame, Blame::environment);
  EXPECT_FALSE(registry->list());
}

}  // namespace
}  // namespace sealmq
