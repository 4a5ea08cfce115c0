// The keys that session tickets are sealed with. A new one every twelve hours; tickets of the one before are still taken, and
// replaced. Nothing is kept of a connection: the client keeps its ticket.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>

#include "sealmq/secret.h"

namespace sealmq::net {

/// Any thread.
class TicketKeys {
 public:
  static constexpr std::int64_t life = 12 * 3600;  ///< seconds

  /// `seconds`: a clock that never steps; empty: the system's.
  explicit TicketKeys(std::function<std::int64_t()> seconds = {});

  /// For SSL_CTX_set_tlsext_ticket_key_evp_cb, in its words. `serves_once`: a ticket that is taken is replaced at once.
  int prepare(bool serves_once, unsigned char* key_name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool seals);

 private:
  struct Key {
    std::array<std::uint8_t, 16> name{};
    Secret cipher, mac;  // 32 bytes each; empty: there is none
    std::int64_t since = 0;
  };
  static Key make(std::int64_t now);
  void turn(std::int64_t now);

  const std::function<std::int64_t()> seconds_;
  std::mutex mutex_;
  Key present_, before_;
};

}  // namespace sealmq::net
