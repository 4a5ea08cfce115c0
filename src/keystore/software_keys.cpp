#include "keystore/software_keys.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/ecdsa_deterministic.h"

namespace sealmq {
namespace {

Result<const Secret*> find(const KeyFile& file, Purpose purpose, std::string_view name) {
  const Secret* found = file.find(purpose);
  if (found == nullptr) return fail(Blame::caller_misused, "the key file holds no " + std::string(name) + " key");
  return found;
}

}  // namespace

PrivateKeys PrivateKeys::generate(Random& random, unsigned rsa_bits) {
  PrivateKeys keys{crypto::schnorr::SigningKey::generate(random), crypto::ecdsa::SigningKey::generate(random),
                   crypto::AgreementKey::generate(random)};
  if (rsa_bits != 0) keys.rsa = crypto::rsa::PrivateKey::generate(rsa_bits);
  return keys;
}

Result<PrivateKeys> PrivateKeys::load(const KeyFile& file) {
  const Secret* schnorr_secret = TRY(find(file, Purpose::schnorr, "schnorr"));
  const Secret* ecdsa_secret = TRY(find(file, Purpose::ecdsa, "ecdsa"));
  const Secret* agreement_secret = TRY(find(file, Purpose::agreement, "ecdh"));
  auto schnorr = TRY(crypto::schnorr::SigningKey::from_secret(*schnorr_secret));
  auto ecdsa = TRY(crypto::ecdsa::SigningKey::from_secret(*ecdsa_secret));
  auto agreement = TRY(crypto::AgreementKey::from_secret(*agreement_secret));
  PrivateKeys keys{std::move(schnorr), std::move(ecdsa), std::move(agreement)};
  if (const Secret* rsa_secret = file.find(Purpose::rsa); rsa_secret != nullptr)
    keys.rsa = TRY(crypto::rsa::PrivateKey::from_secret(*rsa_secret));
  return keys;
}

KeyFile PrivateKeys::store(std::string_view name, Kind kind) const {
  KeyFile file{kind, std::string(name), {}};
  file.keys.push_back({Purpose::schnorr, schnorr.export_secret()});
  file.keys.push_back({Purpose::ecdsa, ecdsa.export_secret()});
  file.keys.push_back({Purpose::agreement, agreement.export_secret()});
  if (rsa) file.keys.push_back({Purpose::rsa, rsa->export_secret()});
  return file;
}

PublicKeys PrivateKeys::public_keys() const {
  return {schnorr.id(), ecdsa.public_key(), agreement.public_key(), rsa ? rsa->public_key().modulus() : Buffer()};
}

SoftwareKeys::SoftwareKeys(std::string_view name, Kind kind, PrivateKeys keys, std::unique_ptr<SequenceCounter> sequence,
                           Random& random)
    : keys_(std::move(keys)),
      identity_{std::string(name), kind, keys_.public_keys()},
      sequence_(std::move(sequence)),
      random_(random) {}

Result<std::array<std::uint8_t, 64>> SoftwareKeys::sign_schnorr(std::span<const Bytes> elements) {
  const auto signature = TRY(crypto::schnorr::sign(keys_.schnorr, elements, random_));
  std::array<std::uint8_t, 64> joined{};
  std::copy(signature.e.begin(), signature.e.end(), std::copy(signature.z.begin(), signature.z.end(), joined.begin()));
  return joined;
}

Result<std::array<std::uint8_t, 64>> SoftwareKeys::sign_ecdsa(Bytes message) {
  return crypto::ecdsa::sign(keys_.ecdsa, message);
}

Result<std::array<std::uint8_t, 64>> SoftwareKeys::sign_ecdsa_sha1(Bytes message) {
  return crypto::ecdsa::sign_sha1(keys_.ecdsa, message);
}

Result<Secret> SoftwareKeys::agree(const std::array<std::uint8_t, 33>& peer) {
  return crypto::agree(keys_.agreement, peer);
}

Result<Buffer> SoftwareKeys::sign_rsa_pss(Bytes message) {
  if (!keys_.rsa) return KeyStore::sign_rsa_pss(message);
  return crypto::rsa::sign_pss(*keys_.rsa, message);
}

Result<Buffer> SoftwareKeys::seal_rsa(Bytes message) {
  if (!keys_.rsa) return KeyStore::seal_rsa(message);
  return crypto::rsa::seal_with_private(*keys_.rsa, message);
}

Result<Secret> SoftwareKeys::decrypt_rsa(Bytes ciphertext, std::size_t length) {
  if (!keys_.rsa) return KeyStore::decrypt_rsa(ciphertext, length);
  return crypto::rsa::decrypt(*keys_.rsa, ciphertext, length, random_);
}

}  // namespace sealmq
