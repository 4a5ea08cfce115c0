#include "crypto/process_mark.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace sealmq::crypto {
namespace {

/// A page that a child finds wiped. Where the kernel has no such pages (before 4.14), the process id alone tells.
std::atomic<std::uint64_t>* make_page() {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::bad_alloc();
  (void)::madvise(page, size, MADV_WIPEONFORK);
  return new (page) std::atomic<std::uint64_t>(1);
}

}  // namespace

std::uint64_t process_mark() {
  static std::atomic<std::uint64_t>* const page = make_page();
  static std::atomic<pid_t> made_in = ::getpid();
  static std::atomic<std::uint64_t> forks = 1;  // among the ancestors, this one included: a child's is higher
  const pid_t here = ::getpid();
  if (page->load() == 0 || made_in.load() != here) {
    ++forks;  // two threads that see it at once count it twice, which makes nobody take one process for another
    made_in = here;
    *page = 1;
  }
  return forks.load();
}

}  // namespace sealmq::crypto
