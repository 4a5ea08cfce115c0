// SubscriptionGrants: who may subscribe to what: subscriptions as SUBSCRIBE makes them or as a scheme's request asks for them,
// and what all kinds of them have to pass. A granted one stands in the tree, or as a member of its group. One thread.
#pragma once

#include "broker/durability/durability.h"
#include "broker/limits/flow_control.h"
#include "broker/policy/admission.h"
#include "broker/routing/shared_groups.h"
#include "broker/schemes/keyed_subscriptions.h"

namespace sealmq::broker {

class SubscriptionGrants {
 public:
  /// Whoever sends what is retained.
  class Retaining {
   public:
    /// The subscription is owed nothing any more.
    virtual void forget_retained(Subscription& subscription) = 0;

   protected:
    ~Retaining() = default;
  };
  using Schemes = std::vector<std::unique_ptr<BrokerScheme>>;
  /// All outlive it.
  struct Neighbours {
    std::size_t shard, shards;
    const Settings& settings;
    const Schemes& schemes;
    const Access& access;
    Admission& admission;
    MemoryLimits& memory;
    FilterKinds& kinds;
    TopicTree& tree;
    SharedGroups& groups;
    KeyedSubscriptions& keyed;
    Durability& durability;
    FlowControl& flow;
    Counters& counters;
    StepCounter& steps;
    Retaining& retaining;
  };
  explicit SubscriptionGrants(const Neighbours& neighbours) : its_(neighbours) {}

  /// What each filter costs.
  static constexpr std::size_t steps_of_a_filter = 20;

  /// Who asks.
  struct Subscriber {
    Session& session;
    KeyedConnection& keyed;
    Origin origin;
    const std::string& party;  ///< whose share it takes
    bool exactly_once;         ///< its login wants QoS 2
  };
  struct Granted {
    Subscription* subscription;  ///< null: an inbox, or one with a key of its own
    bool is_new;
    mqtt::QoS qos;
  };
  OrRefused<Granted> subscribe(const Subscriber& by, const mqtt::SubscribeEntry& entry, const mqtt::Properties& properties,
                               Now now);
  /// What a scheme's request asks for; null: one with a key of its own.
  OrRefused<Subscription*> subscribe(const Subscriber& by, std::size_t scheme, Asked& asked, mqtt::QoS qos, Now now);
  /// False: there is none.
  bool unsubscribe(Session& session, std::string_view filter);
  /// It is about to go.
  void forget(Session& session, Subscription& subscription);
  /// All of the session are.
  void forget_all(Session& session);
  /// To the shards that own the groups of which its subscriptions are members.
  void tell_groups(const Session& session, MemberEvent::What what);
  void tell_group(const Subscription& subscription, MemberEvent::What what);

 private:
  struct Allowed {
    const Identity* identity;  ///< null: nobody in particular
    mqtt::QoS qos;             ///< that it gets of what it wanted
  };
  /// Who subscribes, if it may.
  OrRefused<Allowed> may_subscribe(const Subscriber& by, std::string_view filter, std::size_t scheme, mqtt::QoS wanted,
                                   const Asked* asked, Now now);
  OrRefused<std::monostate> has_room(const Subscriber& by, std::string_view filter) const;
  OrRefused<std::monostate> check_shape(std::string_view filter) const;
  OrRefused<Granted> grant(const Subscriber& by, std::string_view filter, mqtt::SubscriptionOptions options,
                           std::uint32_t identifier, std::size_t scheme, const Asked* asked, Now now);
  OrRefused<std::monostate> grant_keyed(const Subscriber& by, std::size_t scheme, Asked& asked, Now now);
  void hear(Session& session, const std::string& name) {
    if (session.speakers.add(name)) its_.durability.save(session);
  }
  void account_tree() { its_.memory.account_tree(its_.tree.nodes()); }

  const Neighbours its_;
};

}  // namespace sealmq::broker
