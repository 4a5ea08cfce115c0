#include "broker/routing/publishing.h"

#include <algorithm>

#include "broker/connections/link.h"
#include "broker/evidence.h"
#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;

bool travels(const mqtt::Properties& p) {
  return p.payload_format_indicator || p.content_type || p.response_topic || p.correlation_data || !p.user.empty();
}

bool bears_evidence(const mqtt::UserProperty& property) {
  return is_evidence(property.name);
}

}  // namespace

void Publishing::hear(Session& session, const std::string& name) {
  if (session.speakers.add(name)) its_.durability.save(session);
}

/// What was admitted, as the core passes it on.
static MessageView view_of(const Admission::Admitted& admitted, Bytes payload, mqtt::QoS qos, bool retain,
                           const mqtt::Properties* properties) {
  const Opened& opened = *admitted.opened;
  return {.topic = opened.topic,
          .payload = opened.payload,
          .wire = opened.carried.empty() ? payload : opened.carried,
          .qos = qos,
          .retain = retain,
          .scheme = static_cast<std::uint8_t>(admitted.scheme),
          .author = admitted.author != nullptr ? std::string_view(admitted.author->name) : std::string_view{},
          .properties = properties};
}

/// Whoever signs its messages may send them on a connection of somebody else, whose login tells nothing of it.
static LoginMark login_of(const Link& link, std::string_view author) {
  return author == link.identity ? link.proved.last : LoginMark();
}

static constexpr const char* short_of_memory = "memory is short";

const char* Publishing::lacks_room_for(const mqtt::Publish& packet) const {
  if (packet.retain && packet.payload.empty() && its_.retained.holds(packet.topic)) return nullptr;  // it makes room
  return packet.qos != mqtt::QoS::at_most_once && !its_.memory.has_room() ? short_of_memory : nullptr;
}

const char* Publishing::lacks_room_to_retain(const Link& link, const mqtt::Publish& packet) const {
  if (packet.payload.empty()) return nullptr;  // to erase, there is always room
  const std::size_t size = Message::size_of(packet.topic, packet.payload, packet.properties);
  if (!its_.retained.has_room(packet.topic, size, link.party()))
    return "too many retained messages; it is delivered and not kept";
  if (!its_.memory.has_room_to_wait() && !its_.retained.replaces(packet.topic, size)) return short_of_memory;
  return nullptr;
}

/// What a scheme's request may be given of its connection.
class Publishing::Requester final : public SchemeRequests::Connection {
 public:
  Requester(Publishing& publishing, Link& link, Now now) : publishing_(publishing), link_(link), now_(now) {}
  Accepted pass_on(const mqtt::Publish& packet, const Admission::Admitted& admitted) override {
    return publishing_.pass_on(link_, packet, admitted, now_);
  }
  OrRefused<Subscription*> subscribe(std::size_t scheme, Asked& asked, mqtt::QoS qos) override {
    return its().grants.subscribe(link_.subscriber(now_), scheme, asked, qos, now_);
  }
  void is_subscribed(Subscription& subscription) override {
    if (subscription.share == nullptr) its().deliveries.owe_retained(subscription, now_);
  }
  void is_heard_of(const std::string& identity) override { publishing_.hear(*link_.session, identity); }
  void send_frame(std::string_view topic, Bytes frame) override { its().connections.send_frame(link_.id, topic, frame); }
  void refuse(const Refused& why, bool may_disconnect) override { its().connections.refuse(link_, why, now_, may_disconnect); }

 private:
  const Neighbours& its() const { return publishing_.its_; }

  Publishing& publishing_;
  Link& link_;
  const Now now_;
};

bool Publishing::is_state(std::string_view client_id, std::string_view topic, Bytes payload) {
  constexpr std::string_view before = "$SYS/broker/connection/", after = "/state";
  return topic.size() == before.size() + client_id.size() + after.size() && topic.starts_with(before) && topic.ends_with(after) &&
         topic.substr(before.size(), client_id.size()) == client_id && (as_text(payload) == "0" || as_text(payload) == "1");
}

bool Publishing::passes_on_state(std::string_view topic) const {
  const TopicRule* rule = its_.access.rule(topic);
  return rule != nullptr && rule->publish.contains(its_.schemes.size() - 1);  // plain stands last
}

Accepted Publishing::take_state(Link& link, const mqtt::Publish& packet, Now now) {
  if (!passes_on_state(packet.topic)) return {Reason::success};
  if (const char* cause = lacks_room_for(packet)) {
    refuse(link, {Refusal::limit_reached, Reason::quota_exceeded, cause}, now);
    return {Reason::quota_exceeded};
  }
  return publish_plain(link, packet, now);
}

/// Its bytes say who they are of: whoever brings them may be anybody.
Accepted Publishing::take_guarded(Link& link, const mqtt::Publish& packet, Now now) {
  const auto judged = its_.guard->judge(packet.topic, packet.payload, packet.retain, its_.access.directory());
  const char* cause = judged && packet.retain ? lacks_room_to_retain(link, packet) : nullptr;
  if (judged && cause == nullptr) return publish_plain(link, packet, now);
  const Refused why = judged ? Refused{Refusal::limit_reached, Reason::quota_exceeded, cause}
                             : Refused{Refusal::verification_failed, Reason::not_authorized, judged.error().what};
  refuse(link, why, now);
  return {why.reason};
}

Accepted Publishing::publish_plain(Link& link, const mqtt::Publish& packet, Now now) {
  MessageView view = its_.router.plain_view(packet.topic, packet.payload);
  view.qos = packet.qos;
  view.retain = packet.retain;
  view.publisher = link.session->name;
  view.party = link.party();
  if (view.retain) view.stamp = its_.router.next_stamp(now);
  const std::size_t before = its_.durability.collected();
  its_.router.publish(view, now);
  return {Reason::success, its_.durability.collected() != before};
}

Accepted Publishing::accept(Link& link, const mqtt::Publish& packet, BackgroundJobs::Finished* finished, Now now) {
  if (packet.topic.starts_with('$')) {
    if (is_state(link.session->client_id, packet.topic, packet.payload)) return take_state(link, packet, now);
    Requester requester(*this, link, now);
    return its_.scheme_requests.take(requester, link.origin(now), link.peer.address, packet, finished, now);
  }
  if (mqtt::levels(packet.topic) > its_.settings.maximum_levels) {
    refuse(link, {Refusal::limit_reached, Reason::topic_name_invalid, "too many topic levels"}, now);
    return {Reason::topic_name_invalid};
  }
  // Before it is opened: a scheme that has seen it would take the next try for a replay.
  if (const char* cause = lacks_room_for(packet)) {
    refuse(link, {Refusal::limit_reached, Reason::quota_exceeded, cause}, now);
    return {Reason::quota_exceeded};
  }
  if (is_guarded(packet.topic)) return take_guarded(link, packet, now);
  auto admitted = its_.admission.admit(link.origin(now), packet.topic, packet.payload, packet.qos, now);
  if (!admitted) {
    refuse(link, admitted.error(), now);
    return {admitted.error().reason};
  }
  return pass_on(link, packet, *admitted, now);
}

Accepted Publishing::pass_on(Link& link, const mqtt::Publish& packet, const Admission::Admitted& admitted, Now now) {
  if (admitted.repeat) {  // acknowledged again, not forwarded again: a client's DUP, or somebody's replay
    its_.journal.refused(Refusal::replay, link.label(), "an exact copy", now);
    return {Reason::success, true};  // what the first one brought may not be stored yet
  }
  if (admitted.author != nullptr) hear(*link.session, admitted.author->name);
  ++its_.counters.published;
  ++its_.counters.published_by_qos[static_cast<std::size_t>(packet.qos)];
  its_.counters.published_bytes += packet.payload.size();
  std::optional<mqtt::Properties> without_evidence;
  const mqtt::Properties* properties = travels(packet.properties) ? &packet.properties : nullptr;
  if (std::ranges::any_of(packet.properties.user, bears_evidence)) {
    without_evidence = packet.properties;
    std::erase_if(without_evidence->user, bears_evidence);
    properties = &*without_evidence;
  }
  // A message whose topic was hidden is not kept where anybody might ask for it.
  bool retain = packet.retain && !packet.topic.starts_with('$');
  if (const char* cause = retain ? lacks_room_to_retain(link, packet) : nullptr) {
    refuse(link, {Refusal::limit_reached, Reason::quota_exceeded, cause}, now);
    retain = false;
  }
  MessageView view = view_of(admitted, packet.payload, packet.qos, retain, properties);
  view.login = login_of(link, view.author);
  view.publisher = link.session->name;
  view.party = link.party();
  if (retain) view.stamp = its_.router.next_stamp(now);
  if (packet.properties.message_expiry_interval)
    view.expires = now.steady + std::uint64_t{1000} * *packet.properties.message_expiry_interval;
  std::size_t before = its_.durability.collected();
  const bool is_wanted = its_.router.publish(view, now);
  const bool relies = its_.durability.collected() != before;
  if (admitted.unkept && !its_.durability.keep_mark(*admitted.unkept, relies, now)) {
    refuse(link, {Refusal::limit_reached, Reason::implementation_specific_error, "its mark cannot be kept"}, now);
    return {Reason::implementation_specific_error};
  }
  // Whoever reads acknowledgements on the way is told nothing of a topic that was hidden.
  const bool tells = !is_wanted && packet.qos != mqtt::QoS::at_most_once && !packet.topic.starts_with('$') &&
                     !its_.router.may_be_wanted_elsewhere(view.topic);
  return {tells ? Reason::no_matching_subscribers : Reason::success, relies};
}

PendingWill Publishing::keep_will(const Link& link, std::string_view client_id, MessageView view, const mqtt::Will& will) {
  const std::string publisher = session_name(link.identity, client_id);
  view.publisher = publisher;
  const Number number = its_.settings.durable ? its_.durability.next_number() : 0;
  return {std::make_shared<const Message>(view, number, its_.budget), will.properties.will_delay_interval.value_or(0)};
}

OrRefused<PendingWill> Publishing::admit_will(Link& link, std::string_view client_id, const mqtt::Will& will, Now now) {
  const bool is_its_state = is_state(client_id, will.topic, will.payload);
  if ((will.topic.starts_with('$') && !is_its_state) || is_guarded(will.topic) ||
      mqtt::levels(will.topic) > its_.settings.maximum_levels)
    return refused(Refusal::topic_not_allowed, "a Will to this topic", Reason::topic_name_invalid);
  if (!its_.memory.has_room_to_wait()) return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  if (is_its_state) {
    MessageView view = its_.router.plain_view(will.topic, will.payload);
    view.qos = will.qos;
    view.retain = will.retain;
    return keep_will(link, client_id, view, will);
  }
  auto admitted = its_.admission.admit(link.origin(now), will.topic, will.payload, will.qos, now);
  if (!admitted) return tl::unexpected(admitted.error());
  if (admitted->repeat) return refused(Refusal::replay, "the Will is a copy");
  if (admitted->unkept && !its_.durability.keep_mark(*admitted->unkept, false, now))
    return refused(Refusal::limit_reached, "its mark cannot be kept", Reason::implementation_specific_error);
  mqtt::Properties properties = will.properties;
  std::erase_if(properties.user, bears_evidence);
  bool has_any = travels(properties) || properties.message_expiry_interval;
  MessageView view = view_of(*admitted, will.payload, will.qos, will.retain, has_any ? &properties : nullptr);
  view.login = login_of(link, view.author);
  return keep_will(link, client_id, view, will);
}

void Publishing::publish_will(const std::shared_ptr<const Message>& will, Now now) {
  MessageView view = will->view();
  if (view.topic.starts_with('$') && !passes_on_state(view.topic)) return;
  if (!its_.access.may_still_publish(view.author, view.scheme, view.topic, view.qos)) return drop(Drop::not_entitled);
  // There is nobody left to be told: it is delivered to those who are there.
  view.party = view.author;
  if (view.retain && !its_.retained.has_room(view.topic, will->size(), view.party)) view.retain = false;
  if (view.retain) view.stamp = its_.router.next_stamp(now);
  if (view.properties != nullptr && view.properties->message_expiry_interval)  // MQTT 5 section 3.1.3.2.4: its life begins now
    view.expires = now.steady + std::uint64_t{1000} * *view.properties->message_expiry_interval;
  its_.router.publish(view, now);
}

}  // namespace sealmq::broker
