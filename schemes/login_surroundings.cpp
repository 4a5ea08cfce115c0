#include "schemes/login_surroundings.h"

#include <algorithm>

namespace sealmq {

Buffer binding_of(const std::array<std::uint8_t, 32>& channel_binding) {
  const bool is_there = std::ranges::any_of(channel_binding, [](std::uint8_t byte) { return byte != 0; });
  return is_there ? to_buffer(channel_binding) : Buffer();
}

void see_offer(crypto::KeyExchange& transcript, const LoginSurroundings& around) {
  if (!around.hop_offer.empty()) transcript.see_lp16(as_bytes(around.hop_offer)).see(around.connect);
}

void see_choice(crypto::KeyExchange& transcript, const LoginSurroundings& around, std::string_view hop) {
  if (!around.hop_offer.empty()) transcript.see_lp16(as_bytes(hop));
}

}  // namespace sealmq
