#include "registry/rules.h"

#include <algorithm>

#include "base/text.h"

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

namespace rules {
namespace {

Failure refuse(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

bool equal(Bytes a, Bytes b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

std::array<Bytes, 3> coordinates(const PublicKeys& keys) {
  return {Bytes(keys.schnorr), Bytes(keys.ecdsa).subspan(1), Bytes(keys.agreement).subspan(1)};
}

Result<> may_add(const Identity& identity) {
  if (!is_identity_name(identity.name)) return refuse("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  if (identity.status == Status::revoked) return refuse("an identity cannot be added as revoked");
  const auto [schnorr, ecdsa, agreement] = coordinates(identity.keys);
  if (equal(schnorr, ecdsa) || equal(schnorr, agreement) || equal(ecdsa, agreement)) {
    return refuse(identity.name + " uses one key for two purposes");
  }
  return {};
}

Result<> may_become(const Identity& before, const Identity& after) {
  if (after.name != before.name || after.keys != before.keys) return refuse("the name and the keys of an identity cannot change");
  if (after.status == Status::revoked && before.status != Status::revoked)
    return refuse("an identity is revoked by an order only");
  return {};
}

Result<> may_revoke(const Identity& identity) {
  if (identity.status == Status::revoked) return refuse(identity.name + " is already revoked");
  return {};
}

Failure name_is_taken(std::string_view name) {
  return refuse("the name " + std::string(name) + " is taken");
}
Failure key_is_taken(std::string_view owner) {
  return refuse("a key of this identity is already that of " + std::string(owner));
}
Failure unknown_name(std::string_view name) {
  return refuse("no identity " + printable(name) + " on the list");
}
Failure unknown_order(std::uint64_t order) {
  return refuse("no revocation order " + std::to_string(order));
}
Failure already_reported(std::uint64_t order) {
  return refuse("revocation order " + std::to_string(order) + " is already reported");
}

}  // namespace rules
}  // namespace sealmq
