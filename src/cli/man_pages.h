// `sealmq man-pages DIR`, which the build calls.
#pragma once

#include "cli/command.h"

namespace sealmq::cli {

/// Writes a page for each command into DIR/man1, and for the configuration into DIR/man5.
void add_man_pages(Command& app, int& exit_code);

}  // namespace sealmq::cli
