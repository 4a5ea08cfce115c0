// ConnectionFlow: why one connection is not read, or not listened to, at present: it sends faster than it may, has taken much of
// the shard's time, waits for other shards or for slow work, or does not take our answers. FlowControl decides, for all of them.
// One thread.
#pragma once

#include <optional>

#include "broker/shard.h"

namespace sealmq::broker {

class ConnectionFlow {
 public:
  /// The connection outlives it. `is_own`: of a bridge, which speaks for many and has no rates.
  ConnectionFlow(ConnectionId id, mqtt::Connection& connection, const Settings& settings, bool is_own, Now now)
      : id_(id),
        connection_(connection),
        is_own_(is_own),
        messages_(message_rate(settings), now.steady),
        bytes_(byte_rate(settings), now.steady) {}

  ConnectionId id() const { return id_; }
  const mqtt::Connection& connection() const { return connection_; }

  /// Nothing of what it sends is looked at for now.
  bool is_held_back() const { return is_slowed() || waits_for_work_; }
  bool is_slowed() const { return slowed_until_ != 0 || waits_for_turn_ || waits_for_others_; }

  // -- rates
  /// Until when nothing is read, if it has sent too much with this: it is held from now on. Nothing: it goes on.
  std::optional<std::uint64_t> slow_down(const Settings& settings, std::size_t bytes, Now now);
  void end_slowing() { slowed_until_ = 0; }

  // -- the shard's time, and other shards. False: it waits already.
  bool wait_for_turn() { return wait(waits_for_turn_); }
  void end_waiting_for_turn() { waits_for_turn_ = false; }
  bool waits_for_turn() const { return waits_for_turn_; }
  bool wait_for_others() { return wait(waits_for_others_); }
  void end_waiting_for_others() { waits_for_others_ = false; }
  /// It has sent a message; or one of QoS 1 or 2, or a retained one.
  void has_published(bool was_promised) {
    publishes_ = true;
    was_promised_ = was_promised_ || was_promised;
  }
  bool publishes() const { return publishes_; }
  bool was_promised() const { return was_promised_; }

  // -- slow work on its message
  void wait_for_work() {
    connection_.hold();
    waits_for_work_ = true;
  }
  bool waits_for_work() const { return waits_for_work_; }
  void end_waiting_for_work() { waits_for_work_ = false; }

  // -- what it takes of what it is owed
  bool owes_reading() const { return owes_reading_; }
  void set_owes_reading(bool owes) { owes_reading_ = owes; }
  /// Bytes went out.
  void has_taken() { stalled_since_ = 0; }
  /// It has not taken a byte for so many seconds, though some are there. To be asked now and then.
  bool has_stalled(std::uint32_t seconds, Now now);

  /// Whether anything is to be read from it, if that has changed since it was asked last.
  std::optional<bool> changed_reading();

 private:
  bool wait(bool& why) {
    if (why) return false;
    why = true;
    connection_.hold();
    return true;
  }

  const ConnectionId id_;
  mqtt::Connection& connection_;
  const bool is_own_;
  TokenBucket messages_, bytes_;    // that it may publish
  std::uint64_t slowed_until_ = 0;  // steady; 0: it keeps to its rates
  bool waits_for_turn_ = false;
  bool waits_for_others_ = false;    // for shards that do not take its messages
  bool waits_for_work_ = false;      // on its message
  bool publishes_ = false;           // has sent a message,
  bool was_promised_ = false;        // and one of QoS 1 or 2, or a retained one
  bool owes_reading_ = false;        // it does not take our answers
  bool is_read_ = true;              // as Effects::reading has told
  std::uint64_t stalled_since_ = 0;  // steady: is owed bytes, and has taken none since; 0: all is well
};

}  // namespace sealmq::broker
