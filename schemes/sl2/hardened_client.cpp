// The device's and the application's part of SL2: seal for the broker, open what it seals under the key of each subscription.
#include <algorithm>

#include "crypto/replay_window.h"
#include "mqtt/topic.h"
#include "schemes/malina/revocation.h"
#include "schemes/sl2/broker_key.h"
#include "schemes/sl2/delivery.h"
#include "schemes/sl2/options.h"
#include "schemes/sl2/wishes.h"

namespace sealmq::sl2 {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

/// Of one request.
struct Key {
  DeliveryKey cipher;
  crypto::ReplayWindow window{};
  std::uint64_t highest = 0;
  std::uint64_t frames() const { return highest; }
};

class ClientSide : public ClientScheme {
 public:
  ClientSide(const ClientPorts& ports, BrokerKey broker, std::vector<ClosedTopics> capabilities)
      : key_(ports.key),
        random_(ports.random),
        broker_(std::move(broker)),
        capabilities_(std::move(capabilities)),
        pins_authors_(!ports.peers.empty()),
        keeps_evidence_(ports.keeps_evidence) {}

  const SchemeInfo& info() const override { return hardened_info; }
  std::vector<Inbox> inboxes() const override {
    return {Inbox{std::string(inbox_topic)}, Inbox{std::string(parameters_topic), 1, true}};
  }
  std::string_view wire_topic() const override { return message_topic; }
  bool confirms() const override { return true; }

  bool may_publish(std::string_view, Now now) override { return broker_.is_current(now); }
  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    if (key_ == nullptr) return fail(Blame::caller_misused, "signing needs a private key; name one with --key");
    if (!broker_.is_current(now)) return fail(Blame::caller_misused, "there is no Rabin key of the broker to seal for");
    Message message{topic, key_->identity().keys.schnorr, payload, now.wall, 0, {}};
    message.sequence = TRY(key_->sequence().next());
    message.signature = TRY(malina::sign(*key_, statement_of(message, broker_.broker_id())));
    return seal(message, broker_.rabin(), broker_.broker_id(), random_);
  }

  Result<> subscribe(std::string_view filter, Now) override {
    if (pins_authors_) return fail(Blame::caller_misused, "this scheme hides who wrote a message, so --from cannot be heeded");
    wishes_.add(filter);
    return {};
  }
  void unsubscribe(std::string_view filter) override {
    if (const auto* wish = wishes_.find(filter))
      for (const Key& key : wish->keys) left_.push_back(key.cipher.subscription());
    wishes_.remove(filter);
  }
  void connected(Now now) override {
    broker_.connected(now);
    wishes_.connected();
    left_.clear();
  }
  void request_refused(const Request& request) override { wishes_.refused(request.filter); }

  Result<std::optional<Request>> next_request(Now now) override {
    if (!TRY(broker_.is_ready(now))) return std::nullopt;  // also for who only publishes: it is told here what to do
    auto* wish = wishes_.due(now);
    if (wish == nullptr) return std::nullopt;
    Buffer chance(subscription_key_size);
    random_.fill(chance);
    const Secret fresh(std::move(chance));  // a key for each request, so counters may begin anew
    const SubscribeRequest request{now.wall, wish->filter, fresh.reveal(), capability_for(wish->filter)};
    Request asked{std::string(request_topic), seal(request, broker_.rabin(), broker_.broker_id(), random_), wish->filter};
    const auto sealed = TRY(decode_sealed(asked.payload, type_sl2_1));
    wishes_.asked(*wish, Key{DeliveryKey(fresh.reveal(), subscription_id(sealed.c))}, now);
    return asked;
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (message.topic == parameters_topic) {
      TRY(broker_.take(message.payload));
      return verified(Received{.what = Received::What::own});
    }
    if (message.topic != inbox_topic) return refused("came in the open");
    const auto frame = TRY(decode_delivery_frame(message.payload));
    if (std::ranges::find(left_, frame.subscription) != left_.end()) return verified(Received{.what = Received::What::own});
    for (auto& wish : wishes_.all())
      for (Key& key : wish.keys)
        if (key.cipher.subscription() == frame.subscription) return take(wish, key, frame, now);
    return refused("sealed for no subscription of this connection");
  }

 private:
  using Wish = Wishes<Key>::Wish;

  Result<Checked<Received>> take(Wish& wish, Key& key, const DeliveryFrame& frame, Now now) {
    const auto plaintext = TRY(key.cipher.open(frame));
    const auto delivery = TRY(decode_delivery(plaintext, frame.counter));
    const Replay replay = key.window.judge(frame.counter);
    if (replay == Replay::stale) return refused("older than what was already seen of this subscription");
    key.highest = std::max(key.highest, frame.counter);

    Received received;
    received.repeat = replay == Replay::repeat;
    received.topic = delivery.topic;
    if (frame.is_confirmation()) {
      if (delivery.topic != wish.filter) return refused("confirms another filter");
      received.what = received.repeat ? Received::What::own : Received::What::grant;
      if (!received.repeat && &key == &wish.keys.back()) wishes_.granted(wish, now);
    } else if (delivery.topic.empty()) {
      received.what = Received::What::own;  // cover
    } else {
      if (!mqtt::matches(wish.filter, delivery.topic)) return refused("sealed for another subscription's topics");
      received.payload = to_buffer(delivery.message);
      received.checked =
          "sealed by the broker under this subscription's key, order; the author, whom it hides, was checked by it";
      if (keeps_evidence_ && !delivery.escrow.empty()) received.evidence = evidence_of(delivery);
    }
    return verified(std::move(received));
  }

  Buffer evidence_of(const Delivery& delivery) const {
    malina::Evidence evidence{malina::Level::sl2, broker_.broker_id(), delivery.topic, delivery.message, delivery.time};
    evidence.escrow = delivery.escrow;
    return malina::encode(evidence);
  }

  std::optional<Capability> capability_for(std::string_view filter) const {
    const auto closed = closed_by(capabilities_, filter);
    return closed && *closed != nullptr ? std::optional((*closed)->capability) : std::nullopt;
  }

  KeyStore* key_;
  Random& random_;
  BrokerKey broker_;
  const std::vector<ClosedTopics> capabilities_;
  const bool pins_authors_;
  const bool keeps_evidence_;
  Wishes<Key> wishes_;
  std::vector<SubscriptionId> left_;  // given up; the broker does not know that before the connection ends
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports) {
  auto broker = TRY(BrokerKey::pinned(ports.broker));
  const auto given = ports.options.find("sl2.capability");
  std::vector<ClosedTopics> capabilities;
  if (given != ports.options.end()) capabilities = TRY(parse_closed(given->second));
  return std::make_unique<ClientSide>(std::move(ports), std::move(broker), std::move(capabilities));
}

}  // namespace sealmq::sl2
