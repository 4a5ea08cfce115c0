// Fingerprints: what people compare by eye or by telephone.
#pragma once

#include <string>

#include "sealmq/bytes.h"

namespace sealmq {

/// `SHA256:` and the base64 of the hash without padding, as ssh-keygen prints it.
std::string fingerprint_of(Bytes key);

}  // namespace sealmq
