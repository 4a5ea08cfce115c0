// The parts of sealmq card, one file each.
#pragma once

#include <CLI/App.hpp>

namespace sealmq::cli {

void add_card_simulate(CLI::App& card, int& exit_code);
void add_card_bench(CLI::App& card, int& exit_code);

}  // namespace sealmq::cli
