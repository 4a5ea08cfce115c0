#include "schemes/sl2/messages.h"

#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "mqtt/topic.h"
#include "mqtt/types.h"

namespace sealmq::sl2 {
namespace {

constexpr std::size_t aes_key_size = 16;

/// What the tag covers beside the plaintext.
Buffer bound(Bytes header, std::string_view broker_id) {
  Buffer aad = to_buffer(header);
  Writer(aad).lp16(broker_id);
  return aad;
}

crypto::Iv iv_of(const Secret& key) {
  crypto::Iv iv;
  std::copy_n(key.reveal().begin() + aes_key_size, iv.size(), iv.begin());
  return iv;
}

Buffer seal_plaintext(std::uint8_t type, const Secret& plaintext, const crypto::rabin::PublicKey& broker,
                      std::string_view broker_id, Random& random) {
  // Each request has a key of its own, so its one IV cannot repeat.
  const auto made = crypto::rabin::encapsulate(broker, random);
  Buffer frame;
  frame.reserve(5 + made.ciphertext.size() + plaintext.size() + crypto::AesGcm::tag_size);
  Writer(frame).u8(malina::hardened).u8(type).u8(malina::suite).lp16(made.ciphertext);
  const Buffer aad = bound(frame, broker_id);
  crypto::AesGcm(made.key.reveal().first(aes_key_size)).seal(iv_of(made.key), aad, plaintext.reveal(), frame);
  return frame;
}

}  // namespace

Result<SealedRequest> decode_sealed(Bytes frame, std::uint8_t type) {
  Reader in(frame);
  in.answer_with(static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid));
  const std::array<std::uint8_t, 3> start{malina::hardened, type, malina::suite};
  in.expect(start);
  SealedRequest sealed;
  sealed.c = in.lp16();
  sealed.header = frame.first(frame.size() - in.remaining());
  sealed.box = in.rest();
  if (sealed.c.empty() || sealed.box.size() < crypto::AesGcm::tag_size) in.fail("ends too early");
  return in.finish(sealed);
}

Result<Secret> open(const SealedRequest& sealed, const Secret& key, std::string_view broker_id) {
  const Buffer aad = bound(sealed.header, broker_id);
  return Secret(TRY(crypto::AesGcm(key.reveal().first(aes_key_size)).open(iv_of(key), aad, sealed.box)));
}

SubscriptionId subscription_id(Bytes c) {
  SubscriptionId id;
  std::copy_n(crypto::sha256(c).begin(), id.size(), id.begin());
  return id;
}

Result<SubscribeRequest> decode_subscribe(Bytes plaintext) {
  Reader in(plaintext);
  SubscribeRequest request;
  request.time = in.u64();
  request.filter = as_text(in.lp16());
  if (!mqtt::is_topic_filter(request.filter)) in.fail("not a topic filter");
  request.key = in.bytes(subscription_key_size);
  if (in.remaining() > 0) {
    Reader capability(in.lp8());
    request.capability = capability.array<16>();
    if (!capability.finish(true)) in.fail("a capability has 16 bytes");
  }
  return in.finish(request);
}

Buffer seal(const SubscribeRequest& request, const crypto::rabin::PublicKey& broker, std::string_view broker_id, Random& random) {
  Buffer plaintext;
  plaintext.reserve(8 + 2 + request.filter.size() + request.key.size() + 17);  // a Buffer that grows leaves copies
  Writer out(plaintext);
  out.u64(request.time).lp16(request.filter).bytes(request.key);
  if (request.capability) out.lp8(*request.capability);
  return seal_plaintext(type_sl2_1, Secret(std::move(plaintext)), broker, broker_id, random);
}

ReplayMark mark_of(std::string_view scheme, const SealedRequest& sealed, const SubscribeRequest& request) {
  ReplayMark mark;
  mark.scheme = scheme;
  mark.author = {};  // S is anonymous
  mark.digest = crypto::sha256(sealed.c);
  mark.forget_after = request.time + malina::accepted_behind + 5'000;
  return mark;
}

Result<Message> decode_message(Bytes plaintext) {
  Reader in(plaintext);
  Message m;
  m.topic = as_text(in.lp16());
  if (!mqtt::is_topic_name(m.topic)) in.fail("not a topic name");
  m.id = in.array<32>();
  m.message = in.lp32();
  m.time = in.u64();
  m.sequence = in.u64();
  m.signature = in.array<64>();
  return in.finish(m);
}

Buffer seal(const Message& m, const crypto::rabin::PublicKey& broker, std::string_view broker_id, Random& random) {
  Buffer plaintext;
  plaintext.reserve(2 + m.topic.size() + 32 + 4 + m.message.size() + 80);
  Writer(plaintext).lp16(m.topic).bytes(m.id).lp32(m.message).u64(m.time).u64(m.sequence).bytes(m.signature);
  return seal_plaintext(type_sl2_2, Secret(std::move(plaintext)), broker, broker_id, random);
}

malina::Statement statement_of(const Message& m, std::string_view broker_id) {
  return {type_sl2_2, broker_id, m.topic, m.id, m.message, m.time, m.sequence};
}

}  // namespace sealmq::sl2
