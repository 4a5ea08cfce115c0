// The device's and the application's part of SL3 as published: nothing is answered, so a session counts from the frame that makes
// it.
#include <map>

#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/malina/frame.h"
#include "schemes/malina/pinned.h"
#include "schemes/malina/revocation.h"
#include "schemes/malina/seen.h"
#include "schemes/sl3/asking.h"
#include "schemes/sl3/group.h"
#include "schemes/sl3/sl3.h"

namespace sealmq::sl3 {
namespace {

using malina::begins;

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

class ClientSide : public ClientScheme {
 public:
  ClientSide(KeyStore& key, BrokerIdentity broker, std::vector<PublicIdentity> peers, Random& random, bool keeps_evidence)
      : key_(key), broker_(std::move(broker)), pinned_(std::move(peers)), random_(random), keeps_evidence_(keeps_evidence) {}

  const SchemeInfo& info() const override { return paper_info; }
  std::vector<Inbox> inboxes() const override { return {Inbox{std::string(inbox_topic)}}; }
  std::string_view wire_topic() const override { return publish_topic; }

  void connected(Now) override {
    publishing_.reset();
    for (auto& [filter, subscription] : subscriptions_) subscription = Subscription{.was_granted = subscription.was_granted};
  }

  // The first message of a session makes it.
  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    if (publishing_ && !publishing_->must_be_renewed(now)) return publishing_->protect(topic, payload, key_, random_, now);
    auto made = TRY(paper::ClientSession::publish(topic, payload, key_, broker_, random_, now));
    publishing_.emplace(std::move(made.session));
    return std::move(made.frame);
  }

  Result<> subscribe(std::string_view topic, Now) override {
    if (!mqtt::is_topic_name(topic) || topic.starts_with('$'))
      return fail(Blame::caller_misused, "as published this scheme subscribes to one topic at a time, without wildcards");
    auto [at, is_new] = subscriptions_.try_emplace(std::string(topic));
    if (!is_new) at->second.must_ask = true;
    return {};
  }
  void unsubscribe(std::string_view topic) override {
    auto at = subscriptions_.find(topic);
    if (at != subscriptions_.end()) subscriptions_.erase(at);
  }

  Result<std::optional<Request>> next_request(Now now) override {
    for (auto& [topic, its] : subscriptions_) {
      const bool needs = !its.session || its.must_ask || its.session->must_be_renewed(now);
      if (!needs || !its.asking.may_ask(now)) continue;
      auto made = TRY(paper::ClientSession::subscribe(topic, key_, broker_, random_, now));
      its.previous = std::exchange(its.session, std::move(made.session));
      if (!its.member) its.member.emplace(*its.session);
      its.must_ask = false;
      its.asking.asked(now);
      its.asking.answered(now);
      return Request{std::string(subscribe_topic), std::move(made.frame), topic};
    }
    return std::nullopt;
  }

  void request_refused(const Request& request) override {
    auto at = subscriptions_.find(request.filter);
    if (at == subscriptions_.end()) return;
    if (!at->second.was_granted) {
      subscriptions_.erase(at);  // its subscriber is told
    } else {
      at->second.session.reset();
      at->second.asking.refused();
    }
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (message.topic != inbox_topic) return refused("not on the topic for this connection");
    Bytes frame = message.payload;
    if (begins(frame, "SL3_4")) return take_message(frame, now);
    if (begins(frame, "SL3_5")) return take_group_key(frame, now);
    if (begins(frame, "SL3_6")) return take_group_message(frame, now);
    return refused("not a frame of this scheme");
  }

 private:
  struct Subscription {
    Asking asking{};
    std::optional<paper::ClientSession> session{};
    std::optional<paper::ClientSession> previous{};
    std::optional<paper::GroupMember> member{};
    bool must_ask = false;
    bool was_granted = false;
  };

  // These frames do not say whose they are.
  template <class Use>
  bool try_sessions(Use use) {
    for (auto& [topic, its] : subscriptions_)
      for (auto* session : {&its.session, &its.previous})
        if (*session && use(its, **session)) {
          its.was_granted = true;
          return true;
        }
    return false;
  }

  Result<Checked<Received>> take_message(Bytes frame, Now now) {
    std::optional<paper::TakenMessage> taken;
    bool opens = try_sessions([&](Subscription&, paper::ClientSession& session) {
      auto opened = session.open(frame, keys_, now);
      if (opened) taken = std::move(*opened).release();
      return opened.has_value();
    });
    if (!opens) return refused("sealed for none of this client's sessions, or its signature or topic is wrong");
    return accept(*taken, "signature, topic, time; sealed for this subscription", now);
  }

  Result<Checked<Received>> take_group_key(Bytes frame, Now now) {
    bool opens = try_sessions(
        [&](Subscription& its, paper::ClientSession& session) { return its.member->take_key(frame, session, now).has_value(); });
    if (!opens) return refused("a group's key for none of this client's sessions, or of an old epoch");
    return verified(Received{.what = Received::What::own});
  }

  Result<Checked<Received>> take_group_message(Bytes bytes, Now now) {
    auto frame = TRY(paper::decode_group_frame(bytes));
    for (auto& [topic, its] : subscriptions_) {
      if (!its.member || !its.member->keys().knows(frame.group)) continue;
      auto opened = TRY(its.member->open(bytes, keys_, now));
      if (auto* message = std::get_if<Verified<paper::TakenMessage, paper::GroupMember>>(&opened))
        return accept(**message, "signature, topic, time; sealed for a group", now);
      its.must_ask = true;
    }
    for (auto& [topic, its] : subscriptions_)  // a group that is not known yet: one whose key did not come
      if (its.member && its.member->keys().is_empty()) its.must_ask = true;
    return refused("sealed under a group's key that is not here");
  }

  Result<Checked<Received>> accept(const paper::TakenMessage& taken, const char* checked, Now now) {
    const auto& message = taken.message;
    if (!pinned_.accepts(message.id)) return refused("signed by a key that is not in --from");
    Received received;
    received.repeat = seen_.has(taken.mark.digest);
    if (!received.repeat) {
      if (!malina::is_fresh(message.time, now)) return refused("its time is outside the window");
      seen_.put(taken.mark.digest, now);
    }
    received.topic = message.topic;
    received.payload = to_buffer(message.message);
    received.author = pinned_.name_of(message.id);
    received.checked = checked;
    if (keeps_evidence_)
      received.evidence = malina::encode_paper_evidence(
          {malina::Level::sl3, message.topic, message.message, message.time, message.signature, message.id, {}});
    return verified(std::move(received));
  }

  KeyStore& key_;
  BrokerIdentity broker_;
  malina::Pinned pinned_;
  Random& random_;
  const bool keeps_evidence_;
  malina::KnownKeys keys_;
  malina::Seen seen_;
  std::optional<paper::ClientSession> publishing_;
  std::map<std::string, Subscription, std::less<>> subscriptions_;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports) {
  if (!ports.broker)
    return fail(Blame::caller_misused, "this scheme needs the broker's public keys; name broker.pub with --broker-key");
  if (ports.key == nullptr) return fail(Blame::caller_misused, "this scheme needs a private key; name one with --key");
  return std::make_unique<ClientSide>(*ports.key, *std::move(ports.broker), std::move(ports.peers), ports.random,
                                      ports.keeps_evidence);
}

}  // namespace sealmq::sl3
