// The frames of SL2 in the published form, with the padding the publication lacks (README.md). Opening has a slow step:
//
//   Bytes c = TRY(decode_paper_sealed(frame, paper_sl2_2));
//   Secret data = TRY(crypto::rabin::decrypt(rabin, c));        // on a worker
//   PaperMessage message = TRY(decode_paper_message(data.reveal()));
//
// The broker answers a failure of any step as it answers success: the sender learns nothing.
#pragma once

#include "base/try.h"
#include "crypto/aead.h"
#include "crypto/rabin.h"
#include "schemes/malina/signature.h"

namespace sealmq::sl2 {

inline constexpr std::string_view paper_sl2_1 = "SL2_1";
inline constexpr std::string_view paper_sl2_2 = "SL2_2";
inline constexpr std::string_view paper_sl2_3 = "SL2_3";

/// name || c; answers c. How long c must be is what the Rabin key knows.
Result<Bytes> decode_paper_sealed(Bytes frame, std::string_view name);

/// SL2_1: lp16(T) || SK(16)
struct PaperSubscribe {
  std::string_view topic;
  Bytes key;  ///< fresh chance for every request
};
Result<PaperSubscribe> decode_paper_subscribe(Bytes data);
/// caller_misused if the topic is too long for the modulus.
Result<Buffer> seal(const PaperSubscribe& request, const crypto::rabin::PublicKey& broker, Random& random);

/// SL2_2: lp16(T) || ID || lp32(M) || t || z || e
struct PaperMessage {
  std::string_view topic;
  malina::Id id;
  Bytes message;
  std::uint64_t time;
  malina::Signature signature;
};
Result<PaperMessage> decode_paper_message(Bytes data);
/// caller_misused if topic and message are too long for the modulus: together 375 bytes for 4096 bits.
Result<Buffer> seal(const PaperMessage& message, const crypto::rabin::PublicKey& broker, Random& random);
/// What z || e signs.
malina::PaperStatement statement_of(const PaperMessage& message);

/// SL2_3: "SL2_3" || IV || GCM(SK, IV, "", lp16(T) || lp32(M) || t || z || e)
struct PaperDelivery {
  std::string_view topic;
  Bytes message;
  std::uint64_t time;
  malina::Signature signature;
};
/// Appends a frame. The IV is random: a key is retired long before 2^32 messages.
void seal(const PaperDelivery& delivery, crypto::AesGcm& key, Random& random, Buffer& out);
/// The plaintext.
Result<Buffer> open_paper_delivery(Bytes frame, crypto::AesGcm& key);
Result<PaperDelivery> decode_paper_delivery(Bytes plaintext);

}  // namespace sealmq::sl2
