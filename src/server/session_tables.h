// The tables of the session store, and how subscription options lie in them.
#pragma once

#include "broker/durability/changes.h"

namespace sealmq::server {

// The names carry the version; the file may hold tables of others.
inline constexpr const char* session_schema = R"(
  CREATE TABLE IF NOT EXISTS epoch_1 (
    epoch     INTEGER PRIMARY KEY,
    ephemeral BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS message_1 (
    number INTEGER PRIMARY KEY,
    epoch  INTEGER NOT NULL,
    iv     INTEGER NOT NULL,
    sealed BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS session_1 (
    number          INTEGER PRIMARY KEY,
    client_id       TEXT NOT NULL,
    owner           TEXT NOT NULL,
    expiry_interval INTEGER NOT NULL,
    expires         INTEGER NOT NULL,
    will            INTEGER NOT NULL,
    will_delay      INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS speaker_1 (
    session  INTEGER PRIMARY KEY,
    identity TEXT NOT NULL  -- empty: several
  ) STRICT;
  CREATE TABLE IF NOT EXISTS subscription_1 (
    session    INTEGER NOT NULL,
    filter     TEXT NOT NULL,
    options    INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    scheme     TEXT NOT NULL,
    subscriber TEXT NOT NULL,
    PRIMARY KEY (session, filter)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS delivery_1 (
    session     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    message     INTEGER NOT NULL,
    qos         INTEGER NOT NULL,
    retain      INTEGER NOT NULL,
    scheme      TEXT NOT NULL,
    packet_id   INTEGER NOT NULL,
    subscriber  TEXT NOT NULL,
    identifiers BLOB NOT NULL,
    PRIMARY KEY (session, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS delivery_2 (  -- in the place of delivery_1
    session     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    message     INTEGER NOT NULL,
    qos         INTEGER NOT NULL,
    retain      INTEGER NOT NULL,
    scheme      TEXT NOT NULL,
    packet_id   INTEGER NOT NULL,
    subscriber  TEXT NOT NULL,
    identifiers BLOB NOT NULL,
    share       TEXT NOT NULL,  -- the whole filter; empty: it came by an ordinary subscription
    PRIMARY KEY (session, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS incoming_1 (
    session   INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS retained_1 (
    topic   TEXT PRIMARY KEY,
    stamp   INTEGER NOT NULL,
    message INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS transit_1 (
    transit INTEGER NOT NULL,
    shard   INTEGER NOT NULL,
    shards  INTEGER NOT NULL,
    message INTEGER NOT NULL,
    session INTEGER NOT NULL,
    filter  TEXT NOT NULL,
    PRIMARY KEY (transit, shard)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS shard_key_1 (  -- under which transit_1 names shards
    first  INTEGER NOT NULL,
    second INTEGER NOT NULL
  ) STRICT;
)";
// Once all Wills were kept under the number 0, which means no message: one row for all, and which Will it is nobody knows.
inline constexpr const char* repair_of_earlier = R"(
  BEGIN IMMEDIATE;
  DELETE FROM message_1 WHERE number = 0;
  INSERT OR IGNORE INTO delivery_2 SELECT *, '' FROM delivery_1;
  DELETE FROM delivery_1;
  COMMIT;
)";
// Earlier the shards of what is on its way were named by a hash without a key. It goes to everybody whom it may concern: better
// twice than not at all.
inline constexpr const char* transits_without_key = R"(
  DELETE FROM transit_1 WHERE session = 0 AND shard > (SELECT min(shard) FROM transit_1 AS t WHERE t.transit = transit_1.transit);
  UPDATE transit_1 SET shard = 0, shards = 1 WHERE session = 0;
)";
inline constexpr const char* tables_with_messages =
    "SELECT message FROM delivery_2 UNION ALL SELECT message FROM retained_1 UNION ALL SELECT message FROM transit_1 UNION ALL "
    "SELECT will FROM session_1";

inline constexpr broker::Number no_message = 0;

inline std::uint64_t pack(const mqtt::SubscriptionOptions& o) {
  return static_cast<std::uint64_t>(o.qos) | (o.no_local ? 4U : 0U) | (o.retain_as_published ? 8U : 0U) |
         static_cast<std::uint64_t>(o.retain_handling) << 4;
}

/// Beside the options: it is owed retained messages.
inline constexpr std::uint64_t owes_retained = 64;

inline mqtt::SubscriptionOptions unpack(std::uint64_t bits) {
  return {static_cast<mqtt::QoS>(bits & 3), (bits & 4) != 0, (bits & 8) != 0, static_cast<mqtt::RetainHandling>(bits >> 4 & 3)};
}

}  // namespace sealmq::server
