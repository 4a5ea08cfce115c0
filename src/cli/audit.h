// What commands leave in the audit log.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/registry_choice.h"

namespace sealmq::cli {

/// Writes what has been done into the audit log of the data folder. Errors: environment; what was done stays done.
Result<> record(const RegistryChoice& choice, std::string_view what, std::string_view name, std::string_view text);

/// `publish plant/7/#,alarm; schemes sl1`, without what is empty.
std::string rights_in_words(const std::vector<std::string>& publish, const std::vector<std::string>& subscribe,
                            const std::vector<std::string>& schemes);

}  // namespace sealmq::cli
