// SoftwareKeys: the KeyStore whose private keys are in this process's memory, whether they came from a file or were just made.
#pragma once

#include <optional>

#include "crypto/agree.h"
#include "crypto/ecdsa.h"
#include "crypto/rsa.h"
#include "crypto/schnorr.h"
#include "keystore/key_file.h"
#include "sealmq/keystore.h"

namespace sealmq {

struct PrivateKeys {
  crypto::schnorr::SigningKey schnorr;
  crypto::ecdsa::SigningKey ecdsa;
  crypto::AgreementKey agreement;
  std::optional<crypto::rsa::PrivateKey> rsa{};

  /// `rsa_bits`: 0 for no RSA key.
  static PrivateKeys generate(Random& random, unsigned rsa_bits = 0);
  /// caller_misused if a key is missing or no scalar of the curve.
  static Result<PrivateKeys> load(const KeyFile& file);
  KeyFile store(std::string_view name, Kind kind) const;
  PublicKeys public_keys() const;
};

class SoftwareKeys : public KeyStore {
 public:
  /// `random` outlives the store.
  SoftwareKeys(std::string_view name, Kind kind, PrivateKeys keys, std::unique_ptr<SequenceCounter> sequence, Random& random);

  const PublicIdentity& identity() const override { return identity_; }
  Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> elements) override;
  Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) override;
  Result<std::array<std::uint8_t, 64>> sign_ecdsa_sha1(Bytes message) override;
  Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override;
  Result<Buffer> sign_rsa_pss(Bytes message) override;
  Result<Buffer> seal_rsa(Bytes message) override;
  Result<Secret> decrypt_rsa(Bytes ciphertext, std::size_t length) override;
  SequenceCounter& sequence() override { return *sequence_; }

 private:
  PrivateKeys keys_;
  PublicIdentity identity_;
  std::unique_ptr<SequenceCounter> sequence_;
  Random& random_;
};

}  // namespace sealmq
