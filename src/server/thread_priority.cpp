#include "server/thread_priority.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace sealmq::server {

// The scheduler of Linux 6.6 and later lets who has a shorter slice, and has slept, go before who has a longer one (from 6.12 on
// for ordinary threads); earlier kernels prefer who has slept anyway, and ignore this.
void prefer_latency() {
  constexpr std::uint64_t slice = 100'000;  // nanoseconds; the shortest there is
  sched_attr wanted{};
  wanted.size = sizeof wanted;
  wanted.sched_policy = SCHED_NORMAL;
  wanted.sched_nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
  wanted.sched_runtime = slice;
  ::syscall(SYS_sched_setattr, 0, &wanted, 0);
}

void give_way() {
  constexpr int steps = 10;
  const auto self = static_cast<id_t>(::gettid());
  ::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + steps);
}

}  // namespace sealmq::server
