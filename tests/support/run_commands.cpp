// Runs commands as the program does, each in a fork of this process, for a test that runs thousands of them: to start the program
// anew takes ten times as long as what most of them do.
//
//   standard input     a command a line, its words between tabs
//   standard output    for each `CODE SIZE`, a line end, and SIZE bytes: all that it wrote. CODE is that of its exit; -N: signal
//   N
//                      ended it; `late`: it was ended after two seconds
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <iostream>

#include "cli/program.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{2};

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find('\t', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

[[noreturn]] void be_the_program(int out, std::vector<std::string> words) {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  std::exit(sealmq::cli::run_program(std::move(words)));
}

/// False: it goes on longer than it may.
bool read_to_the_end(int in, std::string& said) {
  const auto end = Clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd waits{in, POLLIN, 0};
    if (left <= 0 || ::poll(&waits, 1, static_cast<int>(left)) == 0) return false;
    char space[4096];
    const ssize_t size = ::read(in, space, sizeof space);
    if (size <= 0) return true;
    said.append(space, static_cast<std::size_t>(size));
  }
}

void run(const std::string& line) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) be_the_program(pipe[1], words_of(line));
  ::close(pipe[1]);
  std::string said;
  const bool is_late = !read_to_the_end(pipe[0], said);
  if (is_late) ::kill(child, SIGKILL);
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  std::cout << (is_late ? "late" : std::to_string(code)) << ' ' << said.size() << '\n' << said << std::flush;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) run(line);
}
