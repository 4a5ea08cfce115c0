// The client's side of the login PMQTT-2: it has the broker prove who it is before the password comes into anything it sends.
#pragma once

#include "schemes/pmqtt/login_messages.h"
#include "sealmq/scheme.h"

namespace sealmq::pmqtt {

/// Hashes a password, and remembers the last result: the next login costs nothing. One thread.
class PasswordHasher {
 public:
  Result<Secret> hash(Bytes password, const PasswordCost& cost);

 private:
  PasswordCost cost_;
  Secret of_;  // the password, hashed
  Secret verifier_;
};

/// What a client's logins, one after the other, share. Moves, has no copy; one thread.
class ClientLogins {
 public:
  /// What the ports refer to outlives it.
  explicit ClientLogins(const ClientPorts& ports) : ports_{ports.key, ports.broker, {}, ports.random} {}
  /// As begin_client_login(); it must not move meanwhile.
  Result<std::unique_ptr<ClientLogin>> begin(const ClientLoginRequest& request);
  /// In the paper form.
  Result<std::unique_ptr<ClientLogin>> begin_paper(const ClientLoginRequest& request);

 private:
  ClientPorts ports_;
  PasswordHasher hasher_;
};

/// Errors: caller_misused, if a port is missing or the name cannot be one. Ports and hasher outlive the login.
Result<std::unique_ptr<ClientLogin>> begin_client_login(const ClientLoginRequest& request, const ClientPorts& ports,
                                                        PasswordHasher& hasher);

}  // namespace sealmq::pmqtt
