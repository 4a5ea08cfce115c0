// The text of a profile: options as they are typed, one a line.
//
//   # of every command that connects
//   -h broker.example
//   --key ~/keys/boiler-7.key
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sealmq/result.h"

namespace sealmq::cli {

struct ProfileLine {
  std::size_t number;
  std::string option;  ///< with its hyphens
  std::string value;   ///< the rest of the line; empty: none
};

/// `home` takes the place of ~ at the beginning of a value; quotes around one are not part of it. Errors: caller_misused, with
/// the number of the line.
Result<std::vector<ProfileLine>> parse_profile(std::string_view text, std::string_view home);

}  // namespace sealmq::cli
