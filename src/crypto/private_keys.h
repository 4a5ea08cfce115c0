// Where OpenSSL keeps private keys.
#pragma once

namespace sealmq::crypto {

/// From now on OpenSSL keeps private keys in memory of its own that is not swapped, as far as the system allows, and that no core
/// dump holds. Once, before there are any.
void keep_private_keys_apart();

}  // namespace sealmq::crypto
