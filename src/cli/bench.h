// The subcommand `sealmq bench`.
#pragma once

#include "cli/command.h"

namespace sealmq::cli {

/// Its callback runs the load and leaves the exit code in `exit_code`, which must outlive the parsing of `app`.
void add_bench(Command& app, int& exit_code);

/// Subcommands of bench.
void add_bench_ciphers(Command& bench, int& exit_code);
void add_bench_costs(Command& bench, int& exit_code);

}  // namespace sealmq::cli
