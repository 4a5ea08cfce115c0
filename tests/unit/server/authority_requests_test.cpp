// What the broker asks its authority: signed by itself, once in a while about an author, and never much at a time.
#include "server/authority_requests.h"

#include <gtest/gtest.h>

#include "schemes/malina/revocation.h"
#include "support/fakes.h"

namespace sealmq::server {
namespace {

class AskingTheAuthority : public ::testing::Test {
 protected:
  Buffer evidence_of(KeyStore& by, const char* text) {
    malina::Evidence shown{
        malina::Level::sl3, "broker", "plant/7", as_bytes(text), now.wall, by.identity().keys.schnorr, 7, {}, {}};
    shown.signature =
        malina::sign(by, malina::Statement{0x33, "broker", shown.topic, shown.id, shown.message, now.wall, 7}).value();
    return malina::encode(shown);
  }
  void see(const std::string& name, Buffer evidence) {
    requests.saw(name, "publishes where it may not", now, [&] {
      ++looks;
      return evidence;
    });
  }

  testing::CountingRandom random;
  Now now{.steady = 1000, .wall = 1'800'000'000'000};
  std::unique_ptr<KeyStore> key = make_memory_keys("broker", Kind::broker, random);
  std::unique_ptr<KeyStore> author = make_memory_keys("boiler-7", Kind::device, random);
  std::size_t looks = 0;
  AuthorityRequests requests;
};

TEST_F(AskingTheAuthority, IsDoneOverTheBrokersOwnSignature) {
  see("boiler-7", evidence_of(*author, "x"));
  const auto frames = requests.sign(*key, now).value();
  ASSERT_EQ(frames.size(), 1U);
  const auto read = malina::read_revocation_request(frames[0]).value();
  EXPECT_EQ(read->requester, key->identity().keys.ecdsa);
  EXPECT_EQ(read->reason, "publishes where it may not");
  EXPECT_EQ(read->evidence.id, author->identity().keys.schnorr);
  EXPECT_TRUE(malina::holds(read->evidence));
  EXPECT_TRUE(requests.sign(*key, now)->empty()) << "once";
}

TEST_F(AskingTheAuthority, IsDoneOnceInTenMinutesForAnAuthor) {
  for (int i = 0; i < 3; ++i) see("boiler-7", evidence_of(*author, "x"));
  EXPECT_EQ(looks, 1U) << "what is not asked about costs nothing";
  EXPECT_EQ(requests.sign(*key, now)->size(), 1U);
  now.steady += AuthorityRequests::interval - 1;
  see("boiler-7", evidence_of(*author, "x"));
  see("boiler-8", evidence_of(*author, "x"));
  EXPECT_EQ(requests.sign(*key, now)->size(), 1U);
  now.steady += 1;
  see("boiler-7", evidence_of(*author, "x"));
  EXPECT_EQ(requests.sign(*key, now)->size(), 1U);
}

TEST_F(AskingTheAuthority, KeepsFewWaiting) {
  for (std::size_t i = 0; i < 2 * AuthorityRequests::most_waiting; ++i)
    see("boiler-" + std::to_string(i), evidence_of(*author, "x"));
  EXPECT_EQ(requests.sign(*key, now)->size(), AuthorityRequests::most_waiting);
}

}  // namespace
}  // namespace sealmq::server
