// The client's part: it logs in, and what protects the connection from then on does the rest.
#include "base/try.h"
#include "schemes/scacauth/login_client.h"
#include "schemes/scacauth/paper_crypto.h"
#include "schemes/scacauth/paper_login.h"
#include "schemes/scacauth/scacauth.h"
#include "schemes/scacauth/software_end.h"

namespace sealmq::scacauth {
namespace {

class ClientSide : public ClientScheme {
 public:
  ClientSide(const SchemeInfo& info, const Method& method, ClientPorts ports)
      : info_(info), method_(method), ports_(std::move(ports)), uid_(ports_.key->identity().name) {}

  const SchemeInfo& info() const override { return info_; }
  std::string_view client_id() const override { return uid_; }

  Result<Buffer> protect(std::string_view, Bytes payload, Now) override { return to_buffer(payload); }
  Result<Checked<Received>> unprotect(const Arrived& message, Now) override {
    Received received;
    received.topic = message.topic;
    received.payload = to_buffer(message.payload);
    received.checked = "the broker, which this connection has verified";
    return verified(std::move(received));
  }

 protected:
  static Result<> need_v5(const ClientLoginRequest& request) {
    if (!request.is_v5) return fail(Blame::caller_misused, "this login needs MQTT 5");
    return {};
  }
  const SchemeInfo& info_;
  Method method_;
  ClientPorts ports_;
  std::string uid_;
};

class HardenedClient final : public ClientSide {
 public:
  using ClientSide::ClientSide;
  Result<std::unique_ptr<ClientLogin>> begin_login(const ClientLoginRequest& request) override {
    TRY(need_v5(request));
    return begin_client_login(method_, request, ports_);
  }
};

class PaperClient final : public ClientSide {
 public:
  PaperClient(const Method& method, ClientPorts ports, std::unique_ptr<SmartCard> card)
      : ClientSide(paper_info, method, std::move(ports)), card_(std::move(card)) {}
  Result<std::unique_ptr<ClientLogin>> begin_login(const ClientLoginRequest& request) override {
    TRY(need_v5(request));
    if (request.is_again) return fail(Blame::caller_misused, "as published, this scheme logs in once on a connection");
    return begin_paper_client_login(method_, *card_);
  }

 private:
  std::unique_ptr<SmartCard> card_;
};

Result<> check_ports(const ClientPorts& ports) {
  if (ports.key == nullptr) return fail(Blame::caller_misused, "this scheme needs a key\nhint: --key NAME.key");
  if (!ports.broker) return fail(Blame::caller_misused, "this scheme needs the broker's key\nhint: --broker-key broker.pub");
  if (!is_uid(ports.key->identity().name))
    return fail(Blame::caller_misused,
                "the name of the identity is no UID, which is 8 of 0-9 A-Z a-z\nhint: sealmq identity new CLIENTE1");
  return {};
}

Failure no_key_for(const Method& method) {
  return fail(Blame::caller_misused, "there is no key for " + to_text(method) +
                                         "\nhint: sealmq identity new UID --rsa 2048 makes an RSA key besides the others");
}

Result<std::optional<Method>> named_method(const ClientPorts& ports, Profile profile) {
  const auto named = ports.options.find("scacauth.method");
  if (named == ports.options.end()) return std::optional<Method>();
  auto method = parse_method(named->second);
  if (!method || method->profile != profile) return fail(Blame::caller_misused, "scacauth.method is no method of this scheme");
  return method;
}

Result<Method> choose_hardened(const ClientPorts& ports) {
  if (const auto named = TRY(named_method(ports, Profile::hardened))) return *named;
  const bool has_ecdsa = is_there(ports.key->identity().keys.ecdsa);
  return *parse_method(has_ecdsa ? "SCACAuth2-ECC-256-AESGCM-128" : "SCACAuth2-RSAPSS-2048-AESGCM-128");
}

Result<Method> choose_paper(const ClientPorts& ports) {
  if (const auto named = TRY(named_method(ports, Profile::paper))) return *named;
  return *parse_method("SCACAuth-RSAPKCS1-2048-AES-128");
}

Result<std::unique_ptr<SmartCard>> card_for(const Method& method, const ClientPorts& ports) {
  const bool is_applet = is_on(ports.options, "scacauth.card_v2");
  if (method.algorithm == Algorithm::ecc || method.is_legacy())
    return make_software_end(method, *ports.key, *ports.broker, ports.random);
  auto card = TRY(ports.key->open_card(is_applet ? CardForm::applet : CardForm::paper, method.key_size(), ports.random));
  TRY(card->put_uid(ports.key->identity().name));
  TRY(card->put_broker_key(ports.broker->rsa));
  return card;
}

}  // namespace

Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports) {
  TRY(check_ports(ports));
  const Method method = TRY(choose_hardened(ports));
  const PublicKeys& keys = ports.key->identity().keys;
  const bool has_key = method.algorithm == Algorithm::rsa ? keys.rsa.size() == method.bits / 8 : is_there(keys.ecdsa);
  if (!has_key) return no_key_for(method);
  return std::make_unique<HardenedClient>(hardened_info, method, std::move(ports));
}

Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports) {
  TRY(check_ports(ports));
  const Method method = TRY(choose_paper(ports));
  if (!has_keys(method, ports.key->identity().keys)) return no_key_for(method);
  if (!has_keys(method, keys_of(*ports.broker)))
    return fail(Blame::caller_misused, "the broker has no key for " + to_text(method) +
                                           "\nhint: its broker.pub is an older one, or its policy does not name scacauth@paper");
  auto card = TRY(card_for(method, ports));
  return std::make_unique<PaperClient>(method, std::move(ports), std::move(card));
}

}  // namespace sealmq::scacauth
