// The broker's part of SL2: open what was sealed for it, seal for each subscriber under the key that this one sent.
#include <algorithm>
#include <memory>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/rabin_key.h"
#include "schemes/malina/frame.h"
#include "schemes/malina/revocation.h"
#include "schemes/sl2/delivery.h"
#include "schemes/sl2/escrow.h"
#include "schemes/sl2/options.h"
#include "schemes/sl2/sl2.h"

namespace sealmq::sl2 {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

/// What c comes to under the broker's keys. A frame does not say for which of them it was sealed.
class Decapsulation : public Preparation {
 public:
  Decapsulation(std::shared_ptr<const RabinKeys> keys, Bytes c) : keys_(std::move(keys)), c_(to_buffer(c)) {}

  void run() override {
    current_ = crypto::rabin::decapsulate(*keys_->current.key, c_);
    if (keys_->previous) previous_ = crypto::rabin::decapsulate(*keys_->previous->key, c_);
  }

  /// Both are tried, whichever it was: the work tells nothing.
  Result<Secret> open(const SealedRequest& sealed, std::string_view broker_id, Now now) const {
    auto plaintext = sl2::open(sealed, current_, broker_id);
    if (!keys_->previous) return plaintext;
    auto older = sl2::open(sealed, previous_, broker_id);
    return plaintext || now.wall >= keys_->previous->until ? std::move(plaintext) : std::move(older);
  }

 private:
  const std::shared_ptr<const RabinKeys> keys_;
  const Buffer c_;
  Secret current_, previous_;
};

/// What a message says of itself beside topic and payload; `Opened::carried`.
struct Origin {
  std::uint64_t time;
  Authorship authorship;
};

constexpr std::size_t origin_size = 8 + 32 + 8 + 64;

void encode(const Origin& origin, Writer& out) {
  out.u64(origin.time).bytes(origin.authorship.id).u64(origin.authorship.sequence).bytes(origin.authorship.signature);
}

Result<Origin> decode_origin(Bytes carried) {
  Reader in(carried);
  Origin origin;
  origin.time = in.u64();
  origin.authorship.id = in.array<32>();
  origin.authorship.sequence = in.u64();
  origin.authorship.signature = in.array<64>();
  return in.finish(origin);
}

/// Makes the escrow of a message once for all its subscribers: it costs two multiplications on the curve.
class EscrowMaker {
 public:
  /// A broker whose authority's key is no point does not start.
  EscrowMaker(const std::optional<crypto::Sec1Compressed>& authority, Random& random) : random_(random) {
    if (authority) key_ = EscrowKey::from_sec1(*authority).value();
  }

  /// Empty without an authority.
  Bytes escrow_of(std::string_view topic, const Origin& origin, Bytes carried) {
    if (!key_) return {};
    if (!std::equal(carried.begin(), carried.end(), carried_.begin(), carried_.end())) {
      carried_ = to_buffer(carried);  // the signature in it stands for topic and payload
      escrow_ = key_->seal(topic, origin.time, origin.authorship, random_);
    }
    return escrow_;
  }

 private:
  Random& random_;
  std::optional<EscrowKey> key_;
  Buffer carried_, escrow_;
};

class Subscriber : public Receiver {
 public:
  Subscriber(DeliverySender sender, std::shared_ptr<EscrowMaker> escrow, Cover cover, Now now)
      : sender_(std::move(sender)), escrow_(std::move(escrow)), cover_(cover), ends_(now.steady + key_life) {}

  std::string_view topic() const override { return inbox_topic; }
  std::uint64_t pace() const override { return cover_.interval; }
  bool has_ended(Now now) const override { return now.steady >= ends_ || sender_.sent() >= key_frames; }

  bool next_due(Now now, Buffer& out) override {
    if (cover_.interval == 0 || has_ended(now)) return false;
    sender_.seal_cover(now.wall, cover_.size - encoded_size({}), out);
    return true;
  }

  Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) override {
    if (message.came_by != hardened_info.name || message.author == nullptr)
      return fail(Blame::peer_incompatible, "its author was not checked by this scheme");
    if (has_ended(scene.now)) return fail(Blame::peer_misbehaved, "the key of this subscription has served its time");
    const auto origin = TRY(decode_origin(message.wire));
    Delivery delivery{message.topic, message.payload, origin.time, escrow_->escrow_of(message.topic, origin, message.wire)};
    if (cover_.interval != 0) {
      const auto size = encoded_size(delivery);
      if (size > cover_.size)
        return fail(Blame::caller_misused, "longer than the frames of cover: raise [scheme.sl2] cover-size");
      delivery.padding = cover_.size - size;
    }
    sender_.seal(delivery, out);
    return {};
  }

 private:
  DeliverySender sender_;
  std::shared_ptr<EscrowMaker> escrow_;
  const Cover cover_;
  const std::uint64_t ends_;
};

class BrokerSide : public BrokerScheme {
 public:
  explicit BrokerSide(const BrokerPorts& ports)
      : rabin_(ports.rabin),
        broker_id_(ports.key.identity().name),
        options_(parse_options(ports.options)),
        escrow_(std::make_shared<EscrowMaker>(ports.authority, ports.random)) {}

  const SchemeInfo& info() const override { return hardened_info; }

  bool takes(std::string_view topic) const override { return topic == request_topic || topic == message_topic; }
  bool is_request(const Incoming& incoming) const override { return incoming.topic == request_topic; }
  std::string_view reply_topic() const override { return inbox_topic; }

  bool recognises(const Incoming& message) const override {
    return takes(message.topic) && malina::begins(message.payload, type_of(message)) && keys() != nullptr;
  }

  std::unique_ptr<Preparation> prepare(const Incoming& incoming) override {
    auto sealed = decode_sealed(incoming.payload, type_of(incoming));
    auto its = keys();
    if (!sealed || its == nullptr) return nullptr;  // open() says why
    return std::make_unique<Decapsulation>(std::move(its), sealed->c);
  }

  // The signature is verified whoever signed and however old it is: the answer and the work for it do not tell which check
  // failed.
  Result<Checked<Opened>> open(const Incoming& incoming, const Scene& scene) override {
    const auto sealed = TRY(decode_sealed(incoming.payload, type_sl2_2));
    const auto plaintext = TRY(open_prepared(sealed, scene));
    const auto message = TRY(decode_message(plaintext.reveal()));
    const Identity* author = scene.directory.find_by_schnorr(message.id);
    const auto key = TRY(known_.find(message.id, author != nullptr));
    if (!malina::verify(key, statement_of(message, broker_id_), message.signature))
      return refused("the signature does not verify");
    if (!malina::is_fresh(message.time, scene.now)) return refused("its time is outside the window");

    Opened opened;
    opened.plaintext.reserve(message.topic.size() + message.message.size() + origin_size);
    Writer out(opened.plaintext);
    out.text(message.topic).bytes(message.message);
    encode({message.time, {message.id, message.sequence, message.signature}}, out);
    const Bytes all = opened.plaintext;
    opened.topic = as_text(all.first(message.topic.size()));
    opened.payload = all.subspan(message.topic.size(), message.message.size());
    opened.carried = all.last(origin_size);
    opened.author = author;
    opened.names_author = true;
    opened.mark = malina::mark_of(hardened_info.name, message.id, message.time, message.signature);
    opened.mark->ordered = true;
    opened.mark->sequence = message.sequence;
    return verified(std::move(opened));
  }

  /// As subscribers have it: the author is for the authority alone.
  Buffer evidence(const Opened& opened, Bytes wire) override {
    const auto origin = decode_origin(wire);
    if (!origin) return {};
    malina::Evidence shown{malina::Level::sl2, broker_id_, opened.topic, opened.payload, origin->time};
    shown.escrow = escrow_->escrow_of(opened.topic, *origin, wire);
    return shown.escrow.empty() ? Buffer() : malina::encode(shown);
  }

  Result<> seal(const sealmq::Outgoing&, const Scene&, Buffer&) override {
    return fail(Blame::peer_incompatible, "this scheme seals only for who sent a key");
  }

  Result<Checked<Asked>> read_request(const Incoming& incoming, const Scene& scene) override {
    const auto sealed = TRY(decode_sealed(incoming.payload, type_sl2_1));
    const auto plaintext = TRY(open_prepared(sealed, scene));
    const auto request = TRY(decode_subscribe(plaintext.reveal()));
    if (!malina::is_fresh(request.time, scene.now)) return refused("the time of the subscription is outside the window");
    if (!options_) return Failure(options_.error());  // nothing may be open that was to be closed
    const ClosedTopics* closed = TRY(closed_by(options_->closed, request.filter));
    if (closed != nullptr && (!request.capability || !same(*request.capability, closed->capability)))
      return fail(Blame::not_authorised, "not the capability of these closed topics");

    Asked asked;
    asked.plaintext = to_buffer(as_bytes(request.filter));
    asked.topic = as_text(asked.plaintext);
    asked.mark = mark_of(hardened_info.name, sealed, request);
    DeliverySender sender(request, subscription_id(sealed.c), scene.now.wall, asked.reply);
    asked.receiver = std::make_unique<Subscriber>(std::move(sender), escrow_, options_->cover, scene.now);
    return verified(std::move(asked));
  }

 private:
  static std::uint8_t type_of(const Incoming& incoming) { return incoming.topic == request_topic ? type_sl2_1 : type_sl2_2; }

  std::shared_ptr<const RabinKeys> keys() const { return rabin_ ? rabin_() : nullptr; }

  Result<Secret> open_prepared(const SealedRequest& sealed, const Scene& scene) const {
    const auto* prepared = dynamic_cast<const Decapsulation*>(scene.prepared);
    if (prepared == nullptr)
      return fail(Blame::environment, "no Rabin key: the broker makes one at its start when a [[topic]] names sl2");
    return prepared->open(sealed, broker_id_, scene.now);
  }

  const std::function<std::shared_ptr<const RabinKeys>()> rabin_;
  const std::string broker_id_;
  const Result<Options> options_;
  std::shared_ptr<EscrowMaker> escrow_;
  malina::KnownKeys known_;
};

}  // namespace

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(ports);
}

}  // namespace sealmq::sl2
