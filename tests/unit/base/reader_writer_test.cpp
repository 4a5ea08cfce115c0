#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/reader.h"
#include "base/writer.h"

using namespace sealmq;

namespace {

struct Nothing {};

const Buffer counting = {1, 2, 3, 4, 5, 6, 7, 8};

}  // namespace

TEST(Reader, ReadsIntegersBigEndian) {
  EXPECT_EQ(Reader(counting).u8(), 0x01U);
  EXPECT_EQ(Reader(counting).u16(), 0x0102U);
  EXPECT_EQ(Reader(counting).u24(), 0x010203U);
  EXPECT_EQ(Reader(counting).u32(), 0x01020304U);
  EXPECT_EQ(Reader(counting).u64(), 0x0102030405060708U);
}

TEST(Reader, TakesBytesInOrderWithoutCopyingThem) {
  Reader in(counting);
  Bytes two = in.bytes(2);
  EXPECT_EQ(two.data(), counting.data());
  EXPECT_EQ((in.array<3>()), (std::array<std::uint8_t, 3>{3, 4, 5}));
  EXPECT_EQ(in.remaining(), 3U);
  EXPECT_EQ(to_buffer(in.rest()), (Buffer{6, 7, 8}));
  EXPECT_TRUE(in.finish(Nothing{}));
}

TEST(Reader, TakesLengthPrefixedBytes) {
  const Buffer input = {1, 'a', 0, 2, 'b', 'c', 0, 0, 0, 3, 'd', 'e', 'f'};
  Reader in(input);
  EXPECT_EQ(as_text(in.lp8()), "a");
  EXPECT_EQ(as_text(in.lp16()), "bc");
  EXPECT_EQ(as_text(in.lp32()), "def");
  EXPECT_TRUE(in.finish(Nothing{}));
}

TEST(Reader, RefusesALengthThatRunsPastTheEnd) {
  const Buffer input = {0xFF, 0xFF, 0xFF, 0xFF, 'a'};
  for (auto read : {&Reader::lp8, &Reader::lp16, &Reader::lp32}) {
    Reader in(input);
    EXPECT_TRUE((in.*read)().empty());
    EXPECT_TRUE(in.failed());
  }
}

TEST(Reader, RefusesBytesLeftOver) {
  Reader in(counting);
  in.u32();
  auto result = in.answer_with(0x81).finish(Nothing{});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().blame, Blame::peer_misbehaved);
  EXPECT_EQ(result.error().what, "bytes are left over");
  EXPECT_EQ(result.error().code, 0x81);
}

TEST(Reader, AnswersZeroAfterAFailureAndKeepsTheFirstReason) {
  Reader in(counting);
  in.bytes(9);
  EXPECT_EQ(in.u8(), 0U);
  EXPECT_EQ(in.u64(), 0U);
  EXPECT_TRUE(in.bytes(1).empty());
  EXPECT_EQ((in.array<2>()), (std::array<std::uint8_t, 2>{}));
  EXPECT_EQ(in.remaining(), 0U);
  in.fail("something later", 0x82);
  auto result = in.finish(Nothing{});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().what, "ends too early");
  EXPECT_EQ(result.error().code, 0);
}

TEST(Reader, PrefersTheCodeOfTheFailureToTheDefault) {
  Reader in(counting);
  in.answer_with(0x81).fail("topic has a wildcard", 0x90);
  EXPECT_EQ(in.finish(Nothing{}).error().code, 0x90);
}

TEST(Reader, ExpectsExactlyTheBytesNamed) {
  const Buffer input = {'H', 'P', 'P', '1'};
  Reader same_bytes(input), other_bytes(input), too_many(input);
  same_bytes.expect("HPP1");
  EXPECT_TRUE(same_bytes.finish(Nothing{}));
  other_bytes.expect("HPP2");
  EXPECT_TRUE(other_bytes.failed());
  too_many.expect("HPP1 ");
  EXPECT_TRUE(too_many.failed());
}

TEST(Writer, WritesIntegersBigEndianBehindWhatIsThere) {
  Buffer out = {0xAA};
  Writer(out).u8(1).u16(0x0203).u24(0x040506).u32(0x0708090A).u64(0x0B0C0D0E0F101112);
  Buffer expected = {0xAA};
  for (std::uint8_t i = 1; i <= 0x12; ++i) expected.push_back(i);
  EXPECT_EQ(out, expected);
}

TEST(Writer, WritesTheLengthsThatTheReaderReads) {
  Buffer out;
  Writer(out).lp8(as_bytes("a")).lp16("bc").lp32(as_bytes("def")).text("g");
  EXPECT_EQ(out, (Buffer{1, 'a', 0, 2, 'b', 'c', 0, 0, 0, 3, 'd', 'e', 'f', 'g'}));
}

RC_GTEST_PROP(ReaderAndWriter, MirrorEachOther,
              (std::uint8_t a, std::uint16_t b, std::uint32_t c, std::uint64_t d, const Buffer& bytes)) {
  Buffer out;
  Writer(out).u8(a).u16(b).u24(c & 0xFFFFFF).u32(c).u64(d).lp16(bytes).lp32(bytes);
  Reader in(out);
  RC_ASSERT(in.u8() == a);
  RC_ASSERT(in.u16() == b);
  RC_ASSERT(in.u24() == (c & 0xFFFFFF));
  RC_ASSERT(in.u32() == c);
  RC_ASSERT(in.u64() == d);
  RC_ASSERT(to_buffer(in.lp16()) == bytes);
  RC_ASSERT(to_buffer(in.lp32()) == bytes);
  RC_ASSERT(in.finish(true).has_value());
}

RC_GTEST_PROP(Reader, RefusesEveryCutOfAFrame, (const Buffer& bytes)) {
  Buffer whole;
  Writer(whole).u8(7).lp16(bytes).u64(9);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Reader in(Bytes(whole).first(size));
    in.u8();
    in.lp16();
    in.u64();
    RC_ASSERT(!in.finish(true).has_value());
  }
}
