// The tree against the values that implementations of RFC 6962 test themselves with, and against the roots of another program
// (authority_log.json).
#include "crypto/merkle_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>

#include "support.h"

namespace sealmq::crypto {
namespace {



/// As RFC 6962 2.1 says it, for comparison.
Digest root_of(std::span<const Buffer> leaves) {
  if (leaves.empty()) return sha256({});
  if (leaves.size() == 1) return leaf_hash(leaves.front());
  const std::size_t left = std::bit_ceil(leaves.size()) / 2;
  return node_hash(root_of(leaves.first(left)), root_of(leaves.subspan(left)));
}

TEST(MerkleTree, HasTheRootsThatOthersHave) {
  const std::array<const char*, 8> leaves = {
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  const std::array<const char*, 9> roots = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  TreeFrontier tree;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_EQ(to_buffer(tree.root()), hex(roots[i]));
    tree.add(hex(leaves[i]));
  }
  EXPECT_EQ(to_buffer(tree.root()), hex(roots[8]));
}

RC_GTEST_PROP(MerkleTree, TheFrontierLeadsToTheRoot, (const std::vector<Buffer>& leaves)) {
  TreeFrontier tree;
  for (const Buffer& leaf : leaves) tree.add(leaf);
  RC_ASSERT(tree.root() == root_of(leaves));
  RC_ASSERT(tree.size() == leaves.size());
  RC_ASSERT(TreeFrontier::from(tree.size(), tree.subtrees()).value() == tree);
}

TEST(MerkleTree, AFrontierHasAsManyHashesAsItsSizeSays) {
  EXPECT_TRUE(TreeFrontier::from(5, {Digest{}, Digest{}}));
  EXPECT_FALSE(TreeFrontier::from(5, {Digest{}}));
  EXPECT_FALSE(TreeFrontier::from(4, {Digest{}, Digest{}}));
  EXPECT_FALSE(TreeFrontier::from(0, {Digest{}}));
}

}  // namespace
}  // namespace sealmq::crypto
