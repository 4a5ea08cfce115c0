#include "cli/own_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error_text.h"
#include "base/try.h"

extern char** environ;

namespace sealmq::cli {
namespace {

constexpr int patience = 30'000;  // milliseconds between two things that it says

Failure trouble(const std::string& what, int error) {
  return fail(Blame::environment, what + ": " + error_text(error));
}

}  // namespace

Result<OwnProgram> OwnProgram::start(const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return trouble("cannot make a pipe", errno);
  Descriptor output(ends[0]);
  const Descriptor input(ends[1]);

  std::string program = "/proc/self/exe";
  std::string name = "sealmq";
  std::vector<std::string> words = arguments;
  std::vector<char*> argv{name.data()};
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input.number(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, input.number(), STDERR_FILENO);
  pid_t process = 0;
  const int error = ::posix_spawn(&process, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return trouble("cannot run sealmq again", error);
  return OwnProgram(process, std::move(output));
}

Result<bool> OwnProgram::read_more() {
  pollfd waits{output_.number(), POLLIN, 0};
  const int ready = ::poll(&waits, 1, patience);
  if (ready < 0 && errno == EINTR) return true;
  if (ready <= 0) return fail(Blame::environment, "sealmq, run again, says nothing");
  std::array<char, 4096> part{};
  const ssize_t got = ::read(output_.number(), part.data(), part.size());
  if (got < 0 && errno == EINTR) return true;
  if (got < 0) return trouble("cannot read what sealmq says", errno);
  read_.append(part.data(), static_cast<std::size_t>(got));
  return got > 0;
}

Result<std::string> OwnProgram::line() {
  std::size_t end = read_.find('\n');
  for (; end == std::string::npos; end = read_.find('\n'))
    if (!TRY(read_more())) return fail(Blame::environment, "sealmq, run again, has ended: " + read_);
  std::string line = read_.substr(0, end);
  read_.erase(0, end + 1);
  return line;
}

Result<std::string> OwnProgram::finish() {
  while (TRY(read_more())) {
  }
  const int status = wait();
  if (status != 0) return fail(Blame::environment, "sealmq, run again, failed: " + read_);
  return std::move(read_);
}

int OwnProgram::wait() {
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = 0;
  return status;
}

OwnProgram::OwnProgram(OwnProgram&& other) noexcept
    : process_(std::exchange(other.process_, 0)), output_(std::move(other.output_)), read_(std::move(other.read_)) {}

OwnProgram::~OwnProgram() {
  if (process_ == 0) return;
  ::kill(process_, SIGTERM);
  wait();
}

}  // namespace sealmq::cli
