// Colours on a terminal, and nowhere else.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace sealmq::cli {

/// Not with NO_COLOR (https://no-color.org), nor on a terminal that calls itself dumb.
inline bool takes_colours(int descriptor) {
  // Nothing in this program changes the environment.
  const char* no_colour = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
  const char* terminal = std::getenv("TERM");       // NOLINT(concurrency-mt-unsafe)
  const bool is_dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return (no_colour == nullptr || *no_colour == '\0') && !is_dumb && ::isatty(descriptor) != 0;
}

/// `code`: of ECMA-48's SGR, such as "1" for bold.
inline std::string painted(bool colours, std::string_view code, std::string_view text) {
  if (!colours || code.empty()) return std::string(text);
  return std::string("\033[").append(code).append("m").append(text).append("\033[0m");
}

inline constexpr std::string_view bold = "1", red = "31", green = "32", yellow = "33";

}  // namespace sealmq::cli
