#include "base/secret_memory.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <array>
#include <bit>
#include <mutex>
#include <new>

namespace sealmq {
namespace {

constexpr std::size_t chunk_size = 64 * 1024;
constexpr std::size_t smallest = 16;
constexpr std::size_t classes = std::bit_width(largest_in_secret_memory) - std::bit_width(smallest) + 1;

/// Places of a few sizes, powers of two, in chunks that are never given back.
class SecretPages {
 public:
  std::uint8_t* take(std::size_t size) {
    const std::size_t at = class_of(size);
    const std::lock_guard lock(mutex_);
    if (free_[at] == nullptr) cut(at);
    Place* taken = free_[at];
    free_[at] = taken->next;
    return reinterpret_cast<std::uint8_t*>(taken);
  }

  void give(std::uint8_t* memory, std::size_t size) {
    const std::size_t at = class_of(size);
    const std::lock_guard lock(mutex_);
    free_[at] = new (memory) Place{free_[at]};
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  struct Place {
    Place* next;
  };

  static std::size_t class_of(std::size_t size) {
    return size <= smallest ? 0 : static_cast<std::size_t>(std::bit_width(size - 1) - std::bit_width(smallest - 1));
  }

  /// A chunk becomes places of one size.
  void cut(std::size_t at) {
    void* chunk = ::mmap(nullptr, chunk_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED) throw std::bad_alloc();
    (void)::mlock(chunk, chunk_size);  // beyond RLIMIT_MEMLOCK it is not; that is no reason to stop
    (void)::madvise(chunk, chunk_size, MADV_DONTDUMP);
    const std::size_t size = smallest << at;
    auto* first = static_cast<std::uint8_t*>(chunk);
    for (std::size_t offset = chunk_size; offset >= size; offset -= size)
      free_[at] = new (first + offset - size) Place{free_[at]};
  }

  std::mutex mutex_;
  std::array<Place*, classes> free_{};
};

/// Never destroyed: secrets may outlive everything else.
SecretPages& pages() {
  static SecretPages* const the = [] {
    // A child must not find the lock taken by a thread that it has not.
    ::pthread_atfork([] { pages().lock(); }, [] { pages().unlock(); }, [] { pages().unlock(); });
    return new SecretPages;
  }();
  return *the;
}

}  // namespace

std::uint8_t* take_secret_memory(std::size_t size) {
  return pages().take(size);
}

void give_secret_memory(std::uint8_t* memory, std::size_t size) {
  pages().give(memory, size);
}

void protect_process() {
  const rlimit none{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__  // its search for leaks looks into the process from beside
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

}  // namespace sealmq
