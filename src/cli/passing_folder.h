// A folder for the guided tour.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>

#include "base/error_text.h"
#include "sealmq/result.h"

namespace sealmq::cli {

/// A folder for its owner only, and no longer than its owner lives.
class PassingFolder {
 public:
  static Result<PassingFolder> make() {
    std::string path = std::filesystem::temp_directory_path() / "sealmq-demo-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) return fail(Blame::environment, "cannot make " + path + ": " + error_text(errno));
    return PassingFolder(std::move(path));
  }
  PassingFolder(PassingFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PassingFolder& operator=(PassingFolder&&) = delete;
  ~PassingFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  explicit PassingFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace sealmq::cli
