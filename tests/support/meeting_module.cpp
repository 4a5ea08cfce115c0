// A PKCS#11 module for tests: SoftHSM, but a signature waits until as many others as the test says are being made too, or five
// seconds. So calls that are made side by side are told from those that wait for each other. It counts what each session does.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>

namespace {

constexpr const char* path = "/usr/lib/softhsm/libsofthsm2.so";

std::mutex mutex;
std::condition_variable changed;
std::size_t wanted = 1, present = 0, met = 0, most = 0;
std::map<CK_SESSION_HANDLE, std::size_t> uses;
CK_C_Sign real_sign = nullptr;

CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature, CK_ULONG* signature_size) {
  {
    std::unique_lock lock(mutex);
    ++uses[session];
    most = std::max(most, ++present);
    if (present >= wanted) ++met;
    const std::size_t before = met;
    changed.notify_all();
    changed.wait_for(lock, std::chrono::seconds(5), [&] { return present >= wanted || met != before; });
  }
  const CK_RV code = real_sign(session, data, size, signature, signature_size);
  const std::lock_guard lock(mutex);
  --present;
  return code;
}

}  // namespace

extern "C" {

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST ours = [] {
    void* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_FUNCTION_LIST* theirs = nullptr;
    if (library == nullptr || reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"))(&theirs) != CKR_OK)
      return CK_FUNCTION_LIST{};
    CK_FUNCTION_LIST copy = *theirs;
    real_sign = copy.C_Sign;
    copy.C_Sign = sign;
    return copy;
  }();
  *list = &ours;
  return real_sign != nullptr ? CKR_OK : CKR_GENERAL_ERROR;
}

/// From now on signatures wait for so many of them; what was counted is forgotten.
void meeting_expect(std::size_t count) {
  const std::lock_guard lock(mutex);
  wanted = count;
  most = 0;
  uses.clear();
}
/// The most that were made at the same time.
std::size_t meeting_most() {
  const std::lock_guard lock(mutex);
  return most;
}
/// How many sessions worked, and how often the busiest did.
std::size_t meeting_sessions() {
  const std::lock_guard lock(mutex);
  return uses.size();
}
std::size_t meeting_busiest() {
  const std::lock_guard lock(mutex);
  std::size_t busiest = 0;
  for (const auto& [session, count] : uses) busiest = std::max(busiest, count);
  return busiest;
}
}
