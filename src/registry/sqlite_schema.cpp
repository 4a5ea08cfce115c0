#include "registry/sqlite_schema.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>

#include "base/try.h"

namespace sealmq::sqlite {
namespace {

// The unique indexes on x coordinates repeat what rules::coordinates says: a key is new for every purpose.
constexpr const char* schema_1 = R"(
  CREATE TABLE identity (
    name              TEXT PRIMARY KEY,
    kind              TEXT NOT NULL,
    status            TEXT NOT NULL,
    schnorr           BLOB NOT NULL UNIQUE,
    ecdsa             BLOB NOT NULL,
    agreement         BLOB NOT NULL,
    revocation_reason TEXT NOT NULL,
    changed           INTEGER NOT NULL      -- wall milliseconds
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

// Triggers count the changes, so that a change by hand counts too, and a heartbeat does not.
constexpr const char* schema_2 = R"(
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
    seen  INTEGER,             -- wall milliseconds of its last heartbeat; NULL: it has said goodbye
    since INTEGER NOT NULL     -- the last order that was given before it was known
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
    expires INTEGER NOT NULL      -- wall milliseconds
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

// A key that there is not has no octets, and is unlike any other.
constexpr const char* schema_3 = R"(
  UPDATE identity SET ecdsa = x'' WHERE ecdsa = zeroblob(33);
  UPDATE identity SET agreement = x'' WHERE agreement = zeroblob(33);
  DROP INDEX identity_ecdsa;
  DROP INDEX identity_agreement;
  CREATE UNIQUE INDEX identity_ecdsa ON identity (substr(ecdsa, 2)) WHERE length(ecdsa) > 0;
  CREATE UNIQUE INDEX identity_agreement ON identity (substr(agreement, 2)) WHERE length(agreement) > 0;

  PRAGMA user_version = 3;
)";

// Not every key store has a Schnorr key, and some have an RSA key. SQLite cannot loosen a column, so the table is made anew; its
// triggers go with the old one.
constexpr const char* schema_4 = R"(
  CREATE TABLE identity_4 (
    name              TEXT PRIMARY KEY,
    kind              TEXT NOT NULL,
    status            TEXT NOT NULL,
    schnorr           BLOB NOT NULL,
    ecdsa             BLOB NOT NULL,
    agreement         BLOB NOT NULL,
    revocation_reason TEXT NOT NULL,
    changed           INTEGER NOT NULL,     -- wall milliseconds
    rsa               BLOB NOT NULL         -- the modulus
  ) STRICT;
  INSERT INTO identity_4 SELECT *, x'' FROM identity;
  DROP TABLE identity;
  ALTER TABLE identity_4 RENAME TO identity;
  CREATE UNIQUE INDEX identity_schnorr ON identity (schnorr) WHERE length(schnorr) > 0;
  CREATE UNIQUE INDEX identity_ecdsa ON identity (substr(ecdsa, 2)) WHERE length(ecdsa) > 0;
  CREATE UNIQUE INDEX identity_agreement ON identity (substr(agreement, 2)) WHERE length(agreement) > 0;
  CREATE UNIQUE INDEX identity_rsa ON identity (rsa) WHERE length(rsa) > 0;
  CREATE TRIGGER identity_added   AFTER INSERT ON identity BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER identity_changed AFTER UPDATE ON identity BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER identity_removed AFTER DELETE ON identity BEGIN UPDATE state SET version = version + 1; END;

  PRAGMA user_version = 4;
)";

// Who changes the list can wait for those who go by it.
constexpr const char* schema_5 = R"(
  ALTER TABLE broker ADD COLUMN followed INTEGER NOT NULL DEFAULT 0;      -- the version of the list that it goes by

  PRAGMA user_version = 5;
)";

// What was revoked does not come back under another name, nor after its owner was removed. The row of one that was removed stays
// for the orders about it, with this as its status, and without keys and rights.
constexpr const char* schema_6 = R"(
  CREATE TABLE retired_key (
    coordinate BLOB PRIMARY KEY,
    name       TEXT NOT NULL            -- whose it was
  ) STRICT, WITHOUT ROWID;

  PRAGMA user_version = 6;
)";

// A right may be a pattern, and is for some QoS (bit n: QoS n); a login may have to prove more than one thing. SQLite cannot
// loosen a CHECK, so the tables are made anew; the triggers go with the old one.
constexpr const char* schema_7 = R"(
  CREATE TABLE entitlement_7 (
    name     TEXT NOT NULL REFERENCES identity (name),
    what     TEXT NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme', 'require')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    pattern  INTEGER NOT NULL,
    qos      INTEGER NOT NULL,
    PRIMARY KEY (name, what, position)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO entitlement_7 SELECT name, what, position, value, 0, 7 FROM entitlement;
  DROP TABLE entitlement;
  ALTER TABLE entitlement_7 RENAME TO entitlement;
  CREATE TRIGGER entitlement_added   AFTER INSERT ON entitlement BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER entitlement_changed AFTER UPDATE ON entitlement BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER entitlement_removed AFTER DELETE ON entitlement BEGIN UPDATE state SET version = version + 1; END;

  ALTER TABLE ticket_right ADD COLUMN pattern INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE ticket_right ADD COLUMN qos     INTEGER NOT NULL DEFAULT 7;

  PRAGMA user_version = 7;
)";

// Who revoked what is kept apart, and of an authority's orders the keys that they name. What an older program took is not known
// by its content, so it has to come again; until then it counts with an empty digest.
constexpr const char* schema_8 = R"(
  ALTER TABLE identity ADD COLUMN revoked_here  INTEGER NOT NULL DEFAULT 0;    -- by the operator
  ALTER TABLE identity ADD COLUMN ordered       INTEGER NOT NULL DEFAULT 0;    -- serial of the order that revoked it; 0: none
  ALTER TABLE identity ADD COLUMN against_order INTEGER NOT NULL DEFAULT 0;    -- the operator has restored it all the same
  UPDATE identity SET ordered = CAST(substr(revocation_reason, 1 + length('ordered by the authority, serial ')) AS INTEGER)
    WHERE status = 'revoked' AND revocation_reason GLOB 'ordered by the authority, serial [0-9]*';
  UPDATE identity SET revoked_here = 1 WHERE status = 'revoked' AND ordered = 0;

  UPDATE authority_order SET digest = x'';
  CREATE TABLE ordered_key (
    keyhash   BLOB NOT NULL,
    authority BLOB NOT NULL,
    serial    INTEGER NOT NULL,    -- of the last order about this key
    restores  INTEGER NOT NULL CHECK (restores IN (0, 1)),
    PRIMARY KEY (keyhash, authority)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ordered_key_serial ON ordered_key (authority, serial);

  PRAGMA user_version = 8;
)";

// Whoever brings keys proves to hold them, or it is said that nobody has looked.
constexpr const char* schema_9 = R"(
  ALTER TABLE identity ADD COLUMN proof    TEXT NOT NULL DEFAULT '';      -- second line of NAME.pub, 'join', or nothing
  ALTER TABLE ticket   ADD COLUMN unproved INTEGER NOT NULL DEFAULT 0;

  PRAGMA user_version = 9;
)";

// An identity may have roles, and its key lie in a card. The table is made anew as for schema 7.
constexpr const char* schema_10 = R"(
  CREATE TABLE entitlement_10 (
    name     TEXT NOT NULL REFERENCES identity (name),
    what     TEXT NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme', 'require', 'role', 'card')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    pattern  INTEGER NOT NULL,
    qos      INTEGER NOT NULL,
    PRIMARY KEY (name, what, position)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO entitlement_10 SELECT name, what, position, value, pattern, qos FROM entitlement;
  DROP TABLE entitlement;
  ALTER TABLE entitlement_10 RENAME TO entitlement;
  CREATE TRIGGER entitlement_added   AFTER INSERT ON entitlement BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER entitlement_changed AFTER UPDATE ON entitlement BEGIN UPDATE state SET version = version + 1; END;
  CREATE TRIGGER entitlement_removed AFTER DELETE ON entitlement BEGIN UPDATE state SET version = version + 1; END;

  PRAGMA user_version = 10;
)";

// Each leads from the one before; an empty file has version 0.
constexpr const char* schemas[] = {schema_1, schema_2, schema_3, schema_4, schema_5,
                                   schema_6, schema_7, schema_8, schema_9, schema_10};

Result<> take_steps(Database& database) {
  auto transaction = TRY(Transaction::begin(database));
  const auto found = TRY(database.number("PRAGMA user_version"));
  for (auto step = found; step < std::size(schemas); ++step) TRY(database.execute(schemas[step]));
  if (TRY(database.number("SELECT count(*) FROM pragma_foreign_key_check")) != 0)
    return fail(Blame::environment, "the registry is damaged: rows that belong to nothing");
  return transaction.commit();
}

}  // namespace

bool has_present_schema(const std::string& path) {
  constexpr std::size_t version_at = 60;  // sqlite.org/fileformat2.html, "user version"
  std::ifstream file(path, std::ios::binary);
  std::array<char, version_at + 4> head{};
  if (!file.read(head.data(), head.size())) return false;
  std::uint32_t found = 0;
  for (std::size_t i = version_at; i < head.size(); ++i) found = found << 8 | static_cast<std::uint8_t>(head[i]);
  return found == std::size(schemas);
}

Result<> prepare_registry(Database& database) {
  const auto found = TRY(database.number("PRAGMA user_version"));
  if (found == std::size(schemas)) return {};
  if (found > std::size(schemas)) {
    return fail(Blame::environment, "the registry is of a newer program: it has schema " + std::to_string(found) +
                                        ", this one knows those up to " + std::to_string(std::size(schemas)));
  }
  // A table that others refer to is made anew; within a transaction this could not be set.
  TRY(database.execute("PRAGMA foreign_keys = OFF"));
  TRY(take_steps(database));
  return database.execute("PRAGMA foreign_keys = ON");
}

}  // namespace sealmq::sqlite
