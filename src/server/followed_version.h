// FollowedVersion: how far this broker has followed the list of identities.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "sealmq/result.h"

namespace sealmq::server {

/// Any thread.
class FollowedVersion {
 public:
  /// All shards have the list as it is at this version, with all orders carried out.
  void reach(std::uint64_t version);
  /// Returns when that has come about, so that whoever is answered next finds what it asked for. Errors: environment: not within
  /// two seconds, or stop() was called.
  Result<> wait_for(std::uint64_t version);
  /// Ends all waiting, now and later.
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t version_ = 0;
  bool stopped_ = false;
};

}  // namespace sealmq::server
