// The broker's part of SL1: verify SL1_2, staple a listing to it, verify who subscribes.
#include <map>

#include "base/text.h"
#include "base/try.h"
#include "mqtt/topic.h"
#include "mqtt/topic_pattern.h"
#include "schemes/sl1/messages.h"
#include "schemes/sl1/sl1.h"

namespace sealmq::sl1 {
namespace {

constexpr std::uint64_t listing_lasts = 60'000;    // milliseconds
constexpr std::uint64_t listing_renewed = 30'000;  // before its end
constexpr std::size_t listings_kept = 100'000;     // per shard; each belongs to an author on the list

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

class BrokerSide : public BrokerScheme {
 public:
  explicit BrokerSide(const BrokerPorts& ports) : key_(ports.key), broker_id_(ports.key.identity().name) {}

  const SchemeInfo& info() const override { return hardened_info; }

  bool recognises(const Incoming& message) const override {
    return begins(message.payload, message.topic == request_topic ? type_sl1_1 : type_sl1_2);
  }

  // The signature is verified whoever signed and however old it is: the answer and the work for it do not tell which check
  // failed.
  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override {
    auto frame = TRY(decode_message(message.payload));
    const Identity* author = scene.directory.find_by_schnorr(frame.id);
    auto key = TRY(keys_.find(frame.id, author != nullptr));
    bool signed_by_id = malina::verify(
        key, {type_sl1_2, broker_id_, frame.topic, frame.id, frame.message, frame.time, frame.sequence}, frame.signature);
    if (!signed_by_id) return refused("the signature does not verify");
    if (frame.topic != message.topic) return refused("signed for another topic");
    if (!malina::is_fresh(frame.time, scene.now)) return refused("its time is outside the window");

    Opened opened;
    opened.topic = frame.topic;
    opened.payload = frame.message;
    opened.author = author;
    opened.names_author = true;
    opened.mark = mark(frame.id, frame.time, frame.sequence, frame.signature);
    return verified(std::move(opened));
  }

  Buffer evidence(const Opened&, Bytes wire) override {
    const auto frame = decode_message(wire);
    return frame ? evidence_of(*frame, broker_id_) : Buffer();
  }

  Result<> seal(const sealmq::Outgoing& message, const Scene& scene, Buffer& out) override {
    if (message.came_by != hardened_info.name || message.author == nullptr)
      return fail(Blame::peer_incompatible, "carries no signature of this scheme");
    for (const Right& right : message.author->publish) {
      // What a pattern is depends on the connection: the topic itself stands for it.
      const std::string filter = right.is_pattern ? std::string(message.topic) : right.filter;
      if (!mqtt::matches(right.is_pattern ? mqtt::widen_pattern(right.filter) : filter, message.topic)) continue;
      Listing listed = TRY(listing_of(*message.author, filter, scene.now));
      encode(ListedFrame{message.wire, listed.not_after, filter, listed.signature}, out);
      return {};
    }
    return fail(Blame::not_authorised, "the author may no longer publish here");
  }

  bool takes(std::string_view topic) const override { return topic == request_topic; }

  Result<Checked<Asked>> read_request(const Incoming& request, const Scene& scene) override {
    auto frame = TRY(decode_subscribe(request.payload));
    return check(frame, scene);
  }

  std::string_view subscribe_property() const override { return property; }

  std::optional<Result<Checked<Asked>>> read_subscribe(std::string_view value, std::string_view filter,
                                                       const Scene& scene) override {
    auto bytes = from_base64url(value);
    if (!bytes || !begins(*bytes, type_sl1_1)) return std::nullopt;
    auto frame = decode_subscribe(*bytes);
    if (!frame) return Failure(frame.error());
    if (frame->filter != filter) return std::nullopt;  // belongs to another entry of the same SUBSCRIBE
    frame->filter = filter;                            // `bytes` ends here, the caller's text does not
    return check(*frame, scene);
  }

 private:
  struct Listing {
    std::uint64_t not_after = 0;
    std::array<std::uint8_t, 64> signature{};
  };

  Result<Checked<Asked>> check(const SubscribeFrame& frame, const Scene& scene) {
    const Identity* subscriber = scene.directory.find_by_schnorr(frame.id);
    auto key = TRY(keys_.find(frame.id, subscriber != nullptr));
    const Buffer bound = bound_to(scene.connection);
    bool signed_by_id =
        malina::verify(key, {type_sl1_1, broker_id_, frame.filter, frame.id, bound, frame.time, frame.sequence}, frame.signature);
    if (!signed_by_id) return refused("the signature of the subscription does not verify for this connection");
    if (!malina::is_fresh(frame.time, scene.now)) return refused("the time of the subscription is outside the window");
    Asked asked;
    asked.topic = frame.filter;
    asked.identity = subscriber;
    asked.names_identity = true;
    asked.mark = mark(frame.id, frame.time, frame.sequence, frame.signature);
    return verified(std::move(asked));
  }

  static ReplayMark mark(const malina::Id& id, std::uint64_t time, std::uint64_t sequence, const malina::Signature& signature) {
    auto mark = malina::mark_of(hardened_info.name, id, time, signature);
    mark.ordered = true;
    mark.sequence = sequence;
    return mark;
  }

  /// "ID is on the list and may publish to F until not_after": signed once for many messages.
  Result<Listing> listing_of(const Identity& author, const std::string& filter, Now now) {
    auto key = malina::memory_key(author.keys.schnorr, filter);
    auto& listing = listings_[key];
    if (listing.not_after < now.wall + listing_renewed) {
      std::uint64_t not_after = now.wall + listing_lasts;
      auto signature = TRY(key_.sign_ecdsa(sl1::listing(broker_id_, author.keys.schnorr, filter, not_after)));
      if (listings_.size() > listings_kept) listings_.clear();
      return listings_[key] = {not_after, signature};
    }
    return listing;
  }

  KeyStore& key_;
  std::string broker_id_;
  malina::KnownKeys keys_;
  std::map<std::string, Listing> listings_;
};

}  // namespace

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(ports);
}

}  // namespace sealmq::sl1
