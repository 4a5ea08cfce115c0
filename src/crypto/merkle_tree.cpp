#include "crypto/merkle_tree.h"

#include <bit>
#include <utility>

namespace sealmq::crypto {
namespace {

constexpr std::uint8_t of_leaf = 0x00;  // RFC 6962, 2.1: no leaf can be taken for a node
constexpr std::uint8_t of_node = 0x01;

}  // namespace

Digest leaf_hash(Bytes leaf) {
  Buffer hashed{of_leaf};
  append(hashed, leaf);
  return sha256(hashed);
}

Digest node_hash(const Digest& left, const Digest& right) {
  Buffer hashed{of_node};
  append(hashed, left);
  append(hashed, right);
  return sha256(hashed);
}

Result<TreeFrontier> TreeFrontier::from(std::uint64_t size, std::vector<Digest> subtrees) {
  if (subtrees.size() != static_cast<std::size_t>(std::popcount(size)))
    return fail(Blame::peer_misbehaved, "not the frontier of a tree of this size");
  TreeFrontier made;
  made.size_ = size;
  made.subtrees_ = std::move(subtrees);
  return made;
}

void TreeFrontier::add_hash(const Digest& leaf) {
  Digest grown = leaf;
  for (std::uint64_t rest = size_; (rest & 1) != 0; rest >>= 1) {
    grown = node_hash(subtrees_.back(), grown);
    subtrees_.pop_back();
  }
  subtrees_.push_back(grown);
  ++size_;
}

Digest TreeFrontier::root() const {
  if (subtrees_.empty()) return sha256({});
  Digest root = subtrees_.back();
  for (std::size_t i = subtrees_.size() - 1; i-- > 0;) root = node_hash(subtrees_[i], root);
  return root;
}

}  // namespace sealmq::crypto
