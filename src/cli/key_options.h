// Where the commands find keys of topics.
#pragma once

#include <string>

#include "cli/command.h"

namespace sealmq::cli {

/// --topic-keys DIR, the same in every subcommand.
void add_topic_keys_option(Command& command, std::string& folder);

/// sealmq key psk
void add_key_psk(Command& key, int& exit_code);

}  // namespace sealmq::cli
