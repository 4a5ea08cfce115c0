// The broker's part of what patient and doctor say to each other: it tells frames by their topic and form, opens none, and passes
// them on as they came. Whose they are, only the other end can verify.
#include "mqtt/types.h"
#include "schemes/pmqtt/ends.h"
#include "schemes/pmqtt/frames.h"
#include "schemes/pmqtt/login_broker.h"
#include "schemes/pmqtt/paper_frames.h"
#include "schemes/pmqtt/paper_login.h"
#include "schemes/pmqtt/pmqtt.h"
#include "schemes/pmqtt/topics.h"

namespace sealmq::pmqtt {
namespace {

bool is_hardened_frame(bool is_exchange, Bytes frame) {
  if (!is_exchange) return decode_sealed(frame, type_message).has_value() || decode_sealed(frame, type_receipt).has_value();
  return decode_exchange(frame, type_offer).has_value() || decode_exchange(frame, type_answer).has_value() ||
         decode_request(frame).has_value();
}

bool is_paper_frame(bool is_exchange, Bytes frame) {
  return is_exchange ? paper::decode_exchange(frame).has_value() : paper::decode_message(frame).has_value();
}

class BrokerSide : public BrokerScheme {
 public:
  using HasForm = bool (*)(bool is_exchange, Bytes frame);
  BrokerSide(const SchemeInfo& info, HasForm has_form, const BrokerPorts& ports)
      : info_(info),
        topics_(Topics::make(ports.options, info.name).value()),  // check_options has seen them
        table_(PartnerTable::make(ports.options, info.name).value()),
        has_form_(has_form),
        passwords_(ports.passwords) {
    if (info.profile == Profile::hardened) login_.emplace(ports);
  }

  const SchemeInfo& info() const override { return info_; }

  bool recognises(const Incoming& message) const override { return topics_.read(message.topic).has_value(); }

  Result<Checked<Opened>> open(const Incoming& message, const Scene&) override {
    const auto address = topics_.read(message.topic);
    if (!address || !has_form_(address->is_exchange, message.payload))
      return fail(Blame::peer_misbehaved, "not a frame for its topic",
                  static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid));
    Opened opened;
    opened.topic = message.topic;
    opened.payload = message.payload;
    return verified(std::move(opened));
  }

  Result<> seal(const sealmq::Outgoing& message, const Scene&, Buffer& out) override {
    if (message.came_by != info_.name) return fail(Blame::peer_incompatible, "carries nothing of this scheme");
    append(out, message.payload);
    return {};
  }

  std::unique_ptr<Login> begin_login(LoginRequest& request) override { return login_ ? login_->begin(request) : nullptr; }
  std::unique_ptr<Login> begin_login_in_connect(LoginRequest& request) override {
    return login_ ? nullptr : begin_paper_login(request, passwords_);
  }
  void change_options(const SchemeOptions& options) override {
    if (auto table = PartnerTable::make(options, info_.name)) table_ = *std::move(table);
  }
  bool may_send(std::string_view identity, std::string_view topic) const override {
    return may_send_to(topics_.prefix(), identity, topic, table_);
  }
  bool may_get(std::string_view identity, std::string_view filter) const override {
    return may_get_from(topics_.prefix(), identity, filter, table_);
  }

 private:
  const SchemeInfo& info_;
  Topics topics_;
  PartnerTable table_;
  HasForm has_form_;
  PasswordSource passwords_;
  std::optional<LoginPlace> login_;  // nothing: the paper profile's login is in CONNECT
};

}  // namespace

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(hardened_info, is_hardened_frame, ports);
}
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(paper_info, is_paper_frame, ports);
}
std::unique_ptr<BrokerScheme> smqtt_broker(const BrokerPorts& ports) {
  return std::make_unique<BrokerSide>(smqtt_info, is_hardened_frame, ports);
}

}  // namespace sealmq::pmqtt
