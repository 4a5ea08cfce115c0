// The tables of a registry in a database, and how those that an older program has made become today's.
#pragma once

#include "registry/postgres.h"

namespace sealmq::postgres {

/// Several programs may come at a time. Errors: environment, also for tables that a newer program has made.
Result<> prepare_registry(Connection& connection);

}  // namespace sealmq::postgres
