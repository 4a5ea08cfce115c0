// Where a bench's broker keeps what has to outlive it; and a store of Changes as plain maps: what a real one must come to hold.
#pragma once

#include <map>

#include "broker/durability/changes.h"

namespace sealmq::testing {

class ChangeStore {
 public:
  virtual ~ChangeStore() = default;
  virtual void apply(const std::vector<const broker::Batch*>& group, Now now) = 0;
  /// After the broker's end: what the next one begins with.
  virtual broker::Restored restored(Now now) = 0;
};

class MemoryStore : public ChangeStore {
 public:
  void apply(const broker::Batch& batch) {
    for (const auto& change : batch.changes) std::visit([&](const auto& c) { on(c); }, change);
  }
  void apply(const std::vector<const broker::Batch*>& group, Now) override {
    for (const broker::Batch* batch : group) apply(*batch);
  }

  broker::Restored restored(Now) override {
    // Marks of erasures are for messages on their way, of which there are none any more.
    std::erase_if(retained_, [](const auto& entry) { return entry.second->view().payload.empty(); });
    return restored();
  }
  broker::Restored restored() const {
    broker::Restored all;
    all.last_number = last_number_;
    for (const auto& [number, session] : sessions_) {
      broker::Restored::Session s{session.saved, {}, {}, {}};
      for (const auto& [filter, subscription] : session.subscriptions) s.subscriptions.push_back(subscription);
      for (const auto& [number_of, delivery] : session.deliveries) s.deliveries.push_back(delivery);
      for (const auto& [packet_id, there] : session.incoming) s.incoming.push_back(packet_id);
      all.sessions.push_back(std::move(s));
    }
    for (const auto& [topic, message] : retained_)
      if (!message->view().payload.empty()) all.retained.push_back(message);
    for (const auto& [key, transit] : in_transit_) all.in_transit.push_back(transit);
    return all;
  }

 private:
  struct Session {
    broker::SessionSaved saved;
    std::map<std::string, broker::SubscriptionSaved> subscriptions;
    std::map<broker::Number, broker::DeliverySaved> deliveries;
    std::map<std::uint16_t, bool> incoming;
  };

  void saw(broker::Number number) { last_number_ = std::max(last_number_, number); }
  void saw(const std::shared_ptr<const broker::Message>& message) {
    if (message != nullptr) saw(message->number());
  }

  void on(const broker::SessionSaved& c) {
    saw(c.session);
    saw(c.will);
    sessions_[c.session].saved = c;
  }
  void on(const broker::SessionEnded& c) { sessions_.erase(c.session); }
  void on(const broker::SubscriptionSaved& c) { sessions_.at(c.session).subscriptions[c.filter] = c; }
  void on(const broker::SubscriptionEnded& c) { sessions_.at(c.session).subscriptions.erase(c.filter); }
  void on(const broker::DeliverySaved& c) {
    saw(c.delivery);
    saw(c.message);
    sessions_.at(c.session).deliveries[c.delivery] = c;
  }
  void on(const broker::DeliveryStarted& c) { sessions_.at(c.session).deliveries.at(c.delivery).packet_id = c.packet_id; }
  void on(const broker::DeliveryReceived& c) { sessions_.at(c.session).deliveries.at(c.delivery).message = nullptr; }
  void on(const broker::DeliveryEnded& c) { sessions_.at(c.session).deliveries.erase(c.delivery); }
  void on(const broker::IncomingSaved& c) { sessions_.at(c.session).incoming[c.packet_id] = true; }
  void on(const broker::IncomingEnded& c) { sessions_.at(c.session).incoming.erase(c.packet_id); }
  void on(const broker::RetainedSaved& c) {
    saw(c.message);
    auto& present = retained_[std::string(c.message->view().topic)];
    if (present == nullptr || present->view().stamp < c.message->view().stamp) present = c.message;
  }
  void on(const broker::RetainedEnded& c) {
    auto at = retained_.find(c.topic);
    if (at != retained_.end() && at->second->view().stamp == c.stamp) retained_.erase(at);
  }
  void on(const broker::TransitSaved& c) {
    saw(c.transit);
    saw(c.message);
    in_transit_[{c.transit, c.shard}] = c;
  }
  void on(const broker::TransitEnded& c) { in_transit_.erase({c.transit, c.shard}); }

  std::map<broker::Number, Session> sessions_;
  std::map<std::string, std::shared_ptr<const broker::Message>> retained_;
  std::map<std::pair<broker::Number, std::uint32_t>, broker::TransitSaved> in_transit_;
  broker::Number last_number_ = 0;
};

}  // namespace sealmq::testing
