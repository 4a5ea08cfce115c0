// The profile: options that somebody would else type each time.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"

namespace sealmq::cli {

/// Without the words of the command itself.
std::span<const std::string> own_words(const Command& command, std::span<const std::string> words);
/// Those that its own words give.
std::set<const Option*> typed_options(const Command& command, std::span<const std::string> words);

/// `words` with the options of the profile before those that are typed, unless they are given there. ~/.config/sealmq/profile
/// need not be there; what --profile names must be. Errors: caller_misused: a line that no command takes, or a password in a file
/// that others can read; environment.
Result<std::vector<std::string>> with_profile(const Command& app, const Command& command, std::vector<std::string> words);

}  // namespace sealmq::cli
