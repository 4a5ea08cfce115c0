#include "base/cbor.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace sealmq::testing {
namespace {

using cbor::Reader;
using cbor::Writer;

bool is_taken(std::string_view hex) {
  return Reader::over(from_hex(hex).value()).has_value();
}

TEST(Cbor, WritesNumbersInTheirShortestForm) {
  const std::pair<std::int64_t, std::string_view> numbers[] = {{0, "00"},
                                                               {23, "17"},
                                                               {24, "1818"},
                                                               {255, "18ff"},
                                                               {256, "190100"},
                                                               {65536, "1a00010000"},
                                                               {-1, "20"},
                                                               {-24, "37"},
                                                               {-25, "3818"},
                                                               {-257, "390100"},
                                                               {4294967296, "1b0000000100000000"}};
  for (const auto& number : numbers) {
    Buffer out;
    Writer(out).integer(number.first);
    EXPECT_EQ(to_hex(out), number.second);
    Reader in = Reader::over(out).value();
    EXPECT_EQ(in.integer(), number.first);
    EXPECT_TRUE(in.finish(0));
  }
}

TEST(Cbor, ReadsLongerFormsToo) {
  const Buffer bytes = from_hex("9800").value();
  EXPECT_EQ(Reader::over(bytes)->array(), 0u);
  const Buffer number = from_hex("1b0000000000000005").value();
  EXPECT_EQ(Reader::over(number)->integer(), 5);
}

TEST(Cbor, RefusesWhatIsNotWellFormedOrNotWanted) {
  EXPECT_TRUE(is_taken("a201020304"));
  const std::string_view refused[] = {
      "",      // nothing
      "0000",  // one item too many
      "18",    // ends in a head
      "1c",    // a reserved form
      "4201",  // ends in a string
      "5f4101ff",
      "9fff",
      "bfff",
      "7f6161ff",  // of no length that is known
      "ff",        // a break of nothing
      "8201",
      "a101",      // end in an array, in a map
      "6180",      // not UTF-8
      "61ed",      //
      "a1410102",  // a byte string as a key
      "a1800102",
      "f818",                // a simple value that must not be written so
      "1bffffffffffffffff",  // beyond 63 bits
      "3bffffffffffffffff",
      "9bffffffffffffffff",  // an array longer than memory
      "bbffffffffffffffff",
      "5bffffffffffffffff",
  };
  for (const auto hex : refused) EXPECT_FALSE(is_taken(hex)) << hex;
}

TEST(Cbor, AKeyTwiceIsRefusedHoweverItIsWritten) {
  EXPECT_FALSE(is_taken("a201020103"));
  EXPECT_FALSE(is_taken("a20102180103"));
  EXPECT_FALSE(is_taken("a2616100616100"));
  EXPECT_FALSE(is_taken("a220002000"));
  EXPECT_TRUE(is_taken("a220000000"));
  EXPECT_FALSE(is_taken("a101a201020103"));  // nor further inside
}

TEST(Cbor, NestsToADepthOfEight) {
  EXPECT_TRUE(is_taken("8181818181818100"));
  EXPECT_FALSE(is_taken("818181818181818100"));
  EXPECT_FALSE(Reader::over(Buffer(100'000, 0x81)));
  EXPECT_FALSE(Reader::over(Buffer(100'000, 0xC1)));
}

TEST(Cbor, WhatIsNotAsWantedStaysAFailure) {
  const Buffer bytes = from_hex("82014102").value();
  Reader in = Reader::over(bytes).value();
  EXPECT_EQ(in.array(), 2u);
  EXPECT_EQ(in.text(), "");
  EXPECT_TRUE(in.failed());
  EXPECT_EQ(in.integer(), 0);
  EXPECT_FALSE(in.finish(0));
  Reader left = Reader::over(bytes).value();
  EXPECT_EQ(left.array(), 2u);
  EXPECT_EQ(to_hex(left.skip()), "01");
  EXPECT_FALSE(left.finish(0));
  EXPECT_EQ(to_hex(left.bytes()), "02");
  EXPECT_TRUE(left.finish(0));
}

}  // namespace
}  // namespace sealmq::testing
