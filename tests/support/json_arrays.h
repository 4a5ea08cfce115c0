// Arrays in vectors. A loop over nothing would show nothing, and nlohmann's operator[] makes nothing of a name that is not there.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace sealmq::testing {

/// The elements of `object`'s array `name`, of which there is at least one.
inline nlohmann::json some_of(const nlohmann::json& object, const char* name) {
  const nlohmann::json& array = object.at(name);
  if (!array.is_array() || array.empty()) throw std::invalid_argument(std::string("nothing in the array ") + name);
  return array;
}

}  // namespace sealmq::testing
