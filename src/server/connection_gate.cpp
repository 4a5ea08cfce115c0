#include "server/connection_gate.h"

#include "net/address.h"

namespace sealmq::server {
namespace {

std::uint32_t tokens_in(std::uint32_t per_second) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{per_second} * ConnectionGate::burst, UINT32_MAX));
}

}  // namespace

class ConnectionGate::Entered {
 public:
  Entered(ConnectionGate& gate, std::string place) : gate_(gate), place_(std::move(place)) {}
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  ~Entered() { gate_.left(place_); }

 private:
  ConnectionGate& gate_;
  const std::string place_;
};

ConnectionGate::ConnectionGate(GateLimits limits, const broker::Budget& budget, broker::Journal& journal)
    : limits_(limits),
      rate_{limits.connects_per_second_per_address, tokens_in(limits.connects_per_second_per_address)},
      budget_(budget),
      journal_(journal) {}

bool ConnectionGate::refuse(broker::Refusal why, std::string_view address, const char* cause, Now now) {
  journal_.refused(why, address, cause, now);
  return false;
}

bool ConnectionGate::has_room(std::string_view from, Now now) {
  if (!budget_.has_room_to_come()) return refuse(broker::Refusal::memory_full, from, "connection refused", now);
  if (limits_.maximum_connections != 0 && present_ >= limits_.maximum_connections)
    return refuse(broker::Refusal::too_many_connections, from, "in all", now);
  return true;
}

bool ConnectionGate::may_come(std::string_view from, Now now) {
  const std::lock_guard lock(mutex_);
  return has_room(from, now);
}

void ConnectionGate::refuse_proxy(std::string_view from, Now now) {
  refuse(broker::Refusal::login_refused, from, "not among proxy_from", now);
}

ConnectionGate::Ticket ConnectionGate::admit(std::string_view address, Now now) {
  const std::lock_guard lock(mutex_);
  if (!has_room(address, now)) return nullptr;
  std::string name = net::place_of(address);
  auto at = places_.find(name);
  if (at == places_.end()) {
    if (places_.size() >= most_remembered && !make_room(now)) {
      refuse(broker::Refusal::connecting_too_fast, address, "from too many addresses", now);
      return nullptr;
    }
    at = places_.emplace(name, Place{0, broker::TokenBucket(rate_, now.steady)}).first;
  }
  Place& place = at->second;
  if (limits_.connections_per_address != 0 && place.present >= limits_.connections_per_address) {
    refuse(broker::Refusal::too_many_connections, address, "from this address", now);
    return nullptr;
  }
  if (rate_.per_second != 0) {
    if (place.connects.is_empty(rate_, now.steady)) {
      refuse(broker::Refusal::connecting_too_fast, address, "from this address", now);
      return nullptr;
    }
    place.connects.take(rate_, 1, now.steady);
  }
  Ticket ticket = std::make_shared<const Entered>(*this, std::move(name));
  ++place.present;
  ++present_;
  return ticket;
}

// A place from where nobody is here is remembered only while it has connected a lot lately.
bool ConnectionGate::make_room(Now now) {
  if (now.steady - looked_through_ < 1000) return false;
  looked_through_ = now.steady;
  std::erase_if(places_, [&](auto& entry) {
    return entry.second.present == 0 && (rate_.per_second == 0 || entry.second.connects.is_full(rate_, now.steady));
  });
  return places_.size() < most_remembered;
}

void ConnectionGate::left(const std::string& name) {
  const std::lock_guard lock(mutex_);
  --present_;
  const auto at = places_.find(name);
  if (--at->second.present == 0 && rate_.per_second == 0) places_.erase(at);
}

std::size_t ConnectionGate::addresses() const {
  const std::lock_guard lock(mutex_);
  return places_.size();
}

}  // namespace sealmq::server
