// The frames of hardened PMQTT, each as its table in README.md. Views point into what was decoded.
#pragma once

#include "crypto/p256.h"
#include "sealmq/result.h"

namespace sealmq::pmqtt {

inline constexpr std::uint8_t version = 0x02;
inline constexpr std::uint8_t type_offer = 0x01;    // KX1
inline constexpr std::uint8_t type_answer = 0x02;   // KX2
inline constexpr std::uint8_t type_message = 0x03;  // stage 3
inline constexpr std::uint8_t type_request = 0x04;  // asks for a new KX1
inline constexpr std::uint8_t type_receipt = 0x05;  // says which messages were taken

inline bool begins(Bytes frame, std::uint8_t type) {
  return frame.size() >= 2 && frame[0] == version && frame[1] == type;
}

using SessionId = std::array<std::uint8_t, 8>;
using Signature = std::array<std::uint8_t, 64>;

/// KX1 and KX2: 02 01|02 || u64 t || n(32) || SEC1c(X) || sig
struct ExchangeFrame {
  std::uint64_t time;
  std::array<std::uint8_t, 32> nonce;
  crypto::Sec1Compressed point;
  Bytes signed_part;  ///< everything before the signature
  Signature signature;
};
Result<ExchangeFrame> decode_exchange(Bytes frame, std::uint8_t type);
/// Without its signature.
Buffer begin_exchange(std::uint8_t type, std::uint64_t time, const std::array<std::uint8_t, 32>& nonce,
                      const crypto::Sec1Compressed& point);

/// 02 04 || u64 t || sid || sig
struct RequestFrame {
  std::uint64_t time;
  SessionId session;  ///< the one that is unknown; zeroes: there is none at all
  Bytes signed_part;
  Signature signature;
};
Result<RequestFrame> decode_request(Bytes frame);
Buffer begin_request(std::uint64_t time, const SessionId& session);

/// 02 03|05 || sid || u64 seq || GCM(...)
struct SealedFrame {
  SessionId session;
  std::uint64_t number;
  Bytes sealed;
};
Result<SealedFrame> decode_sealed(Bytes frame, std::uint8_t type);
void begin_sealed(std::uint8_t type, const SessionId& session, std::uint64_t number, Buffer& out);

/// Inside a receipt: u8 n || n times (u64 seq || u8 verdict)
enum class Verdict : std::uint8_t {
  taken = 0,    ///< the application at the other end has it
  unwanted = 1  ///< it opened, and no subscription there asks for its topic
};
struct Receipt {
  std::uint64_t number;
  Verdict verdict;
  bool operator==(const Receipt&) const = default;
};
inline constexpr std::size_t most_receipts = 100;
Result<std::vector<Receipt>> decode_receipts(Bytes body);
Buffer encode(const std::vector<Receipt>& receipts);

}  // namespace sealmq::pmqtt
