#include "broker/schemes/scheme_requests.h"

#include <algorithm>

#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

bool tries_a_secret(const BrokerScheme& scheme, const Incoming& incoming) {
  return scheme.is_request(incoming) && scheme.tries_a_secret(incoming);
}

}  // namespace

using mqtt::QoS;
using mqtt::Reason;

bool SchemeRequests::is_taken(std::size_t scheme, const Incoming& incoming) const {
  return its_.access.is_offered(scheme) || its_.schemes[scheme]->concerns_the_list(incoming);
}

bool SchemeRequests::is_reply_topic(std::string_view topic) const {
  return topic.starts_with('$') &&
         std::ranges::any_of(its_.schemes, [&](const auto& scheme) { return scheme->reply_topic() == topic; });
}

bool SchemeRequests::begin_work(const BackgroundJobs::Of& of, const mqtt::Publish& packet, mqtt::Version version, Now now) {
  if (!packet.topic.starts_with('$')) return false;
  Incoming incoming{packet.topic, packet.payload, now};
  for (std::size_t i = 0; i < its_.schemes.size(); ++i) {
    BrokerScheme& scheme = *its_.schemes[i];
    if (!scheme.takes(packet.topic) || !scheme.recognises(incoming)) continue;
    const bool tries = tries_a_secret(scheme, incoming);
    if (tries && its_.gate != nullptr && !its_.gate->may_try(LoginGate::Tested::secret, {}, of.address, now)) return false;
    auto work = is_taken(i, incoming) ? scheme.prepare(incoming) : nullptr;
    if (work == nullptr) return false;
    mqtt::Publish copy = packet;
    copy.properties.topic_alias.reset();
    Buffer bytes;
    mqtt::encode(copy, version, bytes);
    its_.jobs.begin(of, i, std::move(work), tries, std::move(bytes), now);
    return true;
  }
  return false;
}

Accepted SchemeRequests::take(Connection& connection, const Origin& origin, std::string_view address, const mqtt::Publish& packet,
                              BackgroundJobs::Finished* finished, Now now) {
  std::optional<LoginTry> attempt;
  if (finished != nullptr) attempt = std::move(finished->attempt);
  Preparation* const prepared = finished != nullptr ? finished->preparation.get() : nullptr;
  Incoming incoming{packet.topic, packet.payload};
  for (std::size_t i = 0; i < its_.schemes.size(); ++i) {
    BrokerScheme& scheme = *its_.schemes[i];
    if (!scheme.takes(packet.topic) || !scheme.recognises(incoming) || !is_taken(i, incoming)) continue;
    const bool tries = tries_a_secret(scheme, incoming);
    if (tries && !attempt)  // else it has begun when it was prepared
      attempt.emplace(its_.gate, LoginGate::Tested::secret, "", address, now);
    if (tries && !attempt->is_open()) {
      attempt.reset();
      connection.refuse({Refusal::limit_reached, Reason::quota_exceeded, "too many tries have failed"}, true);
      return {Reason::quota_exceeded};
    }
    auto taken = scheme.is_request(incoming) ? answer(connection, origin, packet, i, prepared, attempt, now)
                                             : take_hidden(connection, origin, packet, i, prepared, now);
    attempt.reset();
    if (taken) return *taken;
    bool tells = scheme.tells_refusals();
    connection.refuse(taken.error(), tells);
    return {tells ? taken.error().reason : Reason::success};
  }
  connection.refuse({Refusal::topic_not_allowed, Reason::not_authorized, "clients may not publish under $"}, true);
  return {Reason::not_authorized};
}

OrRefused<Accepted> SchemeRequests::take_hidden(Connection& connection, const Origin& origin, const mqtt::Publish& packet,
                                                std::size_t scheme, Preparation* prepared, Now now) {
  // Before it is opened: a scheme that has seen it would take the next try for a copy.
  if (packet.qos != QoS::at_most_once && !its_.memory.has_room())
    return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  auto opened = its_.schemes[scheme]->open({packet.topic, packet.payload}, its_.admission.scene(origin, scheme, prepared, now));
  if (!opened) return not_verified(opened.error());
  std::string_view topic = (*opened)->topic;
  if (!mqtt::is_topic_name(topic) || topic.starts_with('$') || mqtt::levels(topic) > its_.settings.maximum_levels)
    return refused(Refusal::topic_not_allowed, "hides what is not a topic for messages");
  const TopicRule* rule = its_.access.rule(topic);
  if (rule == nullptr || !rule->publish.contains(scheme))
    return refused(Refusal::topic_not_allowed, "no rule for the real topic");
  auto admitted = its_.admission.entitle(origin, *std::move(opened), scheme, packet.payload, packet.qos, now);
  if (!admitted) return tl::unexpected(admitted.error());
  return connection.pass_on(packet, *admitted);
}

OrRefused<Accepted> SchemeRequests::answer(Connection& connection, const Origin& origin, const mqtt::Publish& packet,
                                           std::size_t scheme, Preparation* prepared, std::optional<LoginTry>& attempt, Now now) {
  BrokerScheme& asker = *its_.schemes[scheme];
  auto read = asker.read_request({packet.topic, packet.payload}, its_.admission.scene(origin, scheme, prepared, now));
  if (!read) return not_verified(read.error());
  Asked asked = std::move(*read).release();
  OrRefused<std::monostate> granted;
  Subscription* subscribed = nullptr;
  if (asked.what == Asked::What::publishing) {
    granted = grant_publishing(connection, origin, scheme, asked, now);
  } else if (asked.what == Asked::What::subscription) {
    auto subscription = connection.subscribe(scheme, asked, packet.qos);
    if (subscription)
      subscribed = *subscription;
    else
      granted = tl::unexpected(subscription.error());
  } else {
    granted = its_.admission.judge_once(asked.mark, "a copy of a request", now);
  }
  if (!granted) return tl::unexpected(granted.error());
  if (!asked.reply.empty()) connection.send_frame(asker.reply_topic(), asked.reply);
  if (subscribed != nullptr) connection.is_subscribed(*subscribed);
  if (!asked.refusal && attempt) attempt->is(LoginGate::Outcome::succeeded);
  if (asked.refusal) {
    const bool is_theirs = asked.refusal->blame != Blame::environment;
    if (!is_theirs && attempt) attempt->is(LoginGate::Outcome::untried);
    connection.refuse(
        {is_theirs ? Refusal::verification_failed : Refusal::limit_reached, Reason::not_authorized, asked.refusal->what}, true);
  }
  return Accepted{Reason::success, true};
}

OrRefused<std::monostate> SchemeRequests::grant_publishing(Connection& connection, const Origin& origin, std::size_t scheme,
                                                           const Asked& asked, Now now) {
  if (asked.identity == nullptr) return refused(Refusal::author_not_listed, "who wants to publish is not on the list");
  if (asked.identity->status == Status::revoked) return refused(Refusal::author_revoked, asked.identity->name + " is revoked");
  if (!mqtt::is_topic_name(asked.topic) || its_.access.may_publish(asked.identity, scheme, asked.topic, origin.caller).empty())
    return refused(Refusal::topic_not_allowed, asked.identity->name + " may not publish here");
  if (auto judged = its_.admission.judge_once(asked.mark, "a copy of a request", now); !judged) return judged;
  connection.is_heard_of(asked.identity->name);
  return {};
}

}  // namespace sealmq::broker
