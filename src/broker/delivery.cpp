// How messages go out. A message is sealed once per scheme and encoded once per (scheme, version, QoS, retain flag); receivers
// share those bytes. It is copied into a Message only when somebody must keep it: a session, another shard, the retained ones.
#include <algorithm>

#include "broker/core.h"

namespace sealmq::broker {

using mqtt::QoS;

/// Bytes that outboxes share, with the charge for them.
static std::shared_ptr<const Buffer> counted(Buffer bytes, Budget* budget) {
  struct Counted {
    Charge charge;
    Buffer bytes;
  };
  const std::size_t size = bytes.capacity();
  auto whole = std::make_shared<const Counted>(Counted{Charge(budget, size), std::move(bytes)});
  return {whole, &whole->bytes};
}

const std::shared_ptr<const Message>& Core::Publication::keep() {
  if (shared == nullptr) {
    // What nobody keeps is on its way to another shard, whose mailbox bounds it.
    Budget* budget = view.qos != QoS::at_most_once || view.retain ? core.ports.budget : nullptr;
    shared = std::make_shared<const Message>(view, core.settings.durable ? core.next_number() : 0, budget);
  }
  return shared;
}

std::uint64_t Core::next_stamp(Now now) {
  stamp_ = std::max(stamp_ + 1, now.wall << 8);
  return stamp_ * count + index;  // no two shards make the same
}

void Core::publish(const MessageView& view, Now now) {
  Publication publication{*this, view, nullptr};
  if (view.retain) {
    retained.store(publication.keep(), now.steady);
    change(RetainedSaved{publication.keep()});
  }
  deliver(publication, now);
  if (count == 1) return;
  Parcel parcel;
  parcel.message = publication.keep();
  if (settings.durable && view.qos != QoS::at_most_once && anybody_lasts()) {
    parcel.transit = parcel.message->number();
    for (std::uint32_t to = 0; to < count; ++to)
      if (to != index) change(TransitSaved{parcel.transit, parcel.message, to, static_cast<std::uint32_t>(count), 0, {}});
  }
  effects.parcels.push_back(std::move(parcel));
}

void Core::publish(const std::shared_ptr<const Message>& message, Now now) {
  MessageView view = message->view();
  if (!access.may_still_publish(view.author, view.scheme, view.topic)) return drop(Drop::not_entitled);
  // There is nobody left to be told: it is delivered to those who are there.
  if (view.retain && !retained.has_room(view.topic, message->size())) view.retain = false;
  if (view.retain) view.stamp = next_stamp(now);
  if (view.properties != nullptr && view.properties->message_expiry_interval)  // MQTT 5 section 3.1.3.2.4: its life begins now
    view.expires = now.steady + std::uint64_t{1000} * *view.properties->message_expiry_interval;
  publish(view, now);
}

void Core::publish_own(std::string_view topic, std::string_view payload, Now now) {
  MessageView view;
  view.topic = topic;
  view.payload = view.wire = as_bytes(payload);
  view.retain = true;
  view.scheme = static_cast<std::uint8_t>(ports.schemes.size() - 1);  // plain stands last
  view.stamp = next_stamp(now);
  Publication publication{*this, view, nullptr};
  retained.store(publication.keep(), now.steady);  // not for the store: after a restart it would be old
  deliver(publication, now);
  if (count == 1) return;
  Parcel parcel;
  parcel.message = publication.keep();
  effects.parcels.push_back(std::move(parcel));
}

void Core::take_in(const Parcel& parcel, Now now) {
  if (parcel.member != nullptr) return groups.apply(*parcel.member);
  Publication publication{*this, parcel.message->view(), parcel.message};
  if (parcel.route == nullptr) {
    if (publication.view.retain) retained.store(parcel.message, now.steady);
    deliver(publication, now);
  } else {
    route(publication, *parcel.route, now);
  }
  if (parcel.transit != 0) change(TransitEnded{parcel.transit, static_cast<std::uint32_t>(index)});
}

/// To the member named; or, refused by that one, to another member of the group, which this shard owns.
void Core::route(Publication& publication, const SharedRoute& route, Now now) {
  if (route.refused) {
    SharedGroup* group = groups.find(route.group);
    return group != nullptr ? deliver_to_group(*group, publication, route.session, route.tries, now) : drop(Drop::not_entitled);
  }
  if (deliver_to_member(route.session, route.group, publication, now)) return;
  SharedRoute back = route;
  back.refused = true;
  std::size_t owner = SharedGroups::owner(route.group, count);
  if (owner == index) return this->route(publication, back, now);
  Parcel parcel;
  parcel.to = owner;
  parcel.message = publication.keep();
  parcel.route = std::make_shared<const SharedRoute>(std::move(back));
  send_parcel(std::move(parcel));
}

/// To one shard; the message is for one session there.
void Core::send_parcel(Parcel parcel) {
  parcel.transit = 0;
  if (settings.durable && parcel.message->view().qos != QoS::at_most_once) {
    parcel.transit = next_number();
    change(TransitSaved{parcel.transit, parcel.message, static_cast<std::uint32_t>(parcel.to), static_cast<std::uint32_t>(count),
                        parcel.route->session, parcel.route->group});
  }
  effects.parcels.push_back(std::move(parcel));
}

void Core::deliver_to_group(SharedGroup& group, Publication& publication, Number except, std::uint32_t tries, Now now) {
  for (; tries <= group.members.size(); ++tries) {
    const SharedGroup::Member* member = group.choose(except);
    if (member == nullptr) break;
    except = member->session;
    if (member->shard != index) {
      Parcel parcel;
      parcel.to = member->shard;
      parcel.message = publication.keep();
      parcel.route = std::make_shared<const SharedRoute>(SharedRoute{group.name, member->session, false, tries + 1});
      return send_parcel(std::move(parcel));
    }
    if (deliver_to_member(member->session, group.name, publication, now)) return;
  }
  drop(Drop::not_entitled);
}

/// False if it cannot take it: another one may.
bool Core::deliver_to_member(Number number, std::string_view group, Publication& publication, Now now) {
  const MessageView& view = publication.view;
  Session* session = find(number);
  if (session == nullptr) return false;
  auto at = session->subscriptions.find(group);
  if (at == session->subscriptions.end()) return false;
  Subscription& subscription = *at->second;
  if (!access.may_receive(subscription.subscriber.get(), subscription.scheme, view.topic, access.rule(view.topic))) return false;
  QoS qos = std::min(subscription.options.qos, view.qos);
  if (qos == QoS::at_most_once && !sendable(*session)) return false;
  begin_message();
  Target target{&subscription, qos, subscription.options.retain_as_published && view.retain, true, {}};
  if (subscription.identifier != 0) target.identifiers.push_back(subscription.identifier);
  give_target(target, publication, now);
  return true;
}

void Core::begin_message() {
  ++publication_;
  encoded_used_ = 0;
}

void Core::deliver(Publication& publication, Now now, const std::function<bool(const Session&)>* only) {
  const MessageView& view = publication.view;
  const auto& matching = tree.match(view.topic);
  if (matching.empty()) return;
  const TopicRule* rule = access.rule(view.topic);
  begin_message();
  targets_.clear();
  bool for_groups = false;
  for (Subscription* subscription : matching) {
    if (subscription->group != nullptr) {
      for_groups = true;
      continue;
    }
    const auto& options = subscription->options;
    Session& session = *subscription->session;
    if (only != nullptr && !(*only)(session)) continue;
    if (options.no_local && view.publisher == session.client_id) continue;  // [MQTT-3.8.3-3]
    if (!access.may_receive(subscription->subscriber.get(), subscription->scheme, view.topic, rule)) {
      drop(Drop::not_entitled);
      continue;
    }
    QoS qos = std::min(options.qos, view.qos);
    bool retain = options.retain_as_published && view.retain;
    Target* target = nullptr;
    if (session.last_publication == publication_)  // overlapping filters of one client: one copy, the highest QoS [MQTT-3.3.4-2]
      for (std::size_t i = session.last_target; i < targets_.size() && target == nullptr; ++i)
        if (targets_[i].subscription->session == &session && targets_[i].subscription->scheme == subscription->scheme)
          target = &targets_[i];
    if (target == nullptr) {
      if (session.last_publication != publication_) {
        session.last_publication = publication_;
        session.last_target = targets_.size();
      }
      targets_.push_back({subscription, qos, retain, false, {}});
      target = &targets_.back();
    }
    target->qos = std::max(target->qos, qos);
    target->retain = target->retain || retain;
    if (subscription->identifier != 0) target->identifiers.push_back(subscription->identifier);  // [MQTT-3.3.4-3]
  }
  for (Target& target : targets_) give_target(target, publication, now);
  if (!for_groups || only != nullptr) return;
  for (Subscription* subscription : matching)
    if (subscription->group != nullptr) deliver_to_group(*subscription->group, publication, 0, 0, now);
}

void Core::give_target(Target& target, Publication& publication, Now now) {
  const Subscription& subscription = *target.subscription;
  Session& session = *subscription.session;
  if (target.qos != QoS::at_most_once)
    return give(session,
                {publication.keep(), 0, 0, target.qos, target.retain, subscription.scheme, subscription.subscriber,
                 std::move(target.identifiers)},
                now);
  if (session.link == nullptr) return;
  if (!sendable(session)) return drop(Drop::slow_consumer);
  Link& link = *session.link;
  if (const Encoded* encoded =
          encode(publication.view, subscription.scheme, link.is_v5(), target.qos, target.retain, target.identifiers, now))
    send(link, *encoded, 0, false);
}

bool Core::sendable(const Session& session) const {
  if (session.link == nullptr) return false;
  const std::size_t unwritten = session.link->connection.outbox().size();
  return unwritten < owed_when_full || unwritten < outbox_limit();
}

void Core::give(Session& session, Delivery delivery, Now now) {
  bool may_start = sendable(session) && session.queue.empty() &&
                   (delivery.qos == QoS::at_most_once || session.link->in_flight < quota(*session.link));
  if (may_start)
    start(session, std::move(delivery), now);
  else
    queue(session, std::move(delivery));
}

void Core::queue(Session& session, Delivery delivery) {
  std::size_t size = delivery.message->size();
  if (session.queue.size() >= settings.maximum_queued_messages || session.queued_bytes + size > settings.maximum_queued_bytes ||
      !has_room_to_wait())
    return drop(Drop::queue_full);
  session.queued_bytes += size;
  save(session, delivery, 0);
  session.queue.push_back(std::move(delivery));
  account(session);
}

bool Core::still_due(const Delivery& delivery, Now now) const {
  const MessageView& view = delivery.message->view();
  return view.expires > now.steady && still_entitled(delivery);
}

bool Core::still_entitled(const Delivery& delivery) const {
  const MessageView& view = delivery.message->view();
  return access.may_still_publish(view.author, view.scheme, view.topic) &&
         access.may_receive(delivery.subscriber.get(), delivery.scheme, view.topic, access.rule(view.topic));
}

void Core::pump(Session& session, Now now) {
  if (session.link == nullptr) return;
  Link& link = *session.link;
  const std::uint32_t quota = this->quota(link);

  // What an earlier connection left unfinished comes first, in its order. [MQTT-4.4.0-1]
  if (link.in_flight < session.outgoing.size()) {
    session.outgoing.erase_if([&](const auto& entry) {
      // What was sent once does not expire any more. [MQTT-4.3.3-7]
      if (entry.sent || entry.awaiting == mqtt::Awaiting::pubcomp || still_entitled(entry.message)) return false;
      drop(Drop::not_entitled);
      finished(session, entry.message);
      return true;
    });
    std::vector<std::uint16_t> unsendable;
    bool has_room = true;
    for (auto& entry : session.outgoing) {
      if (entry.sent) continue;
      has_room = link.in_flight < quota && sendable(session);
      if (!has_room) break;
      entry.sent = true;
      ++link.in_flight;
      if (!is_stored(entry.message.saved_in))
        promise(link,
                {.type = entry.awaiting == mqtt::Awaiting::pubcomp ? mqtt::PacketType::pubrel : mqtt::PacketType::publish,
                 .packet_id = entry.packet_id,
                 .dup = true},
                true);
      else if (!send_unfinished(link, entry, true, now))
        unsendable.push_back(entry.packet_id);
    }
    for (std::uint16_t packet_id : unsendable) give_up(session, packet_id);
    if (!has_room) return;
  }
  while (!session.queue.empty() && sendable(session)) {
    if (session.queue.front().qos != QoS::at_most_once && link.in_flight >= quota) return;
    Delivery delivery = std::move(session.queue.front());
    session.queue.pop_front();
    session.queued_bytes -= delivery.message->size();
    if (delivery.message->view().expires <= now.steady) {
      drop(Drop::expired);
      finished(session, delivery);
    } else if (!still_due(delivery, now)) {
      drop(Drop::not_entitled);
      finished(session, delivery);
    } else {
      begin_message();
      start(session, std::move(delivery), now);
    }
  }
  account(session);
}

void Core::start(Session& session, Delivery&& delivery, Now now) {
  Link& link = *session.link;
  const MessageView& view = delivery.message->view();
  const Encoded* encoded = encode(view, delivery.scheme, link.is_v5(), delivery.qos, delivery.retain, delivery.identifiers, now);
  if (encoded == nullptr) return finished(session, delivery);
  if (delivery.qos == QoS::at_most_once) return send(link, *encoded, 0, false);
  if (encoded->bytes.size() > link.connection.peer_maximum_packet_size()) {
    drop(Drop::too_large);  // as if it had been delivered [MQTT-3.1.2-25]
    return finished(session, delivery);
  }
  QoS qos = delivery.qos;
  auto& entry = session.outgoing.start(std::move(delivery), qos);
  entry.sent = true;
  ++link.in_flight;
  save(session, entry.message, entry.packet_id);
  // A QoS 2 message that is not stored would be a new one to the client when it comes again after the broker's end. One of QoS 1
  // may come twice.
  if (qos == QoS::exactly_once && !is_stored(entry.message.saved_in))
    promise(link, {.type = mqtt::PacketType::publish, .packet_id = entry.packet_id}, true);
  else
    send(link, *encoded, entry.packet_id, false);
}

bool Core::send_unfinished(Link& link, mqtt::Outgoing<Delivery>& entry, bool dup, Now now) {
  if (entry.awaiting == mqtt::Awaiting::pubcomp) {
    link.connection.send(mqtt::Pubrel{.packet_id = entry.packet_id, .properties = {}});
    tell_writable(link);
    return true;
  }
  const Delivery& delivery = entry.message;
  begin_message();
  const Encoded* encoded =
      encode(delivery.message->view(), delivery.scheme, link.is_v5(), delivery.qos, delivery.retain, delivery.identifiers, now);
  if (encoded == nullptr) return false;
  if (encoded->bytes.size() > link.connection.peer_maximum_packet_size()) {
    drop(Drop::too_large);
    return false;
  }
  send(link, *encoded, entry.packet_id, dup);
  return true;
}

void Core::give_up(Session& session, std::uint16_t packet_id) {
  Delivery delivery = session.outgoing.finish(packet_id);
  --session.link->in_flight;
  finished(session, delivery);
}

void Core::send_retained(const Subscription& subscription, Now now) {
  Session& session = *subscription.session;
  retained.for_each(subscription.filter, now.steady, [&](const std::shared_ptr<const Message>& message) {
    const MessageView& view = message->view();
    Delivery delivery{
        message, 0, 0, std::min(subscription.options.qos, view.qos), true, subscription.scheme, subscription.subscriber, {}};
    if (subscription.identifier != 0) delivery.identifiers.push_back(subscription.identifier);
    if (!still_due(delivery, now)) return drop(Drop::not_entitled);
    begin_message();
    give(session, std::move(delivery), now);
  });
}

// -- bytes ---------------------------------------------------------------------------------------------------------------------

const Buffer* Core::seal(const MessageView& view, std::size_t scheme, Now now) {
  Sealed& sealed = sealed_[scheme];
  if (sealed.of != publication_) {
    sealed.of = publication_;
    sealed.payload.clear();
    sealmq::Outgoing outgoing{view.topic, view.payload, view.wire, ports.schemes[view.scheme]->info().name,
                              view.author.empty() ? nullptr : access.directory().find(view.author)};
    sealed.possible = ports.schemes[scheme]->seal(outgoing, {now, access.directory()}, sealed.payload).has_value();
  }
  return sealed.possible ? &sealed.payload : nullptr;
}

const Core::Encoded* Core::encode(const MessageView& view, std::size_t scheme, bool v5, QoS qos, bool retain,
                                  const std::vector<std::uint32_t>& identifiers, Now now) {
  if (identifiers.empty())
    for (std::size_t i = 0; i < encoded_used_; ++i) {
      const Encoded& e = encoded_[i];
      if (e.scheme == scheme && e.v5 == v5 && e.qos == qos && e.retain == retain) return &e;
    }
  const Buffer* payload = seal(view, scheme, now);
  if (payload == nullptr) {
    drop(Drop::cannot_seal);
    return nullptr;
  }
  if (packet_has_properties_) packet_.properties = {};
  packet_has_properties_ = false;
  packet_.qos = qos;
  packet_.retain = retain;
  packet_.topic = view.topic;
  packet_.packet_id = qos == QoS::at_most_once ? 0 : 1;
  packet_.payload = *payload;
  bool tells_author = !view.author.empty() && !ports.schemes[view.scheme]->info().claims.hides_publisher;
  if (v5 && (view.properties != nullptr || view.expires != UINT64_MAX || tells_author || !identifiers.empty())) {
    packet_has_properties_ = true;
    if (view.properties != nullptr) packet_.properties = *view.properties;
    packet_.properties.topic_alias.reset();  // the publisher's own
    packet_.properties.will_delay_interval.reset();
    packet_.properties.message_expiry_interval.reset();
    if (view.expires != UINT64_MAX) {  // what is left of it [MQTT-3.3.2-6]
      std::uint64_t left = view.expires > now.steady ? view.expires - now.steady : 0;
      packet_.properties.message_expiry_interval = static_cast<std::uint32_t>((left + 999) / 1000);
    }
    packet_.properties.subscription_identifiers = identifiers;
    if (tells_author) {
      packet_.properties.user.push_back({"sealmq-from", view.author});
      packet_.properties.user.push_back({"sealmq-scheme", ports.schemes[view.scheme]->info().name});
    }
  }
  if (identifiers.empty()) {
    if (encoded_used_ == encoded_.size()) encoded_.emplace_back();
    ++encoded_used_;
  } else {
    encoded_.resize(std::max(encoded_.size(), encoded_used_ + 1));  // for this receiver only: the next one may use the place
  }
  Encoded& encoded = encoded_[identifiers.empty() ? encoded_used_ - 1 : encoded_used_];
  encoded.scheme = static_cast<std::uint8_t>(scheme);
  encoded.v5 = v5;
  encoded.qos = qos;
  encoded.retain = retain;
  encoded.shared_rest.reset();
  encoded.bytes.clear();
  mqtt::encode(packet_, v5 ? mqtt::Version::v5 : mqtt::Version::v3_1_1, encoded.bytes);
  std::size_t header = 2;
  while ((encoded.bytes[header - 1] & 0x80) != 0) ++header;
  encoded.topic_size = view.topic.size();
  encoded.id_at = header + 2 + view.topic.size();
  return &encoded;
}

/// The same packet with a topic alias in the name's place, or for the first time beside it. False: this topic gets none.
bool Core::append_with_alias(Link& link, const Encoded& encoded, std::string_view topic, std::uint16_t packet_id, bool dup) {
  constexpr std::size_t worth_it = 6;              // bytes of topic: twice what an alias takes
  constexpr std::size_t longer = 5;                // at most, where name and alias go together: the property, and two lengths
  constexpr std::size_t most_aliased = 16 * 1024;  // bytes of topics remembered for one client
  if (topic.size() < worth_it) return false;
  auto known = link.aliases.find(topic);
  bool is_new = known == link.aliases.end();
  if (is_new) {
    if (link.aliases.size() >= link.alias_maximum || link.alias_bytes + topic.size() > most_aliased) return false;
    if (encoded.bytes.size() + longer > link.connection.peer_maximum_packet_size()) return false;  // [MQTT-3.1.2-24]
    known = link.aliases.emplace(std::string(topic), static_cast<std::uint16_t>(link.aliases.size() + 1)).first;
    link.alias_bytes += topic.size();
  }
  mqtt::encode_with_alias(encoded.bytes, packet_id, dup, known->second, is_new, link.connection.outbox().tail());
  return true;
}

void Core::send(Link& link, const Encoded& encoded, std::uint16_t packet_id, bool dup) {
  if (encoded.bytes.size() > link.connection.peer_maximum_packet_size()) {
    drop(Drop::too_large);  // [MQTT-3.1.2-24]
    return;
  }
  ++counters.delivered;
  ++counters.delivered_by_qos[static_cast<std::size_t>(encoded.qos)];
  counters.delivered_bytes += encoded.bytes.size();
  ++counters.packets.sent[static_cast<std::size_t>(mqtt::PacketType::publish)];
  mqtt::Outbox& outbox = link.connection.outbox();
  Bytes bytes = encoded.bytes;
  if (link.alias_maximum != 0) {
    std::size_t topic_at = encoded.id_at - encoded.topic_size;
    if (append_with_alias(link, encoded, as_text(bytes.subspan(topic_at, encoded.topic_size)), packet_id, dup))
      return tell_writable(link);
  }
  std::size_t rest_at = encoded.id_at + (encoded.qos == QoS::at_most_once ? 0 : 2);
  if (bytes.size() - rest_at < mqtt::Outbox::share_from) {
    Buffer& tail = outbox.tail();
    std::size_t at = tail.size();
    append(tail, bytes);
    if (dup) tail[at] |= 0x08;
    if (encoded.qos != QoS::at_most_once) {
      tail[at + encoded.id_at] = static_cast<std::uint8_t>(packet_id >> 8);
      tail[at + encoded.id_at + 1] = static_cast<std::uint8_t>(packet_id);
    }
  } else {
    Buffer& tail = outbox.tail();
    std::size_t at = tail.size();
    append(tail, bytes.first(encoded.id_at));
    if (dup) tail[at] |= 0x08;
    if (encoded.qos != QoS::at_most_once) {
      tail.push_back(static_cast<std::uint8_t>(packet_id >> 8));
      tail.push_back(static_cast<std::uint8_t>(packet_id));
    }
    auto& rest = encoded.shared_rest;
    if (rest == nullptr) rest = counted(to_buffer(bytes.subspan(rest_at)), ports.budget);
    outbox.append_shared(rest);
  }
  tell_writable(link);
}

}  // namespace sealmq::broker
