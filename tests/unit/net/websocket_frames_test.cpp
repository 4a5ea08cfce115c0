#include "net/websocket_frames.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace sealmq::net {
namespace {

Buffer hex(std::string_view text) {
  return from_hex(text).value();
}

/// What a broker reads from a client, or the code it refuses with.
struct Reading {
  Result<> result;
  std::string plain;
  std::string answers;  // hexadecimal
  CloseCode code;
  bool ended;
};

Reading read(Bytes bytes, Side side = Side::broker, std::size_t piece = SIZE_MAX) {
  FrameReader reader(side);
  Buffer plain, answers;
  Result<> result;
  while (result && !bytes.empty()) {
    const Bytes part = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(part.size());
    result = reader.read(part, plain, answers);
  }
  return {result, std::string(as_text(plain)), to_hex(answers), reader.close_code(), reader.has_ended()};
}

void refuses(std::string_view frames, CloseCode code, Side side = Side::broker) {
  const Buffer bytes = hex(frames);
  const Reading whole = read(bytes, side);
  EXPECT_FALSE(whole.result) << frames;
  EXPECT_EQ(whole.code, code) << frames;
  EXPECT_FALSE(read(bytes, side, 1).result) << frames;
}

TEST(WebSocketFrames, ReadsTheMaskedExampleOfTheStandardWhole_AndByteByByte) {
  // RFC 6455, section 5.7, with the opcode of a binary message
  for (std::size_t piece : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
    const Reading reading = read(hex("828537fa213d7f9f4d5158"), Side::broker, piece);
    ASSERT_TRUE(reading.result);
    EXPECT_EQ(reading.plain, "Hello");
  }
}

TEST(WebSocketFrames, AMessageMayComeInFragmentsWithControlFramesBetween) {
  // "Hel" unfinished, a ping "x", "lo" finished; masks of zero
  const Reading reading = read(hex("02830000000048656c"
                                   "89810000000078"
                                   "8082000000006c6f"),
                               Side::broker, 1);
  ASSERT_TRUE(reading.result);
  EXPECT_EQ(reading.plain, "Hello");
  EXPECT_EQ(reading.answers, "8a0178");  // the pong is not masked
}

TEST(WebSocketFrames, SeveralMessagesMayComeTogetherAndEmptyOnesAreNone) {
  const Reading reading =
      read(hex("82810000000061"
               "828000000000"
               "82810000000062"));
  ASSERT_TRUE(reading.result);
  EXPECT_EQ(reading.plain, "ab");
}

TEST(WebSocketFrames, EachLengthFormIsReadAndOnlyTheShortestIsAllowed) {
  for (std::size_t size : {0U, 1U, 125U, 126U, 127U, 65535U, 65536U, 200000U}) {
    const Buffer payload(size, 'x');
    for (Side side : {Side::client, Side::broker}) {
      Buffer frame;
      write_frame(side, Opcode::binary, payload, frame);
      const Reading reading = read(frame, side == Side::client ? Side::broker : Side::client, 4093);
      ASSERT_TRUE(reading.result) << size;
      EXPECT_EQ(reading.plain, std::string(size, 'x'));
    }
  }
  refuses("82fe007d00000000", CloseCode::protocol_error);
  refuses("82ff000000000000ffff00000000", CloseCode::protocol_error);
}

TEST(WebSocketFrames, ALengthBeyondEveryMqttPacketIsTooBig) {
  refuses("82ff000000001000001100000000", CloseCode::too_big);
  refuses("82ff7fffffffffffffff00000000", CloseCode::too_big);
  refuses("82ff800000000000000000000000", CloseCode::protocol_error);  // section 5.2: the highest bit is zero
}

TEST(WebSocketFrames, FragmentsTogetherAreNotLongerThanAMessage) {
  FrameReader reader(Side::client);
  Buffer plain, answers;
  ASSERT_TRUE(reader.read(hex("027f0000000010000000"), plain, answers));
  const Buffer part(1 << 20);
  for (int i = 0; i < 256; ++i) {
    plain.clear();
    ASSERT_TRUE(reader.read(part, plain, answers));
  }
  EXPECT_FALSE(reader.read(hex("8011"), plain, answers));  // 17 more
  EXPECT_EQ(reader.close_code(), CloseCode::too_big);
}

TEST(WebSocketFrames, AClientMasksAndABrokerDoesNot) {
  refuses("820161", CloseCode::protocol_error);
  refuses("828100000000ff", CloseCode::protocol_error, Side::client);
  EXPECT_TRUE(read(hex("820161"), Side::client).result);
}

TEST(WebSocketFrames, TextIsNotAcceptable) {
  refuses("81810000000061", CloseCode::unacceptable);
}

TEST(WebSocketFrames, RefusesWhatTheStandardForbids) {
  refuses("c28000000000", CloseCode::protocol_error);  // RSV1
  refuses("838000000000", CloseCode::protocol_error);  // unknown opcodes
  refuses("8b8000000000", CloseCode::protocol_error);
  refuses("808000000000", CloseCode::protocol_error);  // nothing to continue
  refuses(
      "028000000000"
      "828000000000",
      CloseCode::protocol_error);                          // a message in a message
  refuses("098000000000", CloseCode::protocol_error);      // a fragmented ping
  refuses("89fe008000000000", CloseCode::protocol_error);  // a long one
  refuses("88810000000003", CloseCode::protocol_error);    // half a close code
  refuses(
      "888200000000"
      "03ed",
      CloseCode::protocol_error);  // 1005 is not sent
  refuses(
      "888300000000"
      "03e8ff",
      CloseCode::protocol_error);  // not UTF-8
}

TEST(WebSocketFrames, ACloseIsAnsweredAndEndsTheReading) {
  const Reading reading =
      read(hex("888200000000"
               "03e8"
               "82810000000061"));
  ASSERT_TRUE(reading.result);
  EXPECT_TRUE(reading.ended);
  EXPECT_EQ(reading.plain, "");
  EXPECT_EQ(reading.answers, "880203e8");
  EXPECT_EQ(read(hex("888000000000")).answers, "8800");
}

}  // namespace
}  // namespace sealmq::net
