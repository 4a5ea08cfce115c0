// Durability: what the store has to hold, and what waits for it. A change is collected in the present batch; an answer that
// relies on a batch (DeferredAck) is sent when the batch is stored. With Settings::durable off nothing is collected and nothing
// waits. One thread.
#pragma once

#include <atomic>
#include <deque>

#include "broker/sessions/session.h"
#include "broker/shard.h"

namespace sealmq::broker {

/// A packet that leaves when a batch is stored.
struct DeferredAck {
  mqtt::PacketType type;  ///< puback, pubrec, pubrel, pubcomp, suback, unsuback, publish
  std::uint16_t packet_id;
  mqtt::Reason reason = mqtt::Reason::success;
  bool dup = false;           ///< of a publish
  Buffer encoded{};           ///< of a suback and unsuback
  std::uint64_t batch = 0;    ///< set by defer()
  ConnectionId connection{};  ///< likewise
};

/// Those of one connection that wait.
class WaitingAcks {
 public:
  std::size_t count() const { return all_; }
  std::size_t publishes() const { return publishes_; }
  void add(mqtt::PacketType type) {
    ++all_;
    if (type == mqtt::PacketType::publish) ++publishes_;
  }
  void remove(mqtt::PacketType type) {
    --all_;
    if (type == mqtt::PacketType::publish) --publishes_;
  }

 private:
  std::size_t all_ = 0, publishes_ = 0;
};

class Durability {
 public:
  /// Sends what waited; it is counted among its connection's WaitingAcks until then. The connection may have gone.
  class AckSender {
   public:
    virtual void send_deferred(DeferredAck& ack, Now now) = 0;

   protected:
    ~AckSender() = default;
  };

  /// Of one shard, and how many there are. All outlive it; `lasting`: Ports::lasting_subscriptions.
  Durability(const Settings& settings, std::size_t index, std::size_t count, ReplayMemory& replays,
             std::atomic<std::size_t>* lasting, AckSender& sender)
      : settings_(settings), index_(index), count_(count), replays_(replays), lasting_(lasting), sender_(sender) {}

  // -- changes

  template <class T>
  void change(T change) {
    if (!settings_.durable) return;
    changes_.emplace_back(std::move(change));
    urgent_ = true;
  }
  /// Rises with each change of a turn: what has come since relies on them.
  std::size_t collected() const { return changes_.size(); }
  Number next_number() { return ++last_number_ * count_ + index_; }
  /// After a start: numbers up to this one are in use.
  void begin_behind(Number last) { last_number_ = last / count_ + 1; }

  /// The session as it is now, if it is to be known to the store.
  void save(Session& session);
  void save(const Subscription& subscription);
  void save(const Session& session, Delivery& delivery, std::uint16_t packet_id);
  /// It is over, one way or the other.
  void finished(const Session& session, const Delivery& delivery);
  /// PUBREC came for it: only its identifier matters now.
  void received(const Session& session, Delivery& delivery);
  /// A retained message has gone; every shard holds them all, and one tells the store.
  void erased(const Message& message) {
    if (index_ == 0) change(RetainedEnded{std::string(message.view().topic), message.view().stamp});
  }
  /// Counts the session's subscriptions among the lasting ones as long as it lasts.
  void recount(Session& session, bool present = true);
  bool anybody_lasts() const { return lasting_ == nullptr || lasting_->load(std::memory_order_acquire) > 0; }

  // -- what waits

  /// Whether an answer of this connection is sent now; else it waits for the present batch. `relies`: it rests on changes made
  /// lately. Answers keep their order, so one that relies on nothing waits behind one that does. [MQTT-4.6.0-2]
  bool is_due(const WaitingAcks& waiting, bool relies) const {
    return !(relies || waiting.count() > 0) || is_stored(present_batch());
  }
  void defer(ConnectionId connection, WaitingAcks& waiting, DeferredAck ack);
  bool is_stored(std::uint64_t batch) const { return batch <= stored_; }
  /// Makes a mark survive with the present batch, or at once if nothing has been collected for it. False: it could not.
  bool keep_mark(const ReplayMark& mark, bool relies, Now now);

  // -- batches: see Shard

  std::optional<Batch> take_changes(Now now);
  void stored(std::uint64_t batch, Now now);
  bool has_changes() const { return !changes_.empty() || !held_.empty() || written_ > stored_; }
  bool has_urgent_changes() const { return urgent_ || last_urgent_ > given_; }
  std::size_t count_changes() const { return changes_.size() + held_changes_; }
  /// No batch is held back any more.
  void shut_down() { shutting_down_ = true; }

 private:
  /// A batch that the store has not been given yet.
  struct HeldBatch {
    std::uint64_t number;
    std::vector<Change> changes;
    std::size_t withdrawn;  ///< how many of them need not be written any more
    std::uint64_t since;    ///< steady
    bool empty() const { return withdrawn == changes.size(); }
  };
  /// The mark of a message in a batch that is not stored yet.
  struct UnkeptMark {
    std::uint64_t batch;
    ReplayMark mark;
  };

  std::uint64_t present_batch() const { return changes_.empty() ? batch_ - 1 : batch_; }
  /// The change that made it known, if the store has not been given it yet.
  DeliverySaved* unwritten(const Delivery& delivery, std::size_t*& withdrawn);
  /// The marks of messages in batches up to this one. False: they could not be kept, and what waits has to wait on.
  bool keep_marks(std::uint64_t batch, Now now);
  void pass_over_empty_batches(Now now);
  std::size_t count_leaving(Now now) const;

  const Settings& settings_;
  const std::size_t index_, count_;
  ReplayMemory& replays_;
  std::atomic<std::size_t>* const lasting_;
  AckSender& sender_;

  std::uint64_t last_number_ = 0;
  std::vector<Change> changes_;    // of the present batch
  std::size_t withdrawn_ = 0;      // of these
  bool urgent_ = false;            // the present batch is
  std::uint64_t batch_ = 1;        // collects now
  std::deque<HeldBatch> held_;     // in order, behind those that the store was given
  std::size_t held_changes_ = 0;   // withdrawn ones too
  std::uint64_t given_ = 0;        // to the store, up to here
  std::uint64_t last_urgent_ = 0;  // has to be written as things are, with what stands before it
  std::uint64_t written_ = 0;      // everything up to here is stored, but for marks that could not be kept,
  std::uint64_t stored_ = 0;       // and with the marks of replays
  std::deque<UnkeptMark> unkept_;  // by batch
  std::deque<DeferredAck> acks_;   // in the order of their batches
  bool shutting_down_ = false;
};

}  // namespace sealmq::broker
