// What somebody who mistyped a word may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealmq::cli {

/// The one that the fewest letters have to be changed for, swapped ones being one change; empty if that is more than a third.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace sealmq::cli
