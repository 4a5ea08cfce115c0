#include "server/login_throttle.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/hash.h"
#include "net/address.h"

namespace sealmq::server {
namespace {

/// A user name may have 65535 bytes; what is remembered of it is short. No network has a space in it. Empty: no name.
std::string short_of(std::string_view name) {
  constexpr std::size_t longest = 64;
  return name.size() <= longest ? std::string(name) : "sha256:" + to_hex(crypto::sha256(as_bytes(name)));
}

std::string key_of(std::string_view name, const std::string& network) {
  return name.empty() ? std::string() : network + " " + short_of(name);
}

}  // namespace

LoginThrottle::Record* LoginThrottle::Records::find(const std::string& key) {
  const auto at = by_key_.find(key);
  if (at == by_key_.end()) return nullptr;
  all_.splice(all_.end(), all_, at->second);
  return &*at->second;
}

bool LoginThrottle::Records::is_open(const std::string& key, Now now) {
  Record* record = find(key);
  if (record == nullptr) return true;
  // Failures far apart are none; who was closed is watched for longer.
  const bool is_old = now.steady > record->since + window;  // `now` is that of some shard, and may be a little earlier
  if (is_old && (record->wait == 0 || now.steady > record->closed_until + longest_wait)) {
    record->failures = 0;
    record->wait = record->closed_until = 0;
  }
  if (record->closed_until > now.steady) return false;
  return record->wait != 0 ? record->running == 0 : record->failures + record->running < allowed_;
}

void LoginThrottle::Records::begin(const std::string& key, Now now) {
  Record* record = find(key);
  if (record == nullptr) {
    if (all_.size() >= most_remembered) {
      by_key_.erase(all_.front().key);
      all_.pop_front();
    }
    record = &all_.emplace_back(Record{.key = key, .since = now.steady});
    by_key_.emplace(record->key, std::prev(all_.end()));
  }
  ++record->running;
}

void LoginThrottle::Records::end(const std::string& key, Outcome outcome, bool clears, Now now) {
  Record* record = find(key);
  if (record == nullptr) return;  // forgotten meanwhile
  if (record->running > 0) --record->running;
  if (outcome == Outcome::failed) return count(*record, now);
  if (outcome == Outcome::succeeded && clears) {
    record->failures = 0;
    record->wait = record->closed_until = 0;
  }
  if (record->running > 0 || record->failures > 0 || record->wait > 0) return;
  by_key_.erase(record->key);
  all_.pop_back();  // where find() has put it
}

void LoginThrottle::Records::count(Record& record, Now now) const {
  if (record.failures == 0) record.since = now.steady;
  if (++record.failures < allowed_) return;
  record.wait = std::clamp<std::uint64_t>(record.wait * 2, 1000, longest_wait);
  record.closed_until = now.steady + record.wait;
}

bool LoginThrottle::is_open(Counted& counted, const std::string& name, const std::string& network, Now now) {
  return (name.empty() || counted.names.is_open(name, now)) && counted.networks.is_open(network, now);
}

bool LoginThrottle::may_try(Tested by, std::string_view name, std::string_view address, Now now) {
  const std::string network = net::place_of(address), key = key_of(name, network);
  const std::lock_guard lock(mutex_);
  return is_open(counted(by), key, network, now);
}

bool LoginThrottle::begin(Tested by, std::string_view name, std::string_view address, Now now) {
  const std::string network = net::place_of(address), key = key_of(name, network);
  const std::lock_guard lock(mutex_);
  Counted& its = counted(by);
  if (!is_open(its, key, network, now)) return false;
  if (!key.empty()) its.names.begin(key, now);
  its.networks.begin(network, now);
  return true;
}

// A network's failures stay: who knows one password could go on guessing others.
void LoginThrottle::end(Tested by, std::string_view name, std::string_view address, Outcome outcome, Now now) {
  const std::string network = net::place_of(address), key = key_of(name, network), its_name = short_of(name);
  bool is_news = false;
  {
    const std::lock_guard lock(mutex_);
    Counted& its = counted(by);
    if (!key.empty()) its.names.end(key, outcome, true, now);
    its.networks.end(network, outcome, false, now);
    if (by == Tested::secret && !name.empty()) {
      if (outcome == Outcome::failed) is_news = guessed_.failed(its_name, now);
      if (outcome == Outcome::succeeded) guessed_.succeeded(its_name, network, now);
    }
  }
  if (is_news && tell_) tell_(its_name);
}

LoginThrottle::Turn LoginThrottle::take_turn(std::string_view name, std::string_view address, Now now) {
  if (name.empty()) return {};
  const std::lock_guard lock(mutex_);
  return guessed_.take_turn(short_of(name), net::place_of(address), now);
}

}  // namespace sealmq::server
