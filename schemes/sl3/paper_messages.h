// The frames of SL3 as published, each as its table in README.md. `sealed` is IV || GCM(...). Views point into what was decoded.
#pragma once

#include "crypto/p256.h"
#include "schemes/malina/signature.h"
#include "schemes/sl3/messages.h"

namespace sealmq::sl3::paper {

using KeyId = std::array<std::uint8_t, 8>;
/// Names a session in SL3_3: the first 8 bytes of SHA3-256(R).
KeyId key_id(const crypto::Sec1Compressed& point);

/// "SL3_1" || R || lp32(ct) || z || e; (z, e) signs the list ("SL3_1", ct).
struct SubscribeFrame {
  crypto::Sec1Compressed point;
  Bytes sealed;
  malina::Signature signature;
};
Result<SubscribeFrame> decode_subscribe(Bytes frame);
Buffer encode(const SubscribeFrame& frame);

/// Inside SL3_1: lp16(T) || t || ID
struct SubscribeBody {
  std::string_view topic;
  std::uint64_t time;
  malina::Id id;
};
Result<SubscribeBody> decode_subscribe_body(Bytes body);
Buffer encode(const SubscribeBody& body);

/// "SL3_2" || R || sealed SignedMessage
struct PublishFrame {
  crypto::Sec1Compressed point;
  Bytes sealed;
};
Result<PublishFrame> decode_publish(Bytes frame);
/// Without what is sealed, which is appended.
Buffer begin_publish(const crypto::Sec1Compressed& point);

/// "SL3_3" || kid || sealed SignedMessage
struct MessageInFrame {
  KeyId key;
  Bytes sealed;
};
Result<MessageInFrame> decode_message_in(Bytes frame);
Buffer begin_message_in(const KeyId& key);

/// "SL3_4" || sealed SignedMessage; "SL3_5" || sealed GroupKeyBody
Result<Bytes> decode_message_out(Bytes frame);
Buffer begin_message_out();
Result<Bytes> decode_group_key_frame(Bytes frame);
Buffer begin_group_key_frame();

/// "SL3_6" || group || u32 epoch || sealed SignedMessage
struct GroupFrame {
  GroupId group;
  std::uint32_t epoch;
  Bytes sealed;
};
Result<GroupFrame> decode_group_frame(Bytes frame);
Buffer begin_group_frame(const GroupId& group, std::uint32_t epoch);

/// lp16(T) || ID || lp32(M) || t || z || e; (z, e) signs the list ("SL3_2", T, ID, M, t).
struct SignedMessage {
  std::string_view topic;
  malina::Id id;
  Bytes message;
  std::uint64_t time;
  malina::Signature signature;
};
Result<SignedMessage> decode_signed_message(Bytes body);
Buffer encode(const SignedMessage& message);
malina::PaperStatement statement_of(const SignedMessage& message);

inline constexpr std::size_t group_secret_size = 16;

inline Result<GroupKeyBody> decode_group_key(Bytes body) {
  return sl3::decode_group_key(body, group_secret_size);
}

}  // namespace sealmq::sl3::paper
