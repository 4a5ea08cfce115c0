// The hardened frames of SL3, each as its table in README.md: what stands on the wire, and what is sealed inside it. Views point
// into what was decoded.
#pragma once

#include "crypto/p256.h"
#include "schemes/malina/signature.h"

namespace sealmq::sl3 {

inline constexpr std::uint8_t type_subscribe = 0x31;         // SL3_1
inline constexpr std::uint8_t type_publish = 0x32;           // SL3_2
inline constexpr std::uint8_t type_message_in = 0x33;        // SL3_3
inline constexpr std::uint8_t type_message_out = 0x34;       // SL3_4
inline constexpr std::uint8_t type_group_key = 0x35;         // SL3_5
inline constexpr std::uint8_t type_group_message = 0x36;     // SL3_6
inline constexpr std::uint8_t type_subscribe_answer = 0x38;  // to SL3_1
inline constexpr std::uint8_t type_publish_answer = 0x39;    // to SL3_2

using SessionId = std::array<std::uint8_t, 8>;
using GroupId = std::array<std::uint8_t, 16>;

/// What a session is for.
enum class Role : std::uint8_t { subscriber, publisher };

constexpr std::uint8_t request_type(Role role) {
  return role == Role::subscriber ? type_subscribe : type_publish;
}
constexpr std::uint8_t answer_type(Role role) {
  return role == Role::subscriber ? type_subscribe_answer : type_publish_answer;
}

// -- the exchange that makes a session

/// 02 31|32 01 || E || GCM(...), and its answer, 02 38|39 01 || F || GCM(...)
struct ExchangeFrame {
  Bytes start;  ///< the first three bytes
  crypto::Sec1Compressed point;
  Bytes sealed;
};
Result<ExchangeFrame> decode_exchange(Bytes frame, std::uint8_t type);
/// Without what is sealed, which is appended.
Buffer begin_exchange(std::uint8_t type, const crypto::Sec1Compressed& point);

/// Inside a request: t || u64 sequence || lp16(T) || ID || z || e
struct RequestBody {
  std::uint64_t time;
  std::uint64_t sequence;
  std::string_view topic;
  malina::Id id;
  malina::Signature signature;
};
Result<RequestBody> decode_request_body(Bytes body);
Buffer encode(const RequestBody& body);

/// Inside an answer: sub || t
struct AnswerBody {
  SessionId session;
  std::uint64_t time;
};
Result<AnswerBody> decode_answer_body(Bytes body);
Buffer encode(const AnswerBody& body);

// -- messages in a session

/// 02 33|34|35 01 || sub || u64 counter || GCM(...)
struct SessionFrame {
  Bytes header;  ///< the first 19 bytes, which are authenticated
  SessionId session;
  std::uint64_t counter;
  Bytes sealed;
};
Result<SessionFrame> decode_session_frame(Bytes frame, std::uint8_t type);
Buffer begin_session_frame(std::uint8_t type, const SessionId& session, std::uint64_t counter);
/// The session that a frame of a type above 32 and below 36 belongs to, before anything else is looked at.
std::optional<SessionId> session_of(Bytes frame);

/// A message with everything its author signed. Inside SL3_4 and SL3_6, and as a broker keeps it:
/// lp16(T) || ID || lp32(M) || t || u64 sequence || z || e
struct SignedMessage {
  std::string_view topic;
  malina::Id id;
  Bytes message;
  std::uint64_t time;
  std::uint64_t sequence;
  malina::Signature signature;
};
Result<SignedMessage> decode_signed_message(Bytes body);
Buffer encode(const SignedMessage& message);
/// What (z, e) signs.
malina::Statement statement_of(const SignedMessage& message, std::string_view broker_id);
/// For the authority.
Buffer evidence_of(const SignedMessage& message, std::string_view broker_id);

/// Inside SL3_3: the same without ID, which the session names.
Result<SignedMessage> decode_message_in(Bytes body, const malina::Id& author);
Buffer encode_message_in(const SignedMessage& message);

// -- groups

inline constexpr std::size_t group_secret_size = 32;

/// Inside SL3_5, in both profiles: group || u32 epoch || secret || u32 messages
struct GroupKeyBody {
  GroupId group;
  std::uint32_t epoch;
  Bytes secret;
  std::uint32_t messages;
};
Result<GroupKeyBody> decode_group_key(Bytes body, std::size_t secret_size = group_secret_size);
Secret encode(const GroupKeyBody& body);

/// 02 36 01 || group || u32 epoch || u64 counter || GCM(...)
struct GroupFrame {
  Bytes header;  ///< the first 31 bytes, which are authenticated
  GroupId group;
  std::uint32_t epoch;
  std::uint64_t counter;
  Bytes sealed;
};
Result<GroupFrame> decode_group_frame(Bytes frame);
Buffer begin_group_frame(const GroupId& group, std::uint32_t epoch, std::uint64_t counter);

/// Inside SL3_6: SignedMessage || sigB
struct GroupBody {
  Bytes message;
  std::array<std::uint8_t, 64> broker_signature;
};
Result<GroupBody> decode_group_body(Bytes body);
/// What sigB signs: "MALINA-2 group message" || lp16(broker id) || header || SignedMessage
Buffer group_statement(std::string_view broker_id, Bytes header, Bytes message);

}  // namespace sealmq::sl3
