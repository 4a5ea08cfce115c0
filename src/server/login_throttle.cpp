#include "server/login_throttle.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/hash.h"
#include "net/address.h"

namespace sealmq::server {

/// A user name may have 65535 bytes; what is remembered of it is short.
static std::string key_of(std::string_view name) {
  constexpr std::size_t longest = 64;
  return name.size() <= longest ? std::string(name) : "sha256:" + to_hex(crypto::sha256(as_bytes(name)));
}

bool LoginThrottle::is_open(const Records& records, const std::string& key, Now now) {
  const auto at = records.by_key.find(key);
  return at == records.by_key.end() || at->second.closed_until <= now.steady;
}

void LoginThrottle::count(Records& records, const std::string& key, std::uint32_t allowed, Now now) {
  auto& all = records.by_key;
  if (all.size() >= most_remembered && !all.contains(key)) {
    // Those whose time is over go; if that does not help, this one is not remembered: the other record still counts it.
    if (now.steady - records.looked_through < window) return;
    records.looked_through = now.steady;
    std::erase_if(all,
                  [&](const auto& r) { return r.second.closed_until <= now.steady && now.steady - r.second.since > window; });
    if (all.size() >= most_remembered) return;
  }
  Record& record = all[key];
  const bool is_over = now.steady - record.since > window && now.steady > record.closed_until + longest_wait;
  if (record.failures == 0 || is_over || (record.wait == 0 && now.steady - record.since > window)) record = {0, now.steady, 0, 0};
  if (++record.failures < allowed) return;
  record.wait = std::clamp<std::uint64_t>(record.wait * 2, 1000, longest_wait);
  record.closed_until = now.steady + record.wait;
}

bool LoginThrottle::may_try(std::string_view name, std::string_view address, Now now) {
  const std::lock_guard lock(mutex_);
  return (name.empty() || is_open(names_, key_of(name), now)) && is_open(addresses_, net::place_of(address), now);
}

void LoginThrottle::failed(std::string_view name, std::string_view address, Now now) {
  const std::lock_guard lock(mutex_);
  if (!name.empty()) count(names_, key_of(name), failures_of_a_name, now);
  count(addresses_, net::place_of(address), failures_of_an_address, now);
}

// The address stays: who knows one password could go on guessing others.
void LoginThrottle::succeeded(std::string_view name) {
  const std::lock_guard lock(mutex_);
  names_.by_key.erase(key_of(name));
}

}  // namespace sealmq::server
