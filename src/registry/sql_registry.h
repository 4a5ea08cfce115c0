// The questions of a registry in SQL, which SQLite and PostgreSQL are asked in the same words. What differs between them is their
// Store: the connection, its transactions, and how a change is noticed.
//
//   using Session;                   within a transaction: query("… $1 …", values...) answers Rows
//   read(work), write(work)          work(Session&) as one transaction, undone when it answers an error; perhaps done again
//   write_lightly(work)              one that a power failure may undo
//   moment                           SQL: this moment, as broker.seen has it
//   silence                          SQL: milliseconds since broker.seen, not less than 0; NULL if that is
//   version(), wait_for_change()     as in Registry
//
// Rows read strictly: a field that is not what it is asked for is an error of the environment. In each statement the first uses
// of $1, $2, … come in this order: SQLite takes them for names.
#pragma once

#include <limits>
#include <type_traits>

#include "base/try.h"
#include "crypto/identity_digest.h"
#include "registry/rules.h"
#include "sealmq/registry.h"

namespace sealmq::sql {

/// The databases count with one bit less.
inline Result<> need_signed(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fail(Blame::caller_misused, "a number too large for the registry");
  return {};
}

// -- within a transaction ------------------------------------------------------------------------------------------------------

inline constexpr const char* identity_columns =
    "SELECT name, kind, status, schnorr, ecdsa, agreement, revocation_reason, changed, rsa, revoked_here, ordered, "
    "against_order, "
    "proof FROM identity";
inline constexpr const char* insert_entitlement =
    "INSERT INTO entitlement (name, what, position, value, pattern, qos) VALUES ($1, $2, $3, $4, $5, $6)";
inline constexpr const char* insert_ticket_right =
    "INSERT INTO ticket_right (hash, what, position, value, pattern, qos) VALUES ($1, $2, $3, $4, $5, $6)";

/// A row of identity_columns; the rights are still to be added.
template <class Rows>
Result<Identity> read_identity(const Rows& rows, int row) {
  const Buffer schnorr = TRY(rows.blob(row, 3));
  const Buffer ecdsa = TRY(rows.blob(row, 4));
  const Buffer agreement = TRY(rows.blob(row, 5));
  const Buffer rsa = TRY(rows.blob(row, 8));
  rules::IdentityRow read;
  read.name = TRY(rows.text(row, 0));
  read.kind = TRY(rows.text(row, 1));
  read.status = TRY(rows.text(row, 2));
  read.schnorr = schnorr;
  read.ecdsa = ecdsa;
  read.agreement = agreement;
  read.rsa = rsa;
  read.revocation_reason = TRY(rows.text(row, 6));
  read.changed = TRY(rows.number(row, 7));
  read.revoked_here = TRY(rows.number(row, 9)) != 0;
  read.ordered = TRY(rows.number(row, 10));
  read.against_order = TRY(rows.number(row, 11)) != 0;
  read.proof = TRY(rows.text(row, 12));
  return rules::read_row(read);
}

/// One right, of which what, value, pattern and qos stand at `column` and after.
template <class Rows, class Holder>
Result<> read_right(const Rows& rows, int row, int column, Holder& holder) {
  const auto what = TRY(rows.text(row, column));
  auto value = TRY(rows.text(row, column + 1));
  const auto is_pattern = TRY(rows.number(row, column + 2));
  return rules::add_right(holder, what, std::move(value), is_pattern, TRY(rows.number(row, column + 3)));
}

template <class Rows, class Holder>
Result<> read_rights(const Rows& rows, Holder& holder) {
  for (int row = 0; row < rows.count(); ++row) TRY(read_right(rows, row, 0, holder));
  return {};
}

template <class Session>
Result<> read_ticket_rights(Session& on, Bytes hash, Ticket& ticket) {
  return read_rights(
      TRY(on.query("SELECT what, value, pattern, qos FROM ticket_right WHERE hash = $1 ORDER BY what, position", hash)), ticket);
}

template <class Session, class Key, class Holder>
Result<> write_rights(Session& on, const char* statement, const Key& key, const Holder& holder) {
  for (const auto& row : rules::right_rows(holder))
    TRY(on.query(statement, key, row.what, row.position, row.value, std::uint64_t{row.is_pattern}, std::uint64_t{row.qos}));
  return {};
}

template <class Session, class... Values>
Result<bool> exists(Session& on, const char* statement, const Values&... values) {
  return TRY(on.query(statement, values...)).count() > 0;
}

template <class Session>
Result<std::optional<Identity>> find_identity(Session& on, std::string_view name) {
  const auto rows = TRY(on.query((std::string(identity_columns) + " WHERE name = $1 AND status <> 'removed'").c_str(), name));
  if (rows.count() == 0) return std::nullopt;
  auto identity = TRY(read_identity(rows, 0));
  TRY(read_rights(
      TRY(on.query("SELECT what, value, pattern, qos FROM entitlement WHERE name = $1 ORDER BY what, position", name)),
      identity));
  return identity;
}

/// Everything but the name and the keys, which never change.
template <class Session>
Result<> write_identity(Session& on, const Identity& identity) {
  TRY(need_signed(identity.changed));
  TRY(
      on.query("UPDATE identity SET kind = $1, status = $2, revocation_reason = $3, changed = $4, revoked_here = $5, "
               "ordered = $6, against_order = $7 WHERE name = $8",
               name(identity.kind), name(identity.status), identity.revocation_reason, identity.changed,
               std::uint64_t{identity.revoked_here}, identity.ordered, std::uint64_t{identity.against_order}, identity.name));
  TRY(on.query("DELETE FROM entitlement WHERE name = $1", identity.name));
  return write_rights(on, insert_entitlement, identity.name, identity);
}

template <class Session>
Result<std::optional<std::string>> owner_of_a_key(Session& on, const PublicKeys& keys) {
  const auto rows = TRY(
      on.query("SELECT name FROM identity WHERE (length(schnorr) > 0 AND schnorr IN ($1, $2, $3)) OR "
               "(length(ecdsa) > 0 AND substr(ecdsa, 2) IN ($1, $2, $3)) OR "
               "(length(agreement) > 0 AND substr(agreement, 2) IN ($1, $2, $3)) OR (length(rsa) > 0 AND rsa = $4)",
               rules::in_row(keys.schnorr), rules::coordinate(keys.ecdsa), rules::coordinate(keys.agreement), Bytes(keys.rsa)));
  if (rows.count() == 0) return std::nullopt;
  return TRY(rows.text(0, 0));
}

/// The serial of an authority's order that revokes one of these keys and is the last about it; 0: there is none.
template <class Session>
Result<std::uint64_t> standing_order(Session& on, const PublicKeys& keys) {
  std::uint64_t standing = 0;
  for (const KeyHash& key : crypto::key_hashes(keys)) {
    const auto rows =
        TRY(on.query("SELECT coalesce(max(serial), 0) FROM ordered_key WHERE keyhash = $1 AND restores = 0", Bytes(key)));
    standing = std::max(standing, TRY(rows.number(0, 0)));
  }
  return standing;
}

/// Nobody's, or it is said whose; and no order stands against them.
template <class Session>
Result<> need_free_keys(Session& on, const PublicKeys& keys) {
  if (const auto owner = TRY(owner_of_a_key(on, keys))) return rules::key_is_taken(*owner);
  for (const Bytes key : rules::coordinates(keys)) {
    const auto retired = TRY(on.query("SELECT name FROM retired_key WHERE coordinate = $1", key));
    if (retired.count() > 0) return rules::key_is_retired(TRY(retired.text(0, 0)));
  }
  if (const auto serial = TRY(standing_order(on, keys)); serial != 0) return rules::key_is_ordered(serial);
  return {};
}

/// From now on they are nobody's.
template <class Session>
Result<> retire_keys(Session& on, const Identity& identity) {
  for (const Bytes key : rules::coordinates(identity.keys))
    TRY(on.query("INSERT INTO retired_key VALUES ($1, $2) ON CONFLICT DO NOTHING", key, identity.name));
  return {};
}

template <class Session>
Result<> write_keys(Session& on, std::string_view name, const PublicKeys& keys, std::string_view proof) {
  TRY(on.query("UPDATE identity SET schnorr = $1, ecdsa = $2, agreement = $3, rsa = $4, proof = $5 WHERE name = $6",
               rules::in_row(keys.schnorr), rules::in_row(keys.ecdsa), rules::in_row(keys.agreement), Bytes(keys.rsa), proof,
               name));
  return {};
}

template <class Session>
Result<std::uint64_t> insert_order(Session& on, std::string_view name, std::string_view reason, std::uint64_t wall) {
  const auto order =
      TRY(on.query("INSERT INTO revocation (name, reason, wall) VALUES ($1, $2, $3) RETURNING number", name, reason, wall));
  return order.number(0, 0);
}

template <class Session>
Result<std::uint64_t> find_last_serial(Session& on, Bytes authority) {
  const auto rows = TRY(on.query("SELECT coalesce(max(serial), 0) FROM authority_order WHERE authority = $1", authority));
  return rows.number(0, 0);
}

template <class Session>
Result<rules::OrdersTaken> find_orders(Session& on, Bytes authority, std::uint64_t serial) {
  rules::OrdersTaken taken;
  taken.last = TRY(find_last_serial(on, authority));
  const auto unknown = TRY(
      on.query("SELECT coalesce(min(serial), 0) FROM authority_order WHERE authority = $1 AND length(digest) = 0", authority));
  taken.unknown = TRY(unknown.number(0, 0));
  const auto same = TRY(on.query("SELECT digest FROM authority_order WHERE authority = $1 AND serial = $2", authority, serial));
  if (same.count() > 0) taken.digest = TRY(same.blob(0, 0));
  return taken;
}

/// Of each key the last order counts, and they come in their order.
template <class Session>
Result<> remember_order(Session& on, const AuthorityOrder& order) {
  TRY(
      on.query("INSERT INTO authority_order VALUES ($1, $2, $3) ON CONFLICT (authority, serial) DO UPDATE SET "
               "digest = excluded.digest",
               Bytes(order.authority), order.serial, Bytes(order.digest)));
  for (const KeyHash& key : order.keys)
    TRY(
        on.query("INSERT INTO ordered_key VALUES ($1, $2, $3, $4) ON CONFLICT (keyhash, authority) DO UPDATE SET "
                 "serial = excluded.serial, restores = excluded.restores",
                 Bytes(key), Bytes(order.authority), order.serial, std::uint64_t{order.restores}));
  return {};
}

template <class Session>
Result<std::vector<KeyHash>> keys_last_named_by(Session& on, const AuthorityOrder& order) {
  const auto rows = TRY(on.query("SELECT keyhash FROM ordered_key WHERE authority = $1 AND serial = $2 ORDER BY keyhash",
                                 Bytes(order.authority), order.serial));
  std::vector<KeyHash> keys(static_cast<std::size_t>(rows.count()));
  for (int row = 0; row < rows.count(); ++row) {
    const Buffer key = TRY(rows.blob(row, 0));
    if (key.size() != keys[0].size()) return rules::damaged("a hash of the wrong length");
    std::copy(key.begin(), key.end(), keys[static_cast<std::size_t>(row)].begin());
  }
  return keys;
}

template <class Session>
Result<> need_order(Session& on, std::uint64_t order) {
  if (!need_signed(order) || !TRY(exists(on, "SELECT 1 FROM revocation WHERE number = $1", order)))
    return rules::unknown_order(order);
  return {};
}

template <class Session>
Result<> need_broker(Session& on, std::string_view id) {
  if (!TRY(exists(on, "SELECT 1 FROM broker WHERE id = $1", id))) return rules::unknown_broker(id);
  return {};
}

// -- the registry --------------------------------------------------------------------------------------------------------------

template <class Store>
class SqlRegistry final : public Registry {
  using Session = typename Store::Session;

 public:
  template <class... Parts>
  explicit SqlRegistry(Parts&&... parts) : store_(std::forward<Parts>(parts)...) {}

  // the list

  Result<> add(const Identity& identity) override {
    TRY(rules::may_add(identity));
    TRY(need_signed(identity.changed));
    return store_.write([&](Session& on) -> Result<> {
      if (TRY(find_identity(on, identity.name))) return rules::name_is_taken(identity.name);
      TRY(need_free_keys(on, identity.keys));
      // One that was removed has left its row, without keys and rights, to the orders about it.
      if (!TRY(exists(on, "SELECT 1 FROM identity WHERE name = $1", identity.name)))
        TRY(
            on.query("INSERT INTO identity (name, kind, status, schnorr, ecdsa, agreement, revocation_reason, changed, rsa) "
                     "VALUES ($1, '', '', $2, $2, $2, '', 0, $2)",
                     identity.name, Bytes()));
      TRY(write_keys(on, identity.name, identity.keys, identity.proof));
      return write_identity(on, identity);
    });
  }

  Result<Identity> change(std::string_view name, const std::function<Result<>(Identity&)>& change) override {
    return store_.write([&](Session& on) -> Result<Identity> {
      const auto before = TRY(find_identity(on, name));
      if (!before) return rules::unknown_name(name);
      Identity after = *before;
      TRY(change(after));
      TRY(rules::may_become(*before, after));
      TRY(write_identity(on, after));
      return after;
    });
  }

  Result<std::optional<Identity>> find(std::string_view name) override {
    return store_.read([&](Session& on) { return find_identity(on, name); });
  }

  Result<std::vector<Identity>> list() override {
    return store_.read([](Session& on) -> Result<std::vector<Identity>> {
      std::vector<Identity> all;
      const auto identities = TRY(on.query((std::string(identity_columns) + " WHERE status <> 'removed' ORDER BY name").c_str()));
      all.reserve(static_cast<std::size_t>(identities.count()));
      for (int row = 0; row < identities.count(); ++row) all.push_back(TRY(read_identity(identities, row)));

      // Both lists are in the order of names, so one walk joins them.
      const auto rights = TRY(on.query("SELECT name, what, value, pattern, qos FROM entitlement ORDER BY name, what, position"));
      auto at = all.begin();
      for (int row = 0; row < rights.count(); ++row) {
        const auto owner = TRY(rights.text(row, 0));
        while (at != all.end() && at->name < owner) ++at;
        if (at == all.end() || at->name != owner) return rules::damaged("a right of nobody");
        TRY(read_right(rights, row, 1, *at));
      }
      return all;
    });
  }

  // revocations, and the brokers that carry them out

  Result<std::uint64_t> revoke(std::string_view name, std::string_view reason, std::uint64_t wall) override {
    TRY(need_signed(wall));
    return store_.write([&](Session& on) -> Result<std::uint64_t> {
      auto identity = TRY(find_identity(on, name));
      if (!identity) return rules::unknown_name(name);
      TRY(rules::revoke(*identity, reason, wall));
      TRY(write_identity(on, *identity));
      return insert_order(on, name, reason, wall);
    });
  }

  Result<Identity> restore(std::string_view name, bool against_authority, std::uint64_t wall) override {
    TRY(need_signed(wall));
    return store_.write([&](Session& on) -> Result<Identity> {
      auto identity = TRY(find_identity(on, name));
      if (!identity) return rules::unknown_name(name);
      TRY(rules::restore(*identity, against_authority, wall));
      TRY(write_identity(on, *identity));
      return *std::move(identity);
    });
  }

  Result<std::uint64_t> remove(std::string_view name, std::uint64_t wall) override {
    TRY(need_signed(wall));
    return store_.write([&](Session& on) -> Result<std::uint64_t> {
      const auto identity = TRY(find_identity(on, name));
      if (!identity) return rules::unknown_name(name);
      if (identity->status == Status::revoked) TRY(retire_keys(on, *identity));
      TRY(write_keys(on, name, {}, ""));
      TRY(
          on.query("UPDATE identity SET status = 'removed', revocation_reason = '', changed = $1, revoked_here = 0, ordered = 0, "
                   "against_order = 0 WHERE name = $2",
                   wall, name));
      TRY(on.query("DELETE FROM entitlement WHERE name = $1", name));
      return insert_order(on, name, rules::removed, wall);
    });
  }

  Result<std::uint64_t> rekey(const PublicIdentity& fresh, std::string_view proof, std::uint64_t wall) override {
    TRY(rules::may_rekey(fresh));
    TRY(need_signed(wall));
    return store_.write([&](Session& on) -> Result<std::uint64_t> {
      auto identity = TRY(find_identity(on, fresh.name));
      if (!identity) return rules::unknown_name(fresh.name);
      TRY(need_free_keys(on, fresh.keys));
      TRY(retire_keys(on, *identity));
      TRY(write_keys(on, fresh.name, fresh.keys, proof));
      identity->kind = fresh.kind;
      rules::begin_anew(*identity, wall);
      TRY(write_identity(on, *identity));
      return insert_order(on, fresh.name, rules::rekeyed, wall);
    });
  }

  Result<std::vector<RevocationOrder>> open_orders(std::string_view broker) override {
    return store_.read([&](Session& on) -> Result<std::vector<RevocationOrder>> {
      TRY(need_broker(on, broker));
      const auto rows =
          TRY(on.query("SELECT number, name FROM revocation WHERE number > (SELECT since FROM broker WHERE id = $1) AND "
                       "number NOT IN (SELECT number FROM report WHERE broker = $1) ORDER BY number",
                       broker));
      std::vector<RevocationOrder> open;
      open.reserve(static_cast<std::size_t>(rows.count()));
      for (int row = 0; row < rows.count(); ++row) {
        const auto number = TRY(rows.number(row, 0));
        auto text = TRY(rows.text(row, 1));
        open.push_back({number, std::move(text)});
      }
      return open;
    });
  }

  Result<> report(std::uint64_t order, std::string_view broker, const RevocationReport& report) override {
    return store_.write([&](Session& on) -> Result<> {
      TRY(need_order(on, order));
      TRY(need_broker(on, broker));
      if (TRY(exists(on, "SELECT 1 FROM report WHERE number = $1 AND broker = $2", order, broker)))
        return rules::already_reported(order, broker);
      TRY(on.query("INSERT INTO report VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", order, broker, report.sessions,
                   report.subscriptions, report.queued, report.retained, report.groups, report.microseconds));
      return {};
    });
  }

  Result<std::uint64_t> last_order(std::string_view name) override {
    return store_.read([&](Session& on) -> Result<std::uint64_t> {
      const auto rows = TRY(on.query("SELECT coalesce(max(number), 0) FROM revocation WHERE name = $1", name));
      return rows.number(0, 0);
    });
  }

  Result<Progress> progress(std::uint64_t order) override {
    return store_.read([&](Session& on) -> Result<Progress> {
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
      const auto owed = TRY(on.query(("SELECT id, " + std::string(Store::silence) +
                                      " FROM broker WHERE since < $1 AND "
                                      "id NOT IN (SELECT broker FROM report WHERE number = $1) ORDER BY id")
                                         .c_str(),
                                     order));
      for (int row = 0; row < owed.count(); ++row) {
        Progress::Owed one;
        one.broker = TRY(owed.text(row, 0));
        if (!owed.is_null(row, 1)) one.silence = std::chrono::milliseconds(TRY(owed.number(row, 1)));
        progress.owed.push_back(std::move(one));
      }
      return progress;
    });
  }

  /// Nothing is lost with the heartbeats of the last moments, so the disk is not waited for every two seconds.
  Result<> heartbeat(std::string_view broker) override {
    TRY(rules::may_be_broker(broker));
    return store_.write_lightly([&](Session& on) -> Result<> {
      TRY(on.query(("INSERT INTO broker (id, seen, since) SELECT $1, " + std::string(Store::moment) +
                    ", coalesce(max(number), 0) FROM revocation WHERE true "
                    "ON CONFLICT (id) DO UPDATE SET seen = excluded.seen")
                       .c_str(),
                   broker));
      return {};
    });
  }

  Result<> goodbye(std::string_view broker) override {
    return store_.write([&](Session& on) -> Result<> {
      TRY(need_broker(on, broker));
      TRY(on.query("UPDATE broker SET seen = NULL WHERE id = $1", broker));
      return {};
    });
  }

  /// As with heartbeats, nothing is lost with it.
  Result<> follow(std::string_view broker, std::uint64_t version) override {
    TRY(need_signed(version));
    return store_.write_lightly([&](Session& on) -> Result<> {
      TRY(need_broker(on, broker));
      TRY(on.query("UPDATE broker SET followed = $1 WHERE id = $2", version, broker));
      return {};
    });
  }

  Result<std::vector<std::string>> behind(std::uint64_t version) override {
    TRY(need_signed(version));
    return store_.read([&](Session& on) -> Result<std::vector<std::string>> {
      // A silence of NULL, of one that has said goodbye, is not less than anything.
      const auto rows = TRY(on.query(
          ("SELECT id FROM broker WHERE followed < $1 AND " + std::string(Store::silence) + " <= $2 ORDER BY id").c_str(),
          version, static_cast<std::uint64_t>(longest_silence.count())));
      std::vector<std::string> behind;
      behind.reserve(static_cast<std::size_t>(rows.count()));
      for (int row = 0; row < rows.count(); ++row) behind.push_back(TRY(rows.text(row, 0)));
      return behind;
    });
  }

  // tickets

  Result<> add_ticket(const TicketHash& hash, const Ticket& ticket, std::uint64_t wall) override {
    TRY(rules::may_add(ticket));
    TRY(need_signed(ticket.expires));
    TRY(need_signed(wall));
    return store_.write([&](Session& on) -> Result<> {
      if (TRY(find_identity(on, ticket.name))) return rules::name_is_taken(ticket.name);
      TRY(on.query("DELETE FROM ticket WHERE expires <= $1", wall));
      if (TRY(exists(on, "SELECT 1 FROM ticket WHERE hash = $1", Bytes(hash)))) return rules::ticket_is_taken();
      TRY(on.query("INSERT INTO ticket (hash, name, kind, expires, unproved) VALUES ($1, $2, $3, $4, $5)", Bytes(hash),
                   ticket.name, name(ticket.kind), ticket.expires, std::uint64_t{ticket.unproved}));
      return write_rights(on, insert_ticket_right, Bytes(hash), ticket);
    });
  }

  Result<std::optional<Ticket>> burn_ticket(const TicketHash& hash, std::uint64_t wall) override {
    // Anybody may come with any code: for one that there is not, nothing is locked or written.
    const auto look = [&](Session& on) { return exists(on, "SELECT 1 FROM ticket WHERE hash = $1", Bytes(hash)); };
    if (!TRY(store_.read(look))) return std::nullopt;
    return store_.write([&](Session& on) -> Result<std::optional<Ticket>> {
      const auto row = TRY(on.query("SELECT name, kind, expires, unproved FROM ticket WHERE hash = $1", Bytes(hash)));
      if (row.count() == 0) return std::nullopt;
      auto name = TRY(row.text(0, 0));
      const auto kind = TRY(row.text(0, 1));
      const auto expires = TRY(row.number(0, 2));
      const auto unproved = TRY(row.number(0, 3));
      auto ticket = TRY(rules::read_ticket(std::move(name), kind, expires, unproved != 0));
      TRY(read_ticket_rights(on, Bytes(hash), ticket));
      TRY(on.query("DELETE FROM ticket WHERE hash = $1", Bytes(hash)));
      if (ticket.expires <= wall) return std::nullopt;
      return ticket;
    });
  }

  Result<std::vector<Ticket>> tickets(std::uint64_t wall) override {
    TRY(need_signed(wall));
    return store_.read([&](Session& on) -> Result<std::vector<Ticket>> {
      const auto rows =
          TRY(on.query("SELECT name, kind, expires, hash, unproved FROM ticket WHERE expires > $1 ORDER BY name, expires", wall));
      std::vector<Ticket> all;
      for (int row = 0; row < rows.count(); ++row) {
        auto name = TRY(rows.text(row, 0));
        const auto kind = TRY(rows.text(row, 1));
        const auto unproved = TRY(rows.number(row, 4));
        all.push_back(TRY(rules::read_ticket(std::move(name), kind, TRY(rows.number(row, 2)), unproved != 0)));
        const Buffer hash = TRY(rows.blob(row, 3));
        TRY(read_ticket_rights(on, hash, all.back()));
      }
      return all;
    });
  }

  Result<std::size_t> cancel_tickets(std::string_view name) override {
    return store_.write([&](Session& on) -> Result<std::size_t> {
      return static_cast<std::size_t>(TRY(on.query("DELETE FROM ticket WHERE name = $1 RETURNING hash", name)).count());
    });
  }

  // orders of a revocation authority

  Result<TakenOrder> take_order(const AuthorityOrder& order) override {
    TRY(rules::may_take(order));
    TRY(need_signed(order.serial));
    TRY(need_signed(order.wall));
    return store_.write([&](Session& on) -> Result<TakenOrder> {
      const auto before = TRY(find_orders(on, order.authority, order.serial));
      TakenOrder taken;
      taken.is_new = TRY(rules::judge(order, before));
      if (taken.is_new) {
        TRY(remember_order(on, order));
        // What an older program took is carried out when all of it is known again: the last order about each counts.
        const auto unknown = TRY(find_orders(on, order.authority, order.serial)).unknown;
        if (unknown == 0) TRY(carry_out(on, order, before.unknown != 0, taken.names));
      }
      taken.latest_for = TRY(keys_last_named_by(on, order));
      return taken;
    });
  }

  Result<std::uint64_t> last_serial(const std::array<std::uint8_t, 32>& authority) override {
    return store_.read([&](Session& on) { return find_last_serial(on, authority); });
  }

  // changes

  Result<std::uint64_t> version() override { return store_.version(); }
  Result<std::uint64_t> wait_for_change(std::uint64_t seen, std::chrono::milliseconds patience) override {
    return store_.wait_for_change(seen, patience);
  }

 private:
  /// For whom the order means, or for `everybody`. `names`: those whom it means.
  static Result<> carry_out(Session& on, const AuthorityOrder& order, bool everybody, std::vector<std::string>& names) {
    const auto rows = TRY(on.query((std::string(identity_columns) + " WHERE status <> 'removed' ORDER BY name").c_str()));
    for (int row = 0; row < rows.count(); ++row) {
      const auto listed = TRY(read_identity(rows, row));
      const bool is_meant = rules::is_meant(order, listed.keys);
      if (is_meant) names.push_back(listed.name);
      if (!is_meant && !everybody) continue;
      auto identity = TRY(find_identity(on, listed.name));
      if (!identity) continue;
      const auto done = rules::obey(*identity, TRY(standing_order(on, identity->keys)), order.wall);
      if (done != rules::Obeyed::nothing) TRY(write_identity(on, *identity));
      if (done == rules::Obeyed::ended) TRY(insert_order(on, identity->name, identity->revocation_reason, order.wall));
    }
    return {};
  }

  Store store_;
};

}  // namespace sealmq::sql
