// Key files as broker keys and identities share them.
#pragma once

#include "keystore/software_keys.h"

namespace sealmq {

/// New keys in a new file at `path`, and nothing else.
Result<PublicIdentity> create_private_key_file(std::string_view name, Kind kind, const std::string& path, Random& random,
                                               unsigned rsa_bits = 0);

}  // namespace sealmq
