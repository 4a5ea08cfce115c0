// Preloaded into a broker under test: a system whose disk is full, whose clock jumps or whose threads hang when a test says so,
// and whose log is the file that SEALMQ_SYSTEM_LOG names. The test and the program share a page (the file that SEALMQ_FAULTS
// names), of 64-bit numbers in the order of Page.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

struct Page {
  std::atomic<std::int64_t> clock_ahead;    // milliseconds that the clock on the wall is ahead; negative: behind
  std::atomic<std::uint64_t> disk_is_full;  // not 0: nothing is written to a regular file, and no space is free
  std::atomic<std::uint64_t> synced;        // how often sessions.db or its journal has been brought to the disk
  std::atomic<std::uint64_t> hangs;         // not 0: a thread that receives the word below goes no further until it is 0 again
};
constexpr std::string_view word = "let-this-thread-hang";

Page* page() {
  static Page* const shared = [] {
    const char* path = std::getenv("SEALMQ_FAULTS");
    const int file = path != nullptr ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
    void* mapped = file >= 0 ? ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
    if (mapped == MAP_FAILED) ::abort();
    ::close(file);
    return static_cast<Page*>(mapped);
  }();
  return shared;
}

template <class Function>
Function* next(const char* name, Function*) {
  void* found = ::dlsym(RTLD_NEXT, name);
  Function* function = nullptr;
  std::memcpy(&function, &found, sizeof function);
  return function;
}

bool is_refused(int file) {
  if (page()->disk_is_full == 0) return false;
  struct stat its {};
  if (::fstat(file, &its) != 0 || !S_ISREG(its.st_mode)) return false;
  errno = ENOSPC;
  return true;
}

char log_name[64];  // as openlog() got it
std::atomic<int> log_facility = LOG_USER;

/// A line of the system's log as its daemon would have got it: `PRIORITY NAME: TEXT`.
void add_to_log(int priority, const char* format, va_list values) {
  static const int file = [] {
    const char* path = std::getenv("SEALMQ_SYSTEM_LOG");
    return path != nullptr ? ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  }();
  if ((priority & LOG_FACMASK) == 0) priority |= log_facility;
  char text[4096];
  ::vsnprintf(text, sizeof text, format, values);
  ::dprintf(file, "%d %s: %s\n", priority, log_name, text);
}

}  // namespace

#pragma GCC visibility push(default)  // they are to be found before those of the C library
extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  static const auto real = next("clock_gettime", &clock_gettime);
  const int result = real(clock, time);
  if (result != 0 || clock != CLOCK_REALTIME) return result;
  constexpr std::int64_t second = 1'000'000'000;
  const std::int64_t all = time->tv_sec * second + time->tv_nsec + page()->clock_ahead * 1'000'000;
  time->tv_sec = all / second;
  time->tv_nsec = all % second;
  return result;
}

ssize_t write(int file, const void* bytes, size_t size) {
  static const auto real = next("write", &write);
  return is_refused(file) ? -1 : real(file, bytes, size);
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t at) {
  static const auto real = next("pwrite64", &pwrite64);
  return is_refused(file) ? -1 : real(file, bytes, size, at);
}

int ftruncate64(int file, off64_t size) {
  static const auto real = next("ftruncate64", &ftruncate64);
  struct stat its {};
  const bool grows = ::fstat(file, &its) == 0 && size > its.st_size;
  return grows && is_refused(file) ? -1 : real(file, size);
}

int statvfs(const char* path, struct statvfs* its) {
  static const auto real = next("statvfs", static_cast<int (*)(const char*, struct statvfs*)>(&statvfs));
  const int result = real(path, its);
  if (result == 0 && page()->disk_is_full != 0) its->f_bavail = 0;
  return result;
}

int fdatasync(int file) {
  static const auto real = next("fdatasync", &fdatasync);
  char link[64];
  char path[4096];
  ::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t size = ::readlink(link, path, sizeof path);
  const int result = real(file);
  if (size > 0 && std::string_view(path, static_cast<std::size_t>(size)).find("/sessions.db") != std::string_view::npos)
    ++page()->synced;
  return result;
}

ssize_t recv(int socket, void* bytes, size_t size, int flags) {
  static const auto real = next("recv", &recv);
  const ssize_t count = real(socket, bytes, size, flags);
  const bool is_told =
      count > 0 && page()->hangs != 0 &&
      std::string_view(static_cast<const char*>(bytes), static_cast<std::size_t>(count)).find(word) != std::string_view::npos;
  while (is_told && page()->hangs != 0) ::usleep(1000);
  return count;
}

void openlog(const char* name, int, int facility) {
  ::snprintf(log_name, sizeof log_name, "%s", name);
  log_facility = facility;
}

void syslog(int priority, const char* format, ...) {
  va_list values;
  va_start(values, format);
  add_to_log(priority, format, values);
  va_end(values);
}

// What a compiler that checks buffers makes of it.
void checked_syslog(int priority, int flag, const char* format, ...) __asm__("__syslog_chk");
void checked_syslog(int priority, int, const char* format, ...) {
  va_list values;
  va_start(values, format);
  add_to_log(priority, format, values);
  va_end(values);
}
}
#pragma GCC visibility pop
