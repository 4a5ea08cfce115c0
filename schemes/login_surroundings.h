// What a login's transcript holds of the connection around it: the TLS session that it is in, and the protection that was offered
// and chosen for the time afterwards. So a login cannot be moved to another connection, and no offer stripped from it.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "crypto/key_exchange.h"

namespace sealmq {

struct LoginSurroundings {
  Buffer channel_binding;    ///< 32 bytes; empty without TLS
  std::string hop_offer;     ///< empty: nothing of the offer, the CONNECT packet and the choice goes into the transcript
  crypto::Digest connect{};  ///< SHA-256 of the CONNECT packet; looked at with an offer only
};

/// Of LoginRequest and ClientLoginRequest, where zeroes mean that there is none.
Buffer binding_of(const std::array<std::uint8_t, 32>& channel_binding);

/// At the end of the first step: the client has made its offer.
void see_offer(crypto::KeyExchange& transcript, const LoginSurroundings& around);
/// In the last step, which the broker confirms: what it took of the offer.
void see_choice(crypto::KeyExchange& transcript, const LoginSurroundings& around, std::string_view hop);

}  // namespace sealmq
