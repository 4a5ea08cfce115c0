// A secret that is typed, or comes from standard input.
#pragma once

#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::cli {

/// The next line of standard input, without its end. On a terminal it is asked for and not shown. Errors: caller_misused (it is
/// empty, or longer than 1024 bytes).
Result<Secret> read_secret_line(const char* question);

}  // namespace sealmq::cli
