// ReplayWindow: which of the numbers of one sender have been seen. Messages may overtake each other by up to 63 places; what fell
// behind that is taken for old.
#pragma once

#include "sealmq/ports.h"

namespace sealmq::crypto {

class ReplayWindow {
 public:
  static constexpr std::uint64_t size = 64;

  ReplayWindow() = default;
  /// As another one was: its highest() and seen().
  ReplayWindow(std::uint64_t highest, std::uint64_t seen) : highest_(highest), seen_(seen) {}

  /// All up to `number` counts as seen.
  static ReplayWindow above(std::uint64_t number) { return {number, ~std::uint64_t{0}}; }

  /// Remembers `number` if it is fresh. Ask only about numbers that have been authenticated: a forged high one would shut out
  /// everything below it.
  Replay judge(std::uint64_t number) {
    if (seen_ == 0 || number > highest_) {
      std::uint64_t ahead = number - highest_;
      seen_ = seen_ == 0 || ahead >= size ? 1 : (seen_ << ahead | 1);
      highest_ = number;
      return Replay::fresh;
    }
    std::uint64_t behind = highest_ - number;
    if (behind >= size) return Replay::stale;
    std::uint64_t bit = std::uint64_t{1} << behind;
    if ((seen_ & bit) != 0) return Replay::repeat;
    seen_ |= bit;
    return Replay::fresh;
  }

  std::uint64_t highest() const { return highest_; }
  std::uint64_t seen() const { return seen_; }

 private:
  std::uint64_t highest_ = 0;
  std::uint64_t seen_ = 0;  // bit i stands for the number highest_ - i; zero: nothing has been seen
};

}  // namespace sealmq::crypto
