#include "base/text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace sealmq;
using namespace std::string_literals;

namespace {

Buffer octets(std::string_view text) {
  return to_buffer(as_bytes(text));
}

// A second, slow reading of the rules: decode to code points first, then judge them.
bool well_formed_slowly(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto first = static_cast<std::uint8_t>(text[i]);
    std::size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (length == 0 || i + length > text.size()) return false;
    std::uint32_t point = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      auto next = static_cast<std::uint8_t>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      point = point << 6 | (next & 0x3FU);
    }
    constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < smallest[length] || point == 0 || (point >= 0xD800 && point <= 0xDFFF) || point > 0x10FFFF) return false;
    i += length;
  }
  return true;
}

}  // namespace

TEST(Hex, WritesLowerCaseAndReadsBoth) {
  EXPECT_EQ(to_hex(octets("\x00\x7f\xff"s)), "007fff");
  EXPECT_EQ(from_hex("00AbfF"), octets("\x00\xab\xff"s));
  EXPECT_EQ(from_hex(""), Buffer{});
}

TEST(Hex, RefusesOddLengthsAndOtherCharacters) {
  for (auto text : {"0", "abc", "0g", "g0", "0x", " 0", "-1", "00 "}) EXPECT_FALSE(from_hex(text)) << text;
}

RC_GTEST_PROP(Hex, ReadsWhatItWrote, (const Buffer& bytes)) {
  RC_ASSERT(from_hex(to_hex(bytes)) == bytes);
}

TEST(Base64, AgreesWithRfc4648Section10) {
  const std::pair<std::string_view, std::string_view> rows[] = {{"", ""},
                                                                {"f", "Zg=="},
                                                                {"fo", "Zm8="},
                                                                {"foo", "Zm9v"},
                                                                {"foob", "Zm9vYg=="},
                                                                {"fooba", "Zm9vYmE="},
                                                                {"foobar", "Zm9vYmFy"}};
  for (auto [plain, encoded] : rows) {
    EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
    std::string_view unpadded = encoded.substr(0, encoded.find('='));
    EXPECT_EQ(to_base64url(as_bytes(plain)), unpadded);
    EXPECT_EQ(from_base64url(unpadded), octets(plain));
  }
  EXPECT_EQ(to_base64(octets("\xfb\xff")), "+/8=");
  EXPECT_EQ(to_base64url(octets("\xfb\xff")), "-_8");
}

TEST(Base64url, RefusesPaddingSpaceTheOtherAlphabetAndUnusedBits) {
  for (auto text : {"Zg==", "Zg=", "Zg ", " Zg", "Zm8\n", "+_8", "-/8", "A", "AAAAA", "Zh", "Zm9"})
    EXPECT_FALSE(from_base64url(text)) << text;
  EXPECT_FALSE(from_base64url("Zg\0"s));
  EXPECT_TRUE(from_base64url("Zg"));
}

RC_GTEST_PROP(Base64url, ReadsWhatItWrote, (const Buffer& bytes)) {
  RC_ASSERT(from_base64url(to_base64url(bytes)) == bytes);
}

RC_GTEST_PROP(Base64url, HasOneTextForEachValue, (const std::string& text)) {
  auto bytes = from_base64url(text);
  if (bytes) RC_ASSERT(to_base64url(*bytes) == text);
}

TEST(Printable, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(printable("plant/7/temp 21.5"), "plant/7/temp 21.5");
}

TEST(Printable, EscapesWhatCouldForgeALogLine) {
  EXPECT_EQ(printable("a\nb\r\x1b[0m\"'\\\x7f"), R"(a\x0ab\x0d\x1b[0m\"\'\\\x7f)");
  EXPECT_EQ(printable("\xc2\x9b\xe2\x80\xae"), R"(\xc2\x9b\xe2\x80\xae)");
}

TEST(Printable, BoundsTheLengthWithoutCuttingAnEscape) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdefg", 6), "abcdef...");
  EXPECT_EQ(printable("abc\n", 6), "abc...");
  EXPECT_LE(printable(std::string(1000, '\n')).size(), 83U);
}

TEST(MqttUtf8, AcceptsTheEdgesOfEachLength) {
  for (auto text : {"", "\x01", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                    "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xef\xbb\xbf", "plant/\xc3\xa9t\xc3\xa9/temperature"})
    EXPECT_TRUE(is_mqtt_utf8(text)) << printable(text);
}

TEST(MqttUtf8, RefusesIllFormedText) {  // [MQTT-1.5.4-1]
  const std::pair<const char*, const char*> rows[] = {{"lone continuation", "\x80"},
                                                      {"overlong 2", "\xc0\x80"},
                                                      {"overlong 2", "\xc1\xbf"},
                                                      {"overlong 3", "\xe0\x9f\xbf"},
                                                      {"first surrogate", "\xed\xa0\x80"},
                                                      {"last surrogate", "\xed\xbf\xbf"},
                                                      {"overlong 4", "\xf0\x8f\xbf\xbf"},
                                                      {"above 10FFFF", "\xf4\x90\x80\x80"},
                                                      {"five bytes", "\xf8\x88\x80\x80\x80"},
                                                      {"FE", "\xfe"},
                                                      {"FF", "\xff"},
                                                      {"cut after 1 of 2", "\xc3"},
                                                      {"cut after 2 of 3", "\xe2\x82"},
                                                      {"cut after 3 of 4", "\xf0\x9f\x98"},
                                                      {"bad third", "\xe2\x82\x41"}};
  for (auto [why, text] : rows)
    for (std::size_t before = 0; before < 9; ++before)
      for (std::size_t after : {0, 1, 9})
        EXPECT_FALSE(is_mqtt_utf8(std::string(before, 'a') + text + std::string(after, 'b'))) << why << " after " << before;
}

TEST(MqttUtf8, RefusesNulAtEveryPosition) {  // [MQTT-1.5.4-2]
  for (std::size_t size = 1; size < 20; ++size)
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, '\x01');
      EXPECT_TRUE(is_mqtt_utf8(text));
      text[at] = '\0';
      EXPECT_FALSE(is_mqtt_utf8(text)) << at << " of " << size;
    }
}

TEST(MqttUtf8, JudgesEveryTextOfTwoBytesAsTheSlowReadingDoes) {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      std::string text = {static_cast<char>(first), static_cast<char>(second)};
      ASSERT_EQ(is_mqtt_utf8(text), well_formed_slowly(text)) << printable(text);
    }
}

TEST(MqttUtf8, JudgesEveryEdgeOfFourBytesAsTheSlowReadingDoes) {
  const std::uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
  for (auto a : edges)
    for (auto b : edges)
      for (auto c : edges)
        for (auto d : edges) {
          std::string text = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c), static_cast<char>(d)};
          ASSERT_EQ(is_mqtt_utf8(text), well_formed_slowly(text)) << printable(text);
        }
}

TEST(Text, IsTrimmed) {
  EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(trimmed("a"), "a");
  EXPECT_EQ(trimmed(" \n"), "");
  EXPECT_EQ(trimmed(""), "");
}

TEST(LineReader, NumbersTheLines) {
  const auto lines_of = [](std::string_view text) {
    std::string all;
    LineReader lines(text);
    while (const auto line = lines.next()) all += std::to_string(lines.number()) + "=" + std::string(*line) + ";";
    return all;
  };
  EXPECT_EQ(lines_of(""), "");
  EXPECT_EQ(lines_of("a"), "1=a;");
  EXPECT_EQ(lines_of("a\n"), "1=a;");
  EXPECT_EQ(lines_of("\na\r\n\nb"), "1=;2=a\r;3=;4=b;");
}
