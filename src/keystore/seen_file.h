// SeenFile: replay windows in a file that is mapped into memory. What was judged is there whatever signal ends the process; a
// machine that loses its power may lose the last seconds.
//
//   "SEALMQ-SEEN-1\n" and zeros, 64 bytes;  then for each window 72 bytes:
//   name (32) | highest, seen (16) | highest, seen (16) | which of the two counts (8), all in the machine's own order
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/descriptor.h"
#include "sealmq/ports.h"

namespace sealmq {

/// One thread.
class SeenFile {
 public:
  /// Makes the file if it is missing. Errors: environment, also while another process has it.
  static Result<std::unique_ptr<SeenFile>> open(const std::string& path);
  ~SeenFile();
  SeenFile(const SeenFile&) = delete;
  SeenFile& operator=(const SeenFile&) = delete;

  /// Errors: environment.
  Result<Replay> judge(const std::array<std::uint8_t, 32>& window, std::uint64_t number, bool& is_newest);

 private:
  SeenFile(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}
  Result<> map(std::size_t size);
  std::uint8_t* record(std::size_t index) const;

  std::string path_;
  Descriptor file_;
  std::uint8_t* start_ = nullptr;
  std::size_t size_ = 0;
  std::size_t count_ = 0;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace sealmq
