// SessionTable: the sessions of one shard, from the first CONNECT to their end: taken over, left, expired, revoked, with their
// Wills in time. Knows no connection and sends nothing. One thread.
#pragma once

#include <functional>
#include <unordered_map>
#include <utility>

#include "broker/durability/durability.h"
#include "broker/limits/memory_limits.h"
#include "broker/step_counter.h"

namespace sealmq::broker {

class SessionTable {
 public:
  /// Whoever has the connections. Each session that these are asked about is in use.
  class Connections {
   public:
    /// Its client is told why, and has left when this returns.
    virtual void end_connection(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now) = 0;
    /// Keyed subscriptions and whatever schemes know of this identity. Answers how many, and adds the groups that lost a member.
    virtual std::size_t forget_identity(Session& session, std::string_view identity, std::uint64_t& left_groups) = 0;

   protected:
    ~Connections() = default;
  };
  /// Whoever delivers.
  class Deliveries {
   public:
    virtual void publish_will(const std::shared_ptr<const Message>& will, Now now) = 0;
    /// One of its subscriptions ends,
    virtual void is_unsubscribed(Session& session, Subscription& subscription) = 0;
    /// or all, with the session.
    virtual void has_ended(Session& session) = 0;
    virtual void is_away(const Session& session) = 0;
    /// What a member of groups was to get and did not; `left` gets none of it.
    virtual void give_to_others(const std::vector<Delivery>& jobs, Number left, Now now) = 0;

   protected:
    ~Deliveries() = default;
  };
  /// All outlive it.
  struct Neighbours {
    MemoryLimits& memory;
    Durability& durability;
    StepCounter& steps;
    Counters& counters;
    Connections& connections;
    Deliveries& deliveries;
  };
  explicit SessionTable(const Neighbours& neighbours) : its_(neighbours) {}

  Session* find(Number session) const;
  std::size_t size() const { return by_name_.size(); }

  /// Ends who uses this identity's session of that identifier now, and finds or makes it. Answers whether it was there; null:
  /// there is no room for one more. `party`: whose share it takes.
  std::pair<Session*, bool> take(std::string_view client_id, std::string_view identity, bool clean_start, std::string_view party,
                                 Now now);
  /// One that a store has kept.
  Session& add(std::unique_ptr<Session> session);
  /// Its connection has ended. It may be gone now.
  void leave(Session& session, bool with_will, Now now);
  void end(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now);
  /// Once a second: what has run out, and Wills that are due. Counts what is queued.
  void tick(Now now);
  /// Ends everything of an identity, but for what is retained.
  void revoke(std::string_view name, RevocationReport& report, Now now);

 private:
  void destroy(Session& session, Now now);
  /// What somebody else proved in it (a signed SUBSCRIBE) is not for who goes on with the session.
  void forget_proofs_of_others(Session& session, Now now);
  /// Ends those of its deliveries that `ends` names; what others of a group may do is added to `jobs`. Answers how many.
  std::size_t end_deliveries(Session& session, const std::function<bool(const Delivery&)>& ends, std::vector<Delivery>& jobs);
  static std::vector<Delivery> jobs_of(Session& session);
  void drop(std::size_t some) { its_.counters.dropped[static_cast<std::size_t>(Drop::not_entitled)] += some; }

  const Neighbours its_;
  TextMap<std::unique_ptr<Session>> by_name_;
  std::unordered_map<Number, Session*> by_number_;
};

}  // namespace sealmq::broker
