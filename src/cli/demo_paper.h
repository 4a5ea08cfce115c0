// What the guided tour writes on.
#pragma once

#include <unistd.h>

#include <iomanip>
#include <iostream>
#include <string>
#include <string_view>

namespace sealmq::cli {

/// Colours on a terminal, nothing in a pipe.
class Paper {
 public:
  void title(std::string_view text) const { std::cout << '\n' << paint("1", text) << '\n'; }
  void row(std::string_view label, std::string_view text, const char* colour = "") const {
    std::cout << "  " << std::left << std::setw(28) << label << paint(colour, text) << std::endl;
  }
  void good(std::string_view label, std::string_view text) const { row(label, text, "32"); }
  void bad(std::string_view label, std::string_view text) const { row(label, text, "31"); }

 private:
  std::string paint(const char* code, std::string_view text) const {
    if (!colours_ || *code == '\0') return std::string(text);
    return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
  }
  bool colours_ = ::isatty(STDOUT_FILENO) != 0;
};

}  // namespace sealmq::cli
