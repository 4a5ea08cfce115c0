// A Merkle tree over a list that only grows (RFC 6962, 2.1), kept as its frontier: the roots of the full subtrees that the list
// splits into. The frontier of n leaves is all it takes to add the next leaf and to say the root; it has as many hashes as n has
// bits that are set.
#pragma once

#include <cstdint>
#include <vector>

#include "crypto/hash.h"
#include "sealmq/result.h"

namespace sealmq::crypto {

/// SHA-256(00 || leaf).
Digest leaf_hash(Bytes leaf);
/// SHA-256(01 || left || right).
Digest node_hash(const Digest& left, const Digest& right);

class TreeFrontier {
 public:
  TreeFrontier() = default;
  /// `subtrees`: largest first. Errors: peer_misbehaved: not as many as a tree of this size has.
  static Result<TreeFrontier> from(std::uint64_t size, std::vector<Digest> subtrees);

  void add(Bytes leaf) { add_hash(leaf_hash(leaf)); }
  void add_hash(const Digest& leaf);

  std::uint64_t size() const { return size_; }
  /// Of no leaves: the hash of nothing.
  Digest root() const;
  const std::vector<Digest>& subtrees() const { return subtrees_; }
  bool operator==(const TreeFrontier&) const = default;

 private:
  std::uint64_t size_ = 0;
  std::vector<Digest> subtrees_;  // largest first
};

}  // namespace sealmq::crypto
