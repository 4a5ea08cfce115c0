// The files that both ends of TLS read. Errors: environment (cannot be read, or others can), caller_misused (holds something
// else).
#pragma once

#include "base/file_kind.h"
#include "net/tls_channel.h"
#include "sealmq/secret.h"

namespace sealmq::net {

/// The certificate with its chain, and its key.
Result<> use_certificate(SSL_CTX* context, const std::string& cert, const std::string& key);

/// That a file can be read; a secret one not by everybody.
Result<> check_readable(const std::string& path, bool is_secret);
/// What is in it; empty if it cannot be read.
Secret read_secret_file(const std::string& path);
/// OpenSSL did not take the file at `path`: what it is instead, if that can be told, or else `otherwise` and OpenSSL's words.
Failure not_taken(const std::string& path, const WantedFile& wanted, const std::string& otherwise);

}  // namespace sealmq::net
