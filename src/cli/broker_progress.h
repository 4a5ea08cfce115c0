// What commands that change the list wait for and tell: the brokers that go by it.
#pragma once

#include <string>

#include "sealmq/registry.h"

namespace sealmq::cli {

/// Until every broker that runs goes by the list as it is now, so that whoever was enrolled can log in. Errors: environment: one
/// does not.
Result<> wait_until_in_force(Registry& registry);

/// Until every broker that runs has reported. One that has died stops counting as running, and is waited for no longer.
Result<Progress> wait_for_brokers(Registry& registry, std::uint64_t order);

/// On standard output: what the brokers have ended, and in how long.
/// `done` is the word for the deed, `revoked` for instance.
void print_ended(std::string_view done, const std::string& name, const Progress& progress, bool in_json);

/// What the person who revokes has to know of those that have not carried it out. An error if one of them runs.
Result<> tell_missing(const Progress& progress);

}  // namespace sealmq::cli
