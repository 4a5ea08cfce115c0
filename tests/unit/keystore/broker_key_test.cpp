#include <gtest/gtest.h>

#include "crypto/random.h"
#include "keystore/fingerprint.h"
#include "sealmq/keystore.h"
#include "support/identities.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::keys_for;
using testing::mode_of;
using testing::read_text;
using testing::write_text;

BrokerIdentity example() {
  return {"broker-1a2b3c4d", keys_for("broker").ecdsa, keys_for("broker").agreement};
}

std::string without_line(const std::string& text, std::string_view start) {
  const auto at = text.find("\n" + std::string(start)) + 1;
  return text.substr(0, at) + text.substr(text.find('\n', at) + 1);
}

std::string line_of(const std::string& text, std::string_view start) {
  const auto at = text.find("\n" + std::string(start)) + 1;
  return text.substr(at, text.find('\n', at) + 1 - at);
}

void expect_refused(const std::string& text, std::string_view because) {
  const auto parsed = parse_broker_identity(text);
  ASSERT_FALSE(parsed) << because;
  EXPECT_EQ(parsed.error().blame, Blame::caller_misused);
  EXPECT_NE(parsed.error().what.find(because), std::string::npos) << parsed.error().what;
}

TEST(Fingerprint, IsWhatOtherProgramsPrint) {
  // printf abc | openssl dgst -sha256 -binary | base64
  EXPECT_EQ(fingerprint_of(as_bytes("abc")), "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0");
}

TEST(Fingerprint, DependsOnEveryKey) {
  auto keys = keys_for("a");
  const auto before = fingerprint(keys);
  keys.schnorr[31] ^= 1;
  EXPECT_NE(fingerprint(keys), before);
  keys = keys_for("a");
  keys.ecdsa[32] ^= 1;
  EXPECT_NE(fingerprint(keys), before);
  keys = keys_for("a");
  keys.agreement[0] ^= 1;
  EXPECT_NE(fingerprint(keys), before);
}

TEST(BrokerIdentityText, LooksAsDocumented) {
  BrokerIdentity broker{"broker-1a2b3c4d", {2}, {3}};
  // The fingerprints: Python's hashlib.
  EXPECT_EQ(to_text(broker),
            "# public keys of a sealmq broker: give this file to devices (--broker-key)\n"
            "broker broker-1a2b3c4d\n"
            "ecdsa-p256 AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA SHA256:Ujulp+yTYtuwgDmjh5IlkszqPd5jY0SAzRsFt71Qomk\n"
            "ecdh-p256 AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA SHA256:cyS1xytRu11MGA8RCc/TR7YEc4ghRYQcOfPlhFdilvk\n");
}

TEST(BrokerIdentityText, ComesBack) {
  const auto parsed = parse_broker_identity(to_text(example()));
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_EQ(*parsed, example());
}

TEST(BrokerIdentityText, RefusesAFingerprintThatIsNotTheKeys) {
  auto text = to_text(example());
  const auto at = text.find("SHA256:") + 10;
  text[at] = text[at] == 'A' ? 'B' : 'A';
  expect_refused(text, "fingerprint of ecdsa-p256 does not match");
}

TEST(BrokerIdentityText, RefusesAMissingOrDoubledLine) {
  const auto text = to_text(example());
  for (const char* word : {"broker", "ecdsa-p256", "ecdh-p256"}) {
    expect_refused(without_line(text, word), std::string(word) + " is missing");
    expect_refused(text + line_of(text, word), std::string(word) + " stands twice");
  }
}

TEST(BrokerIdentityText, RefusesUnknownLines) {
  const auto text = to_text(example());
  expect_refused(text + "dsa AAAA SHA256:x\n", "unknown line, line ");
  expect_refused(text + "\n", "unknown line");
  expect_refused("", "the line broker is missing");
  expect_refused("# only words", "the line broker is missing");
}

TEST(BrokerIdentityText, RefusesMalformedLines) {
  const auto text = to_text(example());
  expect_refused("broker\n" + without_line(text, "broker"), "malformed broker id");
  expect_refused("broker a/#\n" + without_line(text, "broker"), "malformed broker id");
  expect_refused("broker a b\n" + without_line(text, "broker"), "malformed broker id");
  expect_refused("ecdsa-p256\n" + without_line(text, "ecdsa-p256"), "needs a key");
  expect_refused("ecdsa-p256 AAAA SHA256:x\n" + without_line(text, "ecdsa-p256"), "is not 33 bytes");
}

class BrokerKey : public ::testing::Test {
 protected:
  Result<std::unique_ptr<KeyStore>> open() { return open_or_create_broker_key(data_, random_); }
  /// broker.pub, whose proof has been verified and is left out.
  BrokerIdentity written() {
    auto broker = read_broker_identity(data_ + "/broker.pub").value();
    EXPECT_FALSE(broker.proof.empty());
    broker.proof.clear();
    return broker;
  }

  testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data";
  crypto::OsRandom random_;
};

TEST_F(BrokerKey, IsMadeAtFirstUseAndStays) {
  const auto first = open();
  ASSERT_TRUE(first) << first.error().what;
  const auto& id = (*first)->identity().name;
  EXPECT_EQ(id.substr(0, 7), "broker-");
  EXPECT_EQ(id.size(), 15U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef", 7), std::string::npos) << id;
  EXPECT_EQ((*first)->identity().kind, Kind::broker);
  EXPECT_EQ(mode_of(data_), 0700U);
  EXPECT_EQ(mode_of(data_ + "/broker.key"), 0600U);
  EXPECT_EQ(written(), broker_identity((*first)->identity()));
  EXPECT_EQ(open().value()->identity(), (*first)->identity());
}

TEST_F(BrokerKey, MakesALostOrForeignPublicFileAgain) {
  const auto identity = open().value()->identity();
  std::filesystem::remove(data_ + "/broker.pub");
  ASSERT_TRUE(open());
  EXPECT_EQ(written(), broker_identity(identity));
  write_text(data_ + "/broker.pub", to_text(example()));
  ASSERT_TRUE(open());
  EXPECT_EQ(written(), broker_identity(identity));
}

// Else somebody hands out another broker's key as his own: clients that log in to him would take the other one's signatures for
// his.
TEST_F(BrokerKey, ItsFileProvesThatItsMakerHoldsTheKeys) {
  ASSERT_TRUE(open());
  const std::string path = data_ + "/broker.pub", text = read_text(path);
  const auto broker = read_broker_identity(path).value();
  const auto other = make_memory_keys("broker-2", Kind::broker, random_);
  const auto refused = [&](auto change) {
    BrokerIdentity its = broker;
    change(its);
    write_text(path, to_text(its));
    const auto read = read_broker_identity(path, true);
    return !read && read.error().blame == Blame::caller_misused;
  };
  EXPECT_TRUE(refused([](auto& its) { its.id = "broker-2"; }));
  EXPECT_TRUE(refused([&](auto& its) { its.ecdsa = other->identity().keys.ecdsa; }));
  EXPECT_TRUE(refused([&](auto& its) { its.agreement = other->identity().keys.agreement; }));
  EXPECT_TRUE(refused([](auto& its) { its.proof.back() ^= 1; }));
  EXPECT_TRUE(refused([&](auto& its) {  // another broker's keys, and a proof by one's own
    its = broker_identity(other->identity());
    its.id = broker.id;
    its.proof = broker.proof;
  }));
  EXPECT_FALSE(refused([](auto&) {}));

  // A file of before is taken only by who says so, and the broker adds the proof.
  write_text(path, without_line(text, "keys-2-proof"));
  EXPECT_NE(read_broker_identity(path).error().what.find("--unproved"), std::string::npos);
  EXPECT_EQ(read_broker_identity(path, true).value().ecdsa, broker.ecdsa);
  ASSERT_TRUE(open());
  EXPECT_TRUE(read_broker_identity(path));
  const std::string with_proof = read_text(path);
  ASSERT_TRUE(open());
  EXPECT_EQ(read_text(path), with_proof) << "once";
}

TEST_F(BrokerKey, IsNotReplacedWhenItIsDamaged) {
  ASSERT_TRUE(open());
  write_text(data_ + "/broker.key", "nonsense");
  EXPECT_FALSE(open());
  EXPECT_EQ(read_text(data_ + "/broker.key"), "nonsense");
}

TEST_F(BrokerKey, IsNotTheKeyOfADevice) {
  std::filesystem::create_directory(data_);
  ASSERT_TRUE(create_key_files("boiler-7", Kind::device, data_ + "/broker.key", folder_ / "x.pub", random_));
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().what.find("not the key of a broker"), std::string::npos) << opened.error().what;
}

}  // namespace
}  // namespace sealmq
