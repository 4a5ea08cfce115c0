#include "server/message_references.h"

#include <algorithm>

namespace sealmq::server {

std::uint64_t MessageReferences::count(broker::Number message, int change) {
  changes_.emplace_back(message, change);
  std::int64_t& now = counts_[message];
  now += change;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(now, 0));
}

/// Only now: a number that fell to 0 may rise again in the same transaction, or by its end.
void MessageReferences::settle() {
  for (const auto& [message, change] : changes_) {
    const auto at = counts_.find(message);
    if (at != counts_.end() && at->second == 0) counts_.erase(at);
  }
  changes_.clear();
}

void MessageReferences::commit() {
  settle();
}

void MessageReferences::roll_back(std::size_t mark) {
  for (std::size_t i = mark; i < changes_.size(); ++i) {
    const auto& [message, change] = changes_[i];
    if ((counts_[message] -= change) == 0) counts_.erase(message);
  }
  changes_.resize(mark);
}

}  // namespace sealmq::server
