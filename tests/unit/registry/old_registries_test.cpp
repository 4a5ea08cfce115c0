// Registries that older programs have made are opened by this one, and everything in them is found again. The schemas are copies
// of what those programs wrote: a change of today's must not change them.
#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/identity_digest.h"
#include "registry/postgres.h"
#include "registry/sqlite.h"
#include "sealmq/registry.h"
#include "support/identities.h"
#include "support/postgres_server.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::identity_named;
using testing::postgres_server;
using testing::TemporaryFolder;

constexpr const char* sqlite_1 = R"(
  CREATE TABLE identity (
    name              TEXT PRIMARY KEY,
    kind              TEXT NOT NULL,
    status            TEXT NOT NULL,
    schnorr           BLOB NOT NULL UNIQUE,
    ecdsa             BLOB NOT NULL,
    agreement         BLOB NOT NULL,
    revocation_reason TEXT NOT NULL,
    changed           INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX identity_ecdsa ON identity (substr(ecdsa, 2));
  CREATE UNIQUE INDEX identity_agreement ON identity (substr(agreement, 2));

  CREATE TABLE entitlement (
    name     TEXT NOT NULL REFERENCES identity (name),
    what     TEXT NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (name, what, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE revocation (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL REFERENCES identity (name),
    reason        TEXT NOT NULL,
    wall          INTEGER NOT NULL,
    reported      INTEGER NOT NULL DEFAULT 0,
    sessions      INTEGER NOT NULL DEFAULT 0,
    subscriptions INTEGER NOT NULL DEFAULT 0,
    queued        INTEGER NOT NULL DEFAULT 0,
    retained      INTEGER NOT NULL DEFAULT 0,
    groups        INTEGER NOT NULL DEFAULT 0,
    microseconds  INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX revocation_open ON revocation (number) WHERE reported = 0;

  PRAGMA user_version = 1;
)";

constexpr const char* sqlite_2_after_1 = R"(
  CREATE TABLE state (version INTEGER NOT NULL) STRICT;
  INSERT INTO state VALUES (0);
  CREATE TRIGGER identity_added      AFTER INSERT ON identity    BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER identity_changed    AFTER UPDATE ON identity    BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER identity_removed    AFTER DELETE ON identity    BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER entitlement_added   AFTER INSERT ON entitlement BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER entitlement_changed AFTER UPDATE ON entitlement BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER entitlement_removed AFTER DELETE ON entitlement BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER order_added         AFTER INSERT ON revocation  BEGIN UPDATE state SET version = version + 1; END;

  CREATE TABLE broker (
    id    TEXT PRIMARY KEY,
    seen  INTEGER,
    since INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE report (
    number        INTEGER NOT NULL REFERENCES revocation (number),
    broker        TEXT NOT NULL REFERENCES broker (id),
    sessions      INTEGER NOT NULL,
    subscriptions INTEGER NOT NULL,
    queued        INTEGER NOT NULL,
    retained      INTEGER NOT NULL,
    groups        INTEGER NOT NULL,
    microseconds  INTEGER NOT NULL,
    PRIMARY KEY (number, broker)
  ) STRICT, WITHOUT ROWID;

  DROP INDEX revocation_open;
  ALTER TABLE revocation DROP COLUMN reported;
  ALTER TABLE revocation DROP COLUMN sessions;
  ALTER TABLE revocation DROP COLUMN subscriptions;
  ALTER TABLE revocation DROP COLUMN queued;
  ALTER TABLE revocation DROP COLUMN retained;
  ALTER TABLE revocation DROP COLUMN groups;
  ALTER TABLE revocation DROP COLUMN microseconds;

  CREATE TABLE ticket (
    hash    BLOB PRIMARY KEY,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    expires INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE ticket_right (
    hash     BLOB NOT NULL REFERENCES ticket (hash) ON DELETE CASCADE,
    what     TEXT NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (hash, what, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE authority_order (
    authority BLOB NOT NULL,
    serial    INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    PRIMARY KEY (authority, serial)
  ) STRICT, WITHOUT ROWID;

  PRAGMA user_version = 2;
)";

constexpr const char* postgres_1 = R"(
  CREATE SCHEMA IF NOT EXISTS sealmq;

  CREATE TABLE sealmq.identity (
    name              text COLLATE "C" PRIMARY KEY,
    kind              text NOT NULL,
    status            text NOT NULL,
    schnorr           bytea NOT NULL UNIQUE,
    ecdsa             bytea NOT NULL,
    agreement         bytea NOT NULL,
    revocation_reason text NOT NULL,
    changed           bigint NOT NULL
  );
  CREATE UNIQUE INDEX identity_ecdsa ON sealmq.identity (substr(ecdsa, 2));
  CREATE UNIQUE INDEX identity_agreement ON sealmq.identity (substr(agreement, 2));

  CREATE TABLE sealmq.entitlement (
    name     text COLLATE "C" NOT NULL REFERENCES sealmq.identity (name),
    what     text COLLATE "C" NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme')),
    position integer NOT NULL,
    value    text NOT NULL,
    PRIMARY KEY (name, what, position)
  );

  CREATE TABLE sealmq.revocation (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name   text COLLATE "C" NOT NULL REFERENCES sealmq.identity (name),
    reason text NOT NULL,
    wall   bigint NOT NULL
  );

  CREATE TABLE sealmq.broker (
    id    text COLLATE "C" PRIMARY KEY,
    seen  timestamptz,
    since bigint NOT NULL
  );

  CREATE TABLE sealmq.report (
    number        bigint NOT NULL REFERENCES sealmq.revocation (number),
    broker        text COLLATE "C" NOT NULL REFERENCES sealmq.broker (id),
    sessions      bigint NOT NULL,
    subscriptions bigint NOT NULL,
    queued        bigint NOT NULL,
    retained      bigint NOT NULL,
    groups        bigint NOT NULL,
    microseconds  bigint NOT NULL,
    PRIMARY KEY (number, broker)
  );

  CREATE TABLE sealmq.ticket (
    hash    bytea PRIMARY KEY,
    name    text COLLATE "C" NOT NULL,
    kind    text NOT NULL,
    expires bigint NOT NULL
  );
  CREATE TABLE sealmq.ticket_right (
    hash     bytea NOT NULL REFERENCES sealmq.ticket (hash) ON DELETE CASCADE,
    what     text COLLATE "C" NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme')),
    position integer NOT NULL,
    value    text NOT NULL,
    PRIMARY KEY (hash, what, position)
  );

  CREATE TABLE sealmq.authority_order (
    authority bytea NOT NULL,
    serial    bigint NOT NULL,
    digest    bytea NOT NULL,
    PRIMARY KEY (authority, serial)
  );

  CREATE TABLE sealmq.state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    schema   bigint NOT NULL,
    version  bigint NOT NULL
  );
  INSERT INTO sealmq.state (schema, version) VALUES (1, 0);

  CREATE FUNCTION sealmq.count_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
  BEGIN
    UPDATE sealmq.state SET version = version + 1;
    PERFORM pg_notify('sealmq', '');
    RETURN NULL;
  END $$;
  CREATE TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sealmq.identity
    FOR EACH STATEMENT EXECUTE FUNCTION sealmq.count_change();
  CREATE TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sealmq.entitlement
    FOR EACH STATEMENT EXECUTE FUNCTION sealmq.count_change();
  CREATE TRIGGER count_change AFTER INSERT ON sealmq.revocation
    FOR EACH STATEMENT EXECUTE FUNCTION sealmq.count_change();
)";

// -- what stood in them ---------------------------------------------------------------------------------------------------------

template <std::size_t N>
std::array<std::uint8_t, N> filled(std::uint8_t octet, std::uint8_t first) {
  std::array<std::uint8_t, N> key;
  key.fill(octet);
  key[0] = first;
  return key;
}

Identity boiler() {
  Identity identity;
  identity.name = "boiler-7";
  identity.keys = {filled<32>(0x11, 0x11), filled<33>(0x12, 2), filled<33>(0x13, 3)};
  identity.publish = {"plant/7/#", "alarm"};
  identity.subscribe = {"orders/+"};
  identity.schemes = {"sl1"};
  identity.changed = 1000;
  return identity;
}

Identity stolen() {
  Identity identity;
  identity.name = "pump-1";
  identity.kind = Kind::service;
  identity.status = Status::revoked;
  identity.keys = {filled<32>(0x21, 0x21), filled<33>(0x22, 2), filled<33>(0x23, 3)};
  identity.revocation_reason = "stolen";
  identity.revoked_here = true;
  identity.changed = 2000;
  return identity;
}

/// Joined by the published form: a Schnorr key alone, the others all zeroes.
Identity joined(std::string name, std::uint8_t key) {
  Identity identity;
  identity.name = std::move(name);
  identity.keys.schnorr = filled<32>(key, key);
  identity.changed = 3000;
  return identity;
}

/// Revoked by an order of the authority.
Identity ordered() {
  Identity identity = joined("pump-3", 0x41);
  identity.keys.ecdsa = filled<33>(0x42, 2);  // in the first schema two without one could not stand beside each other
  identity.keys.agreement = filled<33>(0x43, 3);
  identity.status = Status::revoked;
  identity.revocation_reason = "ordered by the authority, serial 2";
  identity.ordered = 2;
  return identity;
}

/// PostgreSQL and SQLite differ in how they write octets.
std::string octets(bool is_postgres, Bytes bytes) {
  std::string text = is_postgres ? "'\\x" : "x'";
  for (const auto octet : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += {digits[octet >> 4], digits[octet & 15]};
  }
  return text + "'";
}

std::string insert(bool is_postgres, const Identity& its) {
  std::string sql = "INSERT INTO identity VALUES ('" + its.name + "', '" + std::string(name(its.kind)) + "', '" +
                    std::string(name(its.status)) + "', " + octets(is_postgres, its.keys.schnorr) + ", " +
                    octets(is_postgres, its.keys.ecdsa) + ", " + octets(is_postgres, its.keys.agreement) + ", '" +
                    its.revocation_reason + "', " + std::to_string(its.changed) + ");";
  const auto add = [&](const std::string& what, std::size_t position, const std::string& value) {
    sql +=
        "INSERT INTO entitlement VALUES ('" + its.name + "', '" + what + "', " + std::to_string(position) + ", '" + value + "');";
  };
  for (const auto& [what, rights] : {std::pair("publish", &its.publish), std::pair("subscribe", &its.subscribe)})
    for (std::size_t i = 0; i < rights->size(); ++i) add(what, i, (*rights)[i].filter);
  for (std::size_t i = 0; i < its.schemes.size(); ++i) add("scheme", i, its.schemes[i]);
  return sql;
}

constexpr TicketHash ticket_hash = {0xAB};
constexpr std::array<std::uint8_t, 32> authority{0xCD};

/// Three that were taken, each named by the hash of its whole frame.
std::string orders(bool is_postgres) {
  std::string sql;
  for (std::uint8_t serial = 1; serial <= 3; ++serial)
    sql += "INSERT INTO authority_order VALUES (" + octets(is_postgres, authority) + ", " + std::to_string(serial) + ", " +
           octets(is_postgres, std::array<std::uint8_t, 32>{0xEF, serial}) + ");";
  return sql;
}

AuthorityOrder order_about(std::uint64_t serial, const Identity& whom, bool restores = false) {
  AuthorityOrder order;
  order.authority = authority;
  order.serial = serial;
  order.digest = {static_cast<std::uint8_t>(serial)};
  order.restores = restores;
  order.keys = crypto::key_hashes(whom.keys);
  order.wall = 6000;
  return order;
}

/// They come again from the first on, since by content none is known. Meanwhile nobody who was revoked is active again.
void expect_orders_to_be_learned_again(Registry& registry) {
  const auto status = [&](const char* name) { return registry.find(name).value()->status; };
  EXPECT_EQ(registry.find("pump-3").value(), ordered());
  EXPECT_EQ(registry.last_serial(authority).value(), 3U);
  const Identity late = joined("late", 0x34);
  ASSERT_TRUE(registry.add(late)) << "order 1 was about it, before it was there";
  const auto early = registry.take_order(order_about(4, late));
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().what.find("those from 1 on are missing"), std::string::npos) << early.error().what;
  EXPECT_TRUE(registry.take_order(order_about(1, late)).value().is_new);
  EXPECT_EQ(status("late"), Status::active) << "the next may have taken it back";
  AuthorityOrder twin = order_about(1, late);
  twin.digest = {99};
  EXPECT_FALSE(registry.take_order(twin));
  EXPECT_TRUE(registry.take_order(order_about(2, ordered())).value().is_new);
  EXPECT_FALSE(registry.take_order(order_about(4, late)));
  EXPECT_TRUE(registry.take_order(order_about(3, joined("paper-1", 0x31), true)).value().is_new);
  EXPECT_EQ(status("late"), Status::revoked);
  EXPECT_EQ(status("pump-3"), Status::revoked);
  EXPECT_EQ(status("paper-1"), Status::active);
  EXPECT_EQ(status("pump-1"), Status::revoked) << "by the operator";
  EXPECT_FALSE(registry.take_order(order_about(1, late)).value().is_new);
  EXPECT_TRUE(registry.take_order(order_about(4, ordered(), true)).value().is_new);
  EXPECT_EQ(status("pump-3"), Status::active);
}

/// What came with tickets, brokers and authorities.
std::string later_rows(bool is_postgres) {
  const auto hash = octets(is_postgres, ticket_hash);
  return "INSERT INTO broker VALUES ('broker-1', NULL, 0);"
         "INSERT INTO ticket VALUES (" +
         hash +
         ", 'pump-2', 'service', 9000);"
         "INSERT INTO ticket_right VALUES (" +
         hash + ", 'publish', 0, 'plant/2/#');" + orders(is_postgres) + insert(is_postgres, joined("paper-1", 0x31)) +
         insert(is_postgres, ordered());
}

// -- what must be found ---------------------------------------------------------------------------------------------------------

void expect_the_list(Registry& registry) {
  EXPECT_EQ(registry.find("boiler-7").value(), boiler());
  EXPECT_EQ(registry.find("pump-1").value(), stolen());
  Identity thief = identity_named("thief");
  thief.keys.ecdsa = boiler().keys.ecdsa;
  EXPECT_FALSE(registry.add(thief)) << "its key is still its own";
  EXPECT_EQ(registry.last_order("pump-1").value(), 1U);
  ASSERT_TRUE(registry.heartbeat("broker-2"));
  const auto version = registry.version().value();
  EXPECT_EQ(registry.revoke("boiler-7", "sold", 4000).value(), 2U) << "numbers go on";
  EXPECT_NE(registry.version().value(), version);
  EXPECT_EQ(registry.open_orders("broker-2").value().size(), 1U);
  EXPECT_EQ(registry.behind(registry.version().value()).value(), std::vector<std::string>{"broker-2"});
}

void expect_the_rest(Registry& registry) {
  EXPECT_EQ(registry.find("paper-1").value(), joined("paper-1", 0x31));
  EXPECT_TRUE(registry.add(joined("paper-2", 0x32))) << "two without those keys stand beside each other";
  Ticket ticket;
  ticket.name = "pump-2";
  ticket.kind = Kind::service;
  ticket.publish = {"plant/2/#"};
  ticket.expires = 9000;
  EXPECT_EQ(registry.burn_ticket(ticket_hash, 5000).value(), ticket);
  expect_orders_to_be_learned_again(registry);
  ASSERT_TRUE(registry.remove("pump-1", 5000));
  EXPECT_EQ(registry.find("pump-1").value(), std::nullopt);
  Identity back = stolen();
  back.status = Status::active;
  back.revoked_here = false;
  EXPECT_FALSE(registry.add(back)) << "its key was revoked";
  const auto owed = registry.progress(1).value().owed;
  EXPECT_EQ(std::count_if(owed.begin(), owed.end(), [](const auto& one) { return one.broker == "broker-1"; }), 1);
}

// -- a file ---------------------------------------------------------------------------------------------------------------------

constexpr const char* an_order = "INSERT INTO revocation (name, reason, wall) VALUES ('pump-1', 'stolen', 2000);";

void make_file(const std::string& path, const std::string& sql) {
  auto database = sqlite::Database::open(path).value();
  const auto made = database.execute(sql.c_str());
  ASSERT_TRUE(made) << made.error().what;
}

TEST(OldRegistry, AFileOfTheFirstSchemaIsReadInFull) {
  const TemporaryFolder folder;
  make_file(folder / "registry.db", sqlite_1 + insert(false, boiler()) + insert(false, stolen()) + an_order);
  for (int time = 0; time < 2; ++time) ASSERT_TRUE(open_sqlite_registry(folder / "registry.db")) << "also the second time";
  expect_the_list(*open_sqlite_registry(folder / "registry.db").value());
}

TEST(OldRegistry, AFileOfTheSecondSchemaIsReadInFull) {
  const TemporaryFolder folder;
  make_file(folder / "registry.db", std::string(sqlite_1) + sqlite_2_after_1 + insert(false, boiler()) + insert(false, stolen()) +
                                        an_order + later_rows(false));
  const auto registry = open_sqlite_registry(folder / "registry.db").value();
  expect_the_list(*registry);
  expect_the_rest(*registry);
}

TEST(OldRegistry, AFileOfANewerProgramIsRefusedAndLeftAsItIs) {
  const TemporaryFolder folder;
  make_file(folder / "registry.db", "CREATE TABLE future (a); PRAGMA user_version = 11;");
  const auto opened = open_sqlite_registry(folder / "registry.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().blame, Blame::environment);
  EXPECT_NE(opened.error().what.find("newer program: it has schema 11"), std::string::npos) << opened.error().what;
  auto database = sqlite::Database::open(folder / "registry.db").value();
  EXPECT_EQ(database.number("SELECT count(*) FROM sqlite_master").value(), 1U);
}

// -- a database -----------------------------------------------------------------------------------------------------------------

void make_database(const std::string& sql) {
  auto by_hand = postgres::Connection::open(postgres::Address::parse(postgres_server().url()).value()).value();
  ASSERT_TRUE(by_hand.execute("DROP SCHEMA IF EXISTS sealmq CASCADE"));
  const auto made = by_hand.execute(sql.c_str());
  ASSERT_TRUE(made) << made.error().what;
}

TEST(OldRegistry, ADatabaseOfTheFirstSchemaIsReadInFull) {
  make_database(std::string(postgres_1) + "SET search_path = sealmq;" + insert(true, boiler()) + insert(true, stolen()) +
                an_order + later_rows(true));
  for (int time = 0; time < 2; ++time) ASSERT_TRUE(open_postgres_registry(postgres_server().url()));
  const auto registry = open_postgres_registry(postgres_server().url()).value();
  expect_the_list(*registry);
  expect_the_rest(*registry);
}

TEST(OldRegistry, ADatabaseOfANewerProgramIsRefused) {
  make_database(std::string(postgres_1) + "UPDATE sealmq.state SET schema = 10;");
  const auto opened = open_postgres_registry(postgres_server().url());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().blame, Blame::environment);
  EXPECT_NE(opened.error().what.find("newer program: it has schema 10"), std::string::npos) << opened.error().what;
  make_database("SELECT 1");
}

}  // namespace
}  // namespace sealmq
