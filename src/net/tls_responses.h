// OCSP (RFC 6960): what an authority says of one certificate, in the TLS handshake of whoever shows it.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::net {

/// A response in DER that is for `certificate`: until when it counts, in seconds since 1970. Its signature is not checked.
/// Errors: caller_misused, with what follows the file's name.
Result<std::int64_t> end_of_response(Bytes der, X509* certificate);

enum class OcspWish : std::uint8_t { off, prefer, require };

/// The client's side, after the broker's certificate has been verified: why the handshake must end; nullopt: it may go on.
/// A certificate that says itself that it comes with a response (RFC 7633) needs one.
std::optional<const char*> refuse_by_response(SSL* ssl, OcspWish wish);

}  // namespace sealmq::net
