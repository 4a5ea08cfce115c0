#include "schemes/payload/paper_frames.h"

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/aes_cbc.h"

namespace sealmq::payload::paper {
namespace {

constexpr std::size_t key_size = 16;
constexpr std::size_t longest_stamp = 512;  // RSA with 4096 bits

}  // namespace

Result<Frame> split(Bytes payload) {
  Reader in(payload);
  Frame frame;
  frame.stamp = in.lp16();
  if (frame.stamp.size() > longest_stamp) in.fail("longer than any stamp");
  frame.body = in.rest();
  return in.finish(frame);
}

Buffer join(Bytes stamp, Bytes body) {
  Buffer out;
  Writer(out).lp16(stamp).bytes(body);
  return out;
}

Buffer stamped(std::string_view topic, Bytes body) {
  Buffer out;
  Writer(out).lp16(topic).bytes(body);
  return out;
}

std::array<std::uint8_t, 4> crc32(Bytes bytes) {
  constexpr std::uint32_t polynomial = 0xEDB88320;  // its bits in reverse
  std::uint32_t rest = 0xFFFFFFFF;
  for (const std::uint8_t byte : bytes) {
    rest ^= byte;
    for (int bit = 0; bit < 8; ++bit) rest = rest >> 1 ^ ((rest & 1) != 0 ? polynomial : 0);
  }
  rest = ~rest;
  return {static_cast<std::uint8_t>(rest >> 24), static_cast<std::uint8_t>(rest >> 16), static_cast<std::uint8_t>(rest >> 8),
          static_cast<std::uint8_t>(rest)};
}

Buffer encrypt(const Secret& key, Bytes plaintext, Random& random) {
  crypto::CbcIv iv{};
  random.fill(iv);
  Buffer out(iv.begin(), iv.end());
  crypto::encrypt_cbc(key, iv, plaintext, out);
  return out;
}

Result<Buffer> decrypt(const Secret& key, Bytes body) {
  Reader in(body);
  const auto iv = in.array<crypto::aes_block_size>();
  const Bytes ciphertext = in.rest();
  TRY(in.finish(0));
  return crypto::decrypt_cbc(key, iv, ciphertext);
}

Buffer encrypt_for(const crypto::OtherPublicKey& reader, Bytes plaintext, Random& random) {
  Buffer drawn(key_size);
  random.fill(drawn);
  const Secret key(std::move(drawn));
  Buffer out = crypto::encrypt_oaep(reader, key);
  append(out, encrypt(key, plaintext, random));
  return out;
}

Result<Buffer> decrypt_by(const crypto::OtherPrivateKey& reader, Bytes body) {
  constexpr std::size_t wrapped_size = 256;
  Reader in(body);
  const Bytes wrapped = in.bytes(wrapped_size);
  const Bytes rest = in.rest();
  TRY(in.finish(0));
  const auto key = TRY(crypto::decrypt_oaep(reader, wrapped));
  if (key.size() != key_size) return fail(Blame::peer_misbehaved, "a key of another length");
  return decrypt(key, rest);
}

}  // namespace sealmq::payload::paper
