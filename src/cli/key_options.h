// Where the commands find keys of topics.
#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "sealmq/keystore.h"

namespace sealmq::cli {

/// --topic-keys DIR, the same in every subcommand.
void add_topic_keys_option(Command& command, std::string& folder);

/// --key. Errors: caller_misused if none is named, or as open_key_file().
Result<std::unique_ptr<KeyStore>> open_own_key(const std::string& file, Random& random);

/// sealmq key export, seal and open
void add_key_files(Command& key, int& exit_code);
/// sealmq key psk
void add_key_psk(Command& key, int& exit_code);

}  // namespace sealmq::cli
