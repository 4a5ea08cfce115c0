#include <chrono>
#include <limits>
#include <mutex>
#include <thread>
#include <type_traits>

#include "registry/postgres.h"
#include "registry/rules.h"
#include "sealmq/registry.h"

namespace sealmq {
namespace {

using postgres::Address;
using postgres::Connection;
using postgres::Parameter;
using postgres::Rows;
using postgres::Trouble;
using rules::damaged;

constexpr std::uint64_t schema_version = 1;
constexpr int attempts = 8;  // of a transaction that conflicts with others

// The collation makes names sort by their bytes, as everywhere else. Triggers count changes and tell those who listen, so that a
// change by hand counts too, and a heartbeat does not.
constexpr const char* schema = R"(
  CREATE SCHEMA IF NOT EXISTS sealmq;

  CREATE TABLE sealmq.identity (
    name              text COLLATE "C" PRIMARY KEY,
    kind              text NOT NULL,
    status            text NOT NULL,
    schnorr           bytea NOT NULL UNIQUE,
    ecdsa             bytea NOT NULL,
    agreement         bytea NOT NULL,
    revocation_reason text NOT NULL,
    changed           bigint NOT NULL      -- wall milliseconds
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
    seen  timestamptz,           -- its last heartbeat; NULL: it has said goodbye
    since bigint NOT NULL        -- the last order that was given before it was known
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
    expires bigint NOT NULL      -- wall milliseconds
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

Result<> prepare_schema(Connection& connection) {
  const auto is_there = TRY(connection.query("SELECT to_regclass('sealmq.state') IS NOT NULL"));
  if (TRY(is_there.text(0, 0)) != "t") {
    // Two that come first at the same time take turns; the number has no meaning. The second must look in a transaction that
    // begins after it has got the lock, or it would not see what the first has made.
    TRY(connection.query("SELECT pg_advisory_lock(8338642351)"));
    const auto is_there_now = TRY(connection.query("SELECT to_regclass('sealmq.state') IS NOT NULL"));
    if (TRY(is_there_now.text(0, 0)) != "t") {
      TRY(connection.execute("BEGIN"));
      TRY(connection.execute(schema));
      TRY(connection.execute("COMMIT"));
    }
    TRY(connection.query("SELECT pg_advisory_unlock(8338642351)"));
  }
  const auto found = TRY(connection.query("SELECT schema FROM sealmq.state"));
  const auto number = TRY(found.number(0, 0));
  if (number != schema_version)
    return fail(Blame::environment, "the registry has schema " + std::to_string(number) + ", this program knows 1");
  return {};
}

Result<Connection> connect(const Address& address) {
  auto connection = TRY(Connection::open(address));
  TRY(prepare_schema(connection));
  return connection;
}

constexpr const char* identity_columns =
    "SELECT name, kind, status, schnorr, ecdsa, agreement, revocation_reason, changed FROM identity";

/// A row of identity_columns; the entitlements are still to be added.
Result<Identity> read_identity(const Rows& rows, int row) {
  const Buffer schnorr = TRY(rows.blob(row, 3));
  const Buffer ecdsa = TRY(rows.blob(row, 4));
  const Buffer agreement = TRY(rows.blob(row, 5));
  rules::IdentityRow read;
  read.name = TRY(rows.text(row, 0));
  read.kind = TRY(rows.text(row, 1));
  read.status = TRY(rows.text(row, 2));
  read.schnorr = schnorr;
  read.ecdsa = ecdsa;
  read.agreement = agreement;
  read.revocation_reason = TRY(rows.text(row, 6));
  read.changed = TRY(rows.number(row, 7));
  return rules::read_row(read);
}

/// One right, of which what and value stand at `column` and after.
template <class Holder>
Result<> read_right(const Rows& rows, int row, int column, Holder& holder) {
  auto* list = rules::rights(holder, TRY(rows.text(row, column)));
  if (list == nullptr) return damaged("an unknown kind of right");
  list->push_back(TRY(rows.text(row, column + 1)));
  return {};
}

template <class Holder>
Result<> read_rights(const Rows& rows, Holder& holder) {
  for (int row = 0; row < rows.count(); ++row) TRY(read_right(rows, row, 0, holder));
  return {};
}

// -- one transaction -----------------------------------------------------------------------------------------------------------
// What the calls of the registry are made of; each is given the connection that its transaction runs on.

Result<std::optional<Identity>> read(Connection& on, std::string_view name) {
  const auto rows = TRY(on.query((std::string(identity_columns) + " WHERE name = $1").c_str(), name));
  if (rows.count() == 0) return std::nullopt;
  auto identity = TRY(read_identity(rows, 0));
  TRY(read_rights(TRY(on.query("SELECT what, value FROM entitlement WHERE name = $1 ORDER BY what, position", name)), identity));
  return identity;
}

template <class Key, class Holder>
Result<> write_rights(Connection& on, const char* sql, const Key& key, const Holder& holder) {
  for (const auto what : rules::kinds_of_right) {
    const auto& values = *rules::rights(holder, what);
    for (std::uint64_t i = 0; i < values.size(); ++i) TRY(on.query(sql, key, what, i, values[i]));
  }
  return {};
}

constexpr const char* insert_entitlement = "INSERT INTO entitlement VALUES ($1, $2, $3, $4)";

/// A bigint has one bit less.
Result<> need_signed(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fail(Blame::caller_misused, "a number too large for the registry");
  return {};
}

/// Everything but the name and the keys, which never change.
Result<> write(Connection& on, const Identity& identity) {
  TRY(need_signed(identity.changed));
  TRY(on.query("UPDATE identity SET kind = $1, status = $2, revocation_reason = $3, changed = $4 WHERE name = $5",
               name(identity.kind), name(identity.status), identity.revocation_reason, identity.changed, identity.name));
  TRY(on.query("DELETE FROM entitlement WHERE name = $1", identity.name));
  return write_rights(on, insert_entitlement, identity.name, identity);
}

Result<std::optional<std::string>> owner_of_a_key(Connection& on, const PublicKeys& keys) {
  const auto [schnorr, ecdsa, agreement] = rules::coordinates(keys);
  const auto rows =
      TRY(on.query("SELECT name FROM identity WHERE schnorr IN ($1, $2, $3) OR substr(ecdsa, 2) IN ($1, $2, $3) OR "
                   "substr(agreement, 2) IN ($1, $2, $3)",
                   schnorr, ecdsa, agreement));
  if (rows.count() == 0) return std::nullopt;
  return TRY(rows.text(0, 0));
}

Result<std::uint64_t> insert_order(Connection& on, std::string_view name, std::string_view reason, std::uint64_t wall) {
  const auto order =
      TRY(on.query("INSERT INTO revocation (name, reason, wall) VALUES ($1, $2, $3) RETURNING number", name, reason, wall));
  return order.number(0, 0);
}

Result<std::uint64_t> read_last_serial(Connection& on, Bytes authority) {
  const auto rows = TRY(on.query("SELECT coalesce(max(serial), 0) FROM authority_order WHERE authority = $1", authority));
  return rows.number(0, 0);
}

Result<> need_order(Connection& on, std::uint64_t order) {
  if (!need_signed(order) || TRY(on.query("SELECT 1 FROM revocation WHERE number = $1", order)).count() == 0)
    return rules::unknown_order(order);
  return {};
}

Result<> need_broker(Connection& on, std::string_view id) {
  if (TRY(on.query("SELECT 1 FROM broker WHERE id = $1", id)).count() == 0) return rules::unknown_broker(id);
  return {};
}

Result<std::uint64_t> read_version(Connection& on) {
  const auto rows = TRY(on.query("SELECT version FROM sealmq.state"));
  return rows.number(0, 0);
}

// -- the registry --------------------------------------------------------------------------------------------------------------

/// What the work of a transaction answers.
template <class Work>
using Answer = std::invoke_result_t<const Work&, Connection&>;

class PostgresRegistry : public Registry {
 public:
  PostgresRegistry(Address address, Connection connection) : address_(std::move(address)), connection_(std::move(connection)) {}

  Result<> add(const Identity& identity) override {
    TRY(rules::may_add(identity));
    TRY(need_signed(identity.changed));
    return write_transaction([&](Connection& on) -> Result<> {
      if (TRY(on.query("SELECT 1 FROM identity WHERE name = $1", identity.name)).count() > 0)
        return rules::name_is_taken(identity.name);
      if (const auto owner = TRY(owner_of_a_key(on, identity.keys))) return rules::key_is_taken(*owner);
      TRY(on.query("INSERT INTO identity VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", identity.name, name(identity.kind),
                   name(identity.status), Bytes(identity.keys.schnorr), Bytes(identity.keys.ecdsa),
                   Bytes(identity.keys.agreement), identity.revocation_reason, identity.changed));
      return write_rights(on, insert_entitlement, identity.name, identity);
    });
  }

  Result<Identity> change(std::string_view name, const std::function<Result<>(Identity&)>& change) override {
    return write_transaction([&](Connection& on) -> Result<Identity> {
      const auto before = TRY(read(on, name));
      if (!before) return rules::unknown_name(name);
      Identity after = *before;
      TRY(change(after));
      TRY(rules::may_become(*before, after));
      TRY(write(on, after));
      return after;
    });
  }

  Result<std::optional<Identity>> find(std::string_view name) override {
    return read_transaction([&](Connection& on) { return read(on, name); });
  }

  Result<std::vector<Identity>> list() override {
    return read_transaction([](Connection& on) -> Result<std::vector<Identity>> {
      std::vector<Identity> all;
      const auto identities = TRY(on.query((std::string(identity_columns) + " ORDER BY name").c_str()));
      for (int row = 0; row < identities.count(); ++row) all.push_back(TRY(read_identity(identities, row)));

      // Both lists are in the order of names, so one walk joins them.
      const auto rights = TRY(on.query("SELECT name, what, value FROM entitlement ORDER BY name, what, position"));
      auto at = all.begin();
      for (int row = 0; row < rights.count(); ++row) {
        const auto owner = TRY(rights.text(row, 0));
        while (at != all.end() && at->name < owner) ++at;
        if (at == all.end() || at->name != owner) return damaged("a right of nobody");
        TRY(read_right(rights, row, 1, *at));
      }
      return all;
    });
  }

  Result<std::uint64_t> revoke(std::string_view name, std::string_view reason, std::uint64_t wall) override {
    TRY(need_signed(wall));
    return write_transaction([&](Connection& on) -> Result<std::uint64_t> {
      auto identity = TRY(read(on, name));
      if (!identity) return rules::unknown_name(name);
      TRY(rules::may_revoke(*identity));
      identity->status = Status::revoked;
      identity->revocation_reason = reason;
      identity->changed = wall;
      TRY(write(on, *identity));
      return insert_order(on, name, reason, wall);
    });
  }

  Result<std::vector<RevocationOrder>> open_orders(std::string_view broker) override {
    return read_transaction([&](Connection& on) -> Result<std::vector<RevocationOrder>> {
      TRY(need_broker(on, broker));
      const auto rows =
          TRY(on.query("SELECT number, name FROM revocation WHERE number > (SELECT since FROM broker WHERE id = $1) AND "
                       "number NOT IN (SELECT number FROM report WHERE broker = $1) ORDER BY number",
                       broker));
      std::vector<RevocationOrder> open;
      for (int row = 0; row < rows.count(); ++row) {
        const auto number = TRY(rows.number(row, 0));
        open.push_back({number, TRY(rows.text(row, 1))});
      }
      return open;
    });
  }

  Result<> report(std::uint64_t order, std::string_view broker, const RevocationReport& report) override {
    return write_transaction([&](Connection& on) -> Result<> {
      TRY(need_order(on, order));
      TRY(need_broker(on, broker));
      if (TRY(on.query("SELECT 1 FROM report WHERE number = $1 AND broker = $2", order, broker)).count() > 0)
        return rules::already_reported(order, broker);
      TRY(on.query("INSERT INTO report VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", order, broker, report.sessions,
                   report.subscriptions, report.queued, report.retained, report.groups, report.microseconds));
      return {};
    });
  }

  Result<std::uint64_t> last_order(std::string_view name) override {
    return read_transaction([&](Connection& on) -> Result<std::uint64_t> {
      const auto rows = TRY(on.query("SELECT coalesce(max(number), 0) FROM revocation WHERE name = $1", name));
      return rows.number(0, 0);
    });
  }

  Result<Progress> progress(std::uint64_t order) override {
    return read_transaction([&](Connection& on) -> Result<Progress> {
      TRY(need_order(on, order));
      Progress progress;
      const auto done =
          TRY(on.query("SELECT broker, sessions, subscriptions, queued, retained, groups, microseconds FROM report "
                       "WHERE number = $1 ORDER BY broker",
                       order));
      for (int row = 0; row < done.count(); ++row) {
        Progress::Done one;
        one.broker = TRY(done.text(row, 0));
        std::uint64_t* const figures[] = {&one.report.sessions, &one.report.subscriptions, &one.report.queued,
                                          &one.report.retained, &one.report.groups,        &one.report.microseconds};
        for (int i = 0; i < 6; ++i) *figures[i] = TRY(done.number(row, 1 + i));
        progress.done.push_back(std::move(one));
      }
      // A clock that was set back makes a silence of less than nothing.
      const auto owed = TRY(on.query(
          "SELECT id, seen IS NULL, greatest(0, coalesce(extract(epoch FROM clock_timestamp() - seen) * 1000, 0))::bigint "
          "FROM broker WHERE since < $1 AND id NOT IN (SELECT broker FROM report WHERE number = $1) ORDER BY id",
          order));
      for (int row = 0; row < owed.count(); ++row) {
        Progress::Owed one;
        one.broker = TRY(owed.text(row, 0));
        if (TRY(owed.text(row, 1)) != "t") one.silence = std::chrono::milliseconds(TRY(owed.number(row, 2)));
        progress.owed.push_back(std::move(one));
      }
      return progress;
    });
  }

  Result<> heartbeat(std::string_view broker) override {
    TRY(rules::may_be_broker(broker));
    return write_transaction([&](Connection& on) -> Result<> {
      TRY(
          on.query("INSERT INTO broker SELECT $1, clock_timestamp(), coalesce(max(number), 0) FROM revocation "
                   "ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
                   broker));
      return {};
    });
  }

  Result<> goodbye(std::string_view broker) override {
    return write_transaction([&](Connection& on) -> Result<> {
      TRY(need_broker(on, broker));
      TRY(on.query("UPDATE broker SET seen = NULL WHERE id = $1", broker));
      return {};
    });
  }

  Result<> add_ticket(const TicketHash& hash, const Ticket& ticket, std::uint64_t wall) override {
    TRY(rules::may_add(ticket));
    TRY(need_signed(ticket.expires));
    TRY(need_signed(wall));
    return write_transaction([&](Connection& on) -> Result<> {
      if (TRY(on.query("SELECT 1 FROM identity WHERE name = $1", ticket.name)).count() > 0)
        return rules::name_is_taken(ticket.name);
      TRY(on.query("DELETE FROM ticket WHERE expires <= $1", wall));
      if (TRY(on.query("SELECT 1 FROM ticket WHERE hash = $1", Bytes(hash))).count() > 0) return rules::ticket_is_taken();
      TRY(on.query("INSERT INTO ticket VALUES ($1, $2, $3, $4)", Bytes(hash), ticket.name, name(ticket.kind), ticket.expires));
      return write_rights(on, "INSERT INTO ticket_right VALUES ($1, $2, $3, $4)", Bytes(hash), ticket);
    });
  }

  Result<std::optional<Ticket>> burn_ticket(const TicketHash& hash, std::uint64_t wall) override {
    return write_transaction([&](Connection& on) -> Result<std::optional<Ticket>> {
      const auto row = TRY(on.query("SELECT name, kind, expires FROM ticket WHERE hash = $1", Bytes(hash)));
      if (row.count() == 0) return std::nullopt;
      auto name = TRY(row.text(0, 0));
      const auto kind = TRY(row.text(0, 1));
      const auto expires = TRY(row.number(0, 2));
      auto ticket = TRY(rules::read_ticket(std::move(name), kind, expires));
      TRY(read_rights(TRY(on.query("SELECT what, value FROM ticket_right WHERE hash = $1 ORDER BY what, position", Bytes(hash))),
                      ticket));
      TRY(on.query("DELETE FROM ticket WHERE hash = $1", Bytes(hash)));
      if (ticket.expires <= wall) return std::nullopt;
      return ticket;
    });
  }

  Result<bool> take_order(const AuthorityOrder& order) override {
    TRY(need_signed(order.serial));
    TRY(need_signed(order.wall));
    return write_transaction([&](Connection& on) -> Result<bool> {
      const auto last = TRY(read_last_serial(on, order.authority));
      const auto same = TRY(on.query("SELECT digest FROM authority_order WHERE authority = $1 AND serial = $2",
                                     Bytes(order.authority), order.serial));
      Buffer digest;
      if (same.count() > 0) digest = TRY(same.blob(0, 0));
      if (!TRY(rules::judge(order, last, same.count() > 0 ? std::optional(Bytes(digest)) : std::nullopt))) return false;
      TRY(on.query("INSERT INTO authority_order VALUES ($1, $2, $3)", Bytes(order.authority), order.serial, Bytes(order.digest)));
      auto identity = TRY(read(on, order.name));
      if (identity && rules::apply(order, *identity)) {
        TRY(write(on, *identity));
        if (!order.restores) TRY(insert_order(on, order.name, order.reason, order.wall));
      }
      return true;
    });
  }

  Result<std::uint64_t> last_serial(const std::array<std::uint8_t, 32>& authority) override {
    return read_transaction([&](Connection& on) { return read_last_serial(on, authority); });
  }

  Result<std::uint64_t> version() override { return read_transaction(read_version); }

  // The connection that listens is asked for the version, and not what the notice says: everybody may notify. It is asked at the
  // end of the wait too, because a connection can be cut off, or go through something that passes no notices on.
  Result<std::uint64_t> wait_for_change(std::uint64_t seen, std::chrono::milliseconds patience) override {
    const auto end = std::chrono::steady_clock::now() + patience;
    const std::lock_guard lock(listener_mutex_);
    const auto result = wait_on_listener(seen, end);
    if (!result && listener_ && listener_->trouble() != Trouble::none) listener_.reset();
    return result;
  }

 private:
  Result<std::uint64_t> wait_on_listener(std::uint64_t seen, std::chrono::steady_clock::time_point end) {
    if (!listener_) {
      listener_.emplace(TRY(connect(address_)));
      TRY(listener_->execute("LISTEN sealmq"));
    }
    while (true) {
      const auto now = TRY(read_version(*listener_));
      if (now != seen || std::chrono::steady_clock::now() >= end) return now;
      TRY(listener_->wait_for_notice(end));
    }
  }

  // Nobody else writes between the first statement and the commit; readers are not held up. What slips past the lock, such as a
  // change by hand, is found out by the isolation level, and the transaction done again.
  template <class Work>
  Answer<Work> write_transaction(const Work& work) {
    return transaction("BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE sealmq.state IN EXCLUSIVE MODE", work);
  }
  template <class Work>
  Answer<Work> read_transaction(const Work& work) {
    return transaction("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", work);
  }

  template <class Work>
  Answer<Work> transaction(const char* begin, const Work& work) {
    const std::lock_guard lock(mutex_);
    for (int attempt = 1;; ++attempt) {
      const bool is_new = !connection_;
      if (is_new) connection_.emplace(TRY(connect(address_)));
      bool is_committing = false;
      auto result = attempt_transaction(*connection_, begin, work, is_committing);
      if (result) return result;
      const Trouble trouble = connection_->trouble();
      // It is kept only when it is certain that no transaction is open on it.
      if (trouble == Trouble::lost || !connection_->execute("ROLLBACK")) connection_.reset();
      if (trouble == Trouble::lost && is_committing)
        return fail(Blame::environment, result.error().what + "; it is not known whether the change was made");
      // One that was lost while it lay idle is found out only now.
      const bool was_idle = trouble == Trouble::lost && !is_new;
      if (!was_idle && (trouble != Trouble::conflict || attempt == attempts)) return result;
      if (!was_idle) std::this_thread::sleep_for(std::chrono::milliseconds(2 << attempt));
    }
  }

  template <class Work>
  static Answer<Work> attempt_transaction(Connection& on, const char* begin, const Work& work, bool& is_committing) {
    TRY(on.execute(begin));
    auto result = work(on);
    if (!result) return result;
    is_committing = true;
    TRY(on.execute("COMMIT"));
    return result;
  }

  const Address address_;
  std::mutex mutex_;
  std::optional<Connection> connection_;
  std::mutex listener_mutex_;
  std::optional<Connection> listener_;
};

}  // namespace

Result<std::unique_ptr<Registry>> open_postgres_registry(const std::string& url) {
  auto address = TRY(Address::parse(url));
  auto connection = TRY(connect(address));
  return std::make_unique<PostgresRegistry>(std::move(address), std::move(connection));
}

}  // namespace sealmq
