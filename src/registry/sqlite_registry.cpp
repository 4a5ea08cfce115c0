#include <algorithm>
#include <mutex>
#include <thread>

#include "registry/rules.h"
#include "registry/sqlite.h"
#include "sealmq/registry.h"

namespace sealmq {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

// A look costs about as much as a system call.
constexpr std::chrono::milliseconds look_interval{20};

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

// Each leads from the one before; an empty file has version 0.
constexpr const char* schemas[] = {schema_1, schema_2};

// Of this machine; all who use the file share it.
constexpr std::string_view now_sql = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

constexpr std::string_view identity_columns = "name, kind, status, schnorr, ecdsa, agreement, revocation_reason, changed";

using rules::damaged;

Result<> prepare_schema(Database& database) {
  auto transaction = TRY(Transaction::begin(database));
  const auto found = TRY(database.number("PRAGMA user_version"));
  if (found == std::size(schemas)) return {};
  if (found > std::size(schemas)) {
    return fail(Blame::environment, "the registry has schema " + std::to_string(found) + ", this program knows " +
                                        std::to_string(std::size(schemas)));
  }
  for (auto step = found; step < std::size(schemas); ++step) TRY(database.execute(schemas[step]));
  return transaction.commit();
}

/// A row of identity_columns; the entitlements are still to be added.
Result<Identity> read_identity(const Statement& row) {
  return rules::read_row({.name = row.text(0),
                          .kind = row.text(1),
                          .status = row.text(2),
                          .schnorr = row.blob(3),
                          .ecdsa = row.blob(4),
                          .agreement = row.blob(5),
                          .revocation_reason = row.text(6),
                          .changed = row.number(7)});
}

/// Rows of what and value.
template <class Holder>
Result<> read_rights(Statement& rows, Holder& holder) {
  while (TRY(rows.step())) {
    auto* list = rules::rights(holder, rows.text(0));
    if (list == nullptr) return damaged("an unknown kind of right");
    list->push_back(rows.text(1));
  }
  return {};
}

class SqliteRegistry : public Registry {
 public:
  explicit SqliteRegistry(Database database) : database_(std::move(database)) {}

  Result<> add(const Identity& identity) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_add(identity));
    auto transaction = TRY(Transaction::begin(database_));
    if (TRY(read(identity.name))) return rules::name_is_taken(identity.name);
    if (const auto owner = TRY(owner_of_a_key(identity.keys))) return rules::key_is_taken(*owner);
    auto insert = TRY(database_.prepare("INSERT INTO identity VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    insert.bind(identity.name).bind(name(identity.kind)).bind(name(identity.status));
    insert.bind(Bytes(identity.keys.schnorr)).bind(Bytes(identity.keys.ecdsa)).bind(Bytes(identity.keys.agreement));
    TRY(insert.bind(identity.revocation_reason).bind(identity.changed).run());
    TRY(write_entitlements(identity));
    return transaction.commit();
  }

  Result<Identity> change(std::string_view name, const std::function<Result<>(Identity&)>& change) override {
    const std::lock_guard lock(mutex_);
    auto transaction = TRY(Transaction::begin(database_));
    const auto before = TRY(read(name));
    if (!before) return rules::unknown_name(name);
    Identity after = *before;
    TRY(change(after));
    TRY(rules::may_become(*before, after));
    TRY(write(after));
    TRY(transaction.commit());
    return after;
  }

  Result<std::optional<Identity>> find(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    const ReadTransaction consistent = TRY(ReadTransaction::begin(database_));
    return read(name);
  }

  Result<std::vector<Identity>> list() override {
    const std::lock_guard lock(mutex_);
    const ReadTransaction consistent = TRY(ReadTransaction::begin(database_));
    std::vector<Identity> all;
    auto identities = TRY(database_.prepare("SELECT " + std::string(identity_columns) + " FROM identity ORDER BY name"));
    while (TRY(identities.step())) all.push_back(TRY(read_identity(identities)));

    // Both lists are in the order of names, so one walk joins them.
    auto rows = TRY(database_.prepare("SELECT name, what, value FROM entitlement ORDER BY name, what, position"));
    auto at = all.begin();
    while (TRY(rows.step())) {
      const auto owner = rows.text(0);
      while (at != all.end() && at->name < owner) ++at;
      if (at == all.end() || at->name != owner) return damaged("a right of nobody");
      auto* list = rules::rights(*at, rows.text(1));
      if (list == nullptr) return damaged("an unknown kind of right");
      list->push_back(rows.text(2));
    }
    return all;
  }

  Result<std::uint64_t> revoke(std::string_view name, std::string_view reason, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    auto transaction = TRY(Transaction::begin(database_));
    auto identity = TRY(read(name));
    if (!identity) return rules::unknown_name(name);
    TRY(rules::may_revoke(*identity));
    identity->status = Status::revoked;
    identity->revocation_reason = reason;
    identity->changed = wall;
    TRY(write(*identity));
    const auto number = TRY(insert_order(name, reason, wall));
    TRY(transaction.commit());
    return number;
  }

  Result<std::vector<RevocationOrder>> open_orders(std::string_view broker) override {
    const std::lock_guard lock(mutex_);
    const ReadTransaction consistent = TRY(ReadTransaction::begin(database_));
    TRY(need_broker(broker));
    auto rows =
        TRY(database_.prepare("SELECT number, name FROM revocation WHERE number > (SELECT since FROM broker WHERE id = ?1) AND "
                              "number NOT IN (SELECT number FROM report WHERE broker = ?1) ORDER BY number"));
    rows.bind(broker);
    std::vector<RevocationOrder> open;
    while (TRY(rows.step())) open.push_back({rows.number(0), rows.text(1)});
    return open;
  }

  Result<> report(std::uint64_t order, std::string_view broker, const RevocationReport& report) override {
    const std::lock_guard lock(mutex_);
    auto transaction = TRY(Transaction::begin(database_));
    TRY(need_order(order));
    TRY(need_broker(broker));
    if (TRY(exists("SELECT 1 FROM report WHERE number = ? AND broker = ?", order, broker)))
      return rules::already_reported(order, broker);
    auto insert = TRY(database_.prepare("INSERT INTO report VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    insert.bind(order).bind(broker).bind(report.sessions).bind(report.subscriptions).bind(report.queued);
    TRY(insert.bind(report.retained).bind(report.groups).bind(report.microseconds).run());
    return transaction.commit();
  }

  Result<Progress> progress(std::uint64_t order) override {
    const std::lock_guard lock(mutex_);
    const ReadTransaction consistent = TRY(ReadTransaction::begin(database_));
    TRY(need_order(order));
    Progress progress;
    auto reports =
        TRY(database_.prepare("SELECT broker, sessions, subscriptions, queued, retained, groups, microseconds FROM report "
                              "WHERE number = ? ORDER BY broker"));
    reports.bind(order);
    while (TRY(reports.step())) {
      progress.done.push_back(
          {reports.text(0),
           {reports.number(1), reports.number(2), reports.number(3), reports.number(4), reports.number(5), reports.number(6)}});
    }
    // A clock that was set back makes a silence of less than nothing.
    auto owed = TRY(database_.prepare("SELECT id, max(0, " + std::string(now_sql) +
                                      " - seen) FROM broker WHERE since < ?1 AND "
                                      "id NOT IN (SELECT broker FROM report WHERE number = ?1) ORDER BY id"));
    owed.bind(order);
    while (TRY(owed.step())) {
      Progress::Owed one{owed.text(0), std::nullopt};
      if (!owed.is_null(1)) one.silence = std::chrono::milliseconds(owed.number(1));
      progress.owed.push_back(std::move(one));
    }
    return progress;
  }

  Result<std::uint64_t> last_order(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    auto row = TRY(database_.prepare("SELECT coalesce(max(number), 0) FROM revocation WHERE name = ?"));
    if (!TRY(row.bind(name).step())) return rules::damaged("no order");
    return row.number(0);
  }

  /// Nothing is lost with the heartbeats of the last moments, so the disk is not waited for every two seconds.
  Result<> heartbeat(std::string_view broker) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_be_broker(broker));
    TRY(database_.execute("PRAGMA synchronous = NORMAL"));
    const auto written = write_heartbeat(broker);
    TRY(database_.execute("PRAGMA synchronous = FULL"));
    return written;
  }

  Result<> goodbye(std::string_view broker) override {
    const std::lock_guard lock(mutex_);
    auto transaction = TRY(Transaction::begin(database_));
    TRY(need_broker(broker));
    auto update = TRY(database_.prepare("UPDATE broker SET seen = NULL WHERE id = ?"));
    TRY(update.bind(broker).run());
    return transaction.commit();
  }

  Result<> add_ticket(const TicketHash& hash, const Ticket& ticket, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_add(ticket));
    auto transaction = TRY(Transaction::begin(database_));
    if (TRY(read(ticket.name))) return rules::name_is_taken(ticket.name);
    auto forget = TRY(database_.prepare("DELETE FROM ticket WHERE expires <= ?"));
    TRY(forget.bind(wall).run());
    if (TRY(exists("SELECT 1 FROM ticket WHERE hash = ?", Bytes(hash)))) return rules::ticket_is_taken();
    auto insert = TRY(database_.prepare("INSERT INTO ticket VALUES (?, ?, ?, ?)"));
    TRY(insert.bind(Bytes(hash)).bind(ticket.name).bind(name(ticket.kind)).bind(ticket.expires).run());
    TRY(write_rights("INSERT INTO ticket_right VALUES (?, ?, ?, ?)", Bytes(hash), ticket));
    return transaction.commit();
  }

  Result<std::optional<Ticket>> burn_ticket(const TicketHash& hash, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    auto transaction = TRY(Transaction::begin(database_));
    auto row = TRY(database_.prepare("SELECT name, kind, expires FROM ticket WHERE hash = ?"));
    if (!TRY(row.bind(Bytes(hash)).step())) return std::nullopt;
    auto ticket = TRY(rules::read_ticket(row.text(0), row.text(1), row.number(2)));
    row.reset();
    auto rows = TRY(database_.prepare("SELECT what, value FROM ticket_right WHERE hash = ? ORDER BY what, position"));
    rows.bind(Bytes(hash));
    TRY(read_rights(rows, ticket));
    auto burn = TRY(database_.prepare("DELETE FROM ticket WHERE hash = ?"));
    TRY(burn.bind(Bytes(hash)).run());
    TRY(transaction.commit());
    if (ticket.expires <= wall) return std::nullopt;
    return ticket;
  }

  Result<bool> take_order(const AuthorityOrder& order) override {
    const std::lock_guard lock(mutex_);
    auto transaction = TRY(Transaction::begin(database_));
    const auto last = TRY(read_last_serial(order.authority));
    auto same = TRY(database_.prepare("SELECT digest FROM authority_order WHERE authority = ? AND serial = ?"));
    const bool is_there = TRY(same.bind(Bytes(order.authority)).bind(order.serial).step());
    if (!TRY(rules::judge(order, last, is_there ? std::optional(same.blob(0)) : std::nullopt))) return false;
    auto insert = TRY(database_.prepare("INSERT INTO authority_order VALUES (?, ?, ?)"));
    TRY(insert.bind(Bytes(order.authority)).bind(order.serial).bind(Bytes(order.digest)).run());
    auto identity = TRY(read(order.name));
    if (identity && rules::apply(order, *identity)) {
      TRY(write(*identity));
      if (!order.restores) TRY(insert_order(order.name, order.reason, order.wall));
    }
    TRY(transaction.commit());
    return true;
  }

  Result<std::uint64_t> last_serial(const std::array<std::uint8_t, 32>& authority) override {
    const std::lock_guard lock(mutex_);
    return read_last_serial(authority);
  }

  Result<std::uint64_t> version() override {
    const std::lock_guard lock(mutex_);
    return read_version();
  }

  Result<std::uint64_t> wait_for_change(std::uint64_t seen, std::chrono::milliseconds patience) override {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (true) {
      const auto now = TRY(version());
      const auto left = end - std::chrono::steady_clock::now();
      if (now != seen || left <= left.zero()) return now;
      std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(left, look_interval));
    }
  }

 private:
  /// Several reads see one state of the file.
  class ReadTransaction {
   public:
    static Result<ReadTransaction> begin(Database& database) {
      TRY(database.execute("BEGIN"));
      return ReadTransaction(database);
    }
    ReadTransaction(ReadTransaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
    ReadTransaction& operator=(ReadTransaction&&) = delete;
    ~ReadTransaction() {
      if (database_ != nullptr) static_cast<void>(database_->execute("COMMIT"));
    }

   private:
    explicit ReadTransaction(Database& database) : database_(&database) {}
    Database* database_;
  };

  // data_version tells for almost nothing whether another connection has written; what, the table tells.
  Result<std::uint64_t> read_version() {
    if (!data_version_) data_version_.emplace(TRY(database_.prepare("PRAGMA data_version")));
    if (!TRY(data_version_->step())) return damaged("no data_version");
    const auto others = data_version_->number(0);
    data_version_->reset();
    const auto own = database_.changes();
    if (!version_ || others != seen_others_ || own != seen_own_) {
      if (!state_) state_.emplace(TRY(database_.prepare("SELECT version FROM state")));
      if (!TRY(state_->step())) return damaged("no version");
      version_ = state_->number(0);
      state_->reset();
      seen_others_ = others;
      seen_own_ = own;
    }
    return *version_;
  }

  Result<std::uint64_t> insert_order(std::string_view name, std::string_view reason, std::uint64_t wall) {
    auto order = TRY(database_.prepare("INSERT INTO revocation (name, reason, wall) VALUES (?, ?, ?)"));
    TRY(order.bind(name).bind(reason).bind(wall).run());
    return database_.number("SELECT last_insert_rowid()");
  }

  Result<std::uint64_t> read_last_serial(Bytes authority) {
    auto row = TRY(database_.prepare("SELECT coalesce(max(serial), 0) FROM authority_order WHERE authority = ?"));
    if (!TRY(row.bind(authority).step())) return damaged("no serial");
    return row.number(0);
  }

  Result<> write_heartbeat(std::string_view broker) {
    auto upsert = TRY(database_.prepare("INSERT INTO broker SELECT ?, " + std::string(now_sql) +
                                        ", coalesce(max(number), 0) FROM revocation WHERE true "
                                        "ON CONFLICT (id) DO UPDATE SET seen = excluded.seen"));
    return upsert.bind(broker).run();
  }

  template <class... Values>
  Result<bool> exists(std::string_view sql, const Values&... values) {
    auto statement = TRY(database_.prepare(sql));
    (statement.bind(values), ...);
    return TRY(statement.step());
  }
  Result<> need_order(std::uint64_t order) {
    if (!TRY(exists("SELECT 1 FROM revocation WHERE number = ?", order))) return rules::unknown_order(order);
    return {};
  }
  Result<> need_broker(std::string_view id) {
    if (!TRY(exists("SELECT 1 FROM broker WHERE id = ?", id))) return rules::unknown_broker(id);
    return {};
  }

  Result<std::optional<Identity>> read(std::string_view name) {
    auto row = TRY(database_.prepare("SELECT " + std::string(identity_columns) + " FROM identity WHERE name = ?"));
    if (!TRY(row.bind(name).step())) return std::nullopt;
    auto identity = TRY(read_identity(row));
    auto rows = TRY(database_.prepare("SELECT what, value FROM entitlement WHERE name = ? ORDER BY what, position"));
    rows.bind(name);
    TRY(read_rights(rows, identity));
    return identity;
  }

  /// Everything but the name and the keys, which never change.
  Result<> write(const Identity& identity) {
    auto update =
        TRY(database_.prepare("UPDATE identity SET kind = ?, status = ?, revocation_reason = ?, changed = ? WHERE name = ?"));
    update.bind(name(identity.kind)).bind(name(identity.status)).bind(identity.revocation_reason);
    TRY(update.bind(identity.changed).bind(identity.name).run());
    auto clear = TRY(database_.prepare("DELETE FROM entitlement WHERE name = ?"));
    TRY(clear.bind(identity.name).run());
    return write_entitlements(identity);
  }

  Result<> write_entitlements(const Identity& identity) {
    return write_rights("INSERT INTO entitlement VALUES (?, ?, ?, ?)", std::string_view(identity.name), identity);
  }

  template <class Key, class Holder>
  Result<> write_rights(std::string_view sql, Key key, const Holder& holder) {
    auto insert = TRY(database_.prepare(sql));
    for (const auto what : rules::kinds_of_right) {
      const auto& values = *rules::rights(holder, what);
      for (std::uint64_t i = 0; i < values.size(); ++i) TRY(insert.bind(key).bind(what).bind(i).bind(values[i]).run());
    }
    return {};
  }

  Result<std::optional<std::string>> owner_of_a_key(const PublicKeys& keys) {
    auto search =
        TRY(database_.prepare("SELECT name FROM identity WHERE schnorr IN (?1, ?2, ?3) OR substr(ecdsa, 2) IN (?1, ?2, ?3) OR "
                              "substr(agreement, 2) IN (?1, ?2, ?3)"));
    for (const Bytes key : rules::coordinates(keys)) search.bind(key);
    if (!TRY(search.step())) return std::nullopt;
    return search.text(0);
  }

  std::mutex mutex_;
  Database database_;
  // Declared after, so destroyed before, their database.
  std::optional<Statement> data_version_;
  std::optional<Statement> state_;
  std::optional<std::uint64_t> version_;  // as it was when the two below were
  std::uint64_t seen_others_ = 0;
  std::uint64_t seen_own_ = 0;
};

}  // namespace

Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path) {
  auto database = TRY(Database::open(path, sqlite::Durability::every_commit));
  TRY(prepare_schema(database));
  return std::make_unique<SqliteRegistry>(std::move(database));
}

}  // namespace sealmq
