// The broker's part of SL1 as published: verify, then forward the identical payload.
#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/sl1/messages.h"
#include "schemes/sl1/sl1.h"

namespace sealmq::sl1 {
namespace {

class BrokerSide : public BrokerScheme {
 public:
  const SchemeInfo& info() const override { return paper_info; }

  bool recognises(const Incoming& message) const override {
    return begins(message.payload, message.topic == request_topic ? "SL1_1" : "SL1_2");
  }

  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override {
    auto frame = TRY(decode_paper_message(message.payload));
    const Identity* author = scene.directory.find_by_schnorr(frame.id);
    auto key = TRY(keys_.find(frame.id, author != nullptr));
    if (!malina::verify(key, {"SL1_2", frame.topic, frame.id, frame.message, frame.time}, frame.signature))
      return fail(Blame::peer_misbehaved, "the signature does not verify");
    if (frame.topic != message.topic) return fail(Blame::peer_misbehaved, "signed for another topic");
    if (!malina::is_fresh(frame.time, scene.now)) return fail(Blame::peer_misbehaved, "its time is outside the window");

    Opened opened;
    opened.topic = frame.topic;
    opened.payload = frame.message;
    opened.author = author;
    opened.names_author = true;
    opened.mark = malina::mark_of(paper_info.name, frame.id, frame.time, frame.signature);
    return verified(std::move(opened));
  }

  Result<> seal(const sealmq::Outgoing& message, const Scene&, Buffer& out) override {
    if (message.came_by != paper_info.name) return fail(Blame::peer_incompatible, "carries no signature of this scheme");
    append(out, message.wire);
    return {};
  }

  bool takes(std::string_view topic) const override { return topic == request_topic; }

  Result<Checked<Asked>> read_request(const Incoming& request, const Scene&) override {
    auto topic = TRY(decode_paper_subscribe(request.payload));
    // Wildcards stand only in the SUBSCRIBE form.
    if (!mqtt::is_topic_name(topic)) return fail(Blame::peer_misbehaved, "not a topic name");
    return wish_for(topic);
  }

  std::string_view subscribe_property() const override { return property; }

  std::optional<Result<Checked<Asked>>> read_subscribe(std::string_view value, std::string_view filter, const Scene&) override {
    if (value != "SL1_1") return std::nullopt;
    return wish_for(filter);
  }

 private:
  static Checked<Asked> wish_for(std::string_view filter) {
    Asked asked;
    asked.topic = filter;
    return verified(std::move(asked));
  }

  malina::KnownKeys keys_;
};

}  // namespace

std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts&) {
  return std::make_unique<BrokerSide>();
}

}  // namespace sealmq::sl1
