// The login of the paper profile: a signature over CONNECT with the password in it. README.md lists what is wrong with it.
#pragma once

#include "schemes/pmqtt/paper_connect.h"
#include "sealmq/scheme.h"

namespace sealmq::pmqtt {

/// Null: the user name has no signature in it. The source's functions outlive the login.
std::unique_ptr<Login> begin_paper_login(LoginRequest& request, const PasswordSource& passwords);

/// Errors: caller_misused. The ports outlive the login.
Result<std::unique_ptr<ClientLogin>> begin_paper_client_login(const ClientLoginRequest& request, const ClientPorts& ports);

}  // namespace sealmq::pmqtt
