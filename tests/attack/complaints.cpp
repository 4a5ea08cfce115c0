// Who complains to the authority wants somebody punished who has not written what is shown. Hardened and as published; each test
// names the claim it tries to break.
#include <gtest/gtest.h>

#include <algorithm>

#include "schemes/malina/revocation.h"
#include "support/fakes.h"

namespace sealmq::testing {
namespace {

using malina::Level;

constexpr std::string_view topic = "plant/7/valve";
constexpr std::string_view text = "open, at full pressure";
constexpr Now now{.steady = 1000, .wall = 1'800'000'000'000};

class Complaints : public ::testing::Test {
 protected:
  std::string_view tag(Level level) const { return level == Level::sl1 ? "SL1_2" : level == Level::sl2 ? "SL2_2" : "SL3_2"; }
  malina::PaperRequest shown(Level level) {
    malina::PaperRequest request{level, topic, as_bytes(text), now.wall, {}, std::nullopt, "it floods"};
    const auto& id = author->identity().keys.schnorr;
    request.signature = malina::sign(*author, malina::PaperStatement{tag(level), topic, id, as_bytes(text), now.wall}).value();
    if (level != Level::sl2) request.id = id;
    return request;
  }
  /// Whom the authority takes for the author of a published request.
  std::optional<malina::Id> blamed(const malina::PaperRequest& request) {
    const std::array<malina::Id, 2> listed{victim->identity().keys.schnorr, author->identity().keys.schnorr};
    if (!request.id) return malina::author_among(request, listed);
    return malina::signed_by(request, *request.id) ? request.id : std::nullopt;
  }

  CountingRandom random;
  std::unique_ptr<KeyStore> author = make_memory_keys("valve-9", Kind::device, random);
  std::unique_ptr<KeyStore> victim = make_memory_keys("valve-8", Kind::device, random);
  std::unique_ptr<KeyStore> desk = make_memory_keys("desk", Kind::service, random);
};

constexpr Level levels[] = {Level::sl1, Level::sl2, Level::sl3};

// Claim: nobody is blamed for words that were changed: topic, text, time, or a bit of the signature.
TEST_F(Complaints, WordsThatWereChangedBlameNobody) {
  for (const Level level : levels) {
    const auto honest = shown(level);
    EXPECT_EQ(blamed(honest), author->identity().keys.schnorr);
    auto its = honest;
    its.topic = "plant/8/valve";
    EXPECT_EQ(blamed(its), std::nullopt);
    its = honest;
    its.message = as_bytes("open");
    EXPECT_EQ(blamed(its), std::nullopt);
    its = honest;
    its.time += 1;
    EXPECT_EQ(blamed(its), std::nullopt);
    for (std::size_t at = 0; at < its.signature.size(); at += 7) {
      its = honest;
      its.signature[at] ^= 1;
      EXPECT_EQ(blamed(its), std::nullopt) << at;
    }
  }
}

// Claim: nobody is blamed for another one's words, however they are shown.
TEST_F(Complaints, AnotherOnesWordsBlameNobody) {
  for (const Level level : levels) {
    auto its = shown(level);
    its.id = victim->identity().keys.schnorr;
    EXPECT_FALSE(malina::signed_by(its, *its.id));
    for (const Level other : levels) {  // the signature says by which level it was sent
      auto moved = shown(level);
      moved.level = other;
      moved.id = author->identity().keys.schnorr;
      EXPECT_EQ(malina::signed_by(moved, *moved.id), tag(level) == tag(other));
    }
    its.id = malina::Id{};
    EXPECT_FALSE(malina::signed_by(its, {})) << "zeroes are nobody";
    const std::array<malina::Id, 2> listed{malina::Id{}, victim->identity().keys.schnorr};
    EXPECT_EQ(malina::author_among(shown(level), listed), std::nullopt);
  }
}

// Claim (hardened): the complaint is its sender's, whole; the author's signature names broker, level and number too.
TEST_F(Complaints, AHardenedComplaintCannotBeTurned) {
  malina::Evidence evidence{Level::sl3, "broker-1", topic, as_bytes(text), now.wall, author->identity().keys.schnorr, 7, {}, {}};
  evidence.signature =
      malina::sign(*author, malina::Statement{0x33, "broker-1", topic, evidence.id, as_bytes(text), now.wall, 7}).value();
  ASSERT_TRUE(malina::holds(evidence));
  const auto turned = [&](auto change) {
    auto its = evidence;
    change(its);
    return malina::holds(its);
  };
  EXPECT_FALSE(turned([](auto& its) { its.broker_id = "broker-2"; }));
  EXPECT_FALSE(turned([](auto& its) { its.topic = "plant/8/valve"; }));
  EXPECT_FALSE(turned([](auto& its) { its.message = as_bytes("open"); }));
  EXPECT_FALSE(turned([](auto& its) { its.level = Level::sl1; }));
  EXPECT_FALSE(turned([](auto& its) { ++its.sequence; }));
  EXPECT_FALSE(turned([](auto& its) { ++its.time; }));
  EXPECT_FALSE(turned([&](auto& its) { its.id = victim->identity().keys.schnorr; }));
  EXPECT_FALSE(turned([](auto& its) { its.id = {}; }));

  const Buffer frame = malina::revocation_request(evidence, "it floods", *desk, now).value();
  ASSERT_TRUE(malina::read_revocation_request(frame));
  for (std::size_t at = 0; at < frame.size(); ++at) {
    Buffer changed = frame;
    changed[at] ^= 1;
    EXPECT_FALSE(malina::read_revocation_request(changed)) << at;
  }
}

}  // namespace
}  // namespace sealmq::testing
