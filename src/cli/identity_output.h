// An identity as the commands print it.
#pragma once

#include "cli/json_line.h"
#include "sealmq/identity.h"

namespace sealmq::cli {

/// As receivers of its messages show an author whom they have not pinned.
std::string short_id(const PublicKeys& keys);
Json to_json(const PublicIdentity& identity);

}  // namespace sealmq::cli
