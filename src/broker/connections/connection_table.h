// ConnectionTable: the connections of one shard by their identifiers, which are never used again while it lives: a slot and how
// often that was taken. One thread.
#pragma once

#include <memory>
#include <vector>

#include "broker/shard.h"

namespace sealmq::broker {

template <class Connection>
class ConnectionTable {
 public:
  /// `make` is given the identifier and answers a unique_ptr.
  template <class Make>
  Connection& open(Make make) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    const ConnectionId id{slot, ++slots_[slot].generation};
    slots_[slot].connection = make(id);
    return *slots_[slot].connection;
  }
  /// Null: it has gone.
  Connection* find(ConnectionId id) const {
    if (id.slot >= slots_.size() || slots_[id.slot].generation != id.generation) return nullptr;
    return slots_[id.slot].connection.get();
  }
  /// It is there.
  void close(ConnectionId id) {
    slots_[id.slot].connection.reset();
    free_.push_back(id.slot);
  }
  /// Calls `use` with each that has not ended; more may come and end meanwhile.
  template <class Use>
  void for_each(Use use) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      Connection* connection = slots_[i].connection.get();
      if (connection != nullptr && !connection->ended) use(*connection);
    }
  }

 private:
  struct Slot {
    std::uint32_t generation = 0;
    std::unique_ptr<Connection> connection;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace sealmq::broker
