// This program, run again as a process of its own: for the guided tour, where somebody else has to be somebody else.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/descriptor.h"
#include "sealmq/result.h"

namespace sealmq::cli {

/// Ends with its owner.
class OwnProgram {
 public:
  /// `sealmq` with these arguments; what it writes is read here. Error: environment.
  static Result<OwnProgram> start(const std::vector<std::string>& arguments);

  /// The next line it writes, on standard output or standard error, without its end. Error: environment, when there is none any
  /// more, or none comes for long.
  Result<std::string> line();
  /// Waits for its end: all that it wrote. Error: environment, if it failed; what it said is in it.
  Result<std::string> finish();

  OwnProgram(OwnProgram&& other) noexcept;
  OwnProgram& operator=(OwnProgram&&) = delete;
  /// Asks it to end, and waits.
  ~OwnProgram();

 private:
  OwnProgram(pid_t process, Descriptor output) : process_(process), output_(std::move(output)) {}
  Result<bool> read_more();
  int wait();

  pid_t process_;
  Descriptor output_;
  std::string read_;
};

}  // namespace sealmq::cli
