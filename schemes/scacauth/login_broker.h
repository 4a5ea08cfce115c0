// The broker's side of the login SCACAuth2. A wrong key, an unknown UID and a revoked one get the same messages and the same
// work; only the log tells them apart.
#pragma once

#include "schemes/scacauth/login_messages.h"

namespace sealmq::scacauth {

/// What the logins of one scheme object share. Copies are cheap; any thread.
class LoginPlace {
 public:
  /// The ports' references outlive every login. Options that cannot be were refused with the configuration.
  explicit LoginPlace(const BrokerPorts& ports);
  /// Null: the method is not one that this broker takes.
  std::unique_ptr<Login> begin(LoginRequest& request) const;

 private:
  friend class LoginBrokerSide;
  KeyStore* key_;
  Random* random_;
  AllowList methods_;
};

}  // namespace sealmq::scacauth
