#include "keystore/key_proof.h"

#include <algorithm>

#include "base/reader.h"
#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/ecdsa.h"
#include "crypto/identity_digest.h"
#include "crypto/rsa.h"
#include "crypto/schnorr.h"

namespace sealmq {
namespace {

constexpr std::string_view first_words = "sealmq-keys 2 ";
constexpr std::string_view tag = "SealMQ public keys 2";
constexpr std::string_view mlkem_word = "mlkem-768=", mldsa_44_word = "mldsa-44=", mldsa_65_word = "mldsa-65=",
                           proof_word = "proof=";
constexpr std::string_view ephemeral = "ephemeral";
constexpr std::size_t mlkem_size = 1184, mldsa_44_size = 1312, mldsa_65_size = 1952;

Failure refuse(std::string_view what) {
  return fail(Blame::caller_misused, "not a second line: " + std::string(what));
}

Failure not_proved(std::string_view which) {
  return fail(Blame::caller_misused, "its maker has not shown to hold its " + std::string(which));
}

Buffer statement_of(const PublicIdentity& identity, const LaterKeys& later) {
  Buffer out;
  Writer(out)
      .text(tag)
      .lp8(as_bytes(identity.name))
      .u8(static_cast<std::uint8_t>(identity.kind))
      .bytes(crypto::identity_digest(identity.keys))
      .lp16(later.mlkem_is_ephemeral ? as_bytes(ephemeral) : Bytes(later.mlkem))
      .lp16(Bytes(later.mldsa));
  return out;
}

struct Proof {
  Bytes schnorr;
  Bytes ecdsa;
  Bytes rsa;
  Bytes mldsa;
};

Result<Proof> decode(Bytes bytes) {
  Reader in(bytes);
  Proof p;
  p.schnorr = in.lp8();
  p.ecdsa = in.lp8();
  p.rsa = in.lp16();
  p.mldsa = in.lp16();
  return in.finish(p);
}

Buffer encode(const Proof& p) {
  Buffer out;
  Writer(out).lp8(p.schnorr).lp8(p.ecdsa).lp16(p.rsa).lp16(p.mldsa);
  return out;
}

bool verify_schnorr(const std::array<std::uint8_t, 32>& id, Bytes statement, Bytes signature) {
  const auto key = crypto::schnorr::VerifyingKey::from_id(id);
  crypto::schnorr::Signature parts;
  if (!key || signature.size() != parts.z.size() + parts.e.size()) return false;
  std::ranges::copy(signature.first(parts.z.size()), parts.z.begin());
  std::ranges::copy(signature.last(parts.e.size()), parts.e.begin());
  const Bytes list[] = {as_bytes(tag), statement};
  return crypto::schnorr::verify(*key, list, parts);
}

bool verify_ecdsa(const std::array<std::uint8_t, 33>& key, Bytes statement, Bytes signature) {
  const auto verifying = crypto::ecdsa::VerifyingKey::from_sec1(key);
  crypto::ecdsa::Signature its;
  if (!verifying || signature.size() != its.size()) return false;
  std::ranges::copy(signature, its.begin());
  return crypto::ecdsa::is_low(its) && crypto::ecdsa::verify(*verifying, statement, its);
}

bool verify_rsa(Bytes modulus, Bytes statement, Bytes signature) {
  const auto key = crypto::rsa::PublicKey::from_modulus(modulus);
  return key && crypto::rsa::verify_pss(*key, statement, signature);
}

/// NAME=VALUE of the line, in this order, each at most once.
class Words {
 public:
  explicit Words(std::string_view rest) : rest_(rest) {}

  std::optional<std::string_view> take(std::string_view name) {
    if (!rest_.starts_with(name)) return std::nullopt;
    const auto end = std::min(rest_.find(' '), rest_.size());
    const auto value = rest_.substr(name.size(), end - name.size());
    ends_in_space_ = end + 1 == rest_.size();
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return value;
  }
  bool is_over() const { return rest_.empty() && !ends_in_space_; }

 private:
  std::string_view rest_;
  bool ends_in_space_ = false;
};

Result<Buffer> key_of(std::string_view value, std::size_t size) {
  auto key = from_base64url(value);
  if (!key || key->size() != size) return refuse("a key of the wrong length");
  return *std::move(key);
}

}  // namespace

std::string to_line(const SecondLine& line) {
  std::string text(first_words);
  text += line.name;
  if (line.keys.mlkem_is_ephemeral || !line.keys.mlkem.empty())
    text.append(" ")
        .append(mlkem_word)
        .append(line.keys.mlkem_is_ephemeral ? std::string(ephemeral) : to_base64url(line.keys.mlkem));
  if (!line.keys.mldsa.empty())
    text.append(" ")
        .append(line.keys.mldsa.size() == mldsa_44_size ? mldsa_44_word : mldsa_65_word)
        .append(to_base64url(line.keys.mldsa));
  return text.append(" ").append(proof_word).append(to_base64url(line.proof));
}

Result<SecondLine> parse_second_line(std::string_view text) {
  if (!text.starts_with(first_words)) return refuse("does not begin with " + std::string(first_words));
  Words words(text.substr(first_words.size()));
  SecondLine line;
  line.name = words.take("").value_or("");
  if (!is_identity_name(line.name)) return refuse("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  if (const auto mlkem = words.take(mlkem_word)) {
    line.keys.mlkem_is_ephemeral = mlkem == ephemeral;
    if (!line.keys.mlkem_is_ephemeral) line.keys.mlkem = TRY(key_of(*mlkem, mlkem_size));
  }
  if (const auto mldsa = words.take(mldsa_44_word))
    line.keys.mldsa = TRY(key_of(*mldsa, mldsa_44_size));
  else if (const auto larger = words.take(mldsa_65_word))
    line.keys.mldsa = TRY(key_of(*larger, mldsa_65_size));
  const auto proof = words.take(proof_word);
  auto bytes = proof ? from_base64url(*proof) : std::nullopt;
  if (!bytes) return refuse("its proof is missing");
  if (!words.is_over()) return refuse("unknown word");
  line.proof = *std::move(bytes);
  return line;
}

namespace {

/// By the keys of `identity`, which the store has.
Result<SecondLine> prove(KeyStore& keys, const PublicIdentity& identity) {
  SecondLine line{identity.name, {}, {}};
  const Buffer statement = statement_of(identity, line.keys);
  Buffer schnorr, ecdsa, rsa;
  if (is_there(identity.keys.schnorr)) {
    const Bytes list[] = {as_bytes(tag), statement};
    schnorr = to_buffer(TRY(keys.sign_schnorr(list)));
  }
  if (is_there(identity.keys.ecdsa)) ecdsa = to_buffer(crypto::ecdsa::lowered(TRY(keys.sign_ecdsa(statement))));
  if (!identity.keys.rsa.empty()) rsa = TRY(keys.sign_rsa_pss(statement));
  line.proof = encode({schnorr, ecdsa, rsa, {}});
  return line;
}

/// As broker.pub names the keys.
PublicIdentity named_in_file(const BrokerIdentity& broker) {
  PublicIdentity identity;
  identity.name = broker.id;
  identity.kind = Kind::broker;
  identity.keys.ecdsa = broker.ecdsa;
  identity.keys.agreement = broker.agreement;
  identity.keys.rsa = broker.rsa;
  return identity;
}

}  // namespace

Result<SecondLine> prove_keys(KeyStore& keys) {
  return prove(keys, keys.identity());
}

Result<Buffer> prove_broker_keys(KeyStore& broker) {
  SecondLine line = TRY(prove(broker, named_in_file(broker_identity(broker.identity()))));
  return std::move(line.proof);
}

Result<> verify_broker_keys(const BrokerIdentity& broker) {
  return verify_keys(named_in_file(broker), {broker.id, {}, broker.proof});
}

Result<> verify_keys(const PublicIdentity& identity, const SecondLine& line) {
  if (line.name != identity.name) return fail(Blame::caller_misused, "its second line is that of " + line.name);
  const auto proof = decode(line.proof);
  if (!proof) return refuse("a proof that cannot be read");
  const Buffer statement = statement_of(identity, line.keys);
  const PublicKeys& keys = identity.keys;
  const bool has_schnorr = is_there(keys.schnorr), has_ecdsa = is_there(keys.ecdsa), has_rsa = !keys.rsa.empty();
  if (has_schnorr ? !verify_schnorr(keys.schnorr, statement, proof->schnorr) : !proof->schnorr.empty())
    return not_proved("Schnorr key");
  if (has_ecdsa ? !verify_ecdsa(keys.ecdsa, statement, proof->ecdsa) : !proof->ecdsa.empty()) return not_proved("ECDSA key");
  if (has_rsa ? !verify_rsa(keys.rsa, statement, proof->rsa) : !proof->rsa.empty()) return not_proved("RSA key");
  if (line.keys.mldsa.empty() != proof->mldsa.empty()) return not_proved("ML-DSA key");
  if (!has_schnorr && !has_ecdsa && !has_rsa) return not_proved("keys: none of them signs");
  return {};
}

}  // namespace sealmq
