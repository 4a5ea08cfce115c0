// MessageReferences: how many rows of the store name a message, so that the last one takes the message with it.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "broker/durability/changes.h"

namespace sealmq::server {

/// What is counted belongs to the open transaction until commit() or roll_back(). Messages that nobody names take no memory
/// afterwards. One thread.
class MessageReferences {
 public:
  /// Both answer how many there are now.
  std::uint64_t add(broker::Number message) { return count(message, 1); }
  std::uint64_t remove(broker::Number message) { return count(message, -1); }

  void commit();
  /// As if nothing had been counted since the last commit() or roll_back().
  void roll_back() { roll_back(0); }
  /// A place within the transaction, and back to it.
  std::size_t mark() const { return changes_.size(); }
  void roll_back(std::size_t mark);

  std::size_t messages() const { return counts_.size(); }

 private:
  std::uint64_t count(broker::Number message, int change);
  void settle();

  std::unordered_map<broker::Number, std::int64_t> counts_;
  std::vector<std::pair<broker::Number, int>> changes_;  // of the open transaction
};

}  // namespace sealmq::server
