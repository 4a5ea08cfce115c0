#include "keystore/machine.h"

#include <ctime>
#include <fstream>

namespace sealmq {
namespace {

std::uint64_t microseconds_of(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.wall_microseconds = [] { return microseconds_of(CLOCK_REALTIME); };
  machine.microseconds_since_boot = [] { return microseconds_of(CLOCK_BOOTTIME); };
  machine.boot = [] {
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    return boot;
  };
  return machine;
}

}  // namespace sealmq
