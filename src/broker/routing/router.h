// Router: who gets a message: the sessions of this shard that have subscribed to its topic, one member of each group
// (group_delivery.cpp), the other shards, and the retained ones. It is copied into a Message only when somebody must keep it: a
// session, another shard, the retained ones. One thread.
#pragma once

#include <functional>

#include "broker/limits/flow_control.h"
#include "broker/routing/shared_groups.h"
#include "broker/sessions/session_delivery.h"
#include "broker/sessions/session_table.h"

namespace sealmq::broker {

class Router {
 public:
  using Schemes = std::vector<std::unique_ptr<BrokerScheme>>;
  /// All outlive it. `interest` and `budget` may be null, as in Ports.
  struct Neighbours {
    std::size_t shard, shards;
    const Settings& settings;
    const Schemes& schemes;
    const Access& access;
    const Entitlement& entitlement;
    TopicTree& tree;
    SharedGroups& groups;
    Retained& retained;
    const SessionTable& sessions;
    SessionDelivery& deliveries;
    KeyedSubscriptions& keyed;
    PublishEncoder& encoder;
    Durability& durability;
    FlowControl& flow;
    Counters& counters;
    StepCounter& steps;
    const Interest* interest;
    Budget* budget;
  };
  explicit Router(const Neighbours& neighbours) : its_(neighbours) {}

  /// Stores it if retained, delivers it here and hands it to the other shards. True: somebody here gets it, or may.
  bool publish(const MessageView& view, Now now);
  /// A message of the broker itself: see Shard.
  void publish_own(std::string_view topic, std::string_view payload, Now now, bool retain);
  /// Of nobody's in particular.
  MessageView plain_view(std::string_view topic, Bytes payload) const;
  /// Orders retained messages. No two shards make the same, and each is later than the last one.
  std::uint64_t next_stamp(Now now);
  /// One that came from elsewhere: the next one here is later, whatever the clock says by then.
  void has_seen_stamp(std::uint64_t stamp) { stamp_ = std::max(stamp_, stamp / its_.shards); }
  /// From another shard.
  void take_in(const Parcel& parcel, Now now);
  bool may_be_wanted_elsewhere(std::string_view topic) const {
    return its_.shards > 1 && (its_.interest == nullptr || its_.interest->may_match(topic));
  }

  // -- group_delivery.cpp

  /// What a member of groups was to get and did not; `left` gets none of it.
  void give_to_others(const std::vector<Delivery>& jobs, Number left, Now now);

  // -- what was on its way to a shard when the broker ended
  using WasThere = std::function<bool(std::string_view name)>;
  /// To whoever was there: clients and groups, by name.
  void deliver_again(const std::shared_ptr<const Message>& message, const WasThere& was_there, Now now);
  /// To the member of a group, or to another.
  void route_again(const std::shared_ptr<const Message>& message, const SharedRoute& route, Now now);

 private:
  /// A message being sent, made shared only if somebody must keep it.
  struct Publication {
    Router& router;
    const MessageView& view;
    std::shared_ptr<const Message> shared;
    const std::shared_ptr<const Message>& keep();
  };
  struct Target {
    Subscription* subscription;
    mqtt::QoS qos;
    bool retain;
    std::vector<std::uint32_t> identifiers;
    std::size_t former = none;  ///< of the same session; by another scheme
    static constexpr std::size_t none = SIZE_MAX;
  };
  bool spread(Publication& publication, Now now);
  /// `only`: to sessions of which it is true; null: to all. True: somebody gets it, or may.
  bool deliver(Publication& publication, Now now, const std::function<bool(const Session&)>* only = nullptr);
  void target_receiver(Subscription& subscription, mqtt::QoS qos);
  void give_target(Target& target, Publication& publication, Now now);

  // group_delivery.cpp
  /// To one member of a group that is not `except`. False: there is none for it.
  bool deliver_to_group(SharedGroup& group, Publication& publication, Number except, std::uint32_t tries, Now now);
  bool deliver_to_member(Number session, std::string_view group, Publication& publication, Now now);
  void route(Publication& publication, const SharedRoute& route, Now now);
  void send_parcel(Parcel parcel);
  void send_back(Publication& publication, SharedRoute route, Now now);

  void drop(Drop why) { ++its_.counters.dropped[static_cast<std::size_t>(why)]; }

  const Neighbours its_;
  std::uint64_t stamp_ = 0;

  // scratch of the publication being delivered
  std::uint64_t delivery_ = 0;  // of the message; more than one where it comes back after a restart
  std::vector<Target> targets_;
};

}  // namespace sealmq::broker
