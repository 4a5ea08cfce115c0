// The device's and the application's part of SL3: one session to publish with, one for each subscribed filter, asked for again on
// each connection and before they end.
#include <algorithm>
#include <map>

#include "base/keyed_hash.h"
#include "base/try.h"
#include "crypto/replay_window.h"
#include "mqtt/topic.h"
#include "schemes/malina/author_memory.h"
#include "schemes/malina/frame.h"
#include "schemes/malina/pinned.h"
#include "schemes/malina/revocation.h"
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

  const SchemeInfo& info() const override { return hardened_info; }
  std::vector<Inbox> inboxes() const override { return {Inbox{std::string(inbox_topic)}}; }
  std::string_view wire_topic() const override { return publish_topic; }
  bool confirms() const override { return true; }

  void connected(Now) override {
    publishing_ = {};
    for (auto& [filter, subscription] : subscriptions_) subscription = Subscription{.was_granted = subscription.was_granted};
  }

  // -- publishing

  bool may_publish(std::string_view topic, Now now) override {
    if (publishing_.session && publishing_.session->is_over(now)) publishing_.session.reset();
    if (publishing_.session) return true;
    publishing_.asking.want(topic, now);
    return false;
  }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    if (!publishing_.session) return fail(Blame::caller_misused, "there is no session to publish with");
    return publishing_.session->protect(topic, payload, key_, now);
  }

  // -- subscribing

  Result<> subscribe(std::string_view filter, Now) override {
    if (!fits_here(filter)) return fail(Blame::caller_misused, "not a filter for a subscription under this scheme");
    auto [at, is_new] = subscriptions_.try_emplace(std::string(filter));
    if (!is_new) at->second.must_ask = true;
    return {};
  }
  void unsubscribe(std::string_view filter) override {
    auto at = subscriptions_.find(filter);
    if (at != subscriptions_.end()) subscriptions_.erase(at);
  }

  // -- requests

  Result<std::optional<Request>> next_request(Now now) override {
    for (auto& [filter, its] : subscriptions_) {
      const bool needs = !its.session || its.must_ask || its.session->must_be_renewed(now);
      if (!needs || !its.asking.may_ask(now)) continue;
      its.request.emplace(TRY(ClientRequest::make(Role::subscriber, filter, key_, broker_, random_, now)));
      its.must_ask = false;
      its.asking.asked(now);
      return Request{std::string(subscribe_topic), its.request->frame(), filter};
    }
    auto& [asking, request, session] = publishing_;
    const bool needs = session ? session->must_be_renewed(now) : asking.is_wanted();
    if (needs && asking.may_ask(now)) {
      request.emplace(
          TRY(ClientRequest::make(Role::publisher, session ? session->topic() : asking.topic(), key_, broker_, random_, now)));
      asking.asked(now);
      return Request{std::string(publish_topic), request->frame()};
    }
    return std::nullopt;
  }

  void request_refused(const Request& request) override {
    if (request.filter.empty()) {
      publishing_.request.reset();
      publishing_.asking.refused();
      return;
    }
    auto at = subscriptions_.find(request.filter);
    if (at == subscriptions_.end()) return;
    if (!at->second.was_granted) {
      subscriptions_.erase(at);  // its subscriber is told
    } else {
      at->second.request.reset();
      at->second.asking.refused();
    }
  }

  // -- what arrives

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (message.topic != inbox_topic) return refused("not on the topic for this connection");
    Bytes frame = message.payload;
    if (begins(frame, type_message_out)) return take_message(frame, now);
    if (begins(frame, type_group_message)) return take_group_message(frame, now);
    if (begins(frame, type_group_key)) return take_group_key(frame, now);
    if (begins(frame, type_subscribe_answer)) return take_grant(frame, now);
    if (begins(frame, type_publish_answer)) return take_publishing(frame, now);
    return refused("not a frame of this scheme");
  }

 private:
  struct Publishing {
    Asking asking;
    std::optional<ClientRequest> request;
    std::optional<ClientSession> session;
  };
  struct Subscription {
    Asking asking{};
    std::optional<ClientRequest> request{};
    std::optional<ClientSession> session{};
    std::optional<ClientSession> previous{};  ///< what waited at the broker may still be sealed under it
    std::optional<GroupMember> member{};
    bool must_ask = false;
    bool was_granted = false;
  };

  static bool fits_here(std::string_view filter) { return mqtt::is_topic_filter(filter) && !filter.starts_with('$'); }

  static Checked<Received> own(Received::What what = Received::What::own, std::string topic = {}) {
    Received received;
    received.what = what;
    received.topic = std::move(topic);
    return verified(std::move(received));
  }

  Result<Checked<Received>> take_grant(Bytes frame, Now now) {
    for (auto& [filter, its] : subscriptions_) {
      if (!its.request) continue;
      auto session = its.request->take(frame, now);
      if (!session) continue;  // another one's, perhaps
      if (!its.member) its.member.emplace(TRY(GroupMember::make(*session)));
      its.request.reset();
      its.previous = std::exchange(its.session, *std::move(session));
      its.was_granted = true;
      its.asking.answered(now);
      return own(Received::What::grant, filter);
    }
    return refused("an answer to no request of this client");
  }

  Result<Checked<Received>> take_publishing(Bytes frame, Now now) {
    if (!publishing_.request) return refused("an answer to no request of this client");
    publishing_.session.emplace(TRY(publishing_.request->take(frame, now)));
    publishing_.request.reset();
    publishing_.asking.answered(now);
    return own();
  }

  struct Found {
    Subscription* subscription;
    ClientSession* session;
  };
  Result<Found> find(Bytes frame) {
    auto name = session_of(frame);
    if (!name) return refused("not a frame of a session");
    for (auto& [filter, its] : subscriptions_)
      for (auto* session : {&its.session, &its.previous})
        if (*session && (*session)->id() == *name) return Found{&its, &**session};
    return refused("sealed for another session");
  }

  Result<Checked<Received>> take_group_key(Bytes frame, Now now) {
    auto found = TRY(find(frame));
    auto taken = found.subscription->member->take_key(frame, *found.session, now);
    // Perhaps a group that ended and was made anew, whose key counts only in a new session.
    if (!taken) found.subscription->must_ask = true;
    TRY(std::move(taken));
    return own();
  }

  Result<Checked<Received>> take_message(Bytes frame, Now now) {
    auto found = TRY(find(frame));
    auto opened = TRY(found.session->open(frame, keys_, now));
    return accept(*opened, "signature, topic, order; sealed by the broker for this subscription");
  }

  Result<Checked<Received>> take_group_message(Bytes bytes, Now now) {
    auto frame = TRY(decode_group_frame(bytes));
    for (auto& [filter, its] : subscriptions_) {
      if (!its.member || !its.member->keys().knows(frame.group)) continue;
      auto opened = TRY(its.member->open(bytes, keys_, now));
      if (auto* message = std::get_if<Verified<ReceivedMessage, GroupMember>>(&opened))
        return accept(**message, "signature, topic, order; sealed and signed by the broker for a group");
      its.must_ask = true;
    }
    for (auto& [filter, its] : subscriptions_)  // a group that is not known yet: one whose key did not come
      if (its.member && its.member->keys().is_empty()) its.must_ask = true;
    return refused("sealed under a group's key that is not here");
  }

  // Across sessions as well: neither a new session nor a second subscription shows a message again.
  Result<Checked<Received>> accept(const ReceivedMessage& received, const char* checked) {
    const SignedMessage& message = received.message;
    if (!pinned_.accepts(message.id)) return refused("signed by a key that is not in --from");
    auto* window = seen_.find(message.id, message.topic, message.sequence);
    const Replay replay = window != nullptr ? window->judge(message.sequence) : Replay::stale;
    if (replay == Replay::stale) return refused("older than what was already seen from its author");
    Received out;
    out.topic = message.topic;
    out.payload = to_buffer(message.message);
    out.author = pinned_.name_of(message.id);
    out.checked = checked;
    out.repeat = received.repeat || replay == Replay::repeat;
    if (keeps_evidence_) out.evidence = evidence_of(message, broker_.id);
    return verified(std::move(out));
  }

  KeyStore& key_;
  BrokerIdentity broker_;
  malina::Pinned pinned_;
  Random& random_;
  const bool keeps_evidence_;
  malina::KnownKeys keys_;
  Publishing publishing_;
  std::map<std::string, Subscription, std::less<>> subscriptions_;
  malina::AuthorMemory<crypto::ReplayWindow> seen_;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports) {
  if (!ports.broker)
    return fail(Blame::caller_misused, "this scheme needs the broker's public keys; name broker.pub with --broker-key");
  if (ports.key == nullptr) return fail(Blame::caller_misused, "this scheme needs a private key; name one with --key");
  return std::make_unique<ClientSide>(*ports.key, *std::move(ports.broker), std::move(ports.peers), ports.random,
                                      ports.keeps_evidence);
}

}  // namespace sealmq::sl3
