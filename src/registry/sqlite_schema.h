// The tables of a registry in a file, and how those that an older program has made become today's.
#pragma once

#include "registry/sqlite.h"

namespace sealmq::sqlite {

/// Errors: environment, also for tables that a newer program has made.
Result<> prepare_registry(Database& database);
/// Whether the file has today's tables, told without opening it as a database: nothing is migrated.
bool has_present_schema(const std::string& path);

}  // namespace sealmq::sqlite
