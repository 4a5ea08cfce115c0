// The broker's part of SL3 as published. A session is made by the first frame that is sealed under it, and is nobody's: every
// signature is verified.
#include "base/try.h"
#include "schemes/malina/frame.h"
#include "schemes/malina/join_broker.h"
#include "schemes/malina/prepared.h"
#include "schemes/sl3/group.h"
#include "schemes/sl3/kept.h"
#include "schemes/sl3/sl3.h"

namespace sealmq::sl3 {
namespace {

using malina::begins;
using PreparedSubscription = malina::Prepared<paper::BrokerSession::Subscribed>;
using PreparedPublishing = malina::Prepared<paper::BrokerSession::Published>;

class Subscriber : public Receiver {
 public:
  Subscriber(paper::BrokerSession session, std::string filter, std::shared_ptr<Groups<paper::Group>> groups, Random& random)
      : session_(std::move(session)), membership_(std::move(groups), std::move(filter)), random_(random) {}

  std::string_view topic() const override { return inbox_topic; }

  bool next_due(Now now, Buffer& out) override {
    if (!membership_.lacks_key(now)) return false;
    auto frame = membership_.group()->seal_key(membership_.member(), session_, now);
    if (frame) append(out, *frame);
    return frame.has_value();  // if not, its session is over
  }

  Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) override {
    if (message.came_by != paper_scheme_name || message.author == nullptr)
      return fail(Blame::peer_incompatible, "carries no signature of this scheme");
    paper::Group* group = membership_.group();
    Buffer frame = TRY(group != nullptr ? group->seal(message.wire, scene.now) : session_.seal(message.wire, random_, scene.now));
    append(out, frame);
    return {};
  }

  void may_share(bool may) override { membership_.set(may); }
  const void* group() const override { return membership_.group(); }
  bool has_ended(Now now) const override { return session_.is_over(now); }

 private:
  paper::BrokerSession session_;
  Membership<paper::Group> membership_;
  Random& random_;
};

class BrokerSide : public BrokerScheme {
 public:
  explicit BrokerSide(const BrokerPorts& ports) : ports_(ports), groups_(std::make_shared<Groups<paper::Group>>(ports.random)) {}

  const SchemeInfo& info() const override { return paper_info; }
  std::string_view reply_topic() const override { return inbox_topic; }

  bool takes(std::string_view topic) const override {
    return topic == subscribe_topic || topic == publish_topic || malina::takes_registration(topic);
  }

  bool recognises(const Incoming& message) const override {
    if (message.topic == subscribe_topic) return begins(message.payload, "SL3_1");
    if (message.topic == publish_topic) return begins(message.payload, "SL3_2") || begins(message.payload, "SL3_3");
    return malina::is_registration(message, Profile::paper);
  }

  bool is_request(const Incoming& incoming) const override { return incoming.topic != publish_topic; }

  // An order is the authority's, whatever its form. The published JOIN is there for who names this scheme.
  bool concerns_the_list(const Incoming& request) const override { return malina::is_order(request); }

  bool tries_a_secret(const Incoming& request) const override { return malina::is_join(request); }

  // What makes a session costs an agreement and a signature, whoever sends it.
  std::unique_ptr<Preparation> prepare(const Incoming& incoming) override {
    if (malina::takes_registration(incoming.topic)) return malina::prepare_registration(incoming, Profile::paper, ports_);
    if (is_request(incoming))
      return std::make_unique<PreparedSubscription>([&key = ports_.key, frame = to_buffer(incoming.payload), now = incoming.now] {
        return paper::BrokerSession::subscribe(frame, key, now);
      });
    if (begins(incoming.payload, "SL3_2"))
      return std::make_unique<PreparedPublishing>([&key = ports_.key, frame = to_buffer(incoming.payload), now = incoming.now] {
        return paper::BrokerSession::publish(frame, key, now);
      });
    return nullptr;
  }

  Result<Checked<Asked>> read_request(const Incoming& request, const Scene& scene) override {
    Asked asked;
    if (malina::takes_registration(request.topic)) {
      auto outcome = TRY(malina::registered(scene.prepared));
      asked.what = Asked::What::other;
      asked.reply = std::move(outcome.reply);
      asked.refusal = std::move(outcome.refusal);
      asked.mark = outcome.mark;
      if (asked.mark) asked.mark->scheme = paper_scheme_name;
      return verified(std::move(asked));
    }
    auto subscribed = TRY(PreparedSubscription::take(scene.prepared));
    asked.plaintext = to_buffer(as_bytes(subscribed.topic));
    asked.topic = as_text(asked.plaintext);
    asked.identity = scene.directory.find_by_schnorr(subscribed.id);
    asked.names_identity = true;
    asked.mark = subscribed.point;
    asked.receiver =
        std::make_unique<Subscriber>(std::move(subscribed.session), std::move(subscribed.topic), groups_, ports_.random);
    return verified(std::move(asked));
  }

  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override {
    return begins(message.payload, "SL3_2") ? open_first(scene) : open_later(message, scene);
  }

  Result<> seal(const Outgoing&, const Scene&, Buffer&) override {
    return fail(Blame::peer_incompatible, "only a session of this scheme can receive");
  }

 private:
  using Taken = Verified<paper::TakenMessage, paper::BrokerSession>;
  using Sessions = Publishers<paper::BrokerSession>;

  Result<Checked<Opened>> open_first(const Scene& scene) {
    auto published = TRY(PreparedPublishing::take(scene.prepared));
    const Identity* author = scene.directory.find_by_schnorr(published.session.author());
    if (author != nullptr && scene.state != nullptr)
      TRY(Sessions::of(*scene.state).add(author->name, std::move(published.session), scene.now));
    return opened(std::move(published.message), published.point, scene);
  }

  Result<Checked<Opened>> open_later(const Incoming& message, const Scene& scene) {
    auto frame = TRY(paper::decode_message_in(message.payload));
    paper::BrokerSession* session = nullptr;
    if (scene.state != nullptr) session = Sessions::of(*scene.state).find(frame.key, scene.now);
    if (session == nullptr) return fail(Blame::peer_misbehaved, "this connection has no such session");
    auto taken = TRY(session->open(message.payload, keys_, scene.now));
    return opened(std::move(taken), std::nullopt, scene);
  }

  static Result<Checked<Opened>> opened(Taken message, std::optional<ReplayMark> point, const Scene& scene) {
    paper::TakenMessage taken = std::move(message).release();
    Opened its;
    its.plaintext = std::move(taken.body);
    its.topic = taken.message.topic;
    its.payload = taken.message.message;
    its.carried = its.plaintext;
    its.author = scene.directory.find_by_schnorr(taken.message.id);
    its.names_author = true;
    its.mark = taken.mark;
    its.key_mark = point;
    return verified(std::move(its));
  }

  BrokerPorts ports_;
  malina::KnownKeys keys_;
  std::shared_ptr<Groups<paper::Group>> groups_;
};

}  // namespace

std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(ports);
}

}  // namespace sealmq::sl3
