#include "broker/schemes/keyed_subscriptions.h"

#include <algorithm>

namespace sealmq::broker {

using mqtt::QoS;

bool KeyedConnection::close_inbox(std::string_view topic) {
  return std::erase_if(inboxes_, [&](const Inbox& inbox) { return inbox.first == topic; }) > 0;
}

const KeyedConnection::Inbox* KeyedConnection::inbox(std::string_view topic) const {
  auto at = std::ranges::find(inboxes_, topic, &Inbox::first);
  return at == inboxes_.end() ? nullptr : &*at;
}

bool KeyedSubscriptions::add(KeyedConnection& connection, Session& session, Wanted wanted, const Caller& caller,
                             const std::string& party, Now now) {
  const Identity* subscriber = wanted.subscriber;
  const auto is_same = [&](const Subscription& other) {
    return other.scheme == wanted.scheme && other.filter == wanted.filter &&
           (other.subscriber == nullptr ? subscriber == nullptr : subscriber != nullptr && *other.subscriber == subscriber->name);
  };
  std::size_t same = 0;
  while (same < connection.size() && !is_same(connection.at(same))) ++same;
  if (same < connection.size())
    end(connection, same);
  else if (connection.size() >= its_.settings.maximum_receivers)
    return false;

  auto made = std::make_unique<Subscription>();
  made->session = &session;
  made->filter = wanted.filter;
  made->scheme = static_cast<std::uint8_t>(wanted.scheme);
  if (subscriber != nullptr) made->subscriber = std::make_shared<const std::string>(subscriber->name);
  made->receiver = std::move(wanted.receiver);
  if (made->receiver->pace() != 0)
    made->paced = std::make_unique<Paced>(Paced{.waiting = {}, .next = now.steady + made->receiver->pace()});
  made->receiver->may_share(its_.access.may_share(subscriber, wanted.scheme, wanted.filter, caller));
  made->kind = its_.kinds.use(wanted.filter, party, session.kinds);
  its_.memory.account_first(*made, party);
  its_.tree.add(*made);
  its_.memory.account_tree(its_.tree.nodes());
  ++its_.counters.subscriptions;
  connection.add(std::move(made));
  return true;
}

void KeyedSubscriptions::end(KeyedConnection& connection, std::size_t place) {
  Subscription& subscription = connection.at(place);
  // A queued message may keep the receiver for a while, but not in its group.
  subscription.receiver->may_share(false);
  its_.tree.remove(subscription);
  connection.erase(place);
  its_.memory.account_tree(its_.tree.nodes());
  --its_.counters.subscriptions;
}

void KeyedSubscriptions::end_all(KeyedConnection& connection, Session& session) {
  while (connection.size() > 0) end(connection, connection.size() - 1);
  connection.close_all();
  std::erase_if(session.queue, [&](const Delivery& delivery) {
    if (delivery.receiver == nullptr) return false;
    session.queued_bytes -= delivery.message->size();
    return true;
  });
  session.outgoing.erase_if([](const auto& entry) { return entry.message.receiver != nullptr; });
}

std::size_t KeyedSubscriptions::end_of(KeyedConnection& connection, std::string_view identity, std::uint64_t& left_groups) {
  std::size_t ended = 0;
  for (std::size_t i = connection.size(); i-- > 0;) {
    const Subscription& subscription = connection.at(i);
    if (subscription.subscriber == nullptr || *subscription.subscriber != identity) continue;
    if (subscription.receiver->group() != nullptr) ++left_groups;
    end(connection, i);
    ++ended;
  }
  return ended;
}

void KeyedSubscriptions::review(KeyedConnection& connection, const Caller& caller) {
  for (std::size_t i = connection.size(); i-- > 0;) {
    const Subscription& its = connection.at(i);
    const Identity* subscriber = its.subscriber != nullptr ? its_.access.directory().find(*its.subscriber) : nullptr;
    if (subscriber != nullptr && subscriber->status == Status::revoked) continue;  // revoke() follows, and tells what it ended
    if ((its.subscriber != nullptr && subscriber == nullptr) ||
        !its_.access.may_subscribe(subscriber, its.scheme, its.filter, QoS::exactly_once, caller))
      end(connection, i);
    else
      its.receiver->may_share(its_.access.may_share(subscriber, its.scheme, its.filter, caller));
  }
}

void KeyedSubscriptions::tick(KeyedConnection& connection, Now now) {
  for (std::size_t i = connection.size(); i-- > 0;) {
    Subscription& subscription = connection.at(i);
    if (subscription.receiver->has_ended(now))
      end(connection, i);
    else if (subscription.paced != nullptr)
      send_paced(connection, subscription, now);
    else
      send_due(connection, *subscription.receiver, now);
  }
}

void KeyedSubscriptions::send_due(const KeyedConnection& connection, Receiver& receiver, Now now) {
  if (connection.inbox(receiver.topic()) == nullptr) return;
  Buffer frame;
  while (receiver.next_due(now, frame)) {
    its_.outlet.send_frame(connection.id(), receiver.topic(), frame);
    frame.clear();
  }
}

// -- those that keep a pace. Called once a second and never because a message came, or the time of a frame would tell of it.

void KeyedSubscriptions::queue_paced(Subscription& subscription, const std::shared_ptr<const Message>& message) {
  constexpr std::size_t most_waiting = 64;
  constexpr std::size_t most_bytes = 256 * 1024;
  auto& waiting = subscription.paced->waiting;
  std::size_t bytes = message->size();
  for (const Delivery& delivery : waiting) bytes += delivery.message->size();
  if (waiting.size() >= most_waiting || bytes > most_bytes || !its_.memory.has_room_to_wait()) return drop(Drop::queue_full);
  waiting.push_back({message, 0, 0, QoS::at_most_once, false, subscription.scheme, subscription.subscriber, {}, 0, {}});
}

void KeyedSubscriptions::send_paced(const KeyedConnection& connection, Subscription& subscription, Now now) {
  Receiver& receiver = *subscription.receiver;
  Paced& paced = *subscription.paced;
  if (now.steady < paced.next || connection.inbox(receiver.topic()) == nullptr) return;
  paced.next = std::max(paced.next + receiver.pace(), now.steady);
  while (!paced.waiting.empty()) {
    const Delivery delivery = std::move(paced.waiting.front());
    paced.waiting.pop_front();
    const bool is_expired = delivery.message->view().expires <= now.steady;
    if (is_expired || !its_.outlet.may_still_get(*subscription.session, delivery, now)) {
      drop(is_expired ? Drop::expired : Drop::not_entitled);
      continue;
    }
    its_.encoder.begin_message();
    if (const Buffer* frame = its_.encoder.seal(delivery.message->view(), subscription.scheme, &receiver, now)) {
      ++its_.counters.delivered;
      return its_.outlet.send_frame(connection.id(), receiver.topic(), *frame);
    }
    drop(Drop::cannot_seal);
  }
  Buffer cover;
  if (receiver.next_due(now, cover)) its_.outlet.send_frame(connection.id(), receiver.topic(), cover);
}

}  // namespace sealmq::broker
