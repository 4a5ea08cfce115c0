// KeyExchanges: how many TLS handshakes there were by each group, so that an operator sees what is not hybrid yet.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace sealmq::server {

/// Any thread.
class KeyExchanges {
 public:
  /// An empty name is not counted.
  void add(const std::string& group) {
    if (group.empty()) return;
    const std::lock_guard lock(mutex_);
    ++counts_[group];
  }
  std::map<std::string, std::uint64_t> counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> counts_;  // the names are the library's
};

}  // namespace sealmq::server
