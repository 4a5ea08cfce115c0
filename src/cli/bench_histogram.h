// Histogram: counts nanoseconds in buckets whose width grows with the value, 64 to each power of two. Recording takes a few
// instructions and no memory; a quantile is off by less than 1 %.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sealmq::load {

class Histogram {
 public:
  void record(std::uint64_t value) {
    ++buckets_[bucket_of(value)];
    ++count_;
    largest_ = std::max(largest_, value);
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t largest() const { return largest_; }

  /// The value that `share` (0..1) of the recorded values do not exceed; 0 if there are none.
  std::uint64_t quantile(double share) const {
    if (count_ == 0) return 0;
    const double position = std::clamp(share, 0.0, 1.0) * static_cast<double>(count_);
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
      below += buckets_[bucket];
      if (below > 0 && static_cast<double>(below) >= position) return std::min(middle_of(bucket), largest_);
    }
    return largest_;
  }

 private:
  static constexpr unsigned fine_bits = 6;
  static constexpr std::uint64_t fine = 1U << fine_bits;

  // Values below 64 have a bucket each. Above, 2^e..2^(e+1)-1 is divided into 64: bucket 64 * (e - 5) + the six bits after the
  // leading one.
  static std::size_t bucket_of(std::uint64_t value) {
    if (value < fine) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - fine_bits;
    return (shift + 1) * fine + (value >> shift) - fine;
  }
  static std::uint64_t middle_of(std::size_t bucket) {
    if (bucket < fine) return bucket;
    const unsigned shift = static_cast<unsigned>(bucket / fine) - 1;
    const std::uint64_t lowest = (fine + bucket % fine) << shift;
    return lowest + (std::uint64_t{1} << shift) / 2;
  }

  std::array<std::uint64_t, (64 - fine_bits + 1) * fine> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace sealmq::load
