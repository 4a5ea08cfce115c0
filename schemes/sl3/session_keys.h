// The second half of the exchange, which both sides of a hardened session compute alike (README.md, "The exchange").
#pragma once

#include "schemes/malina/ecies.h"
#include "schemes/sl3/messages.h"

namespace sealmq::sl3 {

inline constexpr std::string_view request_label = "MALINA-2 sl3 req";
inline constexpr std::string_view to_broker = "data c2b";
inline constexpr std::string_view to_client = "data b2c";

/// Whether a session of this role can be asked for with this topic.
bool fits(Role role, std::string_view topic);

/// th2 = SHA-256(th1 || request || F), with x(e*F) shared besides x(e*KBroker). `first` is left as it was.
crypto::KeyExchange second_step(const crypto::KeyExchange& first, Bytes request, const crypto::Sec1Compressed& broker_point,
                                const Secret& shared);

/// Appends GCM(...). Once for each exchange: the broker's ephemeral key is fresh, so is the master, and the derived key has one
/// iv. Answers the master.
Secret seal_answer(const crypto::KeyExchange& second, Bytes body, Buffer& out);

struct OpenedAnswer {
  Buffer plaintext;
  Secret master;
};
Result<OpenedAnswer> open_answer(const crypto::KeyExchange& second, Bytes sealed);

/// For one direction's channel.
Secret data_secret(const Secret& master, std::string_view direction);

}  // namespace sealmq::sl3
