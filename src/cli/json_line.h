// What --json prints: one object a line.
#pragma once

#include <iostream>
#include <nlohmann/json.hpp>

namespace sealmq::cli {

using Json = nlohmann::ordered_json;

/// Whatever bytes a text has; what is no UTF-8 in it is replaced.
inline void print(const Json& line) {
  std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace sealmq::cli
