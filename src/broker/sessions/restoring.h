// Restoring: what a store kept, made again after a start of the broker. One thread.
#pragma once

#include "broker/routing/router.h"
#include "broker/routing/subscription_grants.h"

namespace sealmq::broker {

class Restoring {
 public:
  /// All outlive it; `budget` may be null.
  struct Neighbours {
    std::size_t shard, shards;
    const Settings& settings;
    FilterKinds& kinds;
    MemoryLimits& memory;
    TopicTree& tree;
    Retained& retained;
    Durability& durability;
    SessionTable& sessions;
    SubscriptionGrants& grants;
    Router& router;
    Counters& counters;
    Budget* budget;
  };
  explicit Restoring(const Neighbours& neighbours) : its_(neighbours) {}

  /// See Shard, for both.
  std::size_t restore(const Restored& restored, Now now);
  void restore_transits(const Restored& restored, Now now);

 private:
  void restore(const Restored::Session& from, Now now);
  void restore(Session& session, const SubscriptionSaved& saved);
  static void restore(Session& session, const DeliverySaved& saved);
  std::size_t owner_of(std::string_view name) const { return Shard::shard_of(name, its_.shards, its_.settings.shard_key); }

  const Neighbours its_;
};

}  // namespace sealmq::broker
