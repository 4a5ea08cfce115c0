// The client's side of the login SCACAuth2: its key, on a card perhaps, signs and does nothing else.
#pragma once

#include "schemes/scacauth/login_messages.h"

namespace sealmq::scacauth {

/// The ports' key and broker are there, and they outlive the login.
std::unique_ptr<ClientLogin> begin_client_login(const Method& method, const ClientLoginRequest& request,
                                                const ClientPorts& ports);

}  // namespace sealmq::scacauth
