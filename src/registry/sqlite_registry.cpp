#include <algorithm>
#include <mutex>

#include "registry/rules.h"
#include "registry/sqlite.h"
#include "sealmq/registry.h"

namespace sealmq {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr std::uint64_t schema_version = 1;

// The unique indexes on x coordinates repeat what rules::coordinates says: a key is new for every purpose.
constexpr const char* schema = R"(
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

constexpr std::string_view identity_columns = "name, kind, status, schnorr, ecdsa, agreement, revocation_reason, changed";

Failure damaged(std::string_view what) {
  return fail(Blame::environment, "the registry is damaged: " + std::string(what));
}

Result<> prepare_schema(Database& database) {
  auto transaction = TRY(Transaction::begin(database));
  const auto found = TRY(database.number("PRAGMA user_version"));
  if (found == schema_version) return {};
  if (found != 0) return fail(Blame::environment, "the registry has schema " + std::to_string(found) + ", this program knows 1");
  TRY(database.execute(schema));
  return transaction.commit();
}

template <std::size_t N>
bool read(Bytes from, std::array<std::uint8_t, N>& to) {
  if (from.size() != N) return false;
  std::copy(from.begin(), from.end(), to.begin());
  return true;
}

/// A row of identity_columns; the entitlements are still to be added.
Result<Identity> read_identity(const Statement& row) {
  Identity identity;
  identity.name = row.text(0);
  const auto kind = kind_from(row.text(1));
  const auto status = status_from(row.text(2));
  if (!is_identity_name(identity.name) || !kind || !status) return damaged("unknown kind, status or name");
  identity.kind = *kind;
  identity.status = *status;
  if (!read(row.blob(3), identity.keys.schnorr) || !read(row.blob(4), identity.keys.ecdsa) ||
      !read(row.blob(5), identity.keys.agreement)) {
    return damaged("a key of the wrong length");
  }
  identity.revocation_reason = row.text(6);
  identity.changed = row.number(7);
  return identity;
}

std::vector<std::string>& entitlements(Identity& identity, std::string_view what) {
  return what == "publish" ? identity.publish : what == "subscribe" ? identity.subscribe : identity.schemes;
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
    return commit(transaction);
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
    TRY(commit(transaction));
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
      entitlements(*at, rows.text(1)).push_back(rows.text(2));
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
    auto order = TRY(database_.prepare("INSERT INTO revocation (name, reason, wall) VALUES (?, ?, ?)"));
    TRY(order.bind(name).bind(reason).bind(wall).run());
    const auto number = TRY(database_.number("SELECT last_insert_rowid()"));
    TRY(commit(transaction));
    return number;
  }

  Result<std::vector<RevocationOrder>> open_orders() override {
    const std::lock_guard lock(mutex_);
    auto rows = TRY(database_.prepare("SELECT number, name FROM revocation WHERE reported = 0 ORDER BY number"));
    std::vector<RevocationOrder> open;
    while (TRY(rows.step())) open.push_back({rows.number(0), rows.text(1)});
    return open;
  }

  Result<> report(std::uint64_t order, const RevocationReport& report) override {
    const std::lock_guard lock(mutex_);
    auto transaction = TRY(Transaction::begin(database_));
    if (TRY(read_report(order))) return rules::already_reported(order);
    auto update =
        TRY(database_.prepare("UPDATE revocation SET reported = 1, sessions = ?, subscriptions = ?, queued = ?, retained = ?, "
                              "groups = ?, microseconds = ? WHERE number = ?"));
    update.bind(report.sessions).bind(report.subscriptions).bind(report.queued);
    TRY(update.bind(report.retained).bind(report.groups).bind(report.microseconds).bind(order).run());
    return commit(transaction);
  }

  Result<std::optional<RevocationReport>> report_of(std::uint64_t order) override {
    const std::lock_guard lock(mutex_);
    return read_report(order);
  }

  /// data_version counts what other connections commit, own_changes_ what this one does; both only grow, so does their sum.
  Result<std::uint64_t> version() override {
    const std::lock_guard lock(mutex_);
    if (!data_version_) data_version_.emplace(TRY(database_.prepare("PRAGMA data_version")));
    if (!TRY(data_version_->step())) return damaged("no data_version");
    const auto others = data_version_->number(0);
    data_version_->reset();
    return others + own_changes_;
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

  Result<> commit(Transaction& transaction) {
    TRY(transaction.commit());
    ++own_changes_;
    return {};
  }

  Result<std::optional<Identity>> read(std::string_view name) {
    auto row = TRY(database_.prepare("SELECT " + std::string(identity_columns) + " FROM identity WHERE name = ?"));
    if (!TRY(row.bind(name).step())) return std::nullopt;
    auto identity = TRY(read_identity(row));
    auto rows = TRY(database_.prepare("SELECT what, value FROM entitlement WHERE name = ? ORDER BY what, position"));
    rows.bind(name);
    while (TRY(rows.step())) entitlements(identity, rows.text(0)).push_back(rows.text(1));
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
    auto insert = TRY(database_.prepare("INSERT INTO entitlement VALUES (?, ?, ?, ?)"));
    const auto insert_all = [&](std::string_view what, const std::vector<std::string>& values) -> Result<> {
      for (std::uint64_t i = 0; i < values.size(); ++i) TRY(insert.bind(identity.name).bind(what).bind(i).bind(values[i]).run());
      return {};
    };
    TRY(insert_all("publish", identity.publish));
    TRY(insert_all("subscribe", identity.subscribe));
    return insert_all("scheme", identity.schemes);
  }

  Result<std::optional<std::string>> owner_of_a_key(const PublicKeys& keys) {
    auto search =
        TRY(database_.prepare("SELECT name FROM identity WHERE schnorr IN (?1, ?2, ?3) OR substr(ecdsa, 2) IN (?1, ?2, ?3) OR "
                              "substr(agreement, 2) IN (?1, ?2, ?3)"));
    for (const Bytes key : rules::coordinates(keys)) search.bind(key);
    if (!TRY(search.step())) return std::nullopt;
    return search.text(0);
  }

  Result<std::optional<RevocationReport>> read_report(std::uint64_t order) {
    auto row =
        TRY(database_.prepare("SELECT reported, sessions, subscriptions, queued, retained, groups, microseconds "
                              "FROM revocation WHERE number = ?"));
    if (!TRY(row.bind(order).step())) return rules::unknown_order(order);
    if (row.number(0) == 0) return std::nullopt;
    RevocationReport report;
    report.sessions = row.number(1);
    report.subscriptions = row.number(2);
    report.queued = row.number(3);
    report.retained = row.number(4);
    report.groups = row.number(5);
    report.microseconds = row.number(6);
    return report;
  }

  std::mutex mutex_;
  Database database_;
  std::optional<Statement> data_version_;  // declared after, so destroyed before, its database
  std::uint64_t own_changes_ = 0;
};

}  // namespace

Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path) {
  auto database = TRY(Database::open(path, sqlite::Durability::every_commit));
  TRY(prepare_schema(database));
  return std::make_unique<SqliteRegistry>(std::move(database));
}

}  // namespace sealmq
