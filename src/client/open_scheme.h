// The client side of the scheme that options name, with the keys that they name.
#pragma once

#include "sealmq/client_types.h"
#include "sealmq/scheme.h"

namespace sealmq {

/// Null: unprotected. Opens keys into `options`, which outlive the scheme, as does `random`.
Result<std::unique_ptr<ClientScheme>> open_scheme(ConnectOptions& options, Random& random);

}  // namespace sealmq
