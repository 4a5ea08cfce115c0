// BackgroundJobs: messages whose slow part (Preparation) is worked on elsewhere, while their connections wait. Each scheme has
// places of its own, so that dear work does not hold up cheap, and addresses take turns (turns.h). One thread; the work itself
// runs on any.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/schemes/turns.h"
#include "broker/shard.h"

namespace sealmq::broker {

class BackgroundJobs {
 public:
  /// Both outlive it; `gate` may be null.
  BackgroundJobs(const Settings& settings, std::size_t schemes, LoginGate* gate, Effects& effects)
      : gate_(gate),
        effects_(effects),
        lines_(schemes, Turns(settings.maximum_preparations_of_address, settings.maximum_preparations)) {}

  /// Whose message it is, and from where.
  struct Of {
    ConnectionId connection;
    const std::string& place;  ///< whose places it takes
    const std::string& address;
  };
  /// The packet is needed again when the work is done. `tries_a_secret`: the work is a try that the gate is told of.
  void begin(const Of& of, std::size_t scheme, std::unique_ptr<Preparation> work, bool tries_a_secret, Buffer packet, Now now);
  /// A job has ended, done or not: others begin. What came of it is there until it is taken.
  void over(const Job::Name& job, Now now);
  /// The connection has ended: what has not begun costs no more work.
  void leave(ConnectionId connection);

  struct Finished {
    Buffer packet;
    std::unique_ptr<Preparation> preparation;
    std::optional<LoginTry> attempt;  ///< if it tries a secret
    bool done;                        ///< else no thread had time for it
  };
  bool is_waiting(ConnectionId connection) const { return waiting_.contains(connection.slot); }
  /// The connection waits no more.
  Finished take(ConnectionId connection);
  /// Bytes kept for it, about.
  std::size_t memory(ConnectionId connection) const;

 private:
  struct Work {
    std::unique_ptr<Preparation> preparation;
    std::optional<LoginTry> attempt;
    bool done = false;
  };
  struct Waiting {
    Buffer packet;
    std::shared_ptr<Work> work;
    std::string place, address;
    std::size_t scheme;
    Turns::Ticket ticket = 0;
    bool tries_a_secret;
  };
  void begin_next(std::size_t scheme, Now now);

  LoginGate* const gate_;
  Effects& effects_;
  std::vector<Turns> lines_;                            // by scheme
  std::unordered_map<std::uint32_t, Waiting> waiting_;  // by the connection's slot
};

}  // namespace sealmq::broker
