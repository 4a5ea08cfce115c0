// RabinRenewal: the broker's Rabin keys while it runs, with what is published about them. Renewed in time.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "keystore/rabin_key.h"
#include "sealmq/keystore.h"

namespace sealmq::server {

class RabinRenewal {
 public:
  /// Opens or makes DATA/rabin.key, which takes seconds, and puts the parameters into DATA/broker.pub. `broker` outlives it.
  /// Errors: environment; caller_misused for a malformed file.
  static Result<std::unique_ptr<RabinRenewal>> open(const std::string& data_folder, KeyStore& broker,
                                                    std::optional<BrokerParameters::Authority> authority, std::uint64_t wall);
  /// For tests and the tour: a key of so many bits that is kept nowhere and never renewed.
  static Result<std::unique_ptr<RabinRenewal>> make_volatile(KeyStore& broker, unsigned bits,
                                                             std::optional<BrokerParameters::Authority> authority,
                                                             std::uint64_t wall);

  /// Any thread.
  std::shared_ptr<const RabinKeys> keys() const;
  BrokerIdentity identity() const;

  /// Makes a new key if it is time, which takes seconds. True: the parameters are others now. Errors as open(); what was before
  /// goes on then. One thread.
  Result<bool> renew(std::uint64_t wall);

 private:
  RabinRenewal(std::string data_folder, KeyStore& broker, std::optional<BrokerParameters::Authority> authority)
      : data_folder_(std::move(data_folder)), broker_(broker), authority_(authority) {}
  Result<> take(RabinKeys keys);

  const std::string data_folder_;  // empty: nothing is kept
  KeyStore& broker_;
  const std::optional<BrokerParameters::Authority> authority_;
  mutable std::mutex mutex_;
  std::shared_ptr<const RabinKeys> keys_;
  BrokerIdentity identity_;
};

}  // namespace sealmq::server
