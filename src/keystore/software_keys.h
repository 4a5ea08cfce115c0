// SoftwareKeys: the KeyStore whose private keys are in this process's memory, whether they came from a file or were just made.
#pragma once

#include "crypto/agree.h"
#include "crypto/ecdsa.h"
#include "crypto/schnorr.h"
#include "keystore/key_file.h"
#include "sealmq/keystore.h"

namespace sealmq {

struct PrivateKeys {
  crypto::schnorr::SigningKey schnorr;
  crypto::ecdsa::SigningKey ecdsa;
  crypto::AgreementKey agreement;

  static PrivateKeys generate(Random& random);
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
  SequenceCounter& sequence() override { return *sequence_; }

 private:
  PrivateKeys keys_;
  PublicIdentity identity_;
  std::unique_ptr<SequenceCounter> sequence_;
  Random& random_;
};

}  // namespace sealmq
