// The parts of sealmq card, one file each.
#pragma once

#include "cli/command.h"

namespace sealmq::cli {

void add_card_simulate(Command& card, int& exit_code);
void add_card_bench(Command& card, int& exit_code);

}  // namespace sealmq::cli
