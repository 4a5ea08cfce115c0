#include "sealmq/identity.h"

#include <gtest/gtest.h>

#include "support/identities.h"

namespace sealmq {
namespace {

PublicIdentity example() {
  return {"boiler-7", Kind::service, testing::keys_for("boiler-7")};
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

void expect_refused(const std::string& line, std::string_view because) {
  const auto parsed = parse_public_identity(line);
  ASSERT_FALSE(parsed) << line;
  EXPECT_EQ(parsed.error().blame, Blame::caller_misused);
  EXPECT_NE(parsed.error().what.find(because), std::string::npos) << parsed.error().what;
}

TEST(IdentityName, IsOneToSixtyFourPlainCharacters) {
  EXPECT_TRUE(is_identity_name("a"));
  EXPECT_TRUE(is_identity_name("Boiler_7.north-wing"));
  EXPECT_TRUE(is_identity_name(std::string(64, 'x')));
  EXPECT_FALSE(is_identity_name(""));
  EXPECT_FALSE(is_identity_name(std::string(65, 'x')));
}

TEST(IdentityName, HoldsNothingThatMeansSomethingInATopicOrALine) {
  for (const char c : std::string_view("+#/$ =\n\t\"'\\%\x7f\xc3", 14))
    EXPECT_FALSE(is_identity_name(std::string("a") + c)) << int(c);
  EXPECT_FALSE(is_identity_name(std::string_view("a\0b", 3)));
}

TEST(Kind, NamesComeBack) {
  for (const Kind kind : {Kind::device, Kind::service, Kind::person, Kind::broker, Kind::authority}) {
    EXPECT_EQ(kind_from(name(kind)), kind);
  }
  EXPECT_EQ(name(Kind::device), "device");
  EXPECT_EQ(kind_from("Device"), std::nullopt);
  EXPECT_EQ(kind_from(""), std::nullopt);
}

TEST(Status, NamesComeBack) {
  for (const Status status : {Status::invited, Status::active, Status::revoked}) EXPECT_EQ(status_from(name(status)), status);
  EXPECT_EQ(name(Status::revoked), "revoked");
  EXPECT_EQ(status_from("gone"), std::nullopt);
}

TEST(PublicIdentityLine, LooksAsDocumented) {
  PublicIdentity identity{"boiler-7", Kind::device, {}};
  identity.keys.ecdsa[0] = 2;
  identity.keys.agreement[0] = 3;
  EXPECT_EQ(to_line(identity),
            "sealmq-identity boiler-7 device schnorr-p256=- "
            "ecdsa-p256=AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ecdh-p256=AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

TEST(PublicIdentityLine, ComesBack) {
  const auto parsed = parse_public_identity(to_line(example()));
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_EQ(*parsed, example());
}

TEST(PublicIdentityLine, ComesBackWithAnRsaKeyAndWithThatAlone) {
  auto identity = example();
  identity.keys.rsa = Buffer(256, 0xFF);
  EXPECT_EQ(parse_public_identity(to_line(identity)).value(), identity);
  identity.keys = {};
  identity.keys.rsa = Buffer(512, 0xFF);
  EXPECT_EQ(parse_public_identity(to_line(identity)).value(), identity);
  expect_refused(to_line(identity) + " rsa=AAAA", "rsa stands twice");
}

TEST(PublicIdentityLine, RefusesAnRsaKeyOfAnUnusualSizeAndNoKeyAtAll) {
  auto identity = example();
  for (const std::size_t size : {1, 128, 255, 257, 1024}) {
    identity.keys.rsa = Buffer(size, 0xFF);
    expect_refused(to_line(identity), "rsa is not");
  }
  identity.keys.rsa = Buffer(256, 0x7F);
  expect_refused(to_line(identity), "rsa is not");
  identity.keys = {};
  expect_refused(to_line(identity), "it has no key");
}

TEST(PublicIdentityLine, RefusesWhatIsNotOne) {
  expect_refused("", "begin with");
  expect_refused("ssh-ed25519 AAAA", "begin with");
  expect_refused("sealmq-identity", "a name is");
  expect_refused("sealmq-identity boiler-7", "unknown kind");
  expect_refused("sealmq-identity boiler-7 robot", "unknown kind");
  expect_refused(" " + to_line(example()), "begin with");
}

TEST(PublicIdentityLine, RefusesANameWithAWildcard) {
  expect_refused(replaced(to_line(example()), "boiler-7", "boiler/#"), "a name is");
}

TEST(PublicIdentityLine, RefusesAMissingOrDoubledKey) {
  const auto line = to_line(example());
  const auto last = line.rfind(' ');
  expect_refused(line.substr(0, last), "ecdh-p256 is missing");
  expect_refused(line + line.substr(last), "ecdh-p256 stands twice");
}

TEST(PublicIdentityLine, RefusesUnknownWords) {
  const auto line = to_line(example());
  expect_refused(line + " dsa=AAAA", "unknown word");
  expect_refused(line + " hello", "unknown word");
  expect_refused(replaced(line, " ecdsa", "  ecdsa"), "unknown word");
  expect_refused(line + "\n", "ecdh-p256 is not");
}

TEST(PublicIdentityLine, RefusesAKeyOfTheWrongLength) {
  const auto line = to_line(example());
  expect_refused(line.substr(0, line.size() - 1), "ecdh-p256 is not 33 bytes");
  expect_refused(line + "AAAA", "ecdh-p256 is not 33 bytes");
  expect_refused(line + "=", "ecdh-p256 is not 33 bytes");
}

}  // namespace
}  // namespace sealmq
