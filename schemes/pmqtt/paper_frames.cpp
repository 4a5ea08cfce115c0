#include "schemes/pmqtt/paper_frames.h"

#include "base/reader.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "mqtt/types.h"

namespace sealmq::pmqtt::paper {
namespace {

constexpr auto malformed = static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid);
constexpr std::size_t key_size = 16;

}  // namespace

Result<crypto::Sec1Uncompressed> decode_exchange(Bytes bytes) {
  Reader in(bytes);
  in.answer_with(malformed);
  auto point = in.array<65>();
  if (point[0] != 0x04) in.fail("not an uncompressed point");
  return in.finish(point);
}

Result<MessageFrame> decode_message(Bytes bytes) {
  Reader in(bytes);
  in.answer_with(malformed);
  MessageFrame frame{};
  frame.iv = in.array<crypto::aes_block_size>();
  frame.ciphertext = in.rest();
  if (frame.ciphertext.empty() || frame.ciphertext.size() % crypto::aes_block_size != 0) in.fail("not a whole number of blocks");
  return in.finish(frame);
}

Result<Secret> session_key(const crypto::AgreementKey& own, Bytes other_point) {
  const auto shared = TRY(crypto::agree(own, TRY(crypto::compressed(other_point))));
  auto digest = crypto::sha256(shared.reveal());
  Secret key(Bytes(digest).first(key_size));
  wipe(digest.data(), digest.size());
  return key;
}

Buffer exchange_frame(const crypto::AgreementKey& own) {
  return to_buffer(crypto::uncompressed(crypto::Point::decode(own.public_key()).value()));
}

Buffer seal(const Secret& key, Bytes plaintext, Random& random) {
  crypto::CbcIv iv;
  random.fill(iv);
  Buffer frame = to_buffer(iv);
  crypto::encrypt_cbc(key, iv, plaintext, frame);
  return frame;
}

Result<Buffer> open(const Secret& key, Bytes bytes) {
  const auto frame = TRY(decode_message(bytes));
  return crypto::decrypt_cbc(key, frame.iv, frame.ciphertext);
}

}  // namespace sealmq::pmqtt::paper
