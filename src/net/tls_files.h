// The files that both ends of TLS read. Errors: environment (cannot be read, or others can), caller_misused (holds something
// else).
#pragma once

#include <map>

#include "base/file_kind.h"
#include "net/tls_channel.h"
#include "sealmq/secret.h"

namespace sealmq::net {

/// The certificate with its chain, and its key.
Result<> use_certificate(SSL_CTX* context, const std::string& cert, const std::string& key);

/// That a file can be read; a secret one not by everybody.
Result<> check_readable(const std::string& path, bool is_secret);
/// OpenSSL did not take the file at `path`: what it is instead, if that can be told, or else `otherwise` and OpenSSL's words.
Failure not_taken(const std::string& path, const WantedFile& wanted, const std::string& otherwise);

using PskTable = std::map<std::string, Secret, std::less<>>;
Result<PskTable> parse_psk_file(std::string_view text, const std::string& path);
Result<PskTable> read_psk_file(const std::string& path);
/// 16 to 64 bytes in hexadecimal. Errors: caller_misused.
Result<Secret> parse_psk(std::string_view hex);

}  // namespace sealmq::net
