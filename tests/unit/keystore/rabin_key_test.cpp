#include "keystore/rabin_key.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "base/writer.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::mode_of;
using testing::read_text;
using testing::write_text;

constexpr unsigned for_tests = 1024;
constexpr std::uint64_t now = 1'767'225'600'000;
constexpr std::uint64_t day = 24ULL * 3600 * 1000;

Bytes modulus(const RabinKeys::Held& held) {
  return held.key->public_key().modulus();
}

class RabinKeyFile : public ::testing::Test {
 protected:
  RabinKeys open(std::uint64_t at = now) { return open_or_create_rabin_key(data_, for_tests, at).value(); }
  RabinKeys renew(const RabinKeys& keys, std::uint64_t at) { return renew_rabin_key(data_, keys, for_tests, at).value(); }

  testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data";
  const std::string path_ = data_ + "/rabin.key";
};

TEST_F(RabinKeyFile, IsMadeAtFirstUseAndStays) {
  const auto keys = open();
  EXPECT_EQ(mode_of(path_), 0600U);
  EXPECT_EQ(keys.current.until, now + 30 * day);
  EXPECT_FALSE(keys.previous);
  const auto again = open(now + day);
  EXPECT_EQ(to_hex(modulus(again.current)), to_hex(modulus(keys.current)));
  EXPECT_EQ(again.current.until, keys.current.until);
}

TEST_F(RabinKeyFile, TellsAPersonWhatItIs) {
  open();
  const auto text = read_text(path_);
  EXPECT_EQ(text.find("# sealmq Rabin keys of a broker\n# fingerprint SHA256:"), 0U);
  EXPECT_NE(text.find("# keep this file secret"), std::string::npos);
  EXPECT_NE(text.find("\nSEALMQ-RABIN-KEY-1 "), std::string::npos);
}

TEST_F(RabinKeyFile, TheKeyIsReplacedADayBeforeItsEndAndErasedADayLater) {
  const auto first = open();
  EXPECT_FALSE(renewal_due(first, now));
  EXPECT_FALSE(renewal_due(first, now + 29 * day - 1));
  ASSERT_TRUE(renewal_due(first, now + 29 * day));

  const auto second = renew(first, now + 29 * day);
  EXPECT_NE(to_hex(modulus(second.current)), to_hex(modulus(first.current)));
  EXPECT_EQ(second.current.until, now + 59 * day);
  ASSERT_TRUE(second.previous);
  EXPECT_EQ(to_hex(modulus(*second.previous)), to_hex(modulus(first.current)));
  EXPECT_EQ(second.previous->until, first.current.until) << "until then devices may still seal for it";
  const auto read = open(now + 29 * day);
  ASSERT_TRUE(read.previous);
  EXPECT_EQ(to_hex(modulus(*read.previous)), to_hex(modulus(first.current)));
  EXPECT_EQ(read.previous->until, second.previous->until);

  EXPECT_FALSE(renewal_due(second, now + 30 * day - 1));
  ASSERT_TRUE(renewal_due(second, now + 30 * day));
  const auto third = renew(second, now + 30 * day);
  EXPECT_FALSE(third.previous);
  EXPECT_EQ(to_hex(modulus(third.current)), to_hex(modulus(second.current)));
  EXPECT_FALSE(open().previous);
  EXPECT_EQ(mode_of(path_), 0600U);
}

TEST_F(RabinKeyFile, ABrokerThatSleptThroughItKeepsTheOldKeyForADayAllTheSame) {
  const auto first = open();
  const auto second = renew(first, now + 100 * day);
  EXPECT_EQ(second.current.until, now + 130 * day);
  EXPECT_EQ(second.previous.value().until, now + 101 * day);
}

TEST_F(RabinKeyFile, RenewingTooEarlyChangesNothing) {
  const auto first = open();
  const auto text = read_text(path_);
  EXPECT_EQ(to_hex(modulus(renew(first, now + day).current)), to_hex(modulus(first.current)));
  EXPECT_EQ(read_text(path_), text);
}

TEST_F(RabinKeyFile, IsNotReplacedWhenItIsDamagedOrOpenToOthers) {
  open();
  const auto text = read_text(path_);
  std::filesystem::permissions(path_, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  EXPECT_FALSE(open_or_create_rabin_key(data_, for_tests, now));
  std::filesystem::permissions(path_, std::filesystem::perms::group_read, std::filesystem::perm_options::remove);
  for (std::size_t at = text.find("KEY-1 ") + 6; at + 1 < text.size(); at += 11) {
    auto damaged = text;
    damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
    write_text(path_, damaged);
    const auto opened = open_or_create_rabin_key(data_, for_tests, now);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().what.find("damaged"), std::string::npos) << opened.error().what;
    EXPECT_EQ(read_text(path_), damaged);
  }
}

TEST_F(RabinKeyFile, ASmallKeyIsForTestsAlone) {
  open();
  EXPECT_TRUE(parse_rabin_keys(read_text(path_), for_tests));
  EXPECT_FALSE(parse_rabin_keys(read_text(path_)));
}

TEST_F(RabinKeyFile, RefusesABodyThatIsMalformedUnderAGoodChecksum) {
  const auto key = open().current;
  const auto with_body = [](Buffer body) {
    const auto digest = crypto::sha256(body);
    append(body, Bytes(digest).first(4));
    return parse_rabin_keys("SEALMQ-RABIN-KEY-1 " + to_base64url(body) + "\n", for_tests);
  };
  Buffer one;
  Writer(one).u64(now).lp16(key.key->export_secret().reveal());
  const auto counted = [&one](std::uint8_t count, int times) {
    Buffer body{count};
    for (int i = 0; i < times; ++i) append(body, one);
    return body;
  };
  EXPECT_TRUE(with_body(counted(1, 1)));
  EXPECT_FALSE(with_body({}));
  EXPECT_FALSE(with_body(counted(0, 0)));
  EXPECT_FALSE(with_body(counted(2, 1)));
  EXPECT_FALSE(with_body(counted(2, 2))) << "one key twice";
  EXPECT_FALSE(with_body(counted(3, 3)));
  EXPECT_FALSE(with_body(counted(1, 2))) << "bytes left over";
}

}  // namespace
}  // namespace sealmq
