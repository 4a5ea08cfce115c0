// The device's and the application's part of SL1: sign SL1_2 and SL1_1, verify SL1_3.

#include "base/keyed_hash.h"
#include "base/text.h"
#include "base/try.h"
#include "crypto/ecdsa.h"
#include "crypto/replay_window.h"
#include "mqtt/topic.h"
#include "schemes/malina/author_memory.h"
#include "schemes/malina/pinned.h"
#include "schemes/malina/revocation.h"
#include "schemes/sl1/messages.h"
#include "schemes/sl1/sl1.h"

namespace sealmq::sl1 {
namespace {

constexpr std::size_t listings_kept = 100'000;  // what is forgotten of them is verified once more

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

class ClientSide : public ClientScheme {
 public:
  ClientSide(KeyStore* key, std::vector<PublicIdentity> peers, BrokerIdentity broker, crypto::ecdsa::VerifyingKey broker_key,
             bool keeps_evidence)
      : key_(key),
        broker_(std::move(broker)),
        broker_key_(std::move(broker_key)),
        pinned_(std::move(peers)),
        keeps_evidence_(keeps_evidence) {}

  const SchemeInfo& info() const override { return hardened_info; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    TRY(need_key());
    MessageFrame frame{topic, key_->identity().keys.schnorr, payload, now.wall, TRY(key_->sequence().next()), {}};
    frame.signature = TRY(malina::sign(*key_, {type_sl1_2, broker_.id, topic, frame.id, payload, frame.time, frame.sequence}));
    return encode(frame);
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    auto listed = TRY(decode_listed(message.payload));
    auto frame = TRY(decode_message(listed.message));
    if (frame.topic != message.topic) return refused("signed for another topic");
    if (!pinned_.accepts(frame.id)) return refused("signed by a key that is not in --from");
    if (!mqtt::is_topic_filter(listed.filter) || !mqtt::matches(listed.filter, frame.topic))
      return refused("the broker's listing is for other topics");
    if (listed.not_after < now.wall) return refused("the broker's listing has ended");
    if (!is_listed(frame.id, listed)) return refused("the broker's listing is not signed by the pinned broker");
    auto key = TRY(keys_.find(frame.id, true));
    if (!malina::verify(key, {type_sl1_2, broker_.id, frame.topic, frame.id, frame.message, frame.time, frame.sequence},
                        frame.signature))
      return refused("the signature does not verify");

    auto* window = seen_.find(frame.id, frame.topic, frame.sequence);
    const Replay replay = window != nullptr ? window->judge(frame.sequence) : Replay::stale;
    if (replay == Replay::stale) return refused("older than what was already seen from its author");

    Received received;
    received.topic = frame.topic;
    received.payload = to_buffer(frame.message);
    received.author = pinned_.name_of(frame.id);
    received.checked = "signature, topic, order; listed by the broker";
    received.repeat = replay == Replay::repeat;
    if (keeps_evidence_) received.evidence = evidence_of(frame, broker_.id);
    return verified(std::move(received));
  }

  Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view filter, const ThisConnection& on,
                                                                                Now now) override {
    Buffer frame = TRY(subscribe_frame(filter, on, now));
    return std::pair{std::string(property), to_base64url(frame)};
  }

  Result<std::optional<Request>> subscribe_request(std::string_view filter, const ThisConnection& on, Now now) override {
    Buffer frame = TRY(subscribe_frame(filter, on, now));
    return Request{std::string(request_topic), std::move(frame)};
  }

 private:
  Result<> need_key() const {
    if (key_ == nullptr) return fail(Blame::caller_misused, "signing needs a private key; name one with --key");
    return {};
  }

  Result<Buffer> subscribe_frame(std::string_view filter, const ThisConnection& on, Now now) {
    TRY(need_key());
    SubscribeFrame frame{filter, key_->identity().keys.schnorr, now.wall, TRY(key_->sequence().next()), {}};
    const Buffer bound = bound_to(on);
    frame.signature = TRY(malina::sign(*key_, {type_sl1_1, broker_.id, filter, frame.id, bound, frame.time, frame.sequence}));
    return encode(frame);
  }

  /// Each new listing is verified once and kept; the broker renews it every 30 s.
  bool is_listed(const malina::Id& id, const ListedFrame& listed) {
    Buffer statement = listing(broker_.id, id, listed.filter, listed.not_after);
    auto known = listings_.find(malina::memory_key(id, listed.filter));
    if (known != listings_.end() && known->second.statement == statement && known->second.signature == listed.signature)
      return true;
    if (!crypto::ecdsa::verify(broker_key_, statement, listed.signature)) return false;
    if (listings_.size() > listings_kept) listings_.clear();
    listings_[malina::memory_key(id, listed.filter)] = {std::move(statement), listed.signature};
    return true;
  }

  struct Listing {
    Buffer statement;
    std::array<std::uint8_t, 64> signature;
  };

  KeyStore* key_;
  BrokerIdentity broker_;
  crypto::ecdsa::VerifyingKey broker_key_;
  malina::Pinned pinned_;
  const bool keeps_evidence_;
  malina::KnownKeys keys_;
  TextMap<Listing> listings_;
  malina::AuthorMemory<crypto::ReplayWindow> seen_;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports) {
  if (!ports.broker)
    return fail(Blame::caller_misused, "this scheme needs the broker's public keys; name broker.pub with --broker-key");
  const BrokerIdentity& broker = *ports.broker;
  auto broker_key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(broker.ecdsa));
  return std::make_unique<ClientSide>(ports.key, std::move(ports.peers), broker, std::move(broker_key), ports.keeps_evidence);
}

}  // namespace sealmq::sl1
