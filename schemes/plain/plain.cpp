#include "schemes/plain/plain.h"

namespace sealmq::plain {
namespace {

constexpr std::string_view hazards[] = {
    "anybody who is let in can publish and read anything that policy allows to plain MQTT",
    "nobody can say who published a value, or whether it was changed or sent before",
};

constexpr SchemeInfo plain_info{
    .name = "plain", .title = "MQTT without protection", .profile = Profile::hardened, .claims = {}, .hazards = hazards};

class BrokerSide : public BrokerScheme {
 public:
  const SchemeInfo& info() const override { return plain_info; }
  bool recognises(const Incoming&) const override { return true; }

  Result<Checked<Opened>> open(const Incoming& message, const Scene&) override {
    Opened opened;
    opened.topic = message.topic;
    opened.payload = message.payload;
    return verified(std::move(opened));
  }

  Result<> seal(const sealmq::Outgoing& message, const Scene&, Buffer& out) override {
    append(out, message.payload);
    return {};
  }
};

class ClientSide : public ClientScheme {
 public:
  const SchemeInfo& info() const override { return plain_info; }

  Result<Buffer> protect(std::string_view, Bytes payload, Now) override { return to_buffer(payload); }

  Result<Checked<Received>> unprotect(const Arrived& message, Now) override {
    Received received;
    received.topic = message.topic;
    received.payload = to_buffer(message.payload);
    received.checked = "nothing";
    return verified(std::move(received));
  }
};

}  // namespace

Scheme scheme() {
  return {&plain_info, [](const BrokerPorts&) -> std::unique_ptr<BrokerScheme> { return std::make_unique<BrokerSide>(); },
          // It has no use for its ports; the type of the function says that it takes them.
          [](ClientPorts) -> Result<std::unique_ptr<ClientScheme>> {  // NOLINT(performance-unnecessary-value-param)
            return std::make_unique<ClientSide>();
          }};
}

}  // namespace sealmq::plain
