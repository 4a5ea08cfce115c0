#include "broker/schemes/turns.h"

namespace sealmq::broker {

Turns::Ticket Turns::wait(const std::string& address, ConnectionId connection) {
  auto at = sources_.try_emplace(address).first;
  at->second.waiting.emplace(++last_, connection);
  line_up(at);
  return last_;
}

void Turns::leave(const std::string& address, Ticket ticket) {
  auto at = sources_.find(address);
  if (at == sources_.end()) return;
  at->second.waiting.erase(ticket);
  line_up(at);
}

std::optional<ConnectionId> Turns::next() {
  while (working_ < most_ && !line_.empty()) {
    auto at = line_.front();
    line_.pop_front();
    Source& source = at->second;
    source.is_in_line = false;
    if (source.waiting.empty()) {  // they have left
      line_up(at);
      continue;
    }
    const ConnectionId first = source.waiting.begin()->second;
    source.waiting.erase(source.waiting.begin());
    ++source.working;
    ++working_;
    line_up(at);
    return first;
  }
  return std::nullopt;
}

void Turns::over(const std::string& address) {
  auto at = sources_.find(address);
  if (at == sources_.end()) return;
  --at->second.working;
  --working_;
  line_up(at);
}

std::size_t Turns::waiting() const {
  std::size_t sum = 0;
  for (const auto& [address, source] : sources_) sum += source.waiting.size();
  return sum;
}

/// At the end of the line, or out of the table if nothing is left of it.
void Turns::line_up(Sources::iterator at) {
  Source& source = at->second;
  if (source.is_in_line) return;
  if (source.working == 0 && source.waiting.empty()) {
    sources_.erase(at);
  } else if (!source.waiting.empty() && source.working < most_of_one_) {
    source.is_in_line = true;
    line_.push_back(at);
  }
}

}  // namespace sealmq::broker
