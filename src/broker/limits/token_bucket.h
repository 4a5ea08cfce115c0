// TokenBucket: a rate that may be exceeded for a moment. Who takes more than there is goes into debt and has to wait until it is
// paid: nothing is refused, and over time the rate is kept.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sealmq::broker {

struct Rate {
  std::uint32_t per_second = 0;  ///< 0: no bound
  std::uint32_t burst = 0;       ///< tokens in a full bucket, at least one
};

/// One thread. Times are steady milliseconds.
class TokenBucket {
 public:
  TokenBucket(Rate rate, std::uint64_t now) : level_(full(rate)), filled_(now) {}

  bool is_empty(Rate rate, std::uint64_t now) {
    fill(rate, now);
    return level_ <= 0;
  }
  bool is_full(Rate rate, std::uint64_t now) const {
    TokenBucket then = *this;
    then.fill(rate, now);
    return then.level_ == full(rate);
  }
  /// Answers when the debt is paid: `now`, if there is none.
  std::uint64_t take(Rate rate, std::uint64_t tokens, std::uint64_t now) {
    fill(rate, now);
    level_ -= static_cast<std::int64_t>(std::min<std::uint64_t>(tokens, UINT32_MAX)) * 1000;
    return level_ >= 0 ? now : now + (static_cast<std::uint64_t>(-level_) + rate.per_second - 1) / rate.per_second;
  }

 private:
  // A token a second is a thousandth of one a millisecond.
  static std::int64_t full(Rate rate) { return std::max<std::int64_t>(rate.burst, 1) * 1000; }
  void fill(Rate rate, std::uint64_t now) {
    constexpr std::uint64_t longest = 86'400'000;  // so that the product below stays far from its type's end
    const std::uint64_t passed = std::min(now - std::min(filled_, now), longest);
    level_ = std::min(level_ + static_cast<std::int64_t>(passed) * rate.per_second, full(rate));
    filled_ = now;
  }

  std::int64_t level_;  // thousandths of a token
  std::uint64_t filled_;
};

}  // namespace sealmq::broker
