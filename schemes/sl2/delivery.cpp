#include "schemes/sl2/delivery.h"

#include <algorithm>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/kdf.h"
#include "mqtt/topic.h"
#include "mqtt/types.h"

namespace sealmq::sl2 {
namespace {

constexpr std::size_t aes_key_size = 16;

Secret derive(Bytes subscription_key, const SubscriptionId& subscription) {
  Buffer info = to_buffer(as_bytes("MALINA-2 sl2 b2s"));
  append(info, subscription);
  return crypto::hkdf(subscription_key, {}, info, aes_key_size + std::tuple_size_v<crypto::Iv>);
}

}  // namespace

Result<DeliveryFrame> decode_delivery_frame(Bytes bytes) {
  Reader in(bytes);
  in.answer_with(static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid));
  const std::array<std::uint8_t, 3> start{malina::hardened, type_sl2_3, malina::suite};
  in.expect(start);
  DeliveryFrame frame;
  frame.subscription = in.array<8>();
  frame.counter = in.u64();
  frame.header = bytes.first(bytes.size() - in.remaining());
  frame.box = in.rest();
  if (frame.box.size() < crypto::AesGcm::tag_size) in.fail("ends too early");
  return in.finish(frame);
}

DeliveryKey::DeliveryKey(Bytes subscription_key, const SubscriptionId& subscription)
    : DeliveryKey(derive(subscription_key, subscription), subscription) {}

DeliveryKey::DeliveryKey(const Secret& key_and_iv, const SubscriptionId& subscription)
    : subscription_(subscription), cipher_(key_and_iv.reveal().first(aes_key_size)) {
  std::copy_n(key_and_iv.reveal().begin() + aes_key_size, iv_.size(), iv_.begin());
}

crypto::Iv DeliveryKey::iv_for(std::uint64_t counter) const {
  auto iv = iv_;
  for (std::size_t i = 0; i < 8; ++i) iv[iv.size() - 1 - i] ^= static_cast<std::uint8_t>(counter >> (8 * i));
  return iv;
}

std::size_t encoded_size(const Delivery& d) {
  return 2 + d.topic.size() + 4 + d.message.size() + 8 + 2 + d.escrow.size() + d.padding;
}

void DeliveryKey::seal(std::uint64_t counter, const Delivery& d, Buffer& out) {
  Buffer header;
  Writer(header).u8(malina::hardened).u8(type_sl2_3).u8(malina::suite).bytes(subscription_).u64(counter);
  Buffer plaintext;
  plaintext.reserve(encoded_size(d));
  Writer(plaintext).lp16(d.topic).lp32(d.message).u64(d.time).lp16(d.escrow);
  plaintext.resize(plaintext.size() + d.padding);
  append(out, header);
  cipher_.seal(iv_for(counter), header, plaintext, out);
}

Result<Buffer> DeliveryKey::open(const DeliveryFrame& frame) {
  if (frame.subscription != subscription_) return fail(Blame::peer_misbehaved, "sealed for another subscription");
  return cipher_.open(iv_for(frame.counter), frame.header, frame.box);
}

Result<Delivery> decode_delivery(Bytes plaintext, std::uint64_t counter) {
  Reader in(plaintext);
  Delivery d;
  d.topic = as_text(in.lp16());
  d.message = in.lp32();
  d.time = in.u64();
  d.escrow = in.lp16();
  const Bytes padding = in.rest();
  d.padding = padding.size();
  if (std::ranges::any_of(padding, [](std::uint8_t octet) { return octet != 0; }))
    in.fail("padded with something else than zeroes");
  const bool bare = d.message.empty() && d.escrow.empty();
  const bool is_confirmation = counter == 0 && bare && d.padding == 0 && mqtt::is_topic_filter(d.topic);
  const bool is_cover = counter > 0 && bare && d.topic.empty();
  const bool is_message = counter > 0 && mqtt::is_topic_name(d.topic);
  if (!is_confirmation && !is_cover && !is_message) in.fail("neither a message nor a confirmation nor cover");
  return in.finish(d);
}

DeliverySender::DeliverySender(const SubscribeRequest& request, const SubscriptionId& subscription, std::uint64_t time,
                               Buffer& out)
    : key_(request.key, subscription) {
  seal({request.filter, {}, time, {}}, out);
}

void DeliverySender::seal(const Delivery& delivery, Buffer& out) {
  key_.seal(counter_.take().value(), delivery, out);  // each counter once, and 2^64 of them
}

}  // namespace sealmq::sl2
