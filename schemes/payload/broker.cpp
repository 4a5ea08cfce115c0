// The broker's part: it reads no message. It passes containers on as they came, if they have the form that it is told to demand.
#include "mqtt/types.h"
#include "schemes/payload/demands.h"
#include "schemes/payload/paper_frames.h"
#include "schemes/payload/payload.h"

namespace sealmq::payload {
namespace {

constexpr auto format_invalid = static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid);

Failure malformed(std::string what) {
  return fail(Blame::peer_misbehaved, std::move(what), format_invalid);
}

class PassingOn : public BrokerScheme {
 public:
  explicit PassingOn(const SchemeInfo& info) : info_(info) {}
  const SchemeInfo& info() const override { return info_; }

  Result<> seal(const sealmq::Outgoing& message, const Scene&, Buffer& out) override {
    if (message.came_by != info_.name) return fail(Blame::peer_incompatible, "carries nothing of this scheme");
    append(out, message.payload);
    return {};
  }

 protected:
  static Checked<Opened> as_it_is(const Incoming& message) {
    Opened opened;
    opened.topic = message.topic;
    opened.payload = message.payload;
    return verified(std::move(opened));
  }

 private:
  const SchemeInfo& info_;
};

class BrokerSide : public PassingOn {
 public:
  explicit BrokerSide(Result<Demands> demands) : PassingOn(hardened_info), demands_(std::move(demands)) {}

  bool recognises(const Incoming& message) const override { return is_container(message.payload); }

  Result<Checked<Opened>> open(const Incoming& message, const Scene&) override {
    if (!demands_) return Failure(demands_.error());  // what was demanded is not known: nothing passes
    const auto container = decode_message(message.payload);
    if (!container) return malformed(container.error().what);
    if (container->header.has_type) return malformed("it has the type of another scheme");
    const auto& header = container->header;
    if (container->has_unprotected || header.algorithm == 0 || header.key_id.empty() || !header.issued ||
        !header.claims_are_critical)
      return malformed("a header of this scheme is missing");
    const auto shown = shown_by(*container);
    if (!shown) return malformed(shown.error().what);
    if (shown->encryption < demands_->encryption(message.topic))
      return fail(Blame::peer_misbehaved, "policy: encrypted less than this topic demands");
    if (shown->stamp < demands_->stamp(message.topic))
      return fail(Blame::peer_misbehaved, "policy: stamped less than this topic demands, as far as can be seen");
    return as_it_is(message);
  }

 private:
  Result<Demands> demands_;
};

class PaperBrokerSide : public PassingOn {
 public:
  PaperBrokerSide() : PassingOn(paper_info) {}

  bool recognises(const Incoming& message) const override { return paper::split(message.payload).has_value(); }
  Result<Checked<Opened>> open(const Incoming& message, const Scene&) override {
    if (!recognises(message)) return malformed("neither a stamp nor a ciphertext");
    return as_it_is(message);
  }
};

}  // namespace

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(Demands::parse(ports.options));
}
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts&) {
  return std::make_unique<PaperBrokerSide>();
}

}  // namespace sealmq::payload
