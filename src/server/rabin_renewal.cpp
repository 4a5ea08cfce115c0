#include "server/rabin_renewal.h"

#include "base/try.h"

namespace sealmq::server {

Result<std::unique_ptr<RabinRenewal>> RabinRenewal::open(const std::string& data_folder, KeyStore& broker,
                                                         std::optional<BrokerParameters::Authority> authority,
                                                         std::uint64_t wall) {
  std::unique_ptr<RabinRenewal> made(new RabinRenewal(data_folder, broker, authority));
  RabinKeys keys = TRY(open_or_create_rabin_key(data_folder, crypto::rabin::usual_bits, wall));
  if (renewal_due(keys, wall)) keys = TRY(renew_rabin_key(data_folder, keys, crypto::rabin::usual_bits, wall));
  TRY(made->take(std::move(keys)));
  return made;
}

Result<std::unique_ptr<RabinRenewal>> RabinRenewal::make_volatile(KeyStore& broker, unsigned bits,
                                                                  std::optional<BrokerParameters::Authority> authority,
                                                                  std::uint64_t wall) {
  std::unique_ptr<RabinRenewal> made(new RabinRenewal({}, broker, authority));
  auto key = std::make_shared<const crypto::rabin::PrivateKey>(crypto::rabin::PrivateKey::generate(bits));
  TRY(made->take({.current = {std::move(key), wall + rabin_key_life}, .previous = std::nullopt}));
  return made;
}

std::shared_ptr<const RabinKeys> RabinRenewal::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

BrokerIdentity RabinRenewal::identity() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

Result<bool> RabinRenewal::renew(std::uint64_t wall) {
  const auto present = keys();
  if (data_folder_.empty() || !renewal_due(*present, wall)) return false;
  RabinKeys renewed = TRY(renew_rabin_key(data_folder_, *present, crypto::rabin::usual_bits, wall));
  TRY(take(std::move(renewed)));
  return true;
}

Result<> RabinRenewal::take(RabinKeys keys) {
  BrokerParameters wanted;
  wanted.rabin_modulus = to_buffer(keys.current.key->public_key().modulus());
  wanted.rabin_not_after = keys.current.until;
  wanted.authority = authority_;
  BrokerIdentity identity = broker_identity(broker_.identity());
  if (data_folder_.empty())
    identity.parameters = TRY(sign_parameters(broker_, std::move(wanted)));
  else
    identity = TRY(publish_parameters(data_folder_, broker_, std::move(wanted)));
  const std::lock_guard lock(mutex_);
  keys_ = std::make_shared<const RabinKeys>(std::move(keys));
  identity_ = std::move(identity);
  return {};
}

}  // namespace sealmq::server
