#include "schemes/sl3/messages.h"

#include "mqtt/topic.h"
#include "schemes/malina/frame.h"
#include "schemes/malina/revocation.h"

namespace sealmq::sl3 {
namespace {

using malina::begin_frame;
using malina::open_frame;
using malina::open_inside;

constexpr std::size_t session_header_size = malina::frame_start_size + 8 + 8;
constexpr std::size_t group_header_size = malina::frame_start_size + 16 + 4 + 8;

std::string_view read_topic(Reader& in) {
  std::string_view topic = as_text(in.lp16());
  if (!in.failed() && !mqtt::is_topic_name(topic)) in.fail("not a topic name");
  return topic;
}

}  // namespace

Result<ExchangeFrame> decode_exchange(Bytes frame, std::uint8_t type) {
  Reader in = open_frame(frame, type);
  ExchangeFrame f;
  f.start = frame.first(std::min(frame.size(), malina::frame_start_size));
  f.point = in.array<33>();
  f.sealed = in.rest();
  return in.finish(f);
}

Buffer begin_exchange(std::uint8_t type, const crypto::Sec1Compressed& point) {
  Buffer out;
  begin_frame(out, type).bytes(point);
  return out;
}

Result<RequestBody> decode_request_body(Bytes body) {
  Reader in = open_inside(body);
  RequestBody b;
  b.time = in.u64();
  b.sequence = in.u64();
  b.topic = as_text(in.lp16());
  b.id = in.array<32>();
  b.signature = in.array<64>();
  return in.finish(b);
}

Buffer encode(const RequestBody& b) {
  Buffer out;
  Writer(out).u64(b.time).u64(b.sequence).lp16(b.topic).bytes(b.id).bytes(b.signature);
  return out;
}

Result<AnswerBody> decode_answer_body(Bytes body) {
  Reader in = open_inside(body);
  AnswerBody b;
  b.session = in.array<8>();
  b.time = in.u64();
  return in.finish(b);
}

Buffer encode(const AnswerBody& b) {
  Buffer out;
  Writer(out).bytes(b.session).u64(b.time);
  return out;
}

Result<SessionFrame> decode_session_frame(Bytes frame, std::uint8_t type) {
  Reader in = open_frame(frame, type);
  SessionFrame f;
  f.header = frame.first(std::min(frame.size(), session_header_size));
  f.session = in.array<8>();
  f.counter = in.u64();
  f.sealed = in.rest();
  return in.finish(f);
}

Buffer begin_session_frame(std::uint8_t type, const SessionId& session, std::uint64_t counter) {
  Buffer out;
  begin_frame(out, type).bytes(session).u64(counter);
  return out;
}

std::optional<SessionId> session_of(Bytes frame) {
  for (std::uint8_t type : {type_message_in, type_message_out, type_group_key})
    if (auto decoded = decode_session_frame(frame, type)) return decoded->session;
  return std::nullopt;
}

Result<SignedMessage> decode_signed_message(Bytes body) {
  Reader in = open_inside(body);
  SignedMessage m;
  m.topic = read_topic(in);
  m.id = in.array<32>();
  m.message = in.lp32();
  m.time = in.u64();
  m.sequence = in.u64();
  m.signature = in.array<64>();
  return in.finish(m);
}

Buffer encode(const SignedMessage& m) {
  Buffer out;
  out.reserve(m.topic.size() + m.message.size() + 118);
  Writer(out).lp16(m.topic).bytes(m.id).lp32(m.message).u64(m.time).u64(m.sequence).bytes(m.signature);
  return out;
}

// The type is that of SL3_3 and not of SL3_2: a request signs a hash under its own type, so that no message whose content someone
// else chose can pass as a request of its author.
malina::Statement statement_of(const SignedMessage& m, std::string_view broker_id) {
  return {type_message_in, broker_id, m.topic, m.id, m.message, m.time, m.sequence};
}

Buffer evidence_of(const SignedMessage& message, std::string_view broker_id) {
  malina::Evidence evidence{malina::Level::sl3, broker_id, message.topic, message.message, message.time};
  evidence.id = message.id;
  evidence.sequence = message.sequence;
  evidence.signature = message.signature;
  return malina::encode(evidence);
}

Result<SignedMessage> decode_message_in(Bytes body, const malina::Id& author) {
  Reader in = open_inside(body);
  SignedMessage m;
  m.topic = read_topic(in);
  m.id = author;
  m.message = in.lp32();
  m.time = in.u64();
  m.sequence = in.u64();
  m.signature = in.array<64>();
  return in.finish(m);
}

Buffer encode_message_in(const SignedMessage& m) {
  Buffer out;
  out.reserve(m.topic.size() + m.message.size() + 86);
  Writer(out).lp16(m.topic).lp32(m.message).u64(m.time).u64(m.sequence).bytes(m.signature);
  return out;
}

Result<GroupKeyBody> decode_group_key(Bytes body, std::size_t secret_size) {
  Reader in = open_inside(body);
  GroupKeyBody b;
  b.group = in.array<16>();
  b.epoch = in.u32();
  b.secret = in.bytes(secret_size);
  b.messages = in.u32();
  return in.finish(b);
}

Secret encode(const GroupKeyBody& b) {
  Buffer out;
  out.reserve(16 + 4 + b.secret.size() + 4);  // grown once, so that no unwiped copy is left behind
  Writer(out).bytes(b.group).u32(b.epoch).bytes(b.secret).u32(b.messages);
  return Secret(std::move(out));
}

Result<GroupFrame> decode_group_frame(Bytes frame) {
  Reader in = open_frame(frame, type_group_message);
  GroupFrame f;
  f.header = frame.first(std::min(frame.size(), group_header_size));
  f.group = in.array<16>();
  f.epoch = in.u32();
  f.counter = in.u64();
  f.sealed = in.rest();
  return in.finish(f);
}

Buffer begin_group_frame(const GroupId& group, std::uint32_t epoch, std::uint64_t counter) {
  Buffer out;
  begin_frame(out, type_group_message).bytes(group).u32(epoch).u64(counter);
  return out;
}

Result<GroupBody> decode_group_body(Bytes body) {
  Reader in = open_inside(body);
  GroupBody b;
  b.message = in.bytes(in.remaining() < 64 ? 0 : in.remaining() - 64);
  b.broker_signature = in.array<64>();
  return in.finish(b);
}

Buffer group_statement(std::string_view broker_id, Bytes header, Bytes message) {
  Buffer out;
  Writer(out).text("MALINA-2 group message").lp16(broker_id).bytes(header).bytes(message);
  return out;
}

}  // namespace sealmq::sl3
