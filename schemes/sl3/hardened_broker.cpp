// The broker's part of SL3 on its connections: who asks for a session, messages out of publishers' sessions, and into those of
// subscribers or into a group's.
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

/// A request that has been verified, and the session that its sender gets if it may have one.
struct Introduction {
  BrokerSession::Request request;
  BrokerSession::Answered answered;
};
using PreparedIntroduction = malina::Prepared<Introduction>;

class Subscriber : public Receiver {
 public:
  Subscriber(BrokerSession session, std::shared_ptr<Groups<Group>> groups, KeyStore& key)
      : session_(std::move(session)), membership_(std::move(groups), session_.topic()), key_(key) {}

  std::string_view topic() const override { return inbox_topic; }

  bool next_due(Now now, Buffer& out) override {
    if (!membership_.lacks_key(now)) return false;
    auto frame = membership_.group()->seal_key(membership_.member(), session_, now);
    if (frame) append(out, *frame);
    return frame.has_value();  // if not, its session is over
  }

  Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) override {
    if (message.came_by != scheme_name || message.author == nullptr)
      return fail(Blame::peer_incompatible, "carries no signature of this scheme");
    Group* group = membership_.group();
    Buffer frame = TRY(group != nullptr ? group->seal(message.wire, key_, scene.now) : session_.seal(message.wire, scene.now));
    append(out, frame);
    return {};
  }

  void may_share(bool may) override { membership_.set(may); }
  const void* group() const override { return membership_.group(); }
  bool has_ended(Now now) const override { return session_.is_over(now); }

 private:
  BrokerSession session_;
  Membership<Group> membership_;
  KeyStore& key_;
};

// A word it does not know asks for the stricter check.
AuthorCheck author_check(const SchemeOptions& options) {
  auto at = options.find("sl3.author");
  return at == options.end() || at->second == "session" ? AuthorCheck::session : AuthorCheck::signature;
}

class BrokerSide : public BrokerScheme {
 public:
  explicit BrokerSide(const BrokerPorts& ports)
      : ports_(ports),
        check_(author_check(ports.options)),
        broker_id_(ports.key.identity().name),
        groups_(std::make_shared<Groups<Group>>(ports.random)) {}

  const SchemeInfo& info() const override { return hardened_info; }
  std::string_view reply_topic() const override { return inbox_topic; }

  bool takes(std::string_view topic) const override {
    return topic == subscribe_topic || topic == publish_topic || malina::takes_registration(topic);
  }

  bool recognises(const Incoming& message) const override {
    if (message.topic == subscribe_topic) return begins(message.payload, type_subscribe);
    if (message.topic == publish_topic) return begins(message.payload, type_publish) || begins(message.payload, type_message_in);
    return malina::is_registration(message, Profile::hardened);
  }

  bool is_request(const Incoming& incoming) const override { return !begins(incoming.payload, type_message_in); }

  bool concerns_the_list(const Incoming& request) const override { return malina::takes_registration(request.topic); }

  bool tries_a_secret(const Incoming& request) const override { return malina::is_join(request); }

  // Two agreements and a signature are worth more of the broker's time than they cost whoever sends garbage.
  std::unique_ptr<Preparation> prepare(const Incoming& incoming) override {
    if (malina::takes_registration(incoming.topic)) return malina::prepare_registration(incoming, Profile::hardened, ports_);
    if (!is_request(incoming)) return nullptr;
    return std::make_unique<PreparedIntroduction>([&key = ports_.key, &random = ports_.random,
                                                   frame = to_buffer(incoming.payload),
                                                   now = incoming.now]() -> Result<Introduction> {
      auto request = TRY(BrokerSession::read_request(frame, key, now));
      auto answered = TRY(BrokerSession::answer(request, random, now));
      return Introduction{std::move(request), std::move(answered)};
    });
  }

  // Rights, status and the memory are the core's to ask, when this has answered.
  Result<Checked<Asked>> read_request(const Incoming& request, const Scene& scene) override {
    if (malina::takes_registration(request.topic)) return read_registration(scene);
    auto introduction = TRY(PreparedIntroduction::take(scene.prepared));
    const auto& read = introduction.request;
    Asked asked;
    asked.what = read->role == Role::publisher ? Asked::What::publishing : Asked::What::subscription;
    asked.plaintext = to_buffer(as_bytes(read->topic));
    asked.topic = as_text(asked.plaintext);
    asked.identity = scene.directory.find_by_schnorr(read->id);
    asked.names_identity = true;
    asked.mark = read->mark;
    if (asked.identity == nullptr || asked.identity->status == Status::revoked) return verified(std::move(asked));

    auto& answered = introduction.answered;
    asked.reply = std::move(answered.frame);
    if (read->role == Role::subscriber)
      asked.receiver = std::make_unique<Subscriber>(std::move(answered.session), groups_, ports_.key);
    else if (scene.state != nullptr)
      TRY(Publishers<BrokerSession>::of(*scene.state).add(asked.identity->name, std::move(answered.session), scene.now));
    return verified(std::move(asked));
  }

  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override {
    auto name = session_of(message.payload);
    if (!name) return fail(Blame::peer_misbehaved, "not a frame of a session", malina::malformed);
    BrokerSession* session = nullptr;
    if (scene.state != nullptr) session = Publishers<BrokerSession>::of(*scene.state).find(*name, scene.now);
    if (session == nullptr) return fail(Blame::peer_misbehaved, "this connection has no such session");
    auto taken_message = TRY(session->open(message.payload, check_, broker_id_, keys_, scene.now));
    TakenMessage taken = std::move(taken_message).release();

    Opened opened;
    opened.plaintext = std::move(taken.body);
    opened.topic = taken.message.topic;
    opened.payload = taken.message.message;
    opened.carried = opened.plaintext;
    opened.author = scene.directory.find_by_schnorr(taken.message.id);
    opened.names_author = true;
    opened.repeat = taken.repeat;
    // Where the session vouches for the author, its counters are the memory: nobody else can seal in it, and it ends with the
    // connection. Where each signature is checked, each is remembered too.
    if (check_ == AuthorCheck::signature) opened.mark = taken.mark;
    return verified(std::move(opened));
  }

  // Where the session vouches for the author, nobody has looked at the signature yet: who has not signed is not blamed.
  Buffer evidence(const Opened&, Bytes wire) override {
    const auto message = decode_signed_message(wire);
    if (!message) return {};
    const auto key = keys_.find(message->id, true);
    if (!key || !malina::verify(*key, statement_of(*message, broker_id_), message->signature)) return {};
    return evidence_of(*message, broker_id_);
  }

  Result<> seal(const Outgoing&, const Scene&, Buffer&) override {
    return fail(Blame::peer_incompatible, "only a session of this scheme can receive");
  }

 private:
  Result<Checked<Asked>> read_registration(const Scene& scene) {
    auto outcome = TRY(malina::registered(scene.prepared));
    Asked asked;
    asked.what = Asked::What::other;
    asked.reply = std::move(outcome.reply);
    asked.refusal = std::move(outcome.refusal);
    asked.mark = outcome.mark;
    if (asked.mark) asked.mark->scheme = scheme_name;
    return verified(std::move(asked));
  }

  BrokerPorts ports_;
  AuthorCheck check_;
  std::string broker_id_;
  malina::KnownKeys keys_;
  std::shared_ptr<Groups<Group>> groups_;
};

}  // namespace

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(ports);
}

}  // namespace sealmq::sl3
