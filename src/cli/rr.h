// The subcommand `sealmq rr`.
#pragma once

#include "cli/command.h"

namespace sealmq::cli {

void add_rr(Command& app, int& exit_code);

}  // namespace sealmq::cli
