// How much of a large message has gone, on a terminal.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>

namespace sealmq::cli {

/// One line, once it has taken a second. One thread.
class SendingProgress {
 public:
  explicit SendingProgress(std::size_t size) : size_(size), is_wanted_(size >= megabyte && ::isatty(STDERR_FILENO) != 0) {}

  void show(std::size_t left) {
    const auto now = Clock::now();
    if (!is_wanted_ || (left > 0 && now - last_ < (is_shown_ ? often : at_first))) return;
    if (left == 0 && !is_shown_) return;
    last_ = now;
    is_shown_ = left > 0;
    std::cerr << "\rsent " << (size_ - std::min(size_, left)) / megabyte << " of " << size_ / megabyte << " MB"
              << (left > 0 ? "" : "\n") << std::flush;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t megabyte = 1'000'000;
  static constexpr std::chrono::milliseconds at_first{1000}, often{200};

  std::size_t size_;
  bool is_wanted_;
  bool is_shown_ = false;
  Clock::time_point last_ = Clock::now();
};

}  // namespace sealmq::cli
