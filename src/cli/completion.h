// Completion of what is typed, for shells: their scripts ask the program itself.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/command.h"

namespace sealmq::cli {

/// What may stand in the place of the last of `words`, one a line, with a tab and a description where there is one. A line
/// `:files` or `:folders` asks the shell for these.
std::string completions(const Command& app, std::span<const std::string> words);

/// `sealmq completion`, whose scripts call `sealmq complete -- WORDS`.
void add_completion(Command& app, int& exit_code);

}  // namespace sealmq::cli
