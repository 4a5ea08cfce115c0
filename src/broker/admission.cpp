// What may come in. Every message passes admit(): verified by a scheme, its author entitled, not seen before. The peer learns
// one answer for all of it; the journal learns the cause.
#include <algorithm>

#include "base/text.h"
#include "broker/core.h"
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

std::string logins_for(const SchemeInfo& scheme) {
  std::string names;
  for (const std::string_view name : scheme.needs_login) names.append(names.empty() ? "" : " or ").append(name);
  return names;
}

bool counts_as_failure(Refusal kind) {
  return kind == Refusal::verification_failed || kind == Refusal::container_malformed || kind == Refusal::author_not_listed ||
         kind == Refusal::author_revoked || kind == Refusal::replay;
}

}  // namespace

tl::unexpected<Refused> refused(Refusal kind, std::string cause, Reason reason) {
  return tl::unexpected(Refused{kind, reason, std::move(cause)});
}

tl::unexpected<Refused> not_verified(const Error& error) {
  bool malformed = error.code == static_cast<std::uint8_t>(Reason::payload_format_invalid);
  return malformed ? refused(Refusal::container_malformed, error.what, Reason::payload_format_invalid)
                   : refused(Refusal::verification_failed, error.what);
}

void Core::hear(Session& session, const std::string& name) {
  if (session.speakers.add(name)) save(session);
}

void Core::refuse(Link& link, const Refused& why, Now now, bool may_disconnect) {
  ports.journal.refused(why.kind, link.label(), why.cause, now);
  if (link.ended || !may_disconnect || !counts_as_failure(why.kind)) return;
  if (now.steady - link.failures_since > 60'000) {
    link.failures_since = now.steady;
    link.failures = 0;
  }
  if (++link.failures < settings.failures_until_disconnect) return;
  ports.journal.refused(Refusal::too_many_failures, link.label(), "disconnected", now);
  link.connection.disconnect(Reason::not_authorized);
  tell_writable(link);
  end(link, Ending::refused_too_often, true, now);
}

Admission<std::monostate> Core::judge_replay(const std::optional<ReplayMark>& mark, bool& repeat, Now now, Keeping keeping) {
  repeat = false;
  if (!mark) return {};
  auto judged = ports.replays.judge(*mark, now, keeping);
  if (!judged) return refused(Refusal::limit_reached, judged.error().what, Reason::implementation_specific_error);
  if (*judged == Replay::stale) return refused(Refusal::replay, "its sequence number is used up");
  repeat = *judged == Replay::repeat;
  return {};
}

Admission<std::monostate> Core::judge_once(const std::optional<ReplayMark>& mark, const char* cause, Now now) {
  bool repeat = false;
  auto judged = judge_replay(mark, repeat, now);
  if (judged && repeat) return refused(Refusal::replay, cause);
  return judged;
}

Admission<Core::Admitted> Core::admit(Link& link, std::string_view topic, Bytes payload, mqtt::QoS qos, Now now) {
  const TopicRule* rule = access.rule(topic);
  if (rule == nullptr) return refused(Refusal::topic_not_allowed, "no rule for this topic");
  Incoming incoming{topic, payload};
  std::optional<Refused> malformed;
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    if (is_of_login_[i] && link.proved_by != i) continue;
    if (!rule->publish.contains(i) || !ports.schemes[i]->recognises(incoming)) continue;
    auto opened = ports.schemes[i]->open(incoming, scene(link, i, nullptr, now));
    if (!opened) {
      Refused why = not_verified(opened.error()).value();
      if (why.kind != Refusal::container_malformed) return tl::unexpected(std::move(why));
      // It only began like a container. Where the topic allows other forms too (any bytes are plain MQTT), it may be one of them.
      if (!malformed) malformed = std::move(why);
      continue;
    }
    if ((*opened)->topic != topic) return refused(Refusal::verification_failed, "says that it is for another topic");
    return entitle(link, *std::move(opened), i, payload, qos, now);
  }
  if (malformed) return tl::unexpected(*std::move(malformed));
  return refused(Refusal::topic_not_allowed, form_of(incoming) + " message refused: topic " + printable(topic) + " accepts " +
                                                 (accepted(*rule).empty() ? "none" : accepted(*rule)));
}

/// Of a message that nobody has verified: the scheme whose form it has.
std::string Core::form_of(const Incoming& incoming) const {
  for (std::size_t i = 0; i < ports.schemes.size(); ++i)
    if (!is_of_login_[i] && ports.schemes[i]->recognises(incoming)) return std::string(ports.schemes[i]->info().name);
  return "a";
}

std::string Core::accepted(const TopicRule& rule) const {
  std::string names;
  for (std::size_t i = 0; i < ports.schemes.size(); ++i)
    if (rule.publish.contains(i)) names.append(names.empty() ? "" : ", ").append(ports.schemes[i]->info().name);
  return names;
}

Admission<Core::Admitted> Core::entitle(Link& link, BrokerScheme::Checked<Opened> opened, std::size_t scheme, Bytes wire,
                                        mqtt::QoS qos, Now now) {
  const Opened& o = *opened;
  const Identity* author = o.author;
  if (is_restricted_[scheme]) {
    const BrokerScheme& its = *ports.schemes[scheme];
    if (!access.is_for(scheme, link.proved))
      return refused(Refusal::topic_not_allowed, "this scheme is for who has logged in by " + logins_for(its.info()));
    if (its.info().names_ends && !its.may_send(link.identity, o.topic))
      return refused(Refusal::topic_not_allowed, "the topic names another sender");
  }
  if (!o.names_author && !link.identity.empty()) author = access.directory().find(link.identity);
  if (o.names_author || !link.identity.empty()) {
    if (author == nullptr) return refused(Refusal::author_not_listed, "its author is not on the list");
    if (author->status == Status::revoked) return refused(Refusal::author_revoked, author->name + " is revoked");
  }
  const QosSet may = access.may_publish(author, scheme, o.topic, link.caller(now));
  if (!may.contains(qos)) {
    tell_misuse(o, scheme, wire, may.empty() ? "publishes where it may not" : "publishes with a QoS that it may not use", now);
    return refused(Refusal::topic_not_allowed, (author != nullptr ? author->name : std::string("whoever this is")) +
                                                   " may not publish here" +
                                                   (may.empty() ? "" : " with QoS " + std::to_string(static_cast<int>(qos))));
  }
  if (auto judged = judge_once(o.key_mark, "by a key that was used before", now); !judged) return tl::unexpected(judged.error());
  bool repeat = false;
  const auto keeping = settings.durable && qos != mqtt::QoS::at_most_once && !o.repeat ? Keeping::later : Keeping::at_once;
  if (auto judged = judge_replay(o.mark, repeat, now, keeping); !judged) return tl::unexpected(judged.error());
  const auto unkept = keeping == Keeping::later && !repeat ? o.mark : std::nullopt;
  repeat = repeat || o.repeat;
  if (author != nullptr && !repeat && link.session != nullptr) hear(*link.session, author->name);
  return Admitted{std::move(opened), author, scheme, repeat, unkept};
}

/// Not of who is revoked: the authority knows of it.
void Core::tell_misuse(const Opened& opened, std::size_t scheme, Bytes wire, std::string_view what, Now now) {
  if (ports.misuse == nullptr || !opened.names_author || opened.author == nullptr) return;
  ports.misuse->saw(opened.author->name, what, now, [&] {
    return ports.schemes[scheme]->evidence(opened, opened.carried.empty() ? wire : Bytes(opened.carried));
  });
}

/// What was admitted, as the core passes it on.
static MessageView view_of(const Core::Admitted& admitted, Bytes payload, mqtt::QoS qos, bool retain,
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

Core::Accepted Core::accept(Link& link, const mqtt::Publish& packet, Preparation* prepared, Now now) {
  if (packet.topic.starts_with('$')) return take_reserved(link, packet, prepared, now);
  if (mqtt::levels(packet.topic) > settings.maximum_levels) {
    refuse(link, {Refusal::limit_reached, Reason::topic_name_invalid, "too many topic levels"}, now);
    return {Reason::topic_name_invalid};
  }
  // Before it is opened: a scheme that has seen it would take the next try for a replay.
  if (const char* cause = lacks_room_for(packet)) {
    refuse(link, {Refusal::limit_reached, Reason::quota_exceeded, cause}, now);
    return {Reason::quota_exceeded};
  }
  if (is_guarded(packet.topic)) return take_guarded(link, packet, now);
  auto admitted = admit(link, packet.topic, packet.payload, packet.qos, now);
  if (!admitted) {
    refuse(link, admitted.error(), now);
    return {admitted.error().reason};
  }
  return pass_on(link, packet, *admitted, now);
}

Core::Accepted Core::pass_on(Link& link, const mqtt::Publish& packet, const Admitted& admitted, Now now) {
  if (admitted.repeat) {  // acknowledged again, not forwarded again: a client's DUP, or somebody's replay
    ports.journal.refused(Refusal::replay, link.label(), "an exact copy", now);
    return {Reason::success, true};  // what the first one brought may not be stored yet
  }
  ++counters.published;
  ++counters.published_by_qos[static_cast<std::size_t>(packet.qos)];
  counters.published_bytes += packet.payload.size();
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
  if (retain) view.stamp = next_stamp(now);
  if (packet.properties.message_expiry_interval)
    view.expires = now.steady + std::uint64_t{1000} * *packet.properties.message_expiry_interval;
  std::size_t before = changes.size();
  const bool is_wanted = publish(view, now);
  const bool relies = changes.size() != before;
  if (admitted.unkept && !keep_mark(*admitted.unkept, relies, now)) {
    refuse(link, {Refusal::limit_reached, Reason::implementation_specific_error, "its mark cannot be kept"}, now);
    return {Reason::implementation_specific_error};
  }
  // Whoever reads acknowledgements on the way is told nothing of a topic that was hidden.
  const bool tells = !is_wanted && packet.qos != mqtt::QoS::at_most_once && !packet.topic.starts_with('$') &&
                     !may_be_wanted_elsewhere(view.topic);
  return {tells ? Reason::no_matching_subscribers : Reason::success, relies};
}

PendingWill Core::keep_will(const Link& link, std::string_view client_id, MessageView view, const mqtt::Will& will) {
  const std::string publisher = session_name(link.identity, client_id);
  view.publisher = publisher;
  const Number number = settings.durable ? next_number() : 0;
  return {std::make_shared<const Message>(view, number, ports.budget), will.properties.will_delay_interval.value_or(0)};
}

Admission<PendingWill> Core::admit_will(Link& link, std::string_view client_id, const mqtt::Will& will, Now now) {
  const bool is_its_state = is_state(client_id, will.topic, will.payload);
  if ((will.topic.starts_with('$') && !is_its_state) || is_guarded(will.topic) ||
      mqtt::levels(will.topic) > settings.maximum_levels)
    return refused(Refusal::topic_not_allowed, "a Will to this topic", Reason::topic_name_invalid);
  if (!has_room_to_wait()) return refused(Refusal::limit_reached, "memory is short", Reason::quota_exceeded);
  if (is_its_state) {
    MessageView view = plain_view(will.topic, will.payload);
    view.qos = will.qos;
    view.retain = will.retain;
    return keep_will(link, client_id, view, will);
  }
  auto admitted = admit(link, will.topic, will.payload, will.qos, now);
  if (!admitted) return tl::unexpected(admitted.error());
  if (admitted->repeat) return refused(Refusal::replay, "the Will is a copy");
  if (admitted->unkept && !keep_mark(*admitted->unkept, false, now))
    return refused(Refusal::limit_reached, "its mark cannot be kept", Reason::implementation_specific_error);
  mqtt::Properties properties = will.properties;
  std::erase_if(properties.user, bears_evidence);
  bool has_any = travels(properties) || properties.message_expiry_interval;
  MessageView view = view_of(*admitted, will.payload, will.qos, will.retain, has_any ? &properties : nullptr);
  view.login = login_of(link, view.author);
  return keep_will(link, client_id, view, will);
}

}  // namespace sealmq::broker
