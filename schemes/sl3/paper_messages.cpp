#include "schemes/sl3/paper_messages.h"

#include <algorithm>

#include "crypto/hash.h"
#include "mqtt/topic.h"
#include "schemes/malina/frame.h"

namespace sealmq::sl3::paper {
namespace {

using malina::open_inside;
using malina::open_paper_frame;

Buffer begin(std::string_view name) {
  return to_buffer(as_bytes(name));
}

std::string_view read_topic(Reader& in) {
  std::string_view topic = as_text(in.lp16());
  if (!in.failed() && !mqtt::is_topic_name(topic)) in.fail("not a topic name");
  return topic;
}

Result<Bytes> all_sealed(Bytes frame, std::string_view name) {
  Reader in = open_paper_frame(frame, name);
  Bytes sealed = in.rest();
  return in.finish(sealed);
}

}  // namespace

KeyId key_id(const crypto::Sec1Compressed& point) {
  crypto::Digest digest = crypto::sha3_256(point);
  KeyId id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

Result<SubscribeFrame> decode_subscribe(Bytes frame) {
  Reader in = open_paper_frame(frame, "SL3_1");
  SubscribeFrame f;
  f.point = in.array<33>();
  f.sealed = in.lp32();
  f.signature = in.array<64>();
  return in.finish(f);
}

Buffer encode(const SubscribeFrame& f) {
  Buffer out = begin("SL3_1");
  Writer(out).bytes(f.point).lp32(f.sealed).bytes(f.signature);
  return out;
}

Result<SubscribeBody> decode_subscribe_body(Bytes body) {
  Reader in = open_inside(body);
  SubscribeBody b;
  b.topic = read_topic(in);
  b.time = in.u64();
  b.id = in.array<32>();
  return in.finish(b);
}

Buffer encode(const SubscribeBody& b) {
  Buffer out;
  Writer(out).lp16(b.topic).u64(b.time).bytes(b.id);
  return out;
}

Result<PublishFrame> decode_publish(Bytes frame) {
  Reader in = open_paper_frame(frame, "SL3_2");
  PublishFrame f;
  f.point = in.array<33>();
  f.sealed = in.rest();
  return in.finish(f);
}

Buffer begin_publish(const crypto::Sec1Compressed& point) {
  Buffer out = begin("SL3_2");
  append(out, point);
  return out;
}

Result<MessageInFrame> decode_message_in(Bytes frame) {
  Reader in = open_paper_frame(frame, "SL3_3");
  MessageInFrame f;
  f.key = in.array<8>();
  f.sealed = in.rest();
  return in.finish(f);
}

Buffer begin_message_in(const KeyId& key) {
  Buffer out = begin("SL3_3");
  append(out, key);
  return out;
}

Result<Bytes> decode_message_out(Bytes frame) {
  return all_sealed(frame, "SL3_4");
}

Buffer begin_message_out() {
  return begin("SL3_4");
}

Result<Bytes> decode_group_key_frame(Bytes frame) {
  return all_sealed(frame, "SL3_5");
}

Buffer begin_group_key_frame() {
  return begin("SL3_5");
}

Result<GroupFrame> decode_group_frame(Bytes frame) {
  Reader in = open_paper_frame(frame, "SL3_6");
  GroupFrame f;
  f.group = in.array<16>();
  f.epoch = in.u32();
  f.sealed = in.rest();
  return in.finish(f);
}

Buffer begin_group_frame(const GroupId& group, std::uint32_t epoch) {
  Buffer out = begin("SL3_6");
  Writer(out).bytes(group).u32(epoch);
  return out;
}

Result<SignedMessage> decode_signed_message(Bytes body) {
  Reader in = open_inside(body);
  SignedMessage m;
  m.topic = read_topic(in);
  m.id = in.array<32>();
  m.message = in.lp32();
  m.time = in.u64();
  m.signature = in.array<64>();
  return in.finish(m);
}

Buffer encode(const SignedMessage& m) {
  Buffer out;
  out.reserve(m.topic.size() + m.message.size() + 110);
  Writer(out).lp16(m.topic).bytes(m.id).lp32(m.message).u64(m.time).bytes(m.signature);
  return out;
}

malina::PaperStatement statement_of(const SignedMessage& m) {
  return {"SL3_2", m.topic, m.id, m.message, m.time};
}

}  // namespace sealmq::sl3::paper
