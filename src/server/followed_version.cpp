#include "server/followed_version.h"

#include <chrono>

namespace sealmq::server {

constexpr std::chrono::seconds patience{2};

void FollowedVersion::reach(std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  version_ = version;
  changed_.notify_all();
}

Result<> FollowedVersion::wait_for(std::uint64_t version) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return version_ >= version || stopped_; });
  if (version_ >= version) return {};
  return fail(Blame::environment, "the change is on the list, but this broker does not follow the list");
}

void FollowedVersion::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace sealmq::server
