// The text of a file with a secret: lines for people, which begin with #, and one line
//
//   SEALMQ-…-KEY-1 <base64url>
//
// of a body and 4 bytes checksum, the start of the body's SHA-256. It finds damage; it keeps nobody from changing the file.
#pragma once

#include <string_view>

#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq {

/// `mark` without its version: `SEALMQ-SECRET-KEY-`. `for_people`: whole lines.
Secret encode_secret_text(std::string_view for_people, std::string_view mark, const Secret& body);
/// The body. caller_misused if there is no such line or more than one, or if it is damaged. The error never repeats the content.
Result<Secret> parse_secret_text(std::string_view text, std::string_view mark);

}  // namespace sealmq
