// Rules: what every registry refuses, wherever it keeps its list.
#pragma once

#include "sealmq/registry.h"

namespace sealmq::rules {

/// The x coordinates of the keys. Comparing these catches a key that comes back for another purpose or with the other sign.
std::array<Bytes, 3> coordinates(const PublicKeys& keys);

/// What can be said about a new identity without looking at the list.
Result<> may_add(const Identity& identity);
/// Name and keys stay for ever, and only revoke() revokes, because it alone leaves the order that ends running sessions.
Result<> may_become(const Identity& before, const Identity& after);
Result<> may_revoke(const Identity& identity);

Failure name_is_taken(std::string_view name);
Failure key_is_taken(std::string_view owner);
Failure unknown_name(std::string_view name);
Failure unknown_order(std::uint64_t order);
Failure already_reported(std::uint64_t order);

}  // namespace sealmq::rules
