// FlowControl: who wants too much, of time or of what is kept for it. A client that is too fast is not read for a while; one that
// has taken much of the shard's time waits until others had theirs; publishers wait while other shards do not take what is on its
// way to them. Says who must be ended, and ends nobody. One thread.
#pragma once

#include <deque>
#include <map>

#include "broker/limits/connection_flow.h"
#include "broker/limits/memory_limits.h"

namespace sealmq::broker {

class FlowControl {
 public:
  /// Whoever has the connections.
  class Connections {
   public:
    /// Null: it has ended.
    virtual ConnectionFlow* flow_of(ConnectionId connection) = 0;
    /// Nothing holds it any more that is known here: what came while it was held is looked at.
    virtual void resume(ConnectionId connection, Now now) = 0;

   protected:
    ~Connections() = default;
  };

  /// All outlive it.
  FlowControl(const Settings& settings, const MemoryLimits& memory, Effects& effects, Connections& connections)
      : settings_(settings), memory_(memory), effects_(effects), connections_(connections) {}

  // -- rates
  /// A packet came: above the rate, nothing is read for a while.
  void count_against_rate(ConnectionFlow& flow, std::size_t bytes, Now now);
  void resume_slowed(Now now);
  std::uint64_t next_resumption() const { return slowed_.empty() ? UINT64_MAX : slowed_.begin()->first; }

  // -- the shard's time
  /// Somebody's turn begins, at so many steps.
  void begin_turn(std::uint64_t steps) { turn_began_ = steps; }
  /// A packet has been dealt with. If the connection has taken much of the shard's time, others have theirs before it goes on.
  void take_turns(ConnectionFlow& flow, std::uint64_t steps);
  static constexpr std::size_t steps_of_a_packet = 5;  ///< that each costs besides
  bool has_waiting_for_turn() const { return !in_line_.empty(); }
  /// The first of them goes on.
  void resume_next(Now now);

  // -- other shards
  void hand_over(Parcel parcel);
  bool has_much_to_hand_over() const { return parcel_bytes_ > most_parcel_bytes; }
  /// The parcels have been taken; see Shard.
  void handed_over(HeldBack held_back, Now now);
  /// A message came, and perhaps no more may come now. `was_promised`: QoS 1 or 2, or retained.
  void wait_for_others(ConnectionFlow& flow, bool was_promised);
  /// Whether anything is to be received from this connection now: it is no publisher who has to wait.
  bool is_heard(const ConnectionFlow& flow) const;

  // -- what is kept for it, and what it is owed
  /// It sends more than can be kept while memory is short, and has to be ended.
  bool keeps_too_much(const ConnectionFlow& flow) const;
  /// Whether it is read depends on what it takes: bytes, and answers that wait for the store.
  void review(ConnectionFlow& flow, std::size_t waiting_acks);
  /// It does not take what it asked for, and has to be ended. To be asked now and then.
  bool is_stalled(ConnectionFlow& flow, Now now) const;

 private:
  void update_reading(ConnectionFlow& flow);

  static constexpr std::size_t most_parcel_bytes = 1 << 20;

  const Settings& settings_;
  const MemoryLimits& memory_;
  Effects& effects_;
  Connections& connections_;

  std::multimap<std::uint64_t, ConnectionId> slowed_;  // until that steady moment
  std::deque<ConnectionId> in_line_;                   // for their turns
  std::uint64_t turn_began_ = 0;                       // in steps
  std::size_t parcel_bytes_ = 0;                       // of Effects::parcels
  HeldBack held_back_ = HeldBack::nobody;
  std::vector<ConnectionId> waiting_for_others_;
};

}  // namespace sealmq::broker
