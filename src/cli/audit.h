// What commands leave in the audit log.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/registry_choice.h"
#include "sealmq/identity.h"

namespace sealmq::cli {

/// Writes what has been done into the audit log of the data folder. Errors: environment; what was done stays done.
Result<> record(const RegistryChoice& choice, std::string_view what, std::string_view name, std::string_view text);

/// `publish plant/7/#,alarm; schemes sl1`, without what is empty.
std::string rights_in_words(const Rights& publish, const Rights& subscribe, const std::vector<std::string>& schemes,
                            Factors require = {});
/// `plant/7/#`, or `pattern devices/%u/# qos 0,1`.
std::string in_words(const Right& right);

}  // namespace sealmq::cli
