#include "broker/sessions/restoring.h"

#include <algorithm>

namespace sealmq::broker {

using mqtt::Awaiting;

std::size_t Restoring::restore(const Restored& restored, Now now) {
  its_.durability.begin_behind(restored.last_number);
  for (const auto& message : restored.retained) {
    if (its_.shard == 0) message->count_in(its_.budget);  // every shard holds the same object
    its_.retained.store(message, now.steady);
    its_.router.has_seen_stamp(message->view().stamp);
  }
  std::size_t mine = 0;
  for (const auto& from : restored.sessions) {  // they are kept, whatever the bounds are now
    if (owner_of(from.saved.client_id) != its_.shard) continue;
    ++mine;
    restore(from, now);
  }
  return mine;
}

// Each of these is still on its way, or it is among the deliveries. The number of shards may have been another one.
void Restoring::restore_transits(const Restored& restored, Now now) {
  for (const auto& transit : restored.in_transit) {
    if (transit.session == 0) {
      its_.router.deliver_again(
          transit.message,
          [&](std::string_view name) { return Shard::shard_of(name, transit.shards, its_.settings.shard_key) == transit.shard; },
          now);
    } else {
      auto session = std::ranges::find(restored.sessions, transit.session, [](const auto& s) { return s.saved.session; });
      bool is_known = session != restored.sessions.end();
      const std::size_t shard = owner_of(is_known ? std::string_view(session->saved.client_id) : transit.filter);
      if (shard == its_.shard) its_.router.route_again(transit.message, {transit.filter, transit.session, !is_known}, now);
    }
    its_.durability.change(TransitEnded{transit.transit, transit.shard});
  }
}

void Restoring::restore(const Restored::Session& from, Now now) {
  auto made = std::make_unique<Session>(from.saved.owner, from.saved.client_id, from.saved.session);
  Session& session = its_.sessions.add(std::move(made));
  its_.memory.account_first(session, from.saved.owner);
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
  for (const auto& saved : from.subscriptions) restore(session, saved);
  if (session.will) session.will->message->count_in(its_.budget);
  for (const auto& saved : from.deliveries) {
    if (saved.message != nullptr) saved.message->count_in(its_.budget);
    restore(session, saved);
  }
  for (Subscription* subscription : session.retained) subscription->retained->behind = session.queue.size();
  for (std::uint16_t packet_id : from.incoming) session.incoming.receive(packet_id);
  its_.durability.recount(session);
  its_.memory.account(session);
  its_.memory.account_tree(its_.tree.nodes());
  // Its time has begun, and does not begin again at the next restart.
  if (has_just_gone && session.lasts()) its_.durability.save(session);
}

void Restoring::restore(Session& session, const SubscriptionSaved& saved) {
  auto subscription = std::make_unique<Subscription>();
  subscription->session = &session;
  subscription->filter = saved.filter;
  const auto shared = SharedFilter::parse(saved.filter);
  subscription->kind = its_.kinds.use(shared ? shared->filter : saved.filter, session.owner, session.kinds);
  its_.memory.account_first(*subscription, session.owner);
  subscription->options = saved.options;
  subscription->identifier = saved.identifier;
  subscription->scheme = saved.scheme;
  subscription->subscriber = saved.subscriber;
  Subscription& placed = *subscription;
  if (saved.owes_retained) {
    placed.retained = RetainedOwed{.from = {}, .until = its_.retained.latest(), .is_saved = true};
    session.retained.push_back(&placed);
  }
  session.subscriptions.emplace(saved.filter, std::move(subscription));
  ++its_.counters.subscriptions;
  if (SharedFilter::is_shared(saved.filter)) {
    placed.share = std::make_shared<const std::string>(saved.filter);
    its_.grants.tell_group(placed, MemberEvent::What::away);
  } else {
    its_.tree.add(placed);
  }
}

void Restoring::restore(Session& session, const DeliverySaved& saved) {
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

}  // namespace sealmq::broker
