// SoftwareCard: what a SCACAuth card does, in software over the RSA key of a KeyStore. It is the card of who has no card, and
// what the simulator runs.
#pragma once

#include <memory>
#include <optional>

#include "crypto/rsa.h"
#include "sealmq/keystore.h"

namespace sealmq {

inline constexpr std::size_t scac_uid_size = 8;
/// 8 of [0-9A-Za-z].
bool is_scac_uid(std::string_view uid);

class SoftwareCard : public SmartCard {
 public:
  /// `key_size`: 16, 24 or 32. `keys` and `random` outlive the card. The UID is the name of the identity, if it can be one.
  SoftwareCard(KeyStore& keys, CardForm form, std::size_t key_size, Random& random);

  CardForm form() const override { return form_; }
  /// For a simulator, which is told with each command.
  void set_form(CardForm form) { form_ = form; }
  std::size_t key_size() const override { return key_size_; }

  /// caller_misused: the key store makes the keys.
  Result<Buffer> create_pair() override;
  Result<Buffer> public_key() override { return keys_.identity().keys.rsa; }
  Result<> put_broker_key(Bytes modulus) override;
  Result<> put_uid(std::string_view uid) override;
  Result<std::string> uid() override;

  Result<Buffer> auth_step_1() override;
  Result<> auth_step_2(Bytes data) override;
  Result<Buffer> auth_step_3() override;

  Result<Buffer> make_publish(Bytes data) override;
  Result<Buffer> make_pubrel() override;
  Result<Buffer> read_payload(Bytes ciphertext) override;
  Result<> check_pubrel(Bytes ciphertext) override;

  /// Forgets the session.
  void reset();
  /// For a debugging command of the published applet; empty before the first step.
  Bytes rn1() const { return rn1_.reveal(); }

 private:
  Secret new_key() const;
  Buffer seal(const Secret& key, std::initializer_list<Bytes> parts) const;
  Result<Secret> open(const Secret& key, Bytes ciphertext) const;

  KeyStore& keys_;
  CardForm form_;
  std::size_t key_size_;
  Random& random_;
  std::string uid_;
  std::optional<crypto::rsa::PublicKey> broker_;
  Secret rn1_;
  Secret rnp_;
  Secret rns_;
};

std::unique_ptr<SmartCard> make_software_card(KeyStore& keys, CardForm form, std::size_t key_size, Random& random);

}  // namespace sealmq
