#include "schemes/sl1/messages.h"

#include <algorithm>

#include "base/reader.h"
#include "base/writer.h"
#include "mqtt/types.h"
#include "schemes/malina/revocation.h"

namespace sealmq::sl1 {
namespace {

constexpr auto malformed = static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid);

Reader open_frame(Bytes frame, std::uint8_t type) {
  Reader in(frame);
  in.answer_with(malformed);
  std::array<std::uint8_t, 3> start{malina::hardened, type, malina::suite};
  in.expect(start);
  return in;
}

Reader open_paper_frame(Bytes frame, std::string_view name) {
  Reader in(frame);
  in.answer_with(malformed);
  in.expect(name);
  return in;
}

Writer begin(Buffer& out, std::uint8_t type, std::size_t size) {
  out.reserve(out.size() + size);
  Writer writer(out);
  writer.u8(malina::hardened).u8(type).u8(malina::suite);
  return writer;
}

}  // namespace

bool begins(Bytes frame, std::uint8_t type) {
  return frame.size() >= 2 && frame[0] == malina::hardened && frame[1] == type;
}

bool begins(Bytes frame, std::string_view name) {
  return as_text(frame).starts_with(name);
}

Result<SubscribeFrame> decode_subscribe(Bytes frame) {
  Reader in = open_frame(frame, type_sl1_1);
  SubscribeFrame f;
  f.filter = as_text(in.lp16());
  f.id = in.array<32>();
  f.time = in.u64();
  f.sequence = in.u64();
  f.signature = in.array<64>();
  return in.finish(f);
}

Buffer encode(const SubscribeFrame& f) {
  Buffer out;
  begin(out, type_sl1_1, f.filter.size() + 117).lp16(f.filter).bytes(f.id).u64(f.time).u64(f.sequence).bytes(f.signature);
  return out;
}

Buffer bound_to(const ThisConnection& connection) {
  Buffer out;
  Writer(out).lp16(connection.client_id).lp16(connection.channel_binding);
  return out;
}

Result<MessageFrame> decode_message(Bytes frame) {
  Reader in = open_frame(frame, type_sl1_2);
  MessageFrame f;
  f.topic = as_text(in.lp16());
  f.id = in.array<32>();
  f.message = in.lp32();
  f.time = in.u64();
  f.sequence = in.u64();
  f.signature = in.array<64>();
  return in.finish(f);
}

Buffer encode(const MessageFrame& f) {
  Buffer out;
  begin(out, type_sl1_2, f.topic.size() + f.message.size() + 121)
      .lp16(f.topic)
      .bytes(f.id)
      .lp32(f.message)
      .u64(f.time)
      .u64(f.sequence)
      .bytes(f.signature);
  return out;
}

Buffer evidence_of(const MessageFrame& frame, std::string_view broker_id) {
  malina::Evidence evidence{malina::Level::sl1, broker_id, frame.topic, frame.message, frame.time};
  evidence.id = frame.id;
  evidence.sequence = frame.sequence;
  evidence.signature = frame.signature;
  return malina::encode(evidence);
}

Result<ListedFrame> decode_listed(Bytes frame) {
  Reader in = open_frame(frame, type_sl1_3);
  ListedFrame f;
  f.message = in.lp32();
  f.not_after = in.u64();
  f.filter = as_text(in.lp16());
  f.signature = in.array<64>();
  return in.finish(f);
}

void encode(const ListedFrame& f, Buffer& out) {
  begin(out, type_sl1_3, f.message.size() + f.filter.size() + 81)
      .lp32(f.message)
      .u64(f.not_after)
      .lp16(f.filter)
      .bytes(f.signature);
}

Buffer listing(std::string_view broker_id, const malina::Id& id, std::string_view filter, std::uint64_t not_after) {
  Buffer out;
  Writer(out).text("MALINA-2 listed").lp16(broker_id).bytes(id).lp16(filter).u64(not_after);
  return out;
}

Result<PaperMessage> decode_paper_message(Bytes frame) {
  Reader in = open_paper_frame(frame, "SL1_2");
  PaperMessage f;
  f.topic = as_text(in.lp16());
  f.id = in.array<32>();
  f.message = in.lp32();
  f.time = in.u64();
  f.signature = in.array<64>();
  return in.finish(f);
}

Buffer encode(const PaperMessage& f) {
  Buffer out;
  Writer(out).text("SL1_2").lp16(f.topic).bytes(f.id).lp32(f.message).u64(f.time).bytes(f.signature);
  return out;
}

Result<std::string_view> decode_paper_subscribe(Bytes frame) {
  Reader in = open_paper_frame(frame, "SL1_1");
  std::string_view topic = as_text(in.lp16());
  return in.finish(topic);
}

Buffer encode_paper_subscribe(std::string_view topic) {
  Buffer out;
  Writer(out).text("SL1_1").lp16(topic);
  return out;
}

}  // namespace sealmq::sl1
