// The broker's part of the paper profile, where it opens the messages: it checks the stamp, decrypts, and gives subscribers the
// plain text.
#include "base/try.h"
#include "mqtt/types.h"
#include "schemes/payload/paper_frames.h"
#include "schemes/payload/paper_keys.h"
#include "schemes/payload/payload.h"

namespace sealmq::payload {
namespace {

class PaperHopBrokerSide : public BrokerScheme {
 public:
  explicit PaperHopBrokerSide(Result<paper::Keys> keys) : keys_(std::move(keys)) {}
  const SchemeInfo& info() const override { return paper_hop_info; }

  bool recognises(const Incoming& message) const override { return paper::split(message.payload).has_value(); }

  Result<Checked<Opened>> open(const Incoming& message, const Scene&) override {
    if (!keys_) return Failure(keys_.error());
    if (!recognises(message))
      return fail(Blame::peer_misbehaved, "neither a stamp nor a ciphertext",
                  static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid));
    if (!keys_->decrypts()) return fail(Blame::environment, "there is no topic-key or topic-private-key to open messages with");
    Opened opened;
    opened.topic = message.topic;
    opened.plaintext = TRY(keys_->open(message.topic, message.payload));
    opened.payload = opened.plaintext;
    return verified(std::move(opened));
  }

  Result<> seal(const Outgoing&, const Scene&, Buffer&) override {
    return fail(Blame::peer_incompatible, "as published nothing is sealed for subscribers");
  }

 private:
  Result<paper::Keys> keys_;
};

}  // namespace

std::unique_ptr<BrokerScheme> paper_hop_broker(const BrokerPorts& ports) {
  return std::make_unique<PaperHopBrokerSide>(paper::Keys::read(ports.options, "payload-hop."));
}

Result<> check_paper_hop_options(const SchemeOptions& options) {
  TRY(paper::Keys::read(options, "payload-hop."));
  return {};
}

}  // namespace sealmq::payload
