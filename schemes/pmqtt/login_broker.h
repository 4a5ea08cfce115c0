// The broker's side of the login PMQTT-2. A wrong password, a wrong key, an unknown name and a revoked one get the same messages
// and the same work; only the log tells them apart.
#pragma once

#include "schemes/pmqtt/login_messages.h"
#include "sealmq/scheme.h"

namespace sealmq::pmqtt {

/// What the logins of one scheme object share. Copies are cheap; any thread.
class LoginPlace {
 public:
  /// At start-up: asks the key store, which may block. The ports' references outlive every login.
  explicit LoginPlace(const BrokerPorts& ports);

  /// Null: the request names another method.
  std::unique_ptr<Login> begin(LoginRequest& request) const;

 private:
  friend class LoginBrokerSide;
  /// Of a name that is not there, the same each time it is asked for, also after a restart.
  Result<PasswordCost> made_up_cost(std::string_view name) const;

  KeyStore* key_;
  Random* random_;
  PasswordSource passwords_;
  std::shared_ptr<const Secret> made_up_salts_;
  crypto::ecdsa::VerifyingKey nobodys_key_;
};

}  // namespace sealmq::pmqtt
