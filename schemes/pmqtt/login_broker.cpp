#include "schemes/pmqtt/login_broker.h"

#include <algorithm>
#include <variant>

#include "base/reader.h"
#include "base/text.h"
#include "base/try.h"
#include "crypto/agree.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "schemes/pmqtt/paper_connect.h"
#include "sealmq/registry.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::uint8_t protocol_error = 0x82;

/// Who says that it is here, as far as the broker knows. Of nobody too, so that the steps are the same.
struct Claimant {
  crypto::ecdsa::VerifyingKey key;
  Secret verifier;
  PasswordCost cost;
  bool has_password = false;  ///< besides its key
  std::string why_not;        ///< for the log; empty: nothing speaks against it yet
};

/// Whether a client of this login takes what a record costs.
bool is_taken(const PasswordRecord& record) {
  return record.log2_n >= 14 && record.log2_n <= 20 && record.r == 8 && record.p >= 1 && record.p <= 4;
}

Secret no_password() {
  return Secret(Buffer(verifier_size));
}

/// A secret that only the holder of this key can compute, and computes again after a restart: what the key agrees on with itself.
std::shared_ptr<const Secret> secret_of(KeyStore& key) {
  auto agreed = key.agree(key.identity().keys.agreement);
  if (!agreed) return nullptr;
  return std::make_shared<const Secret>(crypto::hkdf(agreed->reveal(), {}, as_bytes("PMQTT-2 made-up salts"), 32));
}

std::shared_ptr<const Secret> random_secret(Random& random) {
  Buffer bytes(32);
  random.fill(bytes);
  return std::make_shared<const Secret>(std::move(bytes));
}

struct ExpectHello {};
struct ExpectProof {
  Claimant claimant;
  crypto::AgreementKey own;
  crypto::Point peer;
  crypto::KeyExchange transcript;  // at th1
  crypto::ecdsa::Signature signature;
};
struct Failed {};

}  // namespace

class LoginBrokerSide final : public Login {
 public:
  LoginBrokerSide(const LoginPlace& place, LoginRequest& request) : place_(place), hop_(name(request.hop)) {
    facts_.client_id = request.client_id;
    facts_.user_name = request.user_name;
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
    if (is_paper_name(facts_.user_name))
      return fail(Blame::peer_misbehaved, "a user name with a signature beside the method", protocol_error);
    const Hello hello = TRY(decode_hello(in));
    auto peer = crypto::Point::decode(hello.point);
    if (!peer) return fail(Blame::peer_misbehaved, peer.error().what, protocol_error);

    Claimant claimant = TRY(find(scene));
    auto own = crypto::AgreementKey::generate(*place_.random_);
    Challenge challenge{.nonce = {}, .point = own.public_key(), .cost = claimant.cost};
    place_.random_->fill(challenge.nonce);
    Buffer reply_data = encode(challenge);
    auto transcript = begin_transcript(facts_, in, reply_data);
    const auto signature = TRY(place_.key_->sign_ecdsa(signed_by_broker(transcript.hash())));
    append(reply_data, signature);
    state_.emplace<ExpectProof>(
        ExpectProof{std::move(claimant), std::move(own), std::move(*peer), std::move(transcript), signature});
    return reply(std::move(reply_data));
  }

  Result<Step> on(ExpectProof& expected, Bytes in, const Scene&) {
    const Proof proof = TRY(decode_proof(in));
    auto& transcript = expected.transcript;
    transcript.share(crypto::multiply_to_x(expected.own.scalar(), expected.peer));
    const LoginKeys keys = derive_keys(transcript);
    const crypto::Digest th2 = transcript.see(expected.signature).step();
    // Both always, and one verdict.
    Claimant& claimant = expected.claimant;
    const bool has_key = crypto::ecdsa::verify(claimant.key, signed_by_client(th2), proof.signature);
    const bool has_password = same(proof.mac, proof_mac(keys, th2, claimant.verifier.reveal()));
    if (claimant.why_not.empty() && has_key && claimant.has_password) tested_ = Tested::secret;
    std::string why_not = std::move(claimant.why_not);
    if (why_not.empty() && !has_key) why_not = "not signed by its key";
    if (why_not.empty() && !has_password) why_not = "wrong password";
    if (!why_not.empty()) return fail(Blame::not_authorised, printable(facts_.user_name) + ": " + why_not);

    transcript.see(in);
    see_choice(transcript, facts_, hop_);
    const auto confirmation = crypto::hmac_sha256(keys.broker_mac.reveal(), transcript.step());
    LoggedIn who{facts_.user_name, Secret(keys.session.reveal())};
    who.factors = {Factor::key};
    if (claimant.has_password) who.factors.add({Factor::password});
    return done(std::move(who), to_buffer(confirmation));
  }

  Result<Step> on(Failed&, Bytes, const Scene&) { return fail(Blame::peer_misbehaved, "its login has failed already"); }

  Result<Claimant> find(const Scene& scene) const {
    const std::string& user = facts_.user_name;
    const Identity* known = scene.directory.find(user);
    Claimant claimant{place_.nobodys_key_, no_password(), TRY(place_.made_up_cost(user)), false, {}};
    if (known == nullptr) claimant.why_not = "not on the list";
    if (known != nullptr && known->status != Status::active) claimant.why_not = "not active";
    // Decoded for nobody too, which takes as long.
    auto key = crypto::ecdsa::VerifyingKey::from_sec1(known != nullptr ? known->keys.ecdsa : place_.nobodys_key_.public_key());
    if (key)
      claimant.key = std::move(*key);
    else
      claimant.why_not = "has no usable key";
    std::optional<PasswordRecord> record;
    if (place_.passwords_.record) record = TRY(place_.passwords_.record(user));
    if (!record) return claimant;
    PasswordCost cost;
    const bool fits = record->salt.size() == cost.salt.size() && record->verifier.size() == verifier_size && is_taken(*record);
    if (!fits) {
      claimant.why_not = "its password is kept in a form that this login does not take";
      return claimant;
    }
    std::ranges::copy(record->salt, cost.salt.begin());
    cost.log2_n = static_cast<std::uint8_t>(record->log2_n);
    cost.r = static_cast<std::uint8_t>(record->r);
    cost.p = static_cast<std::uint8_t>(record->p);
    claimant.cost = cost;
    claimant.verifier = std::move(record->verifier);
    claimant.has_password = true;
    return claimant;
  }

  const LoginPlace place_;
  LoginFacts facts_;
  const std::string_view hop_;  // of a literal
  std::variant<ExpectHello, ExpectProof, Failed> state_;
};

LoginPlace::LoginPlace(const BrokerPorts& ports)
    : key_(&ports.key),
      random_(&ports.random),
      passwords_(ports.passwords),
      made_up_salts_(secret_of(ports.key)),
      nobodys_key_(crypto::ecdsa::VerifyingKey::from_sec1(crypto::AgreementKey::generate(ports.random).public_key()).value()) {
  if (made_up_salts_ == nullptr) made_up_salts_ = random_secret(ports.random);
}

Result<PasswordCost> LoginPlace::made_up_cost(std::string_view name) const {
  PasswordCost cost;
  const auto chance = crypto::hmac_sha256(made_up_salts_->reveal(), as_bytes(name));
  std::copy_n(chance.begin(), cost.salt.size(), cost.salt.begin());
  if (!passwords_.some_cost) return cost;
  // The salt's neighbours: the same at each try.
  const PasswordRecord like = TRY(passwords_.some_cost(Reader(Bytes(chance).subspan(cost.salt.size(), 8)).u64()));
  if (!is_taken(like)) return cost;
  cost.log2_n = static_cast<std::uint8_t>(like.log2_n);
  cost.r = static_cast<std::uint8_t>(like.r);
  cost.p = static_cast<std::uint8_t>(like.p);
  return cost;
}

std::unique_ptr<Login> LoginPlace::begin(LoginRequest& request) const {
  if (request.method != login_method) return nullptr;
  return std::make_unique<LoginBrokerSide>(*this, request);
}

}  // namespace sealmq::pmqtt
