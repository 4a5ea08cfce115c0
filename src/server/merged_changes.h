// MergedChanges: the changes of a group of batches, without what began and ended within the group.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/durability/changes.h"

namespace sealmq::server {

class MergedChanges {
 public:
  /// The batches outlive it.
  explicit MergedChanges(const std::vector<const broker::Batch*>& group);
  MergedChanges(const MergedChanges&) = delete;
  MergedChanges& operator=(const MergedChanges&) = delete;

  /// What is to be written, in this order.
  const std::vector<const broker::Change*>& left() const { return changes_; }

 private:
  struct Key {
    std::uint64_t a, b;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const { return std::hash<std::uint64_t>{}(k.a * 0x9E3779B97F4A7C15U + k.b); }
  };
  using Places = std::unordered_map<Key, std::size_t, KeyHash>;

  template <class T>
  void take_in(const T&) {}
  void take_in(const broker::DeliverySaved& change);
  void take_in(const broker::DeliveryStarted& change);
  void take_in(const broker::DeliveryReceived& change);
  void take_in(const broker::DeliveryEnded& change);
  void take_in(const broker::IncomingSaved& change);
  void take_in(const broker::IncomingEnded& change);
  void take_in(const broker::TransitSaved& change);
  void take_in(const broker::TransitEnded& change);
  void take_back(Places& places, Key key);
  broker::DeliverySaved* new_delivery(broker::Number session, broker::Number delivery);

  std::vector<const broker::Change*> changes_;                                  // null, until the end: taken back
  std::unordered_map<std::size_t, std::unique_ptr<broker::Change>> rewritten_;  // by place in changes_
  Places deliveries_, incoming_, transits_;                                     // that are new, with their places
};

}  // namespace sealmq::server
