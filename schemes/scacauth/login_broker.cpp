#include "schemes/scacauth/login_broker.h"

#include <variant>

#include "base/text.h"
#include "base/try.h"
#include "crypto/agree.h"
#include "crypto/kdf.h"
#include "sealmq/registry.h"

namespace sealmq::scacauth {
namespace {

constexpr std::uint8_t protocol_error = 0x82;

/// Who says that it is here, as far as the broker knows. Of nobody too, so that the steps are the same.
struct Claimant {
  PublicKeys keys;
  std::string why_not;  ///< for the log; empty: nothing speaks against it yet
};

struct ExpectHello {};
struct ExpectProof {
  Claimant claimant;
  crypto::KeyExchange transcript;  // at th2
  LoginKeys keys;
};
struct Failed {};

}  // namespace

class LoginBrokerSide final : public Login {
 public:
  LoginBrokerSide(const LoginPlace& place, const Method& method, LoginRequest& request)
      : place_(place), method_(method), client_id_(request.client_id), hop_(name(request.hop)) {
    has_user_name_ = !request.connect.empty() && (!request.user_name.empty() || !request.password.empty());
    facts_.method = request.method;
    facts_.broker_id = place.key_->identity().name;
    facts_.channel_binding = binding_of(request.channel_binding);
    facts_.hop_offer = request.hop_offer;
    facts_.connect = crypto::sha256(request.connect.reveal());
  }

  Result<Step> advance(Bytes in, const Scene& scene) override {
    auto state = std::exchange(state_, Failed{});
    return std::visit([&](auto& s) { return on(s, in, scene); }, state);
  }

 private:
  Result<Step> on(ExpectHello&, Bytes in, const Scene& scene) {
    if (has_user_name_) return fail(Blame::peer_misbehaved, "a user name or password beside the method", protocol_error);
    const Hello hello = TRY(decode_hello(in));
    const auto peer = crypto::Point::decode(hello.point);
    if (!peer) return fail(Blame::peer_misbehaved, peer.error().what, protocol_error);
    facts_.uid = hello.uid;

    Claimant claimant = find(scene);
    const auto own = crypto::AgreementKey::generate(*place_.random_);
    Challenge challenge{.nonce = {}, .point = own.public_key(), .signature = {}};
    place_.random_->fill(challenge.nonce);
    auto transcript = begin_transcript(facts_, in, challenge.nonce, challenge.point);
    challenge.signature = TRY(place_.key_->sign_ecdsa(signed_by_broker(transcript.hash())));
    transcript.see(challenge.signature).step();
    transcript.share(crypto::multiply_to_x(own.scalar(), *peer));
    LoginKeys keys = derive_keys(transcript);
    state_.emplace<ExpectProof>(ExpectProof{std::move(claimant), std::move(transcript), std::move(keys)});
    return reply(encode(challenge));
  }

  Result<Step> on(ExpectProof& expected, Bytes in, const Scene&) {
    const Proof proof = TRY(decode_proof(method_, in));
    const crypto::Digest th2 = expected.transcript.hash();
    // Both always, and one verdict.
    const bool has_key = verify(method_, expected.claimant.keys, signed_by_client(th2), proof.signature);
    const bool has_secret = same(proof.mac, client_mac(expected.keys, th2, proof.signature));
    std::string why_not = std::move(expected.claimant.why_not);
    if (why_not.empty() && !has_key) why_not = "not signed by its key";
    if (why_not.empty() && !has_secret) why_not = "its answer belongs to another conversation";
    if (!why_not.empty()) return fail(Blame::not_authorised, printable(facts_.uid) + ": " + why_not);

    expected.transcript.see(in);
    see_choice(expected.transcript, facts_, hop_);
    const Mac confirmation = crypto::hmac_sha256(expected.keys.broker_mac.reveal(), expected.transcript.step());
    LoggedIn who;
    who.identity = facts_.uid;
    who.session_key = Secret(expected.keys.session.reveal());
    who.key_bits = method_.cipher_bits;
    who.factors = {Factor::key};
    who.binds_client_id = true;
    return done(std::move(who), to_buffer(confirmation));
  }

  Result<Step> on(Failed&, Bytes, const Scene&) { return fail(Blame::peer_misbehaved, "its login has failed already"); }

  Claimant find(const Scene& scene) const {
    const Identity* known = scene.directory.find(facts_.uid);
    Claimant claimant;
    if (known != nullptr) claimant.keys = known->keys;
    if (facts_.uid != client_id_)
      claimant.why_not = "its client identifier is another one";
    else if (known == nullptr)
      claimant.why_not = "not on the list";
    else if (known->status != Status::active)
      claimant.why_not = "not active";
    return claimant;
  }

  const LoginPlace place_;
  const Method method_;
  std::string client_id_;
  LoginFacts facts_;
  bool has_user_name_;
  const std::string_view hop_;  // of a literal
  std::variant<ExpectHello, ExpectProof, Failed> state_;
};

LoginPlace::LoginPlace(const BrokerPorts& ports)
    : key_(&ports.key),
      random_(&ports.random),
      methods_(AllowList::make(ports.options, Profile::hardened).value_or(AllowList())) {}

std::unique_ptr<Login> LoginPlace::begin(LoginRequest& request) const {
  const Method* method = methods_.find(request.method);
  return method != nullptr ? std::make_unique<LoginBrokerSide>(*this, *method, request) : nullptr;
}

}  // namespace sealmq::scacauth
