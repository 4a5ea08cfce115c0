// Where the passwords of a broker lie, for commands that change them.
#pragma once

#include <string>

#include "cli/registry_choice.h"

namespace sealmq::cli {

/// The file that the broker's configuration names (`configuration`, or sealmq.toml in the data folder if that is empty), or else
/// the one in the data folder. Errors: caller_misused, environment.
Result<std::string> find_password_file(const RegistryChoice& choice, const std::string& configuration);

/// What is kept of the name's passwords goes, if there is anything.
Result<> forget_passwords(const RegistryChoice& choice, const std::string& name);

}  // namespace sealmq::cli
