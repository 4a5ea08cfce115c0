// What would go wrong with a configuration and a data folder, found without starting and without changing anything.
#pragma once

#include <string>
#include <vector>

#include "server/configuration.h"

namespace sealmq::server {

struct Problem {
  Blame blame;
  std::string what;
  std::string next;         ///< the command to type; empty if there is none
  bool is_warning = false;  ///< the broker works all the same
};

/// Files that the configuration names, and what lies in the data folder if there is one: that they can be read, are sound, and
/// are closed to others.
std::vector<Problem> find_problems(const Configuration& configuration);
/// The part about the data folder.
std::vector<Problem> find_problems_in(const std::string& data_folder);

}  // namespace sealmq::server
