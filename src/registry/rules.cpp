#include "registry/rules.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "base/try.h"
#include "crypto/identity_digest.h"

namespace sealmq {

RevocationReport& RevocationReport::operator+=(const RevocationReport& other) {
  sessions += other.sessions;
  subscriptions += other.subscriptions;
  queued += other.queued;
  retained += other.retained;
  groups += other.groups;
  // The parts of a broker carry an order out side by side: it is done when the slowest is.
  microseconds = std::max(microseconds, other.microseconds);
  return *this;
}

bool Progress::Owed::is_running() const {
  return silence && *silence <= longest_silence;
}

RevocationReport Progress::total() const {
  RevocationReport sum;
  for (const Done& one : done) sum += one.report;
  return sum;
}

bool Progress::is_awaited() const {
  return std::any_of(owed.begin(), owed.end(), [](const Owed& one) { return one.is_running(); });
}

namespace rules {
namespace {

Failure refuse(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

bool equal(Bytes a, Bytes b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

/// Keys that somebody is to use: one signs, and each has one purpose.
Result<> may_have(const PublicIdentity& identity) {
  if (!is_there(identity.keys.schnorr) && !is_there(identity.keys.ecdsa) && identity.keys.rsa.empty())
    return refuse(identity.name + " has no key to sign with");
  const auto keys = coordinates(identity.keys);
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (equal(keys[i], keys[j])) return refuse(identity.name + " uses one key for two purposes");
  return {};
}

}  // namespace

std::vector<Bytes> coordinates(const PublicKeys& keys) {
  std::vector<Bytes> all;
  if (is_there(keys.schnorr)) all.emplace_back(keys.schnorr);
  for (const Bytes x : {coordinate(keys.ecdsa), coordinate(keys.agreement), Bytes(keys.rsa)})
    if (!x.empty()) all.push_back(x);
  return all;
}

Bytes coordinate(const std::array<std::uint8_t, 33>& key) {
  return is_there(key) ? Bytes(key).subspan(1) : Bytes();
}

Result<> may_add(const Identity& identity) {
  if (!is_identity_name(identity.name)) return refuse("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  if (identity.status == Status::revoked) return refuse("an identity cannot be added as revoked");
  return identity.keys == PublicKeys() ? Result<>() : may_have(identity);
}

Result<> may_rekey(const PublicIdentity& identity) {
  if (!is_identity_name(identity.name)) return refuse("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  return may_have(identity);
}

Result<> may_become(const Identity& before, const Identity& after) {
  if (after.name != before.name || after.keys != before.keys || after.proof != before.proof)
    return refuse("the name and the keys of an identity cannot change");
  const auto revocation = [](const Identity& its) {
    return std::tie(its.status, its.revoked_here, its.ordered, its.against_order);
  };
  if (revocation(after) != revocation(before)) return refuse("an identity is revoked and restored by orders only");
  return {};
}

namespace {

std::string in_words(std::uint64_t serial) {
  return "ordered by the authority, serial " + std::to_string(serial);
}

/// What follows from who has revoked it. An operator's reason goes before an order's.
void settle(Identity& identity, std::uint64_t wall) {
  const bool by_order = identity.ordered != 0 && !identity.against_order;
  if (identity.revoked_here || by_order)
    identity.status = Status::revoked;
  else if (identity.status == Status::revoked)
    identity.status = Status::active;
  if (!identity.revoked_here) identity.revocation_reason = by_order ? in_words(identity.ordered) : std::string();
  identity.changed = wall;
}

}  // namespace

Result<> revoke(Identity& identity, std::string_view reason, std::uint64_t wall) {
  if (identity.revoked_here) return refuse(identity.name + " is already revoked");
  identity.revoked_here = true;
  identity.revocation_reason = reason;
  settle(identity, wall);
  return {};
}

Result<> restore(Identity& identity, bool against_authority, std::uint64_t wall) {
  if (identity.status != Status::revoked) return refuse(identity.name + " is not revoked");
  const bool by_order = identity.ordered != 0 && !identity.against_order;
  if (by_order && !against_authority)
    return refuse(identity.name + " was revoked by order " + std::to_string(identity.ordered) +
                  " of the authority, which alone can take that back");
  identity.revoked_here = false;
  identity.against_order = identity.ordered != 0;
  settle(identity, wall);
  return {};
}

Obeyed obey(Identity& identity, std::uint64_t standing, std::uint64_t wall) {
  const bool was_active = identity.status != Status::revoked;
  if (standing == identity.ordered && !identity.against_order) return Obeyed::nothing;
  identity.ordered = standing;
  identity.against_order = false;
  settle(identity, wall);
  return was_active && identity.status == Status::revoked ? Obeyed::ended : Obeyed::changed;
}

void begin_anew(Identity& identity, std::uint64_t wall) {
  identity.in_card = false;  // other keys: where they are, nobody has said
  identity.revoked_here = false;
  identity.ordered = 0;
  identity.against_order = false;
  settle(identity, wall);
}

Result<> may_add(const Ticket& ticket) {
  if (!is_identity_name(ticket.name)) return refuse("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  if (ticket.kind == Kind::broker || ticket.kind == Kind::authority)
    return refuse("nobody becomes a broker or an authority by ticket");
  return {};
}

Result<> may_be_broker(std::string_view id) {
  if (!is_identity_name(id)) return refuse(printable(id) + " is not the name of a broker");
  return {};
}

Result<bool> judge(const AuthorityOrder& order, const OrdersTaken& taken) {
  const auto serial = "order " + std::to_string(order.serial) + " of the revocation authority";
  if (order.serial == 0) return fail(Blame::peer_misbehaved, "a revocation authority counts from 1");
  const auto next = taken.unknown != 0 ? taken.unknown : taken.last + 1;
  if (order.serial == next) return true;
  if (order.serial > next)
    return fail(Blame::peer_incompatible, serial + " comes too early: those from " + std::to_string(next) + " on are missing");
  if (!taken.digest)
    return fail(Blame::peer_misbehaved, serial + " is older than the last, which is " + std::to_string(taken.last));
  if (equal(*taken.digest, order.digest)) return false;
  return fail(Blame::peer_misbehaved, serial +
                                          " is not the one that was taken under this number: two authorities work with one key, "
                                          "or one that was set back to an older state");
}

Result<> may_take(const AuthorityOrder& order) {
  const auto is_nobodys = [](const KeyHash& key) { return !is_there(key); };
  if (std::ranges::any_of(order.keys, is_nobodys)) return fail(Blame::peer_misbehaved, "an order that names nobody's key");
  return {};
}

bool is_meant(const AuthorityOrder& order, const PublicKeys& keys) {
  const auto hashes = crypto::key_hashes(keys);
  return std::ranges::find_first_of(hashes, order.keys) != hashes.end();
}

Failure name_is_taken(std::string_view name) {
  return refuse("the name " + std::string(name) + " is taken");
}
Failure key_is_taken(std::string_view owner) {
  return refuse("a key of this identity is already that of " + std::string(owner));
}
Failure key_is_retired(std::string_view former_owner) {
  return refuse("a key of this identity was revoked, as that of " + std::string(former_owner));
}
Failure key_is_ordered(std::uint64_t serial) {
  return refuse("a key of this identity is revoked by order " + std::to_string(serial) + " of the authority");
}
Failure unknown_name(std::string_view name) {
  return refuse("no identity " + printable(name) + " on the list");
}
Failure unknown_order(std::uint64_t order) {
  return refuse("no revocation order " + std::to_string(order));
}
Failure already_reported(std::uint64_t order, std::string_view broker) {
  return refuse("revocation order " + std::to_string(order) + " is already reported by " + printable(broker));
}
Failure unknown_broker(std::string_view id) {
  return refuse("no broker " + printable(id) + " has made itself known");
}
Failure ticket_is_taken() {
  return refuse("there is a ticket with this code");
}

Failure damaged(std::string_view what) {
  return fail(Blame::environment, "the registry is damaged: " + std::string(what));
}

namespace {

template <std::size_t N>
bool read(Bytes from, std::array<std::uint8_t, N>& to) {
  if (from.size() != N) return false;
  std::copy(from.begin(), from.end(), to.begin());
  return true;
}

}  // namespace

Bytes in_row(Bytes key) {
  return is_there(key) ? key : Bytes{};
}

Result<Identity> read_row(const IdentityRow& row) {
  const auto kind = kind_from(row.kind);
  const auto status = status_from(row.status);
  if (!is_identity_name(row.name) || !kind || !status) return damaged("unknown kind, status or name");
  Identity identity;
  identity.name = row.name;
  identity.kind = *kind;
  identity.status = *status;
  const bool cannot_sign = row.schnorr.empty() && row.ecdsa.empty() && row.rsa.empty();
  if (cannot_sign && !row.agreement.empty()) return damaged("a key that signs nothing");
  if ((!row.schnorr.empty() && !read(row.schnorr, identity.keys.schnorr)) ||
      (!row.ecdsa.empty() && !read(row.ecdsa, identity.keys.ecdsa)) ||
      (!row.agreement.empty() && !read(row.agreement, identity.keys.agreement))) {
    return damaged("a key of the wrong length");
  }
  if (!row.rsa.empty() && row.rsa.size() != 256 && row.rsa.size() != 384 && row.rsa.size() != 512)
    return damaged("an RSA key of the wrong length");
  identity.keys.rsa = to_buffer(row.rsa);
  identity.revocation_reason = row.revocation_reason;
  identity.changed = row.changed;
  identity.proof = row.proof;
  identity.revoked_here = row.revoked_here;
  identity.ordered = row.ordered;
  identity.against_order = row.against_order;
  return identity;
}

namespace {

template <class Holder>
std::vector<RightRow> rows_of(const Holder& holder) {
  std::vector<RightRow> rows;
  const auto add = [&](std::string_view what, const Rights& rights) {
    for (std::uint64_t i = 0; i < rights.size(); ++i)
      rows.push_back({what, i, rights[i].filter, rights[i].is_pattern, rights[i].qos.bits()});
  };
  add("publish", holder.publish);
  add("subscribe", holder.subscribe);
  for (std::uint64_t i = 0; i < holder.schemes.size(); ++i) rows.push_back({"scheme", i, holder.schemes[i]});
  return rows;
}

template <class Holder>
Result<bool> add_to(Holder& to, std::string_view what, std::string& value, std::uint64_t is_pattern, std::uint64_t qos) {
  const auto set = QosSet::from_bits(qos);
  if (!set || set->empty() || is_pattern > 1) return damaged("a right with no QoS");
  if (what == "publish" || what == "subscribe")
    (what == "publish" ? to.publish : to.subscribe).emplace_back(std::move(value), is_pattern == 1, *set);
  else if (what == "scheme")
    to.schemes.push_back(std::move(value));
  else
    return false;
  return true;
}

}  // namespace

std::vector<RightRow> right_rows(const Identity& identity) {
  auto rows = rows_of(identity);
  if (!identity.require.empty()) rows.push_back({"require", 0, to_text(identity.require)});
  for (std::uint64_t i = 0; i < identity.roles.size(); ++i) rows.push_back({"role", i, identity.roles[i]});
  if (identity.in_card) rows.push_back({"card", 0, "key"});
  return rows;
}

std::vector<RightRow> right_rows(const Ticket& ticket) {
  return rows_of(ticket);
}

Result<> add_right(Identity& to, std::string_view what, std::string value, std::uint64_t is_pattern, std::uint64_t qos) {
  if (TRY(add_to(to, what, value, is_pattern, qos))) return {};
  if (what == "role") {
    to.roles.push_back(std::move(value));
    return {};
  }
  if (what == "card") {
    to.in_card = true;
    return {};
  }
  const auto factors = what == "require" ? factors_from(value) : std::nullopt;
  if (!factors) return damaged("an unknown kind of right");
  to.require.add(*factors);
  return {};
}

Result<> add_right(Ticket& to, std::string_view what, std::string value, std::uint64_t is_pattern, std::uint64_t qos) {
  if (TRY(add_to(to, what, value, is_pattern, qos))) return {};
  return damaged("an unknown kind of right");
}

Result<Ticket> read_ticket(std::string name, std::string_view kind, std::uint64_t expires, bool unproved) {
  const auto known = kind_from(kind);
  if (!is_identity_name(name) || !known) return damaged("unknown kind or name of a ticket");
  Ticket ticket;
  ticket.name = std::move(name);
  ticket.kind = *known;
  ticket.expires = expires;
  ticket.unproved = unproved;
  return ticket;
}

}  // namespace rules
}  // namespace sealmq
