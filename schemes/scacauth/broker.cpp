// The broker's part beyond the login: what comes on a connection that has logged in was opened before it gets here, and what
// leaves is sealed behind it (src/broker/connections/entering.cpp).
#include "schemes/scacauth/login_broker.h"
#include "schemes/scacauth/paper_login.h"
#include "schemes/scacauth/scacauth.h"

namespace sealmq::scacauth {
namespace {

template <class Place>
class BrokerSide final : public BrokerScheme {
 public:
  BrokerSide(const SchemeInfo& info, const BrokerPorts& ports) : info_(info), place_(ports) {}

  const SchemeInfo& info() const override { return info_; }
  /// The core asks for connections of this scheme's login alone.
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

  std::unique_ptr<Login> begin_login(LoginRequest& request) override { return place_.begin(request); }

 private:
  const SchemeInfo& info_;
  Place place_;
};

}  // namespace

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide<LoginPlace>>(hardened_info, ports);
}
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide<PaperPlace>>(paper_info, ports);
}

}  // namespace sealmq::scacauth
