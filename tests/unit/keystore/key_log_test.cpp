// The frames of an authority's log: against the bytes of another program (authority_log.json), and against who changes them.
#include "keystore/key_log.h"

#include <gtest/gtest.h>

#include "crypto/identity_digest.h"
#include "support/fakes.h"
#include "support/sl3_parties.h"

namespace sealmq::key_log {
namespace {

using testing::hex;
using testing::hex_array;

struct KeyLogVectors : ::testing::Test {
  nlohmann::json v = testing::vectors("authority_log.json");
  PublicKeys authority{hex_array<32>(v["authority"]["id"]),
                       hex_array<33>(v["authority"]["ecdsa_public"]),
                       hex_array<33>(v["authority"]["agreement_public"]),
                       {}};
  std::vector<KeyHash> keys_of_device() const {
    std::vector<KeyHash> keys;
    for (const char* line : {"keyhashes_1", "keyhashes_2"})
      for (const auto& its : v["device"][line]) keys.push_back(hex_array<32>(its));
    return keys;
  }
};

TEST_F(KeyLogVectors, LeavesAreRead) {
  for (const auto& its : v["leaves"]) {
    const auto leaf = decode_leaf(hex(its));
    ASSERT_TRUE(leaf) << leaf.error().what;
    EXPECT_EQ(encode(*leaf), hex(its));
  }
  const auto listed = std::get<IdentityLeaf>(decode_leaf(hex(v["leaves"][0]))->body);
  EXPECT_EQ(listed.identity, hex_array<32>(v["device"]["D"]));
  const auto deal = decode_leaf(hex(v["leaves"][2])).value();
  EXPECT_EQ(std::get<DealLeaf>(deal.body).administrator, hex_array<32>(v["administrator"]["D"]));
  EXPECT_EQ(std::get<DealLeaf>(deal.body).number, 452'409'753'600U);
}

TEST_F(KeyLogVectors, TheTreeGrowsToTheSameRoots) {
  crypto::TreeFrontier tree;
  for (std::size_t i = 0; i < v["leaves"].size(); ++i) {
    EXPECT_EQ(tree.root(), hex_array<32>(v["roots"][i]));
    tree.add(hex(v["leaves"][i]));
  }
  EXPECT_EQ(tree.root(), hex_array<32>(v["roots"][5]));
  EXPECT_EQ(encode(tree), hex(v["frontier"]));
  EXPECT_EQ(decode_frontier(hex(v["frontier"])).value(), tree);
}

TEST_F(KeyLogVectors, TheHeadIsReadAndLeadsToTheRest) {
  const auto head = read_head(hex(v["head"]), authority);
  ASSERT_TRUE(head) << head.error().what;
  EXPECT_EQ((*head)->size, 5U);
  EXPECT_EQ((*head)->root, hex_array<32>(v["roots"][5]));
  EXPECT_EQ((*head)->state, crypto::sha256(hex(v["state"])));
  EXPECT_EQ((*head)->period, 60U);
  EXPECT_EQ((*head)->last_serial, 1U);
}

TEST_F(KeyLogVectors, TheStateIsWhatTheEntriesComeTo) {
  StateFold fold;
  fold.order(1, false, keys_of_device());
  const auto leaf = decode_leaf(hex(v["leaves"][2])).value();
  fold.deal(std::get<DealLeaf>(leaf.body), leaf.time);
  EXPECT_EQ(encode(fold.state(5)), hex(v["state"]));
  EXPECT_EQ(decode_state(hex(v["state"])).value(), fold.state(5));
}

TEST_F(KeyLogVectors, EntriesAreRead) {
  const auto entries = decode_entries(hex(v["bundle"])).value();
  EXPECT_EQ(entries.first, 0U);
  ASSERT_EQ(entries.leaves.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(entries.leaves[i], hex(v["leaves"][i]));
  EXPECT_EQ(encode(entries), hex(v["bundle"]));
}

struct KeyLog : ::testing::Test {
  testing::CountingRandom random;
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  std::unique_ptr<KeyStore> other = make_memory_keys("other", Kind::authority, random);
  Head head{crypto::identity_digest(authority->identity().keys), 3, 1'800'000'000'000, {1}, {2}, 60, 7};
};

TEST_F(KeyLog, AHeadIsItsAuthoritysAlone) {
  const Buffer frame = sign_head(head, *authority).value();
  EXPECT_EQ(*read_head(frame, authority->identity().keys).value(), head);
  EXPECT_FALSE(read_head(frame, other->identity().keys));
  head.authority = crypto::identity_digest(other->identity().keys);
  EXPECT_FALSE(read_head(sign_head(head, *authority).value(), authority->identity().keys)) << "of another log";
  EXPECT_FALSE(read_head(sign_head(head, *authority).value(), other->identity().keys)) << "signed by who may not";
}

TEST_F(KeyLog, NoByteOfAHeadCanBeChanged) {
  const Buffer frame = sign_head(head, *authority).value();
  for (std::size_t i = 0; i < frame.size(); ++i) {
    Buffer changed = frame;
    changed[i] ^= 1;
    EXPECT_FALSE(read_head(changed, authority->identity().keys)) << i;
  }
}

TEST_F(KeyLog, ASignatureHasOneForm) {
  Buffer frame = sign_head(head, *authority).value();
  // (r, s) and (r, q - s) verify alike.
  const std::array<std::uint8_t, 32> order{0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                           0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
  const std::size_t s = frame.size() - 2 - 32;
  int borrow = 0;
  for (std::size_t i = 32; i-- > 0;) {
    const int digit = order[i] - frame[s + i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    frame[s + i] = static_cast<std::uint8_t>(digit + 256 * borrow);
  }
  EXPECT_FALSE(read_head(frame, authority->identity().keys));
}

TEST_F(KeyLog, WhatIsSubmittedNamesWhoSignedIt) {
  const Leaf leaf{5, DealLeaf{crypto::identity_digest(other->identity().keys), {3}, 256, {4}}};
  const Buffer frame = submit(leaf, *other).value();
  const auto read = read_submitted(frame);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ((*read)->leaf, leaf);
  EXPECT_EQ((*read)->submitter, other->identity().keys.ecdsa);
  for (std::size_t i = 0; i < frame.size(); ++i) {
    Buffer changed = frame;
    changed[i] ^= 1;
    EXPECT_FALSE(read_submitted(changed)) << i;
  }
  EXPECT_FALSE(submit({5, OrderLeaf{{1}}}, *other)) << "the authority's own";
}

TEST_F(KeyLog, AStateIsInOrder) {
  State state{2, {{1, {KeyHash{1}}}, {2, {KeyHash{2}}}}, {{DealLeaf{{1}, {1}, 5, {}}, 9}, {DealLeaf{{1}, {2}, 6, {}}, 9}}};
  EXPECT_EQ(decode_state(encode(state)).value(), state);
  auto turned = state;
  std::swap(turned.revoked[0], turned.revoked[1]);
  EXPECT_FALSE(decode_state(encode(turned)));
  turned = state;
  std::swap(turned.deals[0], turned.deals[1]);
  EXPECT_FALSE(decode_state(encode(turned)));
  turned = state;
  turned.revoked[0].keys.clear();
  EXPECT_FALSE(decode_state(encode(turned)));
}

TEST_F(KeyLog, TheLastOrderAboutEachKeyCounts) {
  StateFold fold;
  fold.order(1, false, {KeyHash{1}, KeyHash{2}});
  fold.order(2, true, {KeyHash{1}});
  fold.order(3, false, {KeyHash{3}});
  EXPECT_EQ(fold.state(3).revoked, (std::vector<State::Revoked>{{1, {KeyHash{2}}}, {3, {KeyHash{3}}}}));
  EXPECT_EQ(fold.last_serial(), 3U);
  fold.order(4, false, {KeyHash{2}});
  EXPECT_EQ(fold.state(4).revoked, (std::vector<State::Revoked>{{3, {KeyHash{3}}}, {4, {KeyHash{2}}}}));
}

}  // namespace
}  // namespace sealmq::key_log
