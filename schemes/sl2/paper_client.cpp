// The device's and the application's part of SL2 as published.

#include "base/keyed_hash.h"
#include "base/try.h"
#include "mqtt/topic.h"
#include "mqtt/types.h"
#include "schemes/malina/revocation.h"
#include "schemes/sl2/broker_key.h"
#include "schemes/sl2/paper_messages.h"
#include "schemes/sl2/wishes.h"

namespace sealmq::sl2 {
namespace {

constexpr std::size_t key_size = 16;

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

/// Of one request. Frames do not name it: each key is tried.
struct Key {
  crypto::AesGcm cipher;
  std::uint64_t opened = 0;
  std::uint64_t frames() const { return opened; }
};

class ClientSide : public ClientScheme {
 public:
  ClientSide(const ClientPorts& ports, BrokerKey broker)
      : key_(ports.key),
        random_(ports.random),
        broker_(std::move(broker)),
        pins_authors_(!ports.peers.empty()),
        keeps_evidence_(ports.keeps_evidence) {}

  const SchemeInfo& info() const override { return paper_info; }
  std::vector<Inbox> inboxes() const override {
    return {Inbox{std::string(inbox_topic)}, Inbox{std::string(parameters_topic), 1, true}};
  }
  std::string_view wire_topic() const override { return message_topic; }

  bool may_publish(std::string_view, Now now) override { return broker_.is_current(now); }
  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    if (key_ == nullptr) return fail(Blame::caller_misused, "signing needs a private key; name one with --key");
    if (!broker_.is_current(now)) return fail(Blame::caller_misused, "there is no Rabin key of the broker to seal for");
    PaperMessage message{topic, key_->identity().keys.schnorr, payload, now.wall, {}};
    message.signature = TRY(malina::sign(*key_, statement_of(message)));
    auto frame = seal(message, broker_.rabin(), random_);
    if (!frame) frame.error().code = static_cast<std::uint8_t>(mqtt::Reason::packet_too_large);
    return frame;
  }

  Result<> subscribe(std::string_view filter, Now) override {
    if (pins_authors_) return fail(Blame::caller_misused, "this scheme names no authors, so --from cannot be heeded");
    if (!mqtt::is_topic_name(filter)) return fail(Blame::caller_misused, "the published form has no wildcards");
    wishes_.add(filter);
    return {};
  }
  void unsubscribe(std::string_view filter) override { wishes_.remove(filter); }
  void connected(Now now) override {
    broker_.connected(now);
    wishes_.connected();
  }
  void request_refused(const Request& request) override { wishes_.refused(request.filter); }

  Result<std::optional<Request>> next_request(Now now) override {
    if (!TRY(broker_.is_ready(now))) return std::nullopt;  // also for who only publishes: it is told here what to do
    auto* wish = wishes_.due(now);
    if (wish == nullptr) return std::nullopt;
    Buffer chance(key_size);
    random_.fill(chance);
    const Secret fresh(std::move(chance));
    auto frame = TRY(seal(PaperSubscribe{wish->filter, fresh.reveal()}, broker_.rabin(), random_));
    wishes_.asked(*wish, Key{crypto::AesGcm(fresh.reveal())}, now);
    wishes_.granted(*wish, now);  // nobody will say so
    return Request{std::string(request_topic), std::move(frame), wish->filter};
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (message.topic == parameters_topic) {
      TRY(broker_.take(message.payload));
      return verified(Received{.what = Received::What::own});
    }
    if (message.topic != inbox_topic) return refused("came in the open");
    for (auto& wish : wishes_.all())
      for (Key& key : wish.keys)
        if (const auto plaintext = open_paper_delivery(message.payload, key.cipher)) {
          ++key.opened;
          return take(wish.filter, TRY(decode_paper_delivery(*plaintext)), now);
        }
    return refused("sealed for no subscription of this connection");
  }

 private:
  Result<Checked<Received>> take(std::string_view topic, const PaperDelivery& delivery, Now now) {
    if (delivery.topic != topic) return refused("sealed for another subscription's topic");
    if (!malina::is_fresh(delivery.time, now)) return refused("its time is outside the window");
    Received received;
    received.topic = delivery.topic;
    received.payload = to_buffer(delivery.message);
    received.checked = "sealed under this subscription's key, time; what its author signed was checked by the broker";
    received.repeat = !remember(std::string(as_text(delivery.signature)), now);
    if (keeps_evidence_)
      received.evidence = malina::encode_paper_evidence(
          {malina::Level::sl2, delivery.topic, delivery.message, delivery.time, delivery.signature, std::nullopt, {}});
    return verified(std::move(received));
  }

  /// False if it was there. Two generations, each longer than a time is accepted.
  bool remember(std::string signature, Now now) {
    if (now.wall - generation_ > malina::accepted_behind + malina::accepted_ahead + 5'000) {
      seen_before_ = std::exchange(seen_now_, {});
      generation_ = now.wall;
    }
    return !seen_before_.contains(signature) && seen_now_.insert(std::move(signature)).second;
  }

  KeyStore* key_;
  Random& random_;
  BrokerKey broker_;
  const bool pins_authors_;
  const bool keeps_evidence_;
  Wishes<Key> wishes_;
  TextSet seen_now_, seen_before_;
  std::uint64_t generation_ = 0;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports) {  // NOLINT(performance-unnecessary-value-param)
  auto broker = TRY(BrokerKey::pinned(ports.broker));
  return std::make_unique<ClientSide>(ports, std::move(broker));
}

}  // namespace sealmq::sl2
