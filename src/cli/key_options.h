// Where the commands find keys of topics.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace sealmq::cli {

/// --topic-keys DIR, the same in every subcommand.
void add_topic_keys_option(CLI::App& command, std::string& folder);

}  // namespace sealmq::cli
