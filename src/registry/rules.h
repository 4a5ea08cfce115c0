// Rules: what every registry refuses, wherever it keeps its list.
#pragma once

#include "sealmq/registry.h"

namespace sealmq::rules {

/// What the keys that are there are compared by: the x coordinates of points, which catches a key that comes back for another
/// purpose or with the other sign, and the modulus of an RSA key.
std::vector<Bytes> coordinates(const PublicKeys& keys);
/// Of one point; empty: there is no key.
Bytes coordinate(const std::array<std::uint8_t, 33>& key);

/// What can be said about a new identity without looking at the list.
Result<> may_add(const Identity& identity);
/// Name and keys stay for ever, and whether it is revoked is not for Registry::change to say.
Result<> may_become(const Identity& before, const Identity& after);

// What becomes of an identity, or why it may not.
Result<> revoke(Identity& identity, std::string_view reason, std::uint64_t wall);
Result<> restore(Identity& identity, bool against_authority, std::uint64_t wall);
/// `standing`: the serial of the order that stands against one of its keys now, or 0.
enum class Obeyed : std::uint8_t {
  nothing,  ///< it is so already
  changed,
  ended,  ///< what it has at brokers is to end
};
Obeyed obey(Identity& identity, std::uint64_t standing, std::uint64_t wall);
/// It has got other keys, against which nothing stands.
void begin_anew(Identity& identity, std::uint64_t wall);
/// What can be said about other keys for a name.
Result<> may_rekey(const PublicIdentity& identity);
Result<> may_add(const Ticket& ticket);
Result<> may_be_broker(std::string_view id);

/// What was taken of an authority before.
struct OrdersTaken {
  std::uint64_t last = 0;        ///< the highest serial
  std::uint64_t unknown = 0;     ///< the lowest whose content is not known, because an older program took it; 0: there is none
  std::optional<Buffer> digest;  ///< of the one under the serial in question; nothing: there is none
};
/// How an order stands to those that were taken. True: it is the next, or the next whose content is not known. False: it is one
/// of them.
Result<bool> judge(const AuthorityOrder& order, const OrdersTaken& taken);
Result<> may_take(const AuthorityOrder& order);
bool is_meant(const AuthorityOrder& order, const PublicKeys& keys);

Failure name_is_taken(std::string_view name);
Failure key_is_taken(std::string_view owner);
/// Revoked, or exchanged for others, and never to be used again.
Failure key_is_retired(std::string_view former_owner);
/// An order of this serial stands against it.
Failure key_is_ordered(std::uint64_t serial);
Failure unknown_name(std::string_view name);
Failure unknown_order(std::uint64_t order);
Failure already_reported(std::uint64_t order, std::string_view broker);
Failure unknown_broker(std::string_view id);
Failure ticket_is_taken();

/// Why an order was given that is no revocation.
inline constexpr std::string_view removed = "removed", rekeyed = "has other keys";

/// An identity as a database holds it, without its rights. A key that there is not has no octets.
struct IdentityRow {
  std::string name;
  std::string kind;
  std::string status;
  Bytes schnorr;
  Bytes ecdsa;
  Bytes agreement;
  Bytes rsa;
  std::string revocation_reason;
  std::uint64_t changed = 0;
  std::string proof;
  bool revoked_here = false;
  std::uint64_t ordered = 0;
  bool against_order = false;
};

Result<Identity> read_row(const IdentityRow& row);
Bytes in_row(Bytes key);
Result<Ticket> read_ticket(std::string name, std::string_view kind, std::uint64_t expires, bool unproved);

/// One row of the rights of an Identity or a Ticket, as a database holds it.
struct RightRow {
  std::string_view what;       ///< "publish", "subscribe", "scheme", "require", "role" or "card"
  std::uint64_t position = 0;  ///< among those of the same kind
  std::string value;
  bool is_pattern = false;
  std::uint8_t qos = QosSet::all().bits();
};
std::vector<RightRow> right_rows(const Identity& identity);
std::vector<RightRow> right_rows(const Ticket& ticket);
/// In the order of their positions. Errors: the database is damaged.
Result<> add_right(Identity& to, std::string_view what, std::string value, std::uint64_t is_pattern, std::uint64_t qos);
Result<> add_right(Ticket& to, std::string_view what, std::string value, std::uint64_t is_pattern, std::uint64_t qos);

/// What stands in a database cannot have come from this program.
Failure damaged(std::string_view what);

}  // namespace sealmq::rules
