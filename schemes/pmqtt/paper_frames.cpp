#include "schemes/pmqtt/paper_frames.h"

#include "base/reader.h"
#include "mqtt/types.h"

namespace sealmq::pmqtt::paper {
namespace {

constexpr auto malformed = static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid);

}  // namespace

Result<Sec1Uncompressed> decode_exchange(Bytes bytes) {
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
  frame.iv = in.array<block_size>();
  frame.ciphertext = in.rest();
  if (frame.ciphertext.empty() || frame.ciphertext.size() % block_size != 0) in.fail("not a whole number of blocks");
  return in.finish(frame);
}

}  // namespace sealmq::pmqtt::paper
