// What the store has to hold, and what waits for it. With Settings::durable off nothing is collected and nothing waits.
#include <algorithm>
#include <iterator>

#include "broker/core.h"

namespace sealmq::broker {

using mqtt::Awaiting;
using mqtt::PacketType;

void Core::save(Session& session) {
  if (!settings.durable) return;
  if (!session.lasts() && !session.will && !session.saved) return;
  session.saved = true;
  change(SessionSaved{session.number, session.client_id, session.owner, session.expiry_interval, session.expires,
                      session.will ? session.will->message : nullptr, session.will ? session.will->delay : 0, session.speakers});
}

void Core::save(const Subscription& s) {
  if (!s.session->lasts()) return;
  change(SubscriptionSaved{s.session->number, s.filter, s.options, s.identifier, s.scheme, s.subscriber, s.retained.has_value()});
}

void Core::save(const Session& session, Delivery& delivery, std::uint16_t packet_id) {
  if (!settings.durable || !session.lasts() || delivery.qos == mqtt::QoS::at_most_once || delivery.receiver != nullptr) return;
  std::size_t* withdrawn = nullptr;
  if (DeliverySaved* saved = unwritten(delivery, withdrawn)) {
    saved->packet_id = packet_id;
    return;
  }
  if (delivery.number == 0) {
    delivery.number = next_number();
    delivery.place = changes.size();
    changes.emplace_back(DeliverySaved{session.number, delivery.number, delivery.message, delivery.qos, delivery.retain,
                                       delivery.scheme, packet_id, delivery.subscriber, delivery.identifiers, delivery.share});
    // A message of QoS 2 is not even sent before it is stored.
    if (session.link == nullptr || delivery.qos == mqtt::QoS::exactly_once) urgent_ = true;
  } else {
    changes.emplace_back(DeliveryStarted{session.number, delivery.number, packet_id});
  }
  delivery.saved_in = batch_;
}

void Core::recount(Session& session, bool present) {
  if (ports.lasting_subscriptions == nullptr) return;
  std::size_t count_now = present && session.lasts() ? session.subscriptions.size() : 0;
  // Before SUBACK leaves: whoever has heard of it publishes after that.
  ports.lasting_subscriptions->fetch_add(count_now - session.counted, std::memory_order_acq_rel);
  session.counted = count_now;
}

void Core::finished(const Session& session, const Delivery& delivery) {
  if (delivery.number == 0) return;
  std::size_t* withdrawn = nullptr;
  if (DeliverySaved* saved = unwritten(delivery, withdrawn)) {
    *saved = {};
    ++*withdrawn;
  } else {
    changes.emplace_back(DeliveryEnded{session.number, delivery.number});  // nobody waits for it
  }
}

DeliverySaved* Core::unwritten(const Delivery& delivery, std::size_t*& withdrawn) {
  if (delivery.number == 0) return nullptr;
  std::vector<Change>* batch = nullptr;
  if (delivery.saved_in == batch_) {
    batch = &changes;
    withdrawn = &withdrawn_;
  } else if (!held_.empty() && delivery.saved_in >= held_.front().number) {
    Held& held = held_[delivery.saved_in - held_.front().number];
    batch = &held.changes;
    withdrawn = &held.withdrawn;
  }
  if (batch == nullptr || delivery.place >= batch->size()) return nullptr;
  auto* saved = std::get_if<DeliverySaved>(&(*batch)[delivery.place]);
  return saved != nullptr && saved->delivery == delivery.number ? saved : nullptr;
}

void Core::received(const Session& session, Delivery& delivery) {
  Number number = delivery.number;
  delivery = {};
  if (number == 0) return;
  change(DeliveryReceived{session.number, number});
  delivery.number = number;
  delivery.saved_in = batch_;
  delivery.place = SIZE_MAX;
}

void Core::promise(Link& link, Promise promise, bool relies) {
  promise.link = link.id;
  promise.batch = present_batch();
  // Answers keep their order, so one that relies on nothing waits behind one that does. [MQTT-4.6.0-2]
  bool waits = (relies || link.promised > 0) && !is_stored(promise.batch);
  if (!waits) return keep(promise);
  ++link.promised;
  if (promise.type == PacketType::publish) ++link.publishes_promised;
  promises_.push_back(std::move(promise));
}

bool Core::keep_mark(const ReplayMark& mark, bool relies, Now now) {
  if (!relies) return ports.replays.keep({&mark, 1}, now).has_value();
  unkept_.push_back({present_batch(), mark});
  return true;
}

bool Core::keep_marks(std::uint64_t batch, Now now) {
  std::vector<ReplayMark> marks;
  for (const Unkept& unkept : unkept_) {
    if (unkept.batch > batch) break;
    marks.push_back(unkept.mark);
  }
  if (marks.empty()) return true;
  if (!ports.replays.keep(marks, now)) return false;
  unkept_.erase(unkept_.begin(), unkept_.begin() + static_cast<std::ptrdiff_t>(marks.size()));
  return true;
}

void Core::stored(std::uint64_t batch, Now now) {
  written_ = std::max(written_, batch);
  // A message is stored first: if the process ends before its mark is kept, the author's next try is taken once more. The other
  // way round it would be taken for a copy, acknowledged and lost.
  if (!keep_marks(written_, now)) return;  // take_changes() tries again
  stored_ = written_;
  while (!promises_.empty() && is_stored(promises_.front().batch)) {
    Promise promise = std::move(promises_.front());
    promises_.pop_front();
    Link* link = find(promise.link);
    if (link == nullptr || link->ended) continue;
    --link->promised;
    if (promise.type == PacketType::publish) --link->publishes_promised;
    link->now = now;
    keep(promise);
    if (link->owes_reading && !link->ended) look_after(*link);
  }
}

void Core::keep(Promise& promise) {
  Link& link = *find(promise.link);
  switch (promise.type) {
    case PacketType::puback:
      link.connection.send(mqtt::Puback{.packet_id = promise.packet_id, .reason = promise.reason, .properties = {}});
      link.connection.answered();
      break;
    case PacketType::pubrec:
      send_pubrec(link, promise.packet_id, promise.reason);
      break;
    case PacketType::pubcomp:
      link.connection.send(mqtt::Pubcomp{.packet_id = promise.packet_id, .reason = promise.reason, .properties = {}});
      break;
    case PacketType::suback:
    case PacketType::unsuback:
      if (promise.encoded.size() > link.connection.peer_maximum_packet_size())
        return abort(link, {Blame::peer_incompatible, "its maximum packet size is smaller than the answer that it asks for",
                            static_cast<std::uint8_t>(mqtt::Reason::packet_too_large)});
      link.connection.outbox().append(promise.encoded);
      break;
    default: {  // one of the session's own: it may have ended meanwhile
      auto* entry = link.session->outgoing.find(promise.packet_id);
      if (entry == nullptr || (promise.type == PacketType::pubrel) != (entry->awaiting == Awaiting::pubcomp)) return;
      if (entry->awaiting != Awaiting::puback && !is_stored(entry->message.saved_in)) return;
      if (send_unfinished(link, *entry, promise.dup, link.now) || link.ended) break;
      give_up(*link.session, promise.packet_id);
      pump(*link.session, link.now);
    }
  }
  if (link.connection.unwritten() > 0) tell_writable(link);
}

void Core::send_pubrec(Link& link, std::uint16_t packet_id, mqtt::Reason reason) {
  mqtt::Pubrec answer{.packet_id = packet_id, .reason = reason, .properties = {}};
  KeyRelay* relay = is_error(reason) ? nullptr : link.relay();
  if (relay == nullptr) return link.connection.send(answer);
  const auto property = relay->receipt(packet_id);
  if (!property) return static_cast<void>(link.part(property.error()));
  if (*property) answer.properties.user.push_back({(*property)->name, (*property)->value});
  link.connection.send(answer);
}

// -- batches on their way to the store
//
// Most messages of QoS 1 are acknowledged by a client that is there sooner than a disk can write. So a batch in which nothing is
// urgent is held back for a moment, and while the store is busy; a delivery that ends meanwhile is withdrawn from it, and when
// nothing is left in the first batch it counts as stored. What a PUBACK promises is kept either way: the message is stored, or
// whoever was to get it has acknowledged it.

std::optional<Batch> Core::take_changes(Now now) {
  if (!changes.empty()) {
    if (std::exchange(urgent_, false)) last_urgent_ = batch_;
    held_changes_ += changes.size();
    held_.push_back({batch_++, std::exchange(changes, {}), std::exchange(withdrawn_, 0), now.steady});
  }
  if (written_ > stored_) stored(written_, now);
  pass_over_empty_batches(now);
  std::size_t leaving = count_leaving(now);
  if (leaving == 0) return std::nullopt;
  Batch batch;
  for (; leaving > 0; --leaving) {
    Held& first = held_.front();
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
std::size_t Core::count_leaving(Now now) const {
  if (held_.empty() || settings.store_delay == 0 || shutting_down_) return held_.size();
  std::size_t leaving = last_urgent_ >= held_.front().number ? last_urgent_ - held_.front().number + 1 : 0;
  if (is_stored(given_))
    while (leaving < held_.size() && held_[leaving].since + settings.store_delay <= now.steady) ++leaving;
  return leaving;
}

void Core::pass_over_empty_batches(Now now) {
  while (!held_.empty() && held_.front().empty() && is_stored(held_.front().number - 1)) {
    const std::uint64_t number = held_.front().number;
    held_changes_ -= held_.front().changes.size();
    held_.pop_front();
    stored(number, now);
  }
}

// -- after a start -------------------------------------------------------------------------------------------------------------

std::size_t Core::restore(const Restored& restored, Now now) {
  last_number_ = restored.last_number / count + 1;
  for (const auto& message : restored.retained) {
    if (index == 0) message->count_in(ports.budget);  // every shard holds the same object
    retained.store(message, now.steady);
    stamp_ = std::max(stamp_, message->view().stamp / count);
  }
  std::size_t mine = 0;
  for (const auto& from : restored.sessions) {  // they are kept, whatever the bounds are now
    if (owner_of(from.saved.client_id) != index) continue;
    ++mine;
    restore(from, now);
  }
  return mine;
}

// Each of these is still on its way, or it is among the deliveries. The number of shards may have been another one.
void Core::restore_transits(const Restored& restored, Now now) {
  for (const auto& transit : restored.in_transit) {
    Publication publication{*this, transit.message->view(), transit.message};
    if (transit.session == 0) {
      const auto was_there = [&](std::string_view name) {
        return Shard::shard_of(name, transit.shards, settings.shard_key) == transit.shard;
      };
      std::function<bool(const Session&)> concerned = [&](const Session& session) { return was_there(session.client_id); };
      deliver(publication, now, &concerned);
      for (Subscription* subscription : tree.match(publication.view.topic))
        if (subscription->group != nullptr && was_there(subscription->group->name))
          deliver_to_group(*subscription->group, publication, 0, 0, now);
    } else {
      auto session = std::ranges::find(restored.sessions, transit.session, [](const auto& s) { return s.saved.session; });
      bool is_known = session != restored.sessions.end();
      const std::size_t shard = owner_of(is_known ? std::string_view(session->saved.client_id) : transit.filter);
      if (shard == index) route(publication, {transit.filter, transit.session, !is_known}, now);
    }
    change(TransitEnded{transit.transit, transit.shard});
  }
}

void Core::restore(const Restored::Session& from, Now now) {
  auto made = std::make_unique<Session>(from.saved.owner, from.saved.client_id, from.saved.session);
  Session& session = *made;
  sessions.emplace(session.name, std::move(made));
  by_number.emplace(session.number, &session);
  ++counters.sessions;
  account_first(session, from.saved.owner);
  session.saved = true;
  session.speakers = from.saved.speakers;
  session.expiry_interval = from.saved.expiry_interval;
  session.expires = from.saved.expires;
  const bool has_just_gone = session.expires == UINT64_MAX && session.expiry_interval != UINT32_MAX;  // its client was there
  if (has_just_gone) session.expires = now.steady + std::uint64_t{1000} * session.expiry_interval;
  if (from.saved.will != nullptr) {
    session.will = PendingWill{from.saved.will, from.saved.will_delay};
    session.will_due = std::min(now.steady + std::uint64_t{1000} * from.saved.will_delay, session.expires);
  }
  for (const auto& saved : from.subscriptions) {
    auto subscription = std::make_unique<Subscription>();
    subscription->session = &session;
    subscription->filter = saved.filter;
    const auto shared = SharedFilter::parse(saved.filter);
    subscription->kind = kinds.use(shared ? shared->filter : saved.filter, session.owner, session.kinds);
    account_first(*subscription, session.owner);
    subscription->options = saved.options;
    subscription->identifier = saved.identifier;
    subscription->scheme = saved.scheme;
    subscription->subscriber = saved.subscriber;
    Subscription& placed = *subscription;
    if (saved.owes_retained) {
      placed.retained = RetainedOwed{.from = {}, .until = retained.latest(), .is_saved = true};
      session.retained.push_back(&placed);
    }
    session.subscriptions.emplace(saved.filter, std::move(subscription));
    ++counters.subscriptions;
    if (SharedFilter::is_shared(saved.filter)) {
      placed.share = std::make_shared<const std::string>(saved.filter);
      tell_group(placed, MemberEvent::What::away);
    } else {
      tree.add(placed);
    }
  }
  if (session.will) session.will->message->count_in(ports.budget);
  for (const auto& saved : from.deliveries) {
    if (saved.message != nullptr) saved.message->count_in(ports.budget);
    Delivery delivery{saved.message,    saved.delivery,    0, saved.qos, saved.retain, saved.scheme,
                      saved.subscriber, saved.identifiers, 0, {},        saved.share};
    if (saved.packet_id == 0) {
      session.queued_bytes += saved.message->size();
      session.queue.push_back(std::move(delivery));
    } else {
      session.outgoing.restore(std::move(delivery), saved.packet_id,
                               saved.message == nullptr               ? Awaiting::pubcomp
                               : saved.qos == mqtt::QoS::exactly_once ? Awaiting::pubrec
                                                                      : Awaiting::puback);
    }
  }
  for (Subscription* subscription : session.retained) subscription->retained->behind = session.queue.size();
  for (std::uint16_t packet_id : from.incoming) session.incoming.receive(packet_id);
  recount(session);
  account(session);
  account_tree();
  if (has_just_gone && session.lasts()) save(session);  // its time has begun, and does not begin again at the next restart
}

}  // namespace sealmq::broker
