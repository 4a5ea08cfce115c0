// Turns: whose slow work begins next. Only so much is worked on at once, and addresses take turns, so that whoever has much to
// ask keeps the others waiting no longer than if it had little. Decides only. One thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "broker/shard.h"

namespace sealmq::broker {

class Turns {
 public:
  /// What is worked on at the same time: at most `most`, and of one address at most `most_of_one`.
  Turns(std::size_t most_of_one, std::size_t most) : most_of_one_(most_of_one), most_(most) {}

  using Ticket = std::uint64_t;
  Ticket wait(const std::string& address, ConnectionId connection);
  /// It waits no more. Nothing happens if its work has begun.
  void leave(const std::string& address, Ticket ticket);
  /// Whose work begins now; `over` ends it. Nothing: nobody waits, or enough is being worked on.
  std::optional<ConnectionId> next();
  void over(const std::string& address);

  std::size_t waiting() const;

 private:
  struct Source {
    std::size_t working = 0;
    bool is_in_line = false;
    std::map<Ticket, ConnectionId> waiting;  // in the order in which they came
  };
  using Sources = std::map<std::string, Source, std::less<>>;
  void line_up(Sources::iterator at);

  std::size_t most_of_one_, most_;
  Sources sources_;
  std::deque<Sources::iterator> line_;  // those with somebody waiting, perhaps, and a free place
  std::size_t working_ = 0;
  Ticket last_ = 0;
};

}  // namespace sealmq::broker
