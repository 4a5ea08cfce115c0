#include "broker/connections/login_places.h"

namespace sealmq::broker {

std::size_t LoginPlaces::count(const std::string& address) const {
  const auto at = counts_.find(address);
  return at == counts_.end() ? 0 : at->second;
}

std::optional<ConnectionId> LoginPlaces::displaced_by(const std::string& address) const {
  const std::size_t mine = count(address);
  const Login* chosen = nullptr;
  std::size_t its = 0;
  for (const auto& [ticket, login] : all_) {
    const std::size_t there = *login.count;
    if (login.at == At::work || there < its || there < mine) continue;
    if (login.at == At::line && there <= mine + 1) continue;  // who waits for the broker leaves for other addresses alone
    const bool is_first = chosen == nullptr || there > its;
    const bool is_better = is_first || (login.at == At::peer && chosen->at == At::line) ||
                           (login.at == At::line && chosen->at == At::line);  // the one that came last
    if (!is_better) continue;
    chosen = &login;
    its = there;
  }
  return chosen != nullptr ? std::optional(chosen->connection) : std::nullopt;
}

LoginPlaces::Ticket LoginPlaces::enter(const std::string& address, ConnectionId connection) {
  std::size_t& count = counts_[address];
  ++count;
  all_.emplace(++last_, Login{address, connection, &count});
  return last_;
}

void LoginPlaces::set(Ticket ticket, At at) {
  if (const auto its = all_.find(ticket); its != all_.end()) its->second.at = at;
}

void LoginPlaces::leave(Ticket ticket) {
  const auto at = all_.find(ticket);
  if (at == all_.end()) return;
  if (const auto its = counts_.find(at->second.address); --its->second == 0) counts_.erase(its);
  all_.erase(at);
}

}  // namespace sealmq::broker
