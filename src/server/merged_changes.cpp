#include "server/merged_changes.h"

namespace sealmq::server {

using broker::Change;

MergedChanges::MergedChanges(const std::vector<const broker::Batch*>& group) {
  for (const broker::Batch* batch : group)
    for (const Change& change : batch->changes) {
      changes_.push_back(&change);
      std::visit([&](const auto& c) { take_in(c); }, change);
    }
  std::erase(changes_, nullptr);
}

void MergedChanges::take_back(Places& places, Key key) {
  const auto at = places.find(key);
  if (at == places.end()) return;
  changes_[at->second] = changes_.back() = nullptr;
  places.erase(at);
}

/// The delivery as it will be written, if it is new in this group.
broker::DeliverySaved* MergedChanges::new_delivery(broker::Number session, broker::Number delivery) {
  const auto at = deliveries_.find({session, delivery});
  if (at == deliveries_.end()) return nullptr;
  const Change*& place = changes_[at->second];
  auto& copy = rewritten_[at->second];
  if (copy == nullptr) {
    copy = std::make_unique<Change>(*place);
    place = copy.get();
  }
  changes_.back() = nullptr;
  return &std::get<broker::DeliverySaved>(*copy);
}

void MergedChanges::take_in(const broker::DeliverySaved& c) {
  deliveries_[{c.session, c.delivery}] = changes_.size() - 1;
}
void MergedChanges::take_in(const broker::DeliveryStarted& c) {
  if (auto* saved = new_delivery(c.session, c.delivery)) saved->packet_id = c.packet_id;
}
void MergedChanges::take_in(const broker::DeliveryReceived& c) {
  if (auto* saved = new_delivery(c.session, c.delivery)) saved->message = nullptr;
}
void MergedChanges::take_in(const broker::DeliveryEnded& c) {
  take_back(deliveries_, {c.session, c.delivery});
}
void MergedChanges::take_in(const broker::IncomingSaved& c) {
  incoming_[{c.session, c.packet_id}] = changes_.size() - 1;
}
void MergedChanges::take_in(const broker::IncomingEnded& c) {
  take_back(incoming_, {c.session, c.packet_id});
}
void MergedChanges::take_in(const broker::TransitSaved& c) {
  transits_[{c.transit, c.shard}] = changes_.size() - 1;
}
void MergedChanges::take_in(const broker::TransitEnded& c) {
  take_back(transits_, {c.transit, c.shard});
}

}  // namespace sealmq::server
