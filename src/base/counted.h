// How many of something, in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sealmq {

/// "1 session", "2 sessions".
inline std::string counted(std::uint64_t count, std::string_view noun) {
  return std::to_string(count).append(" ").append(noun).append(count == 1 ? "" : "s");
}

}  // namespace sealmq
