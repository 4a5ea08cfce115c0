// KeyedSubscriptions: subscriptions with a key of their own, or a part in a group's. They are granted by a scheme's request,
// stand in the tree like others and end with their connection. Their frames come on a topic that means "this connection" to
// everybody, once it has subscribed to that (its inbox). One thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/limits/memory_limits.h"
#include "broker/policy/access.h"
#include "broker/routing/publish_encoder.h"
#include "broker/routing/topic_tree.h"

namespace sealmq::broker {

/// Those of one connection, with its inboxes. KeyedSubscriptions puts them in and takes them out.
class KeyedConnection {
 public:
  using Inbox = std::pair<std::string, mqtt::QoS>;

  explicit KeyedConnection(ConnectionId id) : id_(id) {}
  ConnectionId id() const { return id_; }

  void open_inbox(std::string_view topic, mqtt::QoS qos) {
    close_inbox(topic);
    inboxes_.emplace_back(topic, qos);
  }
  /// False: there is none.
  bool close_inbox(std::string_view topic);
  const Inbox* inbox(std::string_view topic) const;
  void close_all() { inboxes_.clear(); }

  std::size_t size() const { return subscriptions_.size(); }
  Subscription& at(std::size_t place) { return *subscriptions_[place]; }
  void add(std::unique_ptr<Subscription> subscription) { subscriptions_.push_back(std::move(subscription)); }
  void erase(std::size_t place) { subscriptions_.erase(subscriptions_.begin() + static_cast<std::ptrdiff_t>(place)); }

 private:
  const ConnectionId id_;
  std::vector<std::unique_ptr<Subscription>> subscriptions_;
  std::vector<Inbox> inboxes_;
};

class KeyedSubscriptions {
 public:
  /// Whoever delivers.
  class Outlet {
   public:
    /// Whether a message that has waited may still go to this session.
    virtual bool may_still_get(const Session& session, const Delivery& delivery, Now now) const = 0;
    /// Of QoS 0. Not kept for a client that does not read: it has to ask again then, as after a lost connection.
    virtual void send_frame(ConnectionId connection, std::string_view topic, Bytes payload) = 0;

   protected:
    ~Outlet() = default;
  };
  /// All outlive it.
  struct Neighbours {
    const Settings& settings;
    const Access& access;
    TopicTree& tree;
    FilterKinds& kinds;
    MemoryLimits& memory;
    PublishEncoder& encoder;
    Counters& counters;
    Outlet& outlet;
  };
  explicit KeyedSubscriptions(const Neighbours& neighbours) : its_(neighbours) {}

  /// What has been granted.
  struct Wanted {
    std::string_view filter;
    std::size_t scheme;
    const Identity* subscriber;  ///< null: anonymous
    std::shared_ptr<Receiver> receiver;
  };
  /// `party`: whose share it takes. Asking again renews the key. False: the connection has too many.
  bool add(KeyedConnection& connection, Session& session, Wanted wanted, const Caller& caller, const std::string& party, Now now);
  /// The connection has ended: with what its session still has for them.
  void end_all(KeyedConnection& connection, Session& session);
  /// Those of the identity; answers how many, and adds the groups that lost a member.
  std::size_t end_of(KeyedConnection& connection, std::string_view identity, std::uint64_t& left_groups);
  /// Whatever rights or policy have taken away since.
  void review(KeyedConnection& connection, const Caller& caller);
  /// Once a second.
  void tick(KeyedConnection& connection, Now now);

  /// What must come before the next message of this subscription.
  void send_due(const KeyedConnection& connection, Receiver& receiver, Now now);
  /// Of one that keeps a pace: waits for a frame's time.
  void queue_paced(Subscription& subscription, const std::shared_ptr<const Message>& message);

 private:
  void end(KeyedConnection& connection, std::size_t place);
  void send_paced(const KeyedConnection& connection, Subscription& subscription, Now now);
  void drop(Drop why) { ++its_.counters.dropped[static_cast<std::size_t>(why)]; }

  const Neighbours its_;
};

}  // namespace sealmq::broker
