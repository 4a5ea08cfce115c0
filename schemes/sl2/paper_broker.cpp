// The broker's part of SL2 as published. It says "success" to everything: any difference would help to read others' messages.
#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/rabin_key.h"
#include "schemes/malina/frame.h"
#include "schemes/sl2/paper_messages.h"
#include "schemes/sl2/sl2.h"

namespace sealmq::sl2 {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

class Decryption : public Preparation {
 public:
  Decryption(std::shared_ptr<const RabinKeys> keys, Bytes c) : keys_(std::move(keys)), c_(to_buffer(c)) {}

  void run() override {
    current_ = crypto::rabin::decrypt(*keys_->current.key, c_);
    if (keys_->previous) previous_ = crypto::rabin::decrypt(*keys_->previous->key, c_);
  }

  Result<Bytes> data(Now now) const {
    const bool overlaps = keys_->previous && now.wall < keys_->previous->until;
    const auto& found = current_ || !overlaps ? current_ : previous_;
    if (!found) return Failure(found.error());
    return found->reveal();
  }

 private:
  const std::shared_ptr<const RabinKeys> keys_;
  const Buffer c_;
  Result<Secret> current_, previous_;
};

/// What SL2_3 shows of the author; `Opened::carried`.
struct Origin {
  std::uint64_t time;
  malina::Signature signature;
};

constexpr std::size_t origin_size = 8 + 64;

Result<Origin> decode_origin(Bytes carried) {
  Reader in(carried);
  Origin origin;
  origin.time = in.u64();
  origin.signature = in.array<64>();
  return in.finish(origin);
}

class Subscriber : public Receiver {
 public:
  Subscriber(Bytes key, Random& random, Now now) : cipher_(key), random_(random), ends_(now.steady + key_life) {}

  std::string_view topic() const override { return inbox_topic; }
  bool next_due(Now, Buffer&) override { return false; }
  bool has_ended(Now now) const override { return now.steady >= ends_ || sent_ >= key_frames; }

  Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) override {
    if (message.came_by != paper_info.name) return fail(Blame::peer_incompatible, "carries no signature of this scheme");
    if (has_ended(scene.now)) return fail(Blame::peer_misbehaved, "the key of this subscription has served its time");
    const auto origin = TRY(decode_origin(message.wire));
    ++sent_;
    sl2::seal(PaperDelivery{message.topic, message.payload, origin.time, origin.signature}, cipher_, random_, out);
    return {};
  }

 private:
  crypto::AesGcm cipher_;
  Random& random_;
  const std::uint64_t ends_;
  std::uint64_t sent_ = 0;
};

class BrokerSide : public BrokerScheme {
 public:
  explicit BrokerSide(const BrokerPorts& ports) : rabin_(ports.rabin), random_(ports.random) {}

  const SchemeInfo& info() const override { return paper_info; }

  bool takes(std::string_view topic) const override { return topic == request_topic || topic == message_topic; }
  bool is_request(const Incoming& incoming) const override { return incoming.topic == request_topic; }
  std::string_view reply_topic() const override { return inbox_topic; }
  bool tells_refusals() const override { return false; }

  bool recognises(const Incoming& message) const override {
    return takes(message.topic) && malina::begins(message.payload, name_of(message)) && keys() != nullptr;
  }

  std::unique_ptr<Preparation> prepare(const Incoming& incoming) override {
    auto c = decode_paper_sealed(incoming.payload, name_of(incoming));
    auto its = keys();
    if (!c || its == nullptr) return nullptr;  // open() says why
    return std::make_unique<Decryption>(std::move(its), *c);
  }

  Result<Checked<Opened>> open(const Incoming& incoming, const Scene& scene) override {
    TRY(decode_paper_sealed(incoming.payload, paper_sl2_2));
    const auto message = TRY(decode_paper_message(TRY(data_of(scene))));
    const Identity* author = scene.directory.find_by_schnorr(message.id);
    const auto key = TRY(known_.find(message.id, author != nullptr));
    if (!malina::verify(key, statement_of(message), message.signature)) return refused("the signature does not verify");
    if (!malina::is_fresh(message.time, scene.now)) return refused("its time is outside the window");

    Opened opened;
    opened.plaintext.reserve(message.topic.size() + message.message.size() + origin_size);
    Writer(opened.plaintext).text(message.topic).bytes(message.message).u64(message.time).bytes(message.signature);
    const Bytes all = opened.plaintext;
    opened.topic = as_text(all.first(message.topic.size()));
    opened.payload = all.subspan(message.topic.size(), message.message.size());
    opened.carried = all.last(origin_size);
    opened.author = author;
    opened.names_author = true;
    opened.mark = malina::mark_of(paper_info.name, message.id, message.time, message.signature);
    return verified(std::move(opened));
  }

  Result<> seal(const sealmq::Outgoing&, const Scene&, Buffer&) override {
    return fail(Blame::peer_incompatible, "this scheme seals only for who sent a key");
  }

  // As published: no time, no memory. A copy gives another connection frames that it cannot read.
  Result<Checked<Asked>> read_request(const Incoming& incoming, const Scene& scene) override {
    TRY(decode_paper_sealed(incoming.payload, paper_sl2_1));
    const auto request = TRY(decode_paper_subscribe(TRY(data_of(scene))));
    Asked asked;
    asked.plaintext = to_buffer(as_bytes(request.topic));
    asked.topic = as_text(asked.plaintext);
    asked.receiver = std::make_unique<Subscriber>(request.key, random_, scene.now);
    return verified(std::move(asked));
  }

 private:
  static std::string_view name_of(const Incoming& incoming) {
    return incoming.topic == request_topic ? paper_sl2_1 : paper_sl2_2;
  }

  std::shared_ptr<const RabinKeys> keys() const { return rabin_ ? rabin_() : nullptr; }

  static Result<Bytes> data_of(const Scene& scene) {
    const auto* prepared = dynamic_cast<const Decryption*>(scene.prepared);
    if (prepared == nullptr)
      return fail(Blame::environment, "no Rabin key: the broker makes one at its start when a [[topic]] names sl2@paper");
    return prepared->data(scene.now);
  }

  const std::function<std::shared_ptr<const RabinKeys>()> rabin_;
  Random& random_;
  malina::KnownKeys known_;
};

}  // namespace

std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(ports);
}

}  // namespace sealmq::sl2
