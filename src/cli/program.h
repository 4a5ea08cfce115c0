// The program `sealmq`: finds the subcommand and hands over to its file.
#pragma once

#include <string>
#include <vector>

namespace sealmq::cli {

/// `words`: without the program's name. Answers the exit code.
int run_program(std::vector<std::string> words);

}  // namespace sealmq::cli
