// SL2_1 and SL2_2 of the hardened form: what travels sealed to the broker. Each frame as its table in README.md.
//
// Opening has a slow step and a fast one. The slow one is crypto::rabin::decapsulate(key, sealed.c), which needs nothing but the
// broker's Rabin key and those octets and may run on any thread; everything here is fast.
//
//   auto sealed = TRY(decode_sealed(frame, type_sl2_2));
//   Secret key = crypto::rabin::decapsulate(rabin, sealed.c);     // on a worker
//   Secret plaintext = TRY(open(sealed, key, broker_id));
//   Message message = TRY(decode_message(plaintext.reveal()));    // its views point into the plaintext
#pragma once

#include <optional>

#include "base/try.h"
#include "crypto/rabin.h"
#include "schemes/malina/signature.h"

namespace sealmq::sl2 {

inline constexpr std::uint8_t type_sl2_1 = 0x21;
inline constexpr std::uint8_t type_sl2_2 = 0x22;
inline constexpr std::uint8_t type_sl2_3 = 0x23;

inline constexpr std::size_t subscription_key_size = 16;
using Capability = std::array<std::uint8_t, 16>;
/// The start of SHA-256(c) of its SL2_1.
using SubscriptionId = std::array<std::uint8_t, 8>;

/// 02 type 01 || lp16(c) || GCM(key, iv, header || lp16(broker id), plaintext); header is all before GCM. Views into the frame.
struct SealedRequest {
  Bytes c;
  Bytes header;
  Bytes box;
};
Result<SealedRequest> decode_sealed(Bytes frame, std::uint8_t type);
/// `key`: what c decapsulates to. Answers the plaintext. One error, whatever was wrong.
Result<Secret> open(const SealedRequest& sealed, const Secret& key, std::string_view broker_id);
SubscriptionId subscription_id(Bytes c);

/// SL2_1: t || lp16(F) || SK(16), and for closed topics lp8(capability)
struct SubscribeRequest {
  std::uint64_t time;
  std::string_view filter;
  Bytes key;  ///< SK, under which the messages come: fresh chance for every request
  std::optional<Capability> capability;
};
Result<SubscribeRequest> decode_subscribe(Bytes plaintext);
/// The broker takes each c once: a second subscription by the same octets would repeat the nonces of the first. `forget_after`
/// lies behind the time at which freshness refuses it.
ReplayMark mark_of(std::string_view scheme, const SealedRequest& sealed, const SubscribeRequest& request);

/// SL2_2: lp16(T) || ID || lp32(M) || t || u64 sequence || z || e
struct Message {
  std::string_view topic;
  malina::Id id;
  Bytes message;
  std::uint64_t time;
  std::uint64_t sequence;
  malina::Signature signature;
};
Result<Message> decode_message(Bytes plaintext);
/// What z || e signs.
malina::Statement statement_of(const Message& message, std::string_view broker_id);

Buffer seal(const SubscribeRequest& request, const crypto::rabin::PublicKey& broker, std::string_view broker_id, Random& random);
Buffer seal(const Message& message, const crypto::rabin::PublicKey& broker, std::string_view broker_id, Random& random);

}  // namespace sealmq::sl2
