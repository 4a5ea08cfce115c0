#include "schemes/sl2/paper_messages.h"

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "mqtt/topic.h"
#include "mqtt/types.h"

namespace sealmq::sl2 {
namespace {

constexpr std::size_t key_size = 16;

Reader open_frame(Bytes frame, std::string_view name) {
  Reader in(frame);
  in.answer_with(static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid));
  in.expect(name);
  return in;
}

std::string_view read_topic(Reader& in) {
  const auto topic = as_text(in.lp16());
  if (!mqtt::is_topic_name(topic)) in.fail("not a topic name");
  return topic;
}

Result<Buffer> seal_data(std::string_view name, const Secret& data, const crypto::rabin::PublicKey& broker, Random& random) {
  const auto c = TRY(crypto::rabin::encrypt(broker, data.reveal(), random));
  Buffer frame;
  Writer(frame).text(name).bytes(c);
  return frame;
}

}  // namespace

Result<Bytes> decode_paper_sealed(Bytes frame, std::string_view name) {
  Reader in = open_frame(frame, name);
  const Bytes c = in.rest();
  if (c.empty()) in.fail("ends too early");
  return in.finish(c);
}

Result<PaperSubscribe> decode_paper_subscribe(Bytes data) {
  Reader in(data);
  PaperSubscribe request;
  request.topic = read_topic(in);
  request.key = in.bytes(key_size);
  return in.finish(request);
}

Result<Buffer> seal(const PaperSubscribe& request, const crypto::rabin::PublicKey& broker, Random& random) {
  Buffer data;
  data.reserve(2 + request.topic.size() + request.key.size());  // a Buffer that grows leaves copies
  Writer(data).lp16(request.topic).bytes(request.key);
  return seal_data(paper_sl2_1, Secret(std::move(data)), broker, random);
}

Result<PaperMessage> decode_paper_message(Bytes data) {
  Reader in(data);
  PaperMessage m;
  m.topic = read_topic(in);
  m.id = in.array<32>();
  m.message = in.lp32();
  m.time = in.u64();
  m.signature = in.array<64>();
  return in.finish(m);
}

Result<Buffer> seal(const PaperMessage& m, const crypto::rabin::PublicKey& broker, Random& random) {
  Buffer data;
  data.reserve(2 + m.topic.size() + 32 + 4 + m.message.size() + 72);
  Writer(data).lp16(m.topic).bytes(m.id).lp32(m.message).u64(m.time).bytes(m.signature);
  return seal_data(paper_sl2_2, Secret(std::move(data)), broker, random);
}

malina::PaperStatement statement_of(const PaperMessage& m) {
  return {paper_sl2_2, m.topic, m.id, m.message, m.time};
}

void seal(const PaperDelivery& d, crypto::AesGcm& key, Random& random, Buffer& out) {
  crypto::Iv iv;
  random.fill(iv);
  Buffer plaintext;
  Writer(plaintext).lp16(d.topic).lp32(d.message).u64(d.time).bytes(d.signature);
  Writer(out).text(paper_sl2_3).bytes(iv);
  key.seal(iv, {}, plaintext, out);
}

Result<Buffer> open_paper_delivery(Bytes frame, crypto::AesGcm& key) {
  Reader in = open_frame(frame, paper_sl2_3);
  const auto iv = in.array<12>();
  const Bytes box = TRY(in.finish(in.rest()));
  return key.open(iv, {}, box);
}

Result<PaperDelivery> decode_paper_delivery(Bytes plaintext) {
  Reader in(plaintext);
  PaperDelivery d;
  d.topic = read_topic(in);
  d.message = in.lp32();
  d.time = in.u64();
  d.signature = in.array<64>();
  return in.finish(d);
}

}  // namespace sealmq::sl2
