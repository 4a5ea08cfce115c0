#include "authority/order_ledger.h"

#include <algorithm>
#include <cstdint>

#include "base/text.h"
#include "base/try.h"
#include "crypto/identity_digest.h"
#include "keystore/file_access.h"
#include "registry/data_folder.h"

namespace sealmq::authority {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr const char* schema = R"(
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
  CREATE TABLE served (
    broker  TEXT PRIMARY KEY,
    serial  INTEGER NOT NULL,
    trouble TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER issued_stays_as_it_is BEFORE UPDATE ON issued BEGIN SELECT raise(ABORT, 'an order cannot change'); END;
  CREATE TRIGGER issued_stays          BEFORE DELETE ON issued BEGIN SELECT raise(ABORT, 'an order cannot go'); END;
  PRAGMA user_version = 1;
)";

// Whom an order means is said by key hashes, one after the other. Those from before have the ID of a Schnorr key alone.
constexpr const char* schema_2 = R"(
  ALTER TABLE issued ADD COLUMN keys BLOB NOT NULL DEFAULT x'' CHECK (length(keys) % 32 = 0);
  ALTER TABLE issued ADD COLUMN name TEXT NOT NULL DEFAULT '';
  PRAGMA user_version = 2;
)";
constexpr std::uint64_t newest_schema = 2;
constexpr std::size_t hash_size = std::tuple_size_v<KeyHash>;

Failure damaged(std::string_view what) {
  return fail(Blame::environment, "the orders of this authority are damaged: " + std::string(what));
}

Result<IssuedOrder> read_order(const Statement& row) {
  IssuedOrder order;
  order.serial = row.number(0);
  order.decision.restores = row.number(1) == 1;
  const Bytes id = row.blob(2);
  const Bytes keys = row.blob(7);
  if (id.size() != hash_size || keys.size() % hash_size != 0 || row.number(1) > 1 || row.number(3) > 255)
    return damaged("a row that cannot be read");
  for (std::size_t at = 0; at < keys.size(); at += hash_size)
    std::ranges::copy(keys.subspan(at, hash_size), order.decision.keys.emplace_back().begin());
  if (keys.empty() && is_there(id)) order.decision.keys.push_back(crypto::key_hash(id));
  order.decision.name = row.text(8);
  order.decision.reason = static_cast<std::uint8_t>(row.number(3));
  order.decision.remark = row.text(4);
  order.decision.wall = row.number(5);
  order.frame = to_buffer(row.blob(6));
  return order;
}

Result<> prepare(Database& database, Bytes authority) {
  auto transaction = TRY(Transaction::begin(database));
  const auto found = TRY(database.number("PRAGMA user_version"));
  if (found > newest_schema)
    return fail(Blame::environment, "the orders of this authority have schema " + std::to_string(found) +
                                        ", this program knows those up to " + std::to_string(newest_schema));
  if (found == 0) {
    TRY(database.execute(schema));
    auto insert = TRY(database.prepare("INSERT INTO authority VALUES (?)"));
    TRY(insert.bind(authority).run());
  }
  if (found < newest_schema) TRY(database.execute(schema_2));
  auto row = TRY(database.prepare("SELECT ecdsa FROM authority"));
  if (!TRY(row.step())) return damaged("whose they are is not said");
  const Bytes owner = row.blob(0);
  if (!std::equal(owner.begin(), owner.end(), authority.begin(), authority.end()))
    return fail(Blame::caller_misused, "these are the orders of another authority's key");
  return transaction.commit();
}

}  // namespace

Result<std::unique_ptr<OrderLedger>> OrderLedger::open(const std::string& path, const std::array<std::uint8_t, 33>& authority) {
  auto database = TRY(Database::open(path));
  TRY(prepare(database, authority));
  return std::unique_ptr<OrderLedger>(new OrderLedger(std::move(database)));
}

Result<IssuedOrder> OrderLedger::issue(const Decision& decision, const SignOrder& sign) {
  const std::lock_guard lock(mutex_);
  auto transaction = TRY(Transaction::begin(database_));
  const auto serial = TRY(database_.number("SELECT coalesce(max(serial), 0) + 1 FROM issued"));
  Buffer frame = TRY(sign(serial, decision));
  Buffer keys;
  for (const KeyHash& key : decision.keys) append(keys, key);
  auto insert = TRY(database_.prepare("INSERT INTO issued VALUES (?, ?, zeroblob(32), ?, ?, ?, ?, ?, ?)"));
  insert.bind(serial).bind(std::uint64_t{decision.restores}).bind(std::uint64_t{decision.reason});
  insert.bind(std::string_view(decision.remark)).bind(decision.wall).bind(Bytes(frame)).bind(Bytes(keys));
  TRY(insert.bind(std::string_view(decision.name)).run());
  TRY(transaction.commit());
  return IssuedOrder{serial, decision, std::move(frame)};
}

Result<std::vector<IssuedOrder>> OrderLedger::after(std::uint64_t serial) {
  if (serial > INT64_MAX) return std::vector<IssuedOrder>();
  const std::lock_guard lock(mutex_);
  auto rows = TRY(database_.prepare(
      "SELECT serial, restores, id, reason, remark, wall, frame, keys, name FROM issued WHERE serial > ? ORDER BY serial"));
  rows.bind(serial);
  std::vector<IssuedOrder> orders;
  while (TRY(rows.step())) {
    orders.push_back(TRY(read_order(rows)));
    if (orders.back().serial != serial + orders.size()) return damaged("a number is missing");
  }
  return orders;
}

Result<> OrderLedger::serve(const std::vector<std::string>& brokers) {
  const std::lock_guard lock(mutex_);
  auto transaction = TRY(Transaction::begin(database_));
  std::vector<std::string> known;
  {
    auto rows = TRY(database_.prepare("SELECT broker FROM served"));
    while (TRY(rows.step())) known.push_back(rows.text(0));
  }
  auto forget = TRY(database_.prepare("DELETE FROM served WHERE broker = ?"));
  for (const auto& broker : known)
    if (std::find(brokers.begin(), brokers.end(), broker) == brokers.end()) TRY(forget.bind(std::string_view(broker)).run());
  auto insert =
      TRY(database_.prepare("INSERT INTO served VALUES (?, 0, '') ON CONFLICT (broker) DO UPDATE SET "
                            "trouble = excluded.trouble"));
  for (const auto& broker : brokers) TRY(insert.bind(std::string_view(broker)).run());
  return transaction.commit();
}

Result<> OrderLedger::note(const Served& served) {
  const std::lock_guard lock(mutex_);
  auto update = TRY(database_.prepare("UPDATE served SET serial = ?, trouble = ? WHERE broker = ?"));
  return update.bind(served.serial).bind(std::string_view(served.trouble)).bind(std::string_view(served.broker)).run();
}

Result<std::vector<Served>> OrderLedger::served() {
  const std::lock_guard lock(mutex_);
  auto rows = TRY(database_.prepare("SELECT broker, serial, trouble FROM served ORDER BY broker"));
  std::vector<Served> all;
  while (TRY(rows.step())) all.push_back({rows.text(0), rows.number(1), rows.text(2)});
  return all;
}

Result<std::uint64_t> OrderLedger::version() {
  const std::lock_guard lock(mutex_);
  return database_.number("PRAGMA data_version");
}

Result<std::unique_ptr<KeyStore>> open_authority_key(const AuthorityFolder& folder, Random& random) {
  if (!exists(folder.key())) return fail(Blame::environment, "there is no authority in " + folder.path);
  return open_or_create_authority_key(folder, random);
}

Result<std::unique_ptr<KeyStore>> open_or_create_authority_key(const AuthorityFolder& folder, Random& random) {
  TRY(open_data_folder(folder.path));
  if (!exists(folder.key())) {
    std::array<std::uint8_t, 4> chance{};
    random.fill(chance);
    TRY(create_key_files("authority-" + to_hex(chance), Kind::authority, folder.key(), folder.pub(), random));
  }
  auto keys = TRY(open_key_file(folder.key(), random));
  if (keys->identity().kind != Kind::authority)
    return fail(Blame::caller_misused, folder.key() + " is not the key of an authority");
  // Older programs made it without a proof.
  if (exists(folder.pub()) && TRY(read_identity_file(folder.pub())).proof.empty())
    TRY(replace_file(folder.pub(), TRY(identity_file(*keys)), Audience::everybody));
  return keys;
}

}  // namespace sealmq::authority
