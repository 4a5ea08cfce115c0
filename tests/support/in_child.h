// What happens on the other side of a fork().
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace sealmq::testing {

/// What `work` has answered, a few words, in a child of this process.
template <class Work>
std::string in_child(Work work) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string result = work();
    const auto written = ::write(ends[1], result.data(), result.size());
    ::_exit(written == static_cast<ssize_t>(result.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string all(4096, '\0');
  const auto size = ::read(ends[0], all.data(), all.size());
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  all.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return all;
}

}  // namespace sealmq::testing
