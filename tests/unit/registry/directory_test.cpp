#include <gtest/gtest.h>

#include "crypto/agree.h"
#include "crypto/thumbprint.h"
#include "sealmq/registry.h"
#include "support/fakes.h"
#include "support/identities.h"

namespace sealmq {
namespace {

using testing::identity_named;
using testing::keys_for;

TEST(Directory, FindsByNameAndBySchnorrKey) {
  const Directory directory({identity_named("a"), identity_named("b")});
  ASSERT_NE(directory.find("b"), nullptr);
  EXPECT_EQ(*directory.find("b"), identity_named("b"));
  EXPECT_EQ(directory.find_by_schnorr(keys_for("a").schnorr), directory.find("a"));
  EXPECT_EQ(directory.all().size(), 2U);
}

TEST(Directory, AnswersNullForTheUnknown) {
  const Directory directory({identity_named("a")});
  EXPECT_EQ(directory.find("b"), nullptr);
  EXPECT_EQ(directory.find(""), nullptr);
  EXPECT_EQ(directory.find_by_schnorr(keys_for("b").schnorr), nullptr);
  EXPECT_EQ(Directory().find("a"), nullptr);
}

TEST(Directory, AKeyThatThereIsNotFindsNobody) {
  Identity without = identity_named("a");
  without.keys = {};
  const Directory directory({without});
  EXPECT_NE(directory.find("a"), nullptr);
  EXPECT_EQ(directory.find_by_schnorr({}), nullptr);
}

TEST(Directory, AKeyThatIsNoPointHasNoIdAlsoWhenTheListIsLoadedAgain) {
  Identity odd = identity_named("odd");
  odd.keys.ecdsa.fill(0xFF);
  const Directory first({odd, identity_named("b")});
  const Directory second({odd, identity_named("b")}, &first);
  const std::array<std::uint8_t, 16> zeros{};
  for (const Directory* directory : {&first, &second}) {
    EXPECT_NE(directory->find("odd"), nullptr);
    EXPECT_EQ(directory->find_by_stamp(zeros), nullptr);
    EXPECT_EQ(directory->find_by_stamp(Bytes(zeros).first(6)), nullptr);
  }
}

TEST(Directory, FindsByTheIdInAStampUnlessTwoAnswerToIt) {
  testing::CountingRandom random;
  const auto with_key = [&](std::string_view name) {
    Identity identity = identity_named(name);
    identity.keys.ecdsa = crypto::AgreementKey::generate(random).public_key();
    return identity;
  };
  const auto id_of = [](const Identity& identity) {
    const auto thumbprint = crypto::thumbprint_p256(identity.keys.ecdsa).value();
    return to_buffer(Bytes(thumbprint).first(16));
  };
  const auto earlier_id_of = [](const Identity& identity) {
    const auto digest = crypto::sha256(identity.keys.ecdsa);
    return to_buffer(Bytes(digest).first(6));
  };
  const Identity a = with_key("a"), b = with_key("b"), c = with_key("c");
  Identity without = identity_named("without");
  without.keys.ecdsa = {};
  const Directory directory({a, b, without, identity_named("no point")});
  // As it is worked out, and as it is taken over from one before.
  for (const Directory* former : {static_cast<const Directory*>(nullptr), &directory}) {
    const Directory next({b, a, without}, former);
    EXPECT_EQ(next.find_by_stamp(id_of(a)), next.find("a"));
    EXPECT_EQ(next.find_by_stamp(id_of(b)), next.find("b"));
    EXPECT_EQ(next.find_by_stamp(earlier_id_of(a)), next.find("a"));
    EXPECT_EQ(next.find_by_stamp(id_of(c)), nullptr);
    EXPECT_EQ(next.find_by_stamp(Buffer(16)), nullptr);
    EXPECT_EQ(next.find_by_stamp(Buffer(6)), nullptr);
    EXPECT_EQ(next.find_by_stamp({}), nullptr);
  }
  // Whoever has another key under the same name is found by that.
  Identity renewed = c;
  renewed.name = "a";
  const Directory next({renewed}, &directory);
  EXPECT_EQ(next.find_by_stamp(id_of(c)), next.find("a"));
  EXPECT_EQ(next.find_by_stamp(id_of(a)), nullptr);
  // No registry has a key twice; two keys with the same octets in their thumbprints are not to be had here.
  Identity second = b;
  second.keys.ecdsa = a.keys.ecdsa;
  EXPECT_EQ(Directory({a, second}).find_by_stamp(id_of(second)), nullptr);
}

TEST(Directory, StillFindsAfterItWasMoved) {
  Directory first({identity_named("a"), identity_named("a-name-too-long-for-the-string-object-itself")});
  const Directory second(std::move(first));
  EXPECT_NE(second.find("a"), nullptr);
  EXPECT_NE(second.find("a-name-too-long-for-the-string-object-itself"), nullptr);
  EXPECT_NE(second.find_by_schnorr(keys_for("a").schnorr), nullptr);
}

TEST(RevocationReport, AddsCountsAndKeepsTheLongestTime) {
  RevocationReport total{1, 2, 3, 4, 5, 100};
  total += {10, 20, 30, 40, 50, 60};
  EXPECT_EQ(total, (RevocationReport{11, 22, 33, 44, 55, 100}));
  total += {0, 0, 0, 0, 0, 200};
  EXPECT_EQ(total.microseconds, 200U);
}

}  // namespace
}  // namespace sealmq
