#include "cli/secret_line.h"

#include <termios.h>
#include <unistd.h>

#include <iostream>

namespace sealmq::cli {
namespace {

constexpr std::size_t longest = 1024;

/// No echo while it is typed.
class QuietTerminal {
 public:
  QuietTerminal() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::cerr << '\n';
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

 private:
  termios before_{};
};

Result<Secret> read_line() {
  Buffer line;
  line.reserve(longest + 1);  // a Buffer that grows leaves copies
  for (int c = std::cin.get(); c != EOF && c != '\n'; c = std::cin.get()) {
    if (line.size() >= longest) return fail(Blame::caller_misused, "a secret has at most 1024 bytes");
    line.push_back(static_cast<std::uint8_t>(c));
  }
  if (line.empty()) return fail(Blame::caller_misused, "nothing was given");
  return Secret(std::move(line));
}

}  // namespace

Result<Secret> read_secret_line(const char* question) {
  if (::isatty(STDIN_FILENO) == 0) return read_line();
  std::cerr << question << std::flush;
  const QuietTerminal quiet;
  return read_line();
}

}  // namespace sealmq::cli
