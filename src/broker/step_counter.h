// StepCounter: the work of one shard, in steps (Shard::steps()). One thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sealmq::broker {

class StepCounter {
 public:
  void add(std::size_t some = 1) { steps_ += some; }
  std::uint64_t total() const { return steps_; }

 private:
  std::uint64_t steps_ = 0;
};

}  // namespace sealmq::broker
