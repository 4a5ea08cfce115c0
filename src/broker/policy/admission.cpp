#include "broker/policy/admission.h"

#include <algorithm>

#include "base/text.h"
#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::Reason;

tl::unexpected<Refused> not_verified(const Error& error) {
  bool malformed = error.code == static_cast<std::uint8_t>(Reason::payload_format_invalid);
  return malformed ? refused(Refusal::container_malformed, error.what, Reason::payload_format_invalid)
                   : refused(Refusal::verification_failed, error.what);
}

namespace {

std::string logins_for(const SchemeInfo& scheme) {
  std::string names;
  for (const std::string_view name : scheme.needs_login) names.append(names.empty() ? "" : " or ").append(name);
  return names;
}

}  // namespace

OrRefused<std::monostate> Admission::judge_replay(const std::optional<ReplayMark>& mark, bool& repeat, Now now, Keeping keeping) {
  repeat = false;
  if (!mark) return {};
  auto judged = replays_.judge(*mark, now, keeping);
  if (!judged) return refused(Refusal::limit_reached, judged.error().what, Reason::implementation_specific_error);
  if (*judged == Replay::stale) return refused(Refusal::replay, "its sequence number is used up");
  repeat = *judged == Replay::repeat;
  return {};
}

OrRefused<std::monostate> Admission::judge_once(const std::optional<ReplayMark>& mark, const char* cause, Now now) {
  bool repeat = false;
  auto judged = judge_replay(mark, repeat, now);
  if (judged && repeat) return refused(Refusal::replay, cause);
  return judged;
}

OrRefused<Admission::Admitted> Admission::admit(const Origin& origin, std::string_view topic, Bytes payload, mqtt::QoS qos,
                                                Now now) {
  const TopicRule* rule = access_.rule(topic);
  if (rule == nullptr) return refused(Refusal::topic_not_allowed, "no rule for this topic");
  Incoming incoming{topic, payload};
  std::optional<Refused> malformed;
  for (std::size_t i = rule->publish.next(0); i < schemes_.size(); i = rule->publish.next(i + 1)) {
    if (access_.is_of_login(i) && origin.proved_by != i) continue;
    if (!schemes_[i]->recognises(incoming)) continue;
    auto opened = schemes_[i]->open(incoming, scene(origin, i, nullptr, now));
    if (!opened) {
      Refused why = not_verified(opened.error()).value();
      if (why.kind != Refusal::container_malformed) return tl::unexpected(std::move(why));
      // It only began like a container. Where the topic allows other forms too (any bytes are plain MQTT), it may be one of them.
      if (!malformed) malformed = std::move(why);
      continue;
    }
    if ((*opened)->topic != topic) return refused(Refusal::verification_failed, "says that it is for another topic");
    return entitle(origin, *std::move(opened), i, payload, qos, now);
  }
  if (malformed) return tl::unexpected(*std::move(malformed));
  return refused(Refusal::topic_not_allowed, form_of(incoming) + " message refused: topic " + printable(topic) + " accepts " +
                                                 (accepted(*rule).empty() ? "none" : accepted(*rule)));
}

/// Of a message that nobody has verified: the scheme whose form it has.
std::string Admission::form_of(const Incoming& incoming) const {
  for (std::size_t i = 0; i < schemes_.size(); ++i)
    if (!access_.is_of_login(i) && schemes_[i]->recognises(incoming)) return std::string(schemes_[i]->info().name);
  return "a";
}

std::string Admission::accepted(const TopicRule& rule) const {
  std::string names;
  for (std::size_t i = 0; i < schemes_.size(); ++i)
    if (rule.publish.contains(i)) names.append(names.empty() ? "" : ", ").append(schemes_[i]->info().name);
  return names;
}

OrRefused<Admission::Admitted> Admission::entitle(const Origin& origin, BrokerScheme::Checked<Opened> opened, std::size_t scheme,
                                                  Bytes wire, mqtt::QoS qos, Now now) {
  const Opened& o = *opened;
  const Identity* author = o.author;
  if (access_.is_restricted(scheme)) {
    const BrokerScheme& its = *schemes_[scheme];
    if (!access_.is_for(scheme, origin.caller.proved))
      return refused(Refusal::topic_not_allowed, "this scheme is for who has logged in by " + logins_for(its.info()));
    if (its.info().names_ends && !its.may_send(origin.caller.names.identity, o.topic))
      return refused(Refusal::topic_not_allowed, "the topic names another sender");
  }
  if (!o.names_author && !origin.caller.names.identity.empty()) author = access_.directory().find(origin.caller.names.identity);
  if (o.names_author || !origin.caller.names.identity.empty()) {
    if (author == nullptr) return refused(Refusal::author_not_listed, "its author is not on the list");
    if (author->status == Status::revoked) return refused(Refusal::author_revoked, author->name + " is revoked");
  }
  const QosSet may = access_.may_publish(author, scheme, o.topic, origin.caller);
  if (!may.contains(qos)) {
    tell_misuse(o, scheme, wire, may.empty() ? "publishes where it may not" : "publishes with a QoS that it may not use", now);
    return refused(Refusal::topic_not_allowed, (author != nullptr ? author->name : std::string("whoever this is")) +
                                                   " may not publish here" +
                                                   (may.empty() ? "" : " with QoS " + std::to_string(static_cast<int>(qos))));
  }
  if (auto judged = judge_once(o.key_mark, "by a key that was used before", now); !judged) return tl::unexpected(judged.error());
  bool repeat = false;
  const auto keeping = settings_.durable && qos != mqtt::QoS::at_most_once && !o.repeat ? Keeping::later : Keeping::at_once;
  if (auto judged = judge_replay(o.mark, repeat, now, keeping); !judged) return tl::unexpected(judged.error());
  const auto unkept = keeping == Keeping::later && !repeat ? o.mark : std::nullopt;
  repeat = repeat || o.repeat;
  return Admitted{std::move(opened), author, scheme, repeat, unkept};
}

/// Not of who is revoked: the authority knows of it.
void Admission::tell_misuse(const Opened& opened, std::size_t scheme, Bytes wire, std::string_view what, Now now) {
  if (misuse_ == nullptr || !opened.names_author || opened.author == nullptr) return;
  misuse_->saw(opened.author->name, what, now,
               [&] { return schemes_[scheme]->evidence(opened, opened.carried.empty() ? wire : Bytes(opened.carried)); });
}

}  // namespace sealmq::broker
