// UnderAuthority: a scheme's client side that follows a revocation authority's orders about whom it has pinned.
//
// The broker retains the last order about each key below mqtt::orders_topic. They are subscribed on every connection; each is
// verified with the authority's pinned key, and of those about a key the one with the highest serial counts. What a pinned author
// or partner has sent is refused from then on, and nothing is sealed for a pinned reader, until an order restores it. A broker
// that keeps orders back keeps a reader from knowing of them; one that refuses the subscription makes it refuse everything of
// whom it has pinned.
#pragma once

#include <map>
#include <optional>

#include "sealmq/scheme.h"

namespace sealmq {

/// `scheme` follows `authority` about `peers`. Errors: caller_misused: there is nobody whom an order could mean, or it is no
/// authority.
Result<std::unique_ptr<ClientScheme>> under_authority(std::unique_ptr<ClientScheme> scheme, const PublicIdentity& authority,
                                                      const std::vector<PublicIdentity>& peers);

}  // namespace sealmq
