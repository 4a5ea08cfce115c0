#include "broker/routing/router.h"

#include <algorithm>

#include "broker/connections/link.h"

namespace sealmq::broker {

using mqtt::QoS;

const std::shared_ptr<const Message>& Router::Publication::keep() {
  if (shared == nullptr) {
    const Neighbours& its = router.its_;
    // What nobody keeps is on its way to another shard, whose mailbox bounds it.
    const bool may_be_kept = view.qos != QoS::at_most_once || view.retain || its.settings.queue_qos0;
    const Number number = its.settings.durable ? its.durability.next_number() : 0;
    shared = std::make_shared<const Message>(view, number, may_be_kept ? its.budget : nullptr);
  }
  return shared;
}

std::uint64_t Router::next_stamp(Now now) {
  stamp_ = std::max(stamp_ + 1, now.wall << 8);
  return stamp_ * its_.shards + its_.shard;  // no two shards make the same
}

bool Router::publish(const MessageView& view, Now now) {
  Publication publication{*this, view, nullptr};
  // With several shards an older message of the topic may still be on its way here: the erasure stays as a mark against it.
  const bool is_nothing = view.payload.empty() && its_.shards == 1 && !its_.retained.holds(view.topic);
  if (view.retain && !is_nothing) {
    its_.retained.store(publication.keep(), now.steady, view.party);
    if (!view.topic.starts_with('$'))
      its_.durability.change(RetainedSaved{publication.keep()});  // after a restart a bridge's state would be old
  }
  return spread(publication, now);
}

/// To whom it concerns here, and to the other shards.
bool Router::spread(Publication& publication, Now now) {
  const std::uint64_t before = its_.encoder.count();
  const bool is_wanted = deliver(publication, now);
  if (its_.shards == 1) return is_wanted;
  Parcel parcel;
  parcel.message = publication.keep();
  if (its_.encoder.count() != before)
    its_.encoder.is_kept_as(parcel.message);  // others may send it back, to members of their groups
  if (its_.settings.durable && publication.view.qos != QoS::at_most_once && its_.durability.anybody_lasts()) {
    parcel.transit = parcel.message->number();
    for (std::uint32_t to = 0; to < its_.shards; ++to)
      if (to != its_.shard)
        its_.durability.change(TransitSaved{parcel.transit, parcel.message, to, static_cast<std::uint32_t>(its_.shards), 0, {}});
  }
  its_.flow.hand_over(std::move(parcel));
  return is_wanted;
}

MessageView Router::plain_view(std::string_view topic, Bytes payload) const {
  MessageView view;
  view.topic = topic;
  view.payload = view.wire = payload;
  view.scheme = static_cast<std::uint8_t>(its_.schemes.size() - 1);  // plain stands last
  return view;
}

void Router::publish_own(std::string_view topic, std::string_view payload, Now now, bool retain) {
  MessageView view = plain_view(topic, as_bytes(payload));
  view.retain = retain;
  view.qos = retain ? QoS::at_most_once : QoS::at_least_once;
  view.stamp = next_stamp(now);
  Publication publication{*this, view, nullptr};
  if (retain) its_.retained.store(publication.keep(), now.steady);  // not for the store: after a restart it would be old
  spread(publication, now);
}

void Router::take_in(const Parcel& parcel, Now now) {
  if (parcel.member != nullptr) return its_.groups.apply(*parcel.member);
  Publication publication{*this, parcel.message->view(), parcel.message};
  if (parcel.route == nullptr) {
    if (publication.view.retain) {
      has_seen_stamp(publication.view.stamp);
      its_.retained.store(parcel.message, now.steady);
    }
    deliver(publication, now);
  } else {
    route(publication, *parcel.route, now);
  }
  if (parcel.transit != 0) its_.durability.change(TransitEnded{parcel.transit, static_cast<std::uint32_t>(its_.shard)});
}

void Router::deliver_again(const std::shared_ptr<const Message>& message, const WasThere& was_there, Now now) {
  Publication publication{*this, message->view(), message};
  const std::function<bool(const Session&)> concerned = [&](const Session& session) { return was_there(session.client_id); };
  deliver(publication, now, &concerned);
  for (Subscription* subscription : its_.tree.match(publication.view.topic))
    if (subscription->group != nullptr && was_there(subscription->group->name))
      deliver_to_group(*subscription->group, publication, 0, 0, now);
}

bool Router::deliver(Publication& publication, Now now, const std::function<bool(const Session&)>* only) {
  const MessageView& view = publication.view;
  const auto& matching = its_.tree.match(view.topic);
  if (matching.empty()) return false;
  its_.steps.add(matching.size());
  const TopicRule* rule = its_.access.rule(view.topic);
  its_.encoder.begin_message(publication.shared);
  ++delivery_;
  targets_.clear();
  bool for_groups = false, is_given = false;
  for (Subscription* subscription : matching) {
    if (subscription->group != nullptr) {
      for_groups = true;
      continue;
    }
    const auto& options = subscription->options;
    Session& session = *subscription->session;
    if (only != nullptr && !(*only)(session)) continue;
    if (options.no_local && view.publisher == session.name) continue;  // [MQTT-3.8.3-3]
    const auto most = its_.entitlement.towards(session, view, subscription->scheme, subscription->subscriber.get(), rule, now);
    if (!most) {
      drop(Drop::not_entitled);
      continue;
    }
    if (subscription->paced != nullptr) {
      its_.keyed.queue_paced(*subscription, publication.keep());
      is_given = true;
      continue;
    }
    if (subscription->receiver != nullptr) {
      target_receiver(*subscription, std::min(view.qos, *most));
      continue;
    }
    QoS qos = std::min(Entitlement::qos_for(session, view.qos, options.qos), *most);
    bool retain = options.retain_as_published && view.retain;
    Target* target = nullptr;
    // Overlapping filters of one client: one copy, the highest QoS. [MQTT-3.3.4-2]
    const std::size_t last = session.last_delivery == delivery_ ? session.last_target : Target::none;
    for (std::size_t i = last; i != Target::none && target == nullptr; i = targets_[i].former, its_.steps.add())
      if (targets_[i].subscription->scheme == subscription->scheme) target = &targets_[i];
    if (target == nullptr) {
      session.last_delivery = delivery_;
      session.last_target = targets_.size();
      targets_.push_back({subscription, qos, retain, {}, last});
      target = &targets_.back();
    }
    target->qos = std::max(target->qos, qos);
    target->retain = target->retain || retain;
    if (subscription->identifier != 0) target->identifiers.push_back(subscription->identifier);  // [MQTT-3.3.4-3]
  }
  for (const Target& target : targets_)  // before anything is sealed: it may make a group change its key
    if (const auto& receiver = target.subscription->receiver)
      its_.keyed.send_due(target.subscription->session->link->keyed, *receiver, now);
  for (Target& target : targets_) give_target(target, publication, now);
  is_given = is_given || !targets_.empty();
  if (!for_groups || only != nullptr) return is_given;
  for (Subscription* subscription : matching)
    if (subscription->group != nullptr) is_given = deliver_to_group(*subscription->group, publication, 0, 0, now) || is_given;
  return is_given;
}

// The client has its own memory of what it got, by the counter in each frame: nothing is gained by QoS 2.
void Router::target_receiver(Subscription& subscription, QoS qos) {
  const Link* link = subscription.session->link;
  const auto* its = link != nullptr ? link->keyed.inbox(subscription.receiver->topic()) : nullptr;
  if (its == nullptr) return drop(Drop::not_entitled);
  targets_.push_back({&subscription, std::min({its->second, qos, QoS::at_least_once}), false, {}});
}

void Router::give_target(Target& target, Publication& publication, Now now) {
  its_.steps.add(SessionDelivery::steps_of_a_delivery);
  const Subscription& subscription = *target.subscription;
  Session& session = *subscription.session;
  const bool may_wait =
      session.link == nullptr && session.lasts() && its_.settings.queue_qos0 && subscription.receiver == nullptr;
  if (target.qos == QoS::at_most_once && !may_wait)
    return its_.deliveries.give_unkept(subscription, publication.view, target.retain, target.identifiers, now);
  its_.deliveries.give(session,
                       {publication.keep(), 0, 0, target.qos, target.retain, subscription.scheme, subscription.subscriber,
                        std::move(target.identifiers), 0, subscription.receiver, subscription.share},
                       now);
}

}  // namespace sealmq::broker
