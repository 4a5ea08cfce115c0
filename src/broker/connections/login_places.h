// LoginPlaces: the logins of a shard that are not decided, at most so many. When there is no place, somebody makes room for who
// comes: at the address that has most of them, whoever lets the broker wait, or else whoever waits for the broker. So a flood of
// logins displaces itself, and whose proof is being looked at stays. Decides only. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "broker/shard.h"

namespace sealmq::broker {

class LoginPlaces {
 public:
  explicit LoginPlaces(std::size_t most) : most_(most) {}

  bool is_full() const { return all_.size() >= most_; }
  /// Who leaves for a login from this address; nothing: nobody, and it is refused.
  std::optional<ConnectionId> displaced_by(const std::string& address) const;

  using Ticket = std::uint64_t;
  enum class At : std::uint8_t { line, work, peer };  ///< what its next step waits for
  Ticket enter(const std::string& address, ConnectionId connection);
  void leave(Ticket ticket);
  void set(Ticket ticket, At at);

  std::size_t size() const { return all_.size(); }

 private:
  struct Login {
    std::string address;
    ConnectionId connection;
    const std::size_t* count;  ///< of its address
    At at = At::line;
  };
  std::size_t count(const std::string& address) const;

  const std::size_t most_;
  std::map<Ticket, Login> all_;  // the oldest first
  TextMap<std::size_t> counts_;  // by address
  Ticket last_ = 0;
};

}  // namespace sealmq::broker
