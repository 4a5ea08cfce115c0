// How a message goes to one member of a group of shared subscriptions (MQTT 5 section 4.8.2), who may sit on another shard.
#include <algorithm>

#include "broker/connections/link.h"
#include "broker/routing/router.h"

namespace sealmq::broker {

using mqtt::QoS;

/// To the member named; or, refused by that one, to another member of the group, which this shard owns.
void Router::route(Publication& publication, const SharedRoute& route, Now now) {
  publication.keep();
  its_.encoder.begin_message(publication.shared);
  if (route.refused) {
    if (SharedGroup* group = its_.groups.find(route.group))
      deliver_to_group(*group, publication, route.session, route.tries, now);
    else
      drop(Drop::not_entitled);
    return;
  }
  if (deliver_to_member(route.session, route.group, publication, now)) return;
  SharedRoute back = route;
  back.refused = true;
  send_back(publication, std::move(back), now);
}

void Router::route_again(const std::shared_ptr<const Message>& message, const SharedRoute& route, Now now) {
  Publication publication{*this, message->view(), message};
  this->route(publication, route, now);
}

/// To the group's owner, who finds another member.
void Router::send_back(Publication& publication, SharedRoute back, Now now) {
  std::size_t owner = Shard::shard_of(back.group, its_.shards, its_.settings.shard_key);
  if (owner == its_.shard) return route(publication, back, now);
  Parcel parcel;
  parcel.to = owner;
  parcel.message = publication.keep();
  parcel.route = std::make_shared<const SharedRoute>(std::move(back));
  send_parcel(std::move(parcel));
}

void Router::give_to_others(const std::vector<Delivery>& jobs, Number left, Now now) {
  for (const Delivery& job : jobs) {
    const MessageView& view = job.message->view();
    if (view.expires <= now.steady) {
      drop(Drop::expired);
    } else if (!its_.access.may_still_publish(view.author, view.scheme, view.topic, view.qos)) {
      drop(Drop::not_entitled);
    } else {
      Publication publication{*this, view, job.message};
      send_back(publication, {*job.share, left, true}, now);
    }
  }
}

/// To one shard; the message is for one session there.
void Router::send_parcel(Parcel parcel) {
  parcel.transit = 0;
  if (its_.settings.durable && parcel.message->view().qos != QoS::at_most_once) {
    parcel.transit = its_.durability.next_number();
    its_.durability.change(TransitSaved{parcel.transit, parcel.message, static_cast<std::uint32_t>(parcel.to),
                                        static_cast<std::uint32_t>(its_.shards), parcel.route->session, parcel.route->group});
  }
  its_.flow.hand_over(std::move(parcel));
}

bool Router::deliver_to_group(SharedGroup& group, Publication& publication, Number except, std::uint32_t tries, Now now) {
  const MessageView& view = publication.view;
  const TopicRule* rule = its_.access.rule(view.topic);
  const auto may = [&](const GroupMembers::Party& party) {
    mqtt::PatternNames names;
    if (party.subscriber != nullptr) names.identity = *party.subscriber;
    names.any_client_id = true;  // each member is asked for its own
    return its_.access.may_receive(party.subscriber.get(), party.scheme, view.topic, rule, names).has_value();
  };
  for (; tries <= std::min<std::size_t>(group.members.size(), SharedGroup::most_tries); ++tries) {
    const std::uint64_t before = group.members.visited();
    const GroupMembers::Member* member = group.members.choose(except, tries, may);
    its_.steps.add(group.members.visited() - before);
    if (member == nullptr) break;
    except = member->session;
    if (member->shard != its_.shard) {
      Parcel parcel;
      parcel.to = member->shard;
      parcel.message = publication.keep();
      parcel.route = std::make_shared<const SharedRoute>(SharedRoute{group.name, member->session, false, tries + 1});
      send_parcel(std::move(parcel));
      return true;
    }
    if (deliver_to_member(member->session, group.name, publication, now)) return true;
  }
  drop(Drop::not_entitled);
  return false;
}

/// False if it cannot take it: another one may. The message has begun: many groups may get the same bytes.
bool Router::deliver_to_member(Number number, std::string_view group, Publication& publication, Now now) {
  const MessageView& view = publication.view;
  Session* session = its_.sessions.find(number);
  if (session == nullptr) return false;
  auto at = session->subscriptions.find(group);
  if (at == session->subscriptions.end()) return false;
  Subscription& subscription = *at->second;
  const auto most = its_.entitlement.towards(*session, view, subscription.scheme, subscription.subscriber.get(),
                                             its_.access.rule(view.topic), now);
  if (!most) return false;
  const QoS qos = std::min(Entitlement::qos_for(*session, view.qos, subscription.options.qos), *most);
  if (qos == QoS::at_most_once && !its_.deliveries.sendable(*session)) return false;
  Target target{&subscription, qos, subscription.options.retain_as_published && view.retain, {}};
  if (subscription.identifier != 0) target.identifiers.push_back(subscription.identifier);
  give_target(target, publication, now);
  return true;
}

}  // namespace sealmq::broker
