#include "schemes/pmqtt/login_client.h"

#include "base/try.h"
#include "crypto/agree.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "schemes/pmqtt/paper_login.h"

namespace sealmq::pmqtt {
namespace {

class ClientSide final : public ClientLogin {
 public:
  ClientSide(const ClientLoginRequest& request, const ClientPorts& ports, PasswordHasher& hasher)
      : ports_(ports), hasher_(hasher), password_(request.password), own_(crypto::AgreementKey::generate(ports.random)) {
    facts_.client_id = request.client_id;
    facts_.user_name = request.user_name;
    facts_.broker_id = ports.broker->id;
    facts_.channel_binding = binding_of(request.channel_binding);
    facts_.hop_offer = request.hop_offer;
    Hello hello{.nonce = {}, .point = own_.public_key()};
    ports.random.fill(hello.nonce);
    hello_ = encode(hello);
  }

  std::string_view method() const override { return login_method; }
  Result<Buffer> first() override { return hello_; }
  Result<Buffer> send_as(Bytes connect) override {
    facts_.connect = crypto::sha256(connect);
    return to_buffer(connect);
  }

  Result<Buffer> answer(Bytes in) override {
    if (std::exchange(has_answered_, true)) return fail(Blame::peer_misbehaved, "the broker goes on after its challenge");
    const SignedChallenge received = TRY(decode_challenge(in));
    transcript_ = begin_transcript(facts_, hello_, received.signed_part);
    const auto broker = TRY(crypto::ecdsa::VerifyingKey::from_sec1(ports_.broker->ecdsa));
    if (!crypto::ecdsa::verify(broker, signed_by_broker(transcript_.hash()), received.signature))
      return fail(Blame::peer_misbehaved, "this is not the broker of the pinned key, or somebody changes what it says");
    transcript_.share(TRY(crypto::agree(own_, received.challenge.point)));
    keys_ = derive_keys(transcript_);
    const crypto::Digest th2 = transcript_.see(received.signature).step();
    const Secret verifier = TRY(hasher_.hash(password_ != nullptr ? password_->reveal() : Bytes(), received.challenge.cost));
    Proof proof;
    proof.signature = TRY(ports_.key->sign_ecdsa(signed_by_client(th2)));
    proof.mac = proof_mac(keys_, th2, verifier.reveal());
    Buffer out = encode(proof);
    transcript_.see(out);
    return out;
  }

  Result<Secret> finish(Bytes in, std::string_view hop) override {
    if (!has_answered_ || keys_.session.empty()) return fail(Blame::peer_misbehaved, "the broker accepts before it was asked to");
    const Confirmation confirmation = TRY(decode_confirmation(in));
    see_choice(transcript_, facts_, hop);
    if (!same(confirmation, crypto::hmac_sha256(keys_.broker_mac.reveal(), transcript_.step())))
      return fail(Blame::peer_misbehaved, "the broker does not confirm the login");
    return std::exchange(keys_, {}).session;
  }

 private:
  const ClientPorts& ports_;
  PasswordHasher& hasher_;
  const Secret* password_;
  crypto::AgreementKey own_;
  LoginFacts facts_;
  Buffer hello_;
  crypto::KeyExchange transcript_;
  LoginKeys keys_;
  bool has_answered_ = false;
};

}  // namespace

Result<Secret> PasswordHasher::hash(Bytes password, const PasswordCost& cost) {
  if (password.empty()) return Secret(Buffer(verifier_size));
  const auto digest = crypto::sha256(password);
  if (!verifier_.empty() && cost == cost_ && same(of_.reveal(), digest)) return Secret(verifier_.reveal());
  const crypto::ScryptCost scrypt_cost{.log2_n = cost.log2_n, .r = cost.r, .p = cost.p};
  verifier_ = TRY(crypto::scrypt(password, cost.salt, scrypt_cost, verifier_size));
  of_ = Secret(Bytes(digest));
  cost_ = cost;
  return Secret(verifier_.reveal());
}

Result<std::unique_ptr<ClientLogin>> ClientLogins::begin(const ClientLoginRequest& request) {
  return begin_client_login(request, ports_, hasher_);
}

Result<std::unique_ptr<ClientLogin>> ClientLogins::begin_paper(const ClientLoginRequest& request) {
  return begin_paper_client_login(request, ports_);
}

Result<std::unique_ptr<ClientLogin>> begin_client_login(const ClientLoginRequest& request, const ClientPorts& ports,
                                                        PasswordHasher& hasher) {
  if (!request.is_v5) return fail(Blame::caller_misused, "this login needs MQTT 5");
  if (ports.key == nullptr) return fail(Blame::caller_misused, "this login needs a key\nhint: --key NAME.key");
  if (!ports.broker)
    return fail(Blame::caller_misused,
                "this login needs the broker's key\nhint: --broker-key broker.pub; or --plain-login for a broker that knows "
                "passwords only");
  if (!is_identity_name(request.user_name)) return fail(Blame::caller_misused, "the user name is no name of an identity");
  return std::unique_ptr<ClientLogin>(std::make_unique<ClientSide>(request, ports, hasher));
}

}  // namespace sealmq::pmqtt
