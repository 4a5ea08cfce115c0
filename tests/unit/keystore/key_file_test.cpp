#include "keystore/key_file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "crypto/hash.h"
#include "keystore/software_keys.h"

namespace sealmq {
namespace {

Secret scalar_of(std::uint8_t byte) {
  return Secret(Buffer(32, byte));
}

KeyFile example() {
  KeyFile file{Kind::person, "ada", {}};
  file.keys.push_back({Purpose::schnorr, scalar_of(1)});
  file.keys.push_back({Purpose::ecdsa, scalar_of(2)});
  file.keys.push_back({Purpose::agreement, scalar_of(3)});
  return file;
}

std::string text_of(const KeyFile& file) {
  return std::string(as_text(encode_key_file(file, "SHA256:abc").reveal()));
}

/// A key file with this body and a checksum that matches.
std::string with_body(Buffer body) {
  const auto digest = crypto::sha256(body);
  append(body, Bytes(digest).first(4));
  return "SEALMQ-SECRET-KEY-1 " + to_base64url(body) + "\n";
}

void expect_refused(std::string_view text, std::string_view because) {
  const auto parsed = parse_key_file(text);
  ASSERT_FALSE(parsed) << because;
  EXPECT_EQ(parsed.error().blame, Blame::caller_misused);
  EXPECT_NE(parsed.error().what.find(because), std::string::npos) << parsed.error().what;
}

TEST(KeyFile, TellsAPersonWhatItIs) {
  const auto text = text_of(example());
  EXPECT_EQ(text.substr(0, text.find("SEALMQ")),
            "# sealmq private keys of ada (person)\n"
            "# fingerprint SHA256:abc\n"
            "# keep this file secret: whoever has it can speak as ada\n");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST(KeyFile, ComesBack) {
  const auto parsed = parse_key_file(text_of(example()));
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_EQ(parsed->kind, Kind::person);
  EXPECT_EQ(parsed->name, "ada");
  ASSERT_EQ(parsed->keys.size(), 3U);
  EXPECT_TRUE(same(parsed->find(Purpose::ecdsa)->reveal(), scalar_of(2).reveal()));
  EXPECT_EQ(text_of(*parsed), text_of(example()));
}

TEST(KeyFile, KeepsKeysForPurposesItDoesNotKnow) {
  auto file = example();
  file.keys.push_back({static_cast<Purpose>(200), scalar_of(9)});
  const auto parsed = parse_key_file(text_of(file));
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_EQ(text_of(*parsed), text_of(file));
  EXPECT_TRUE(PrivateKeys::load(*parsed));
}

TEST(KeyFile, NamesTheKeyThatIsMissing) {
  auto file = example();
  file.keys.erase(file.keys.begin() + 1);
  const auto loaded = PrivateKeys::load(parse_key_file(text_of(file)).value());
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().what.find("no ecdsa key"), std::string::npos) << loaded.error().what;
}

TEST(KeyFile, RefusesAScalarOutsideTheGroup) {
  for (const auto byte : {std::uint8_t{0x00}, std::uint8_t{0xFF}}) {
    auto file = example();
    file.keys[2].key = scalar_of(byte);
    EXPECT_FALSE(PrivateKeys::load(file)) << int(byte);
  }
}

TEST(KeyFile, RefusesWhatIsNone) {
  expect_refused("", "not a sealmq key file");
  expect_refused("# only words\n", "not a sealmq key file");
  expect_refused("-----BEGIN PRIVATE KEY-----\n", "not a sealmq key file");
  expect_refused("SEALMQ-SECRET-KEY-2 AAAA\n", "version");
}

TEST(KeyFile, RefusesTwoSecrets) {
  const auto text = text_of(example());
  expect_refused(text + text, "more than one");
}

TEST(KeyFile, FindsEveryDamagedCharacter) {
  const auto text = text_of(example());
  const auto start = text.find("SEALMQ-SECRET-KEY-1 ") + 20;
  for (auto at = start; at + 1 < text.size(); ++at) {
    auto damaged = text;
    damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
    expect_refused(damaged, "damaged");
  }
}

TEST(KeyFile, FindsASecretCutShort) {
  const auto text = text_of(example());
  const auto start = text.find("SEALMQ-SECRET-KEY-1 ") + 20;
  for (auto end = start; end + 1 < text.size(); ++end) EXPECT_FALSE(parse_key_file(text.substr(0, end))) << end;
}

TEST(KeyFile, RefusesABodyThatIsMalformedUnderAGoodChecksum) {
  expect_refused(with_body({9, 1, 'a', 0}), "unknown kind");
  expect_refused(with_body({0, 1, '#', 0}), "malformed name");
  expect_refused(with_body({0, 0, 0}), "malformed name");
  expect_refused(with_body({0, 1, 'a', 1}), "ends too early");
  expect_refused(with_body({0, 1, 'a', 0, 7}), "left over");
  Buffer doubled{0, 1, 'a', 2};
  for (int i = 0; i < 2; ++i) {
    doubled.push_back(1);
    doubled.insert(doubled.end(), 32, 5);
  }
  expect_refused(with_body(doubled), "two keys for one purpose");
}

TEST(KeyFile, ErrorsNeverRepeatTheSecret) {
  auto text = text_of(example());
  const auto secret = text.substr(text.find("KEY-1 ") + 6, 40);
  for (const auto& broken : {secret, "SEALMQ-SECRET-KEY-1 " + secret, text.replace(text.size() - 3, 1, "!")}) {
    EXPECT_EQ(parse_key_file(broken).error().what.find(secret.substr(0, 8)), std::string::npos);
  }
}

}  // namespace
}  // namespace sealmq
