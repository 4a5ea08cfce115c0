// What only a registry in a database can do wrong. A real server, because it is the server's behaviour that counts.
#include "registry/postgres.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "sealmq/registry.h"
#include "support/identities.h"
#include "support/postgres_server.h"

namespace sealmq {
namespace {

using postgres::Address;
using postgres::Connection;
using postgres::Trouble;
using testing::identity_named;
using testing::postgres_server;

// -- addresses -----------------------------------------------------------------------------------------------------------------

std::string value_of(const Address& address, std::string_view word) {
  std::string value = "none";
  for (std::size_t i = 0; i < address.words.size(); ++i) {
    if (address.words[i] == word) value = address.values[i];
  }
  return value;
}

TEST(PostgresAddress, RefusesWhatIsNoUrlOrHoldsAPassword) {
  for (const char* url :
       {"", "registry.db", "host=localhost", "mysql://a/b", "postgresql://a:secret@localhost/b",
        "postgresql://localhost/b?password=secret", "postgresql://localhost/b?colour=red", "postgresql://[::1/b"}) {
    const auto address = Address::parse(url);
    ASSERT_FALSE(address) << url;
    EXPECT_EQ(address.error().blame, Blame::caller_misused) << url;
    EXPECT_EQ(address.error().what.find("secret"), std::string::npos) << address.error().what;
  }
}

TEST(PostgresAddress, AsksAServerElsewhereToProveItself) {
  for (const char* url : {"postgresql://db.example/a", "postgresql://localhost,db.example/a", "postgresql:///a",
                          "postgresql://localhost/a?hostaddr=192.0.2.1", "postgresql://127.example/a"}) {
    EXPECT_EQ(value_of(Address::parse(url).value(), "sslmode"), "verify-full") << url;
  }
  for (const char* url : {"postgresql://localhost/a", "postgresql://127.0.0.1:5433/a", "postgresql://[::1]/a",
                          "postgresql:///a?host=/run/postgresql", "postgresql://127.0.0.1,[::1]/a"}) {
    EXPECT_EQ(value_of(Address::parse(url).value(), "sslmode"), "none") << url;
  }
  EXPECT_EQ(value_of(Address::parse("postgresql://db.example/a?sslmode=require").value(), "sslmode"), "require");
}

TEST(PostgresAddress, DoesNotWaitForEver) {
  EXPECT_EQ(value_of(Address::parse("postgresql://localhost/a").value(), "connect_timeout"), "3");
  EXPECT_EQ(value_of(Address::parse("postgresql://localhost/a?connect_timeout=9").value(), "connect_timeout"), "9");
}

// -- connections ---------------------------------------------------------------------------------------------------------------

Connection connection() {
  return Connection::open(Address::parse(postgres_server().url()).value()).value();
}

TEST(PostgresConnection, SaysThatNobodyAnswers) {
  const auto opened = open_postgres_registry("postgresql://tests@127.0.0.1:1/postgres");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().blame, Blame::environment);
  EXPECT_NE(opened.error().what.find("cannot reach the database postgres at 127.0.0.1"), std::string::npos)
      << opened.error().what;
  EXPECT_EQ(opened.error().what.find('\n'), std::string::npos);
}

TEST(PostgresConnection, ReadsAnswersStrictly) {
  auto on = connection();
  const auto rows = on.query("SELECT 7, -1, 'x', NULL, '\\x0aff'::bytea, 1.5, 99999999999999999999").value();
  EXPECT_EQ(rows.number(0, 0).value(), 7U);
  for (int column : {1, 2, 3, 5, 6}) EXPECT_FALSE(rows.number(0, column)) << column;
  EXPECT_FALSE(rows.text(0, 3));
  EXPECT_FALSE(rows.text(1, 0));
  EXPECT_FALSE(rows.text(0, 7));
  EXPECT_EQ(rows.blob(0, 4).value(), (Buffer{0x0A, 0xFF}));
  EXPECT_FALSE(rows.blob(0, 2));
}

TEST(PostgresConnection, BlamesTheCallerForTextThatIsNone) {
  auto on = connection();
  for (const std::string_view text : {std::string_view("a\0b", 3), std::string_view("\xFF"), std::string_view("\xED\xA0\x80")}) {
    const auto rows = on.query("SELECT $1::text", text);
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().blame, Blame::caller_misused) << rows.error().what;
  }
  EXPECT_TRUE(on.query("SELECT 1")) << "the connection is as good as before";
}

TEST(PostgresConnection, GivesUpOnAServerThatSaysNothing) {
  auto on = connection();
  const auto server_process = on.query("SELECT pg_backend_pid()").value().number(0, 0).value();
  ASSERT_EQ(::kill(static_cast<pid_t>(server_process), SIGSTOP), 0);
  const auto rows = on.query("SELECT 1");
  ::kill(static_cast<pid_t>(server_process), SIGCONT);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().blame, Blame::environment);
  EXPECT_EQ(on.trouble(), Trouble::lost);
}

// -- the registry --------------------------------------------------------------------------------------------------------------

class PostgresRegistry : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(by_hand_.execute("DROP SCHEMA IF EXISTS sealmq CASCADE"));
    registry_ = open_postgres_registry(postgres_server().url()).value();
    ASSERT_TRUE(registry_->add(identity_named("boiler-7")));
  }

  Connection by_hand_ = connection();
  std::unique_ptr<Registry> registry_;
};

TEST_F(PostgresRegistry, RefusesASchemaItDoesNotKnow) {
  ASSERT_TRUE(by_hand_.execute("UPDATE sealmq.state SET schema = 99"));
  const auto opened = open_postgres_registry(postgres_server().url());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().what.find("schema 99"), std::string::npos) << opened.error().what;
}

TEST_F(PostgresRegistry, ReportsARowItCannotRead) {
  for (const char* damage :
       {"status = 'happy'", "kind = 'cat', status = 'active'", "kind = 'device', schnorr = '\\x00'", "changed = -1"}) {
    ASSERT_TRUE(by_hand_.execute(("UPDATE sealmq.identity SET " + std::string(damage)).c_str()));
    const auto found = registry_->find("boiler-7");
    ASSERT_FALSE(found) << damage;
    EXPECT_EQ(found.error().blame, Blame::environment);
    EXPECT_FALSE(registry_->list());
  }
}

TEST_F(PostgresRegistry, ATicketThatThereIsNotIsLookedForWithoutAWrite) {
  ASSERT_TRUE(
      by_hand_.execute("BEGIN; LOCK TABLE sealmq.state IN EXCLUSIVE MODE"));  // who wants to write waits for it, and gives up
  const auto burned = registry_->burn_ticket({1}, 0);
  ASSERT_TRUE(by_hand_.execute("ROLLBACK"));
  ASSERT_TRUE(burned) << burned.error().what;
  EXPECT_EQ(*burned, std::nullopt);
}

TEST_F(PostgresRegistry, NoticesAChangeByHand) {
  const auto before = registry_->version().value();
  ASSERT_TRUE(by_hand_.execute("UPDATE sealmq.identity SET changed = 5"));
  EXPECT_NE(registry_->wait_for_change(before, std::chrono::hours(1)).value(), before);
}

TEST_F(PostgresRegistry, DoesATransactionAgainThatConflictsWithAnother) {
  // Without its trigger, the change by hand does not wait for the lock that our own writers take.
  ASSERT_TRUE(by_hand_.execute("ALTER TABLE sealmq.identity DISABLE TRIGGER ALL"));
  int calls = 0;
  const auto changed = registry_->change("boiler-7", [&](Identity& identity) -> Result<> {
    if (++calls == 1) {
      EXPECT_TRUE(by_hand_.execute("UPDATE sealmq.identity SET changed = 40"));
    }
    identity.changed += 2;
    return {};
  });
  ASSERT_TRUE(changed) << changed.error().what;
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(registry_->find("boiler-7").value()->changed, 42U);
}

TEST_F(PostgresRegistry, ComesBackAfterItsServer) {
  const auto before = registry_->version().value();
  EXPECT_EQ(registry_->wait_for_change(before, std::chrono::milliseconds(1)).value(), before);
  postgres_server().stop();
  const auto away = registry_->find("boiler-7");
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().blame, Blame::environment);
  EXPECT_FALSE(registry_->wait_for_change(before, std::chrono::hours(1)));
  postgres_server().start();
  EXPECT_EQ(registry_->find("boiler-7").value(), identity_named("boiler-7"));
  EXPECT_EQ(registry_->wait_for_change(before, std::chrono::milliseconds(1)).value(), before);
  ASSERT_TRUE(registry_->add(identity_named("boiler-8")));
  EXPECT_NE(registry_->wait_for_change(before, std::chrono::hours(1)).value(), before);
}

TEST_F(PostgresRegistry, AConnectionCutWhileItLayIdleIsNotNoticed) {
  const auto cut =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sealmq' AND pid <> pg_backend_pid()";
  ASSERT_TRUE(by_hand_.execute(cut));
  EXPECT_TRUE(registry_->add(identity_named("boiler-8")));
}

TEST_F(PostgresRegistry, TwoThatOpenAnEmptyDatabaseMakeOneRegistry) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(by_hand_.execute("DROP SCHEMA sealmq CASCADE"));
    std::thread other([] { EXPECT_TRUE(open_postgres_registry(postgres_server().url())); });
    EXPECT_TRUE(open_postgres_registry(postgres_server().url()));
    other.join();
  }
}

}  // namespace
}  // namespace sealmq
