// The frames of SL1, each as its table in README.md. Views point into the frame.
#pragma once

#include "schemes/malina/signature.h"
#include "sealmq/scheme.h"

namespace sealmq::sl1 {

inline constexpr std::uint8_t type_sl1_1 = 0x11;
inline constexpr std::uint8_t type_sl1_2 = 0x12;
inline constexpr std::uint8_t type_sl1_3 = 0x13;

/// Hardened SL1_1: 02 11 01 || lp16(F) || ID || t || u64 sequence || z || e; signed with F for T and bound_to() for M.
struct SubscribeFrame {
  std::string_view filter;
  malina::Id id;
  std::uint64_t time;
  std::uint64_t sequence;
  malina::Signature signature;
};
Result<SubscribeFrame> decode_subscribe(Bytes frame);
Buffer encode(const SubscribeFrame& frame);
/// lp16(client id) || lp16(channel binding): what a subscription is signed for is worth nothing on another connection, or without
/// TLS under another client identifier.
Buffer bound_to(const ThisConnection& connection);

/// Hardened SL1_2: 02 12 01 || lp16(T) || ID || lp32(M) || t || u64 sequence || z || e
struct MessageFrame {
  std::string_view topic;
  malina::Id id;
  Bytes message;
  std::uint64_t time;
  std::uint64_t sequence;
  malina::Signature signature;
};
Result<MessageFrame> decode_message(Bytes frame);
Buffer encode(const MessageFrame& frame);
/// For the authority.
Buffer evidence_of(const MessageFrame& frame, std::string_view broker_id);

/// Hardened SL1_3: 02 13 01 || lp32(SL1_2) || u64 not_after || lp16(F) || sigB
struct ListedFrame {
  Bytes message;  ///< an SL1_2
  std::uint64_t not_after;
  std::string_view filter;
  std::array<std::uint8_t, 64> signature;
};
Result<ListedFrame> decode_listed(Bytes frame);
void encode(const ListedFrame& frame, Buffer& out);
/// What sigB signs: "MALINA-2 listed" || lp16(broker id) || ID || lp16(F) || u64 not_after
Buffer listing(std::string_view broker_id, const malina::Id& id, std::string_view filter, std::uint64_t not_after);

/// Paper SL1_2: "SL1_2" || lp16(T) || ID || lp32(M) || t || z || e
struct PaperMessage {
  std::string_view topic;
  malina::Id id;
  Bytes message;
  std::uint64_t time;
  malina::Signature signature;
};
Result<PaperMessage> decode_paper_message(Bytes frame);
Buffer encode(const PaperMessage& frame);

/// Paper SL1_1: "SL1_1" || lp16(T)
Result<std::string_view> decode_paper_subscribe(Bytes frame);
Buffer encode_paper_subscribe(std::string_view topic);

bool begins(Bytes frame, std::uint8_t type);
bool begins(Bytes frame, std::string_view name);

}  // namespace sealmq::sl1
