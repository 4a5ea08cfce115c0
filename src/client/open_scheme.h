// The client side of the scheme that options name, with the keys that they name.
#pragma once

#include "sealmq/client_types.h"
#include "sealmq/scheme.h"

namespace sealmq {

/// What a user names beside a scheme.
enum class Named : std::uint8_t { key, broker_key, readers, authors, peers, topic_keys, evidence };

/// Errors: caller_misused, if the scheme (none: empty, or "plain") has no use for one of these, or for an option.
Result<> check_uses(const std::string& scheme, const std::vector<Named>& named, const SchemeOptions& options);

/// Null: unprotected. Opens keys into `options`, which outlive the scheme, as does `random`. Errors: caller_misused, also if
/// there is something in `options` for which the scheme has no use.
Result<std::unique_ptr<ClientScheme>> open_scheme(ConnectOptions& options, Random& random);

}  // namespace sealmq
