#include "schemes/scacauth/login_client.h"

#include "base/try.h"
#include "crypto/agree.h"
#include "crypto/kdf.h"

namespace sealmq::scacauth {
namespace {

class ClientSide final : public ClientLogin {
 public:
  ClientSide(const Method& method, const ClientLoginRequest& request, const ClientPorts& ports)
      : ports_(ports), method_(method), own_(crypto::AgreementKey::generate(ports.random)) {
    facts_.method = to_text(method);
    facts_.uid = ports.key->identity().name;
    facts_.broker_id = ports.broker->id;
    facts_.channel_binding = binding_of(request.channel_binding);
    facts_.hop_offer = request.hop_offer;
    Hello hello{.uid = facts_.uid, .nonce = {}, .point = own_.public_key()};
    ports.random.fill(hello.nonce);
    hello_ = encode(hello);
  }

  std::string_view method() const override { return facts_.method; }
  unsigned key_bits() const override { return method_.cipher_bits; }
  Result<Buffer> first() override { return hello_; }
  Result<Buffer> send_as(Bytes connect) override {
    facts_.connect = crypto::sha256(connect);
    return to_buffer(connect);
  }

  Result<Buffer> answer(Bytes in) override {
    if (std::exchange(has_answered_, true)) return fail(Blame::peer_misbehaved, "the broker goes on after its challenge");
    const Challenge challenge = TRY(decode_challenge(in));
    transcript_ = begin_transcript(facts_, hello_, challenge.nonce, challenge.point);
    const auto broker = TRY(crypto::ecdsa::VerifyingKey::from_sec1(ports_.broker->ecdsa));
    if (!crypto::ecdsa::verify(broker, signed_by_broker(transcript_.hash()), challenge.signature))
      return fail(Blame::peer_misbehaved, "this is not the broker of the pinned key, or somebody changes what it says");
    const crypto::Digest th2 = transcript_.see(challenge.signature).step();
    transcript_.share(TRY(crypto::agree(own_, challenge.point)));
    keys_ = derive_keys(transcript_);
    const Buffer signature = TRY(sign(method_, *ports_.key, signed_by_client(th2)));
    Buffer out = encode(Proof{signature, client_mac(keys_, th2, signature)});
    transcript_.see(out);
    return out;
  }

  Result<Secret> finish(Bytes in, std::string_view hop) override {
    if (!has_answered_ || keys_.session.empty()) return fail(Blame::peer_misbehaved, "the broker accepts before it was asked to");
    const Mac confirmation = TRY(decode_confirmation(in));
    see_choice(transcript_, facts_, hop);
    if (!same(confirmation, crypto::hmac_sha256(keys_.broker_mac.reveal(), transcript_.step())))
      return fail(Blame::peer_misbehaved, "the broker does not confirm the login");
    return std::exchange(keys_, {}).session;
  }

 private:
  const ClientPorts& ports_;
  Method method_;
  crypto::AgreementKey own_;
  LoginFacts facts_;
  Buffer hello_;
  crypto::KeyExchange transcript_;
  LoginKeys keys_;
  bool has_answered_ = false;
};

}  // namespace

std::unique_ptr<ClientLogin> begin_client_login(const Method& method, const ClientLoginRequest& request,
                                                const ClientPorts& ports) {
  return std::make_unique<ClientSide>(method, request, ports);
}

}  // namespace sealmq::scacauth
