#include "broker/durability/durability.h"

#include <algorithm>
#include <iterator>

namespace sealmq::broker {

void Durability::save(Session& session) {
  if (!settings_.durable) return;
  if (!session.lasts() && !session.will && !session.saved) return;
  session.saved = true;
  change(SessionSaved{session.number, session.client_id, session.owner, session.expiry_interval, session.expires,
                      session.will ? session.will->message : nullptr, session.will ? session.will->delay : 0, session.speakers});
}

void Durability::save(const Subscription& s) {
  if (!s.session->lasts()) return;
  change(SubscriptionSaved{s.session->number, s.filter, s.options, s.identifier, s.scheme, s.subscriber, s.retained.has_value()});
}

void Durability::save(const Session& session, Delivery& delivery, std::uint16_t packet_id) {
  if (!settings_.durable || !session.lasts() || delivery.qos == mqtt::QoS::at_most_once || delivery.receiver != nullptr) return;
  std::size_t* withdrawn = nullptr;
  if (DeliverySaved* saved = unwritten(delivery, withdrawn)) {
    saved->packet_id = packet_id;
    return;
  }
  if (delivery.number == 0) {
    delivery.number = next_number();
    delivery.place = changes_.size();
    changes_.emplace_back(DeliverySaved{session.number, delivery.number, delivery.message, delivery.qos, delivery.retain,
                                        delivery.scheme, packet_id, delivery.subscriber, delivery.identifiers, delivery.share});
    // A message of QoS 2 is not even sent before it is stored.
    if (session.link == nullptr || delivery.qos == mqtt::QoS::exactly_once) urgent_ = true;
  } else {
    changes_.emplace_back(DeliveryStarted{session.number, delivery.number, packet_id});
  }
  delivery.saved_in = batch_;
}

void Durability::recount(Session& session, bool present) {
  if (lasting_ == nullptr) return;
  std::size_t count_now = present && session.lasts() ? session.subscriptions.size() : 0;
  // Before SUBACK leaves: whoever has heard of it publishes after that.
  lasting_->fetch_add(count_now - session.counted, std::memory_order_acq_rel);
  session.counted = count_now;
}

void Durability::finished(const Session& session, const Delivery& delivery) {
  if (delivery.number == 0) return;
  std::size_t* withdrawn = nullptr;
  if (DeliverySaved* saved = unwritten(delivery, withdrawn)) {
    *saved = {};
    ++*withdrawn;
  } else {
    changes_.emplace_back(DeliveryEnded{session.number, delivery.number});  // nobody waits for it
  }
}

DeliverySaved* Durability::unwritten(const Delivery& delivery, std::size_t*& withdrawn) {
  if (delivery.number == 0) return nullptr;
  std::vector<Change>* batch = nullptr;
  if (delivery.saved_in == batch_) {
    batch = &changes_;
    withdrawn = &withdrawn_;
  } else if (!held_.empty() && delivery.saved_in >= held_.front().number) {
    HeldBatch& held = held_[delivery.saved_in - held_.front().number];
    batch = &held.changes;
    withdrawn = &held.withdrawn;
  }
  if (batch == nullptr || delivery.place >= batch->size()) return nullptr;
  auto* saved = std::get_if<DeliverySaved>(&(*batch)[delivery.place]);
  return saved != nullptr && saved->delivery == delivery.number ? saved : nullptr;
}

void Durability::received(const Session& session, Delivery& delivery) {
  Number number = delivery.number;
  delivery = {};
  if (number == 0) return;
  change(DeliveryReceived{session.number, number});
  delivery.number = number;
  delivery.saved_in = batch_;
  delivery.place = SIZE_MAX;
}

void Durability::defer(ConnectionId connection, WaitingAcks& waiting, DeferredAck ack) {
  ack.connection = connection;
  ack.batch = present_batch();
  waiting.add(ack.type);
  acks_.push_back(std::move(ack));
}

bool Durability::keep_mark(const ReplayMark& mark, bool relies, Now now) {
  if (!relies) return replays_.keep({&mark, 1}, now).has_value();
  unkept_.push_back({present_batch(), mark});
  return true;
}

bool Durability::keep_marks(std::uint64_t batch, Now now) {
  std::vector<ReplayMark> marks;
  for (const UnkeptMark& unkept : unkept_) {
    if (unkept.batch > batch) break;
    marks.push_back(unkept.mark);
  }
  if (marks.empty()) return true;
  if (!replays_.keep(marks, now)) return false;
  unkept_.erase(unkept_.begin(), unkept_.begin() + static_cast<std::ptrdiff_t>(marks.size()));
  return true;
}

void Durability::stored(std::uint64_t batch, Now now) {
  written_ = std::max(written_, batch);
  // A message is stored first: if the process ends before its mark is kept, the author's next try is taken once more. The other
  // way round it would be taken for a copy, acknowledged and lost.
  if (!keep_marks(written_, now)) return;  // take_changes() tries again
  stored_ = written_;
  while (!acks_.empty() && is_stored(acks_.front().batch)) {
    DeferredAck ack = std::move(acks_.front());
    acks_.pop_front();
    sender_.send_deferred(ack, now);
  }
}

// -- batches on their way to the store
//
// Most messages of QoS 1 are acknowledged by a client that is there sooner than a disk can write. So a batch in which nothing is
// urgent is held back for a moment, and while the store is busy; a delivery that ends meanwhile is withdrawn from it, and when
// nothing is left in the first batch it counts as stored. What a PUBACK promises is kept either way: the message is stored, or
// whoever was to get it has acknowledged it.

std::optional<Batch> Durability::take_changes(Now now) {
  if (!changes_.empty()) {
    if (std::exchange(urgent_, false)) last_urgent_ = batch_;
    held_changes_ += changes_.size();
    held_.push_back({batch_++, std::exchange(changes_, {}), std::exchange(withdrawn_, 0), now.steady});
  }
  if (written_ > stored_) stored(written_, now);
  pass_over_empty_batches(now);
  std::size_t leaving = count_leaving(now);
  if (leaving == 0) return std::nullopt;
  Batch batch;
  for (; leaving > 0; --leaving) {
    HeldBatch& first = held_.front();
    batch.number = first.number;
    held_changes_ -= first.changes.size();
    if (first.withdrawn > 0)
      std::erase_if(first.changes, [](const Change& change) {
        const auto* saved = std::get_if<DeliverySaved>(&change);
        return saved != nullptr && saved->delivery == 0;
      });
    std::ranges::move(first.changes, std::back_inserter(batch.changes));
    held_.pop_front();
  }
  given_ = batch.number;
  return batch;
}

/// How many of the batches held back leave now.
std::size_t Durability::count_leaving(Now now) const {
  if (held_.empty() || settings_.store_delay == 0 || shutting_down_) return held_.size();
  std::size_t leaving = last_urgent_ >= held_.front().number ? last_urgent_ - held_.front().number + 1 : 0;
  if (is_stored(given_))
    while (leaving < held_.size() && held_[leaving].since + settings_.store_delay <= now.steady) ++leaving;
  return leaving;
}

void Durability::pass_over_empty_batches(Now now) {
  while (!held_.empty() && held_.front().empty() && is_stored(held_.front().number - 1)) {
    const std::uint64_t number = held_.front().number;
    held_changes_ -= held_.front().changes.size();
    held_.pop_front();
    stored(number, now);
  }
}

}  // namespace sealmq::broker
