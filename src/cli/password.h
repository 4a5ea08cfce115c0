// Passwords, for other commands that change the list.
#pragma once

#include <string>

#include "cli/registry_choice.h"

namespace sealmq::cli {

/// What is kept of the name's passwords goes, if there is anything.
Result<> forget_passwords(const RegistryChoice& choice, const std::string& name);

}  // namespace sealmq::cli
