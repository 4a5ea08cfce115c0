#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "sealmq/registry.h"
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

TEST(Directory, FindsByTheIdInAStampUnlessTwoAnswerToIt) {
  const auto id_of = [](const Identity& identity) {
    const auto digest = crypto::sha256(identity.keys.ecdsa);
    std::array<std::uint8_t, 6> id{};
    std::copy_n(digest.begin(), id.size(), id.begin());
    return id;
  };
  Identity without = identity_named("without");
  without.keys.ecdsa = {};
  const Directory directory({identity_named("a"), identity_named("b"), without});
  EXPECT_EQ(directory.find_by_stamp(id_of(identity_named("a"))), directory.find("a"));
  EXPECT_EQ(directory.find_by_stamp(id_of(identity_named("c"))), nullptr);
  EXPECT_EQ(directory.find_by_stamp(id_of(without)), nullptr);
  // No registry has a key twice; two keys with the same 6 bytes are not to be had here.
  Identity second = identity_named("b");
  second.keys.ecdsa = identity_named("a").keys.ecdsa;
  EXPECT_EQ(Directory({identity_named("a"), second}).find_by_stamp(id_of(second)), nullptr);
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
