#include "broker/routing/entitlement.h"

#include <algorithm>

#include "broker/connections/link.h"

namespace sealmq::broker {

using mqtt::QoS;

QoS Entitlement::qos_for(const Session& session, QoS published, QoS wanted) {
  return session.exactly_once ? QoS::exactly_once : std::min(published, wanted);
}

bool Entitlement::may_reach(const Session& session, const MessageView& view, std::size_t leaves_by) const {
  // What was subscribed on a connection of that login leaves on no other.
  if (access_.is_of_login(leaves_by) && session.link != nullptr && session.link->proved_by != leaves_by) return false;
  if (!access_.is_restricted(view.scheme)) return true;
  const BrokerScheme& scheme = *schemes_[view.scheme];
  // While the client is away it may be kept for it; how it logs in when it comes back will decide.
  if (session.link != nullptr && !access_.is_for(view.scheme, session.link->proved)) return false;
  const bool shows = schemes_[leaves_by]->info().claims.confidentiality == Confidentiality::none;
  if (scheme.info().leaves_hidden && shows && session.link != nullptr && !session.link->is_hidden) return false;
  return !scheme.info().names_ends || scheme.may_get(session.owner, view.topic);
}

std::optional<QoS> Entitlement::towards(const Session& session, const MessageView& view, std::size_t scheme,
                                        const std::string* subscriber, const TopicRule* rule, Now now) const {
  if (rule == nullptr || !may_reach(session, view, scheme)) return std::nullopt;
  // Who is away has the names of its session; how it logs in when it is back decides then.
  if (session.link == nullptr)
    return access_.may_receive(subscriber, scheme, view.topic, rule, {.identity = session.owner, .any_client_id = true},
                               session.client_id.starts_with(own_names));
  const Caller caller = session.link->caller(now);
  SchemeSet schemes;
  schemes.add(view.scheme);
  schemes.add(scheme);
  if (!access_.opens(*rule, caller, schemes)) return std::nullopt;
  const auto most = access_.may_receive(subscriber, scheme, view.topic, rule, caller.names, caller.is_own);
  return session.exactly_once && most != QoS::exactly_once ? std::nullopt : most;
}

std::optional<QoS> Entitlement::still(const Session& session, const Delivery& delivery, Now now) const {
  const MessageView& view = delivery.message->view();
  if (!access_.may_still_publish(view.author, view.scheme, view.topic, view.qos)) return std::nullopt;
  return towards(session, view, delivery.scheme, delivery.subscriber.get(), access_.rule(view.topic), now);
}

}  // namespace sealmq::broker
