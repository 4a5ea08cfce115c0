#include "schemes/pmqtt/frames.h"

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "mqtt/types.h"

namespace sealmq::pmqtt {
namespace {

constexpr auto malformed = static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid);

Reader open_frame(Bytes frame, std::uint8_t type) {
  Reader in(frame);
  in.answer_with(malformed);
  const std::array<std::uint8_t, 2> start{version, type};
  in.expect(start);
  return in;
}

/// What the signature at the end is about.
template <class Frame>
Result<Frame> finish_signed(Reader& in, Bytes bytes, Frame frame) {
  frame.signature = in.array<64>();
  frame = TRY(in.finish(frame));
  frame.signed_part = bytes.first(bytes.size() - frame.signature.size());
  return frame;
}

}  // namespace

Result<ExchangeFrame> decode_exchange(Bytes bytes, std::uint8_t type) {
  Reader in = open_frame(bytes, type);
  ExchangeFrame frame{};
  frame.time = in.u64();
  frame.nonce = in.array<32>();
  frame.point = in.array<33>();
  return finish_signed(in, bytes, frame);
}

Buffer begin_exchange(std::uint8_t type, std::uint64_t time, const std::array<std::uint8_t, 32>& nonce,
                      const crypto::Sec1Compressed& point) {
  Buffer frame;
  Writer(frame).u8(version).u8(type).u64(time).bytes(nonce).bytes(point);
  return frame;
}

Result<RequestFrame> decode_request(Bytes bytes) {
  Reader in = open_frame(bytes, type_request);
  RequestFrame frame{};
  frame.time = in.u64();
  frame.session = in.array<8>();
  return finish_signed(in, bytes, frame);
}

Buffer begin_request(std::uint64_t time, const SessionId& session) {
  Buffer frame;
  Writer(frame).u8(version).u8(type_request).u64(time).bytes(session);
  return frame;
}

Result<SealedFrame> decode_sealed(Bytes bytes, std::uint8_t type) {
  Reader in = open_frame(bytes, type);
  SealedFrame frame{};
  frame.session = in.array<8>();
  frame.number = in.u64();
  frame.sealed = in.rest();
  if (frame.sealed.size() < crypto::AesGcm::tag_size) in.fail("ends too early");
  return in.finish(frame);
}

void begin_sealed(std::uint8_t type, const SessionId& session, std::uint64_t number, Buffer& out) {
  Writer(out).u8(version).u8(type).bytes(session).u64(number);
}

Result<std::vector<Receipt>> decode_receipts(Bytes body) {
  Reader in(body);
  in.answer_with(malformed);
  const std::size_t count = in.u8();
  if (count == 0 || count > most_receipts) in.fail("not a number of receipts");
  std::vector<Receipt> receipts;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    Receipt receipt{in.u64(), static_cast<Verdict>(in.u8())};
    if (receipt.verdict != Verdict::taken && receipt.verdict != Verdict::unwanted) in.fail("not a verdict");
    receipts.push_back(receipt);
  }
  return in.finish(std::move(receipts));
}

Buffer encode(const std::vector<Receipt>& receipts) {
  Buffer body;
  Writer out(body);
  out.u8(static_cast<std::uint8_t>(receipts.size()));
  for (const Receipt& receipt : receipts) out.u64(receipt.number).u8(static_cast<std::uint8_t>(receipt.verdict));
  return body;
}

}  // namespace sealmq::pmqtt
