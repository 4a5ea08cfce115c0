// Hashes: SHA-256 and SHA3-256, at once or piece by piece.
#pragma once

#include <array>
#include <memory>

#include "sealmq/bytes.h"

namespace sealmq::crypto {

using Digest = std::array<std::uint8_t, 32>;

enum class HashName : std::uint8_t { sha256, sha3_256 };

/// One running hash. Moves, has no copy. One thread at a time. Making one allocates; keep it for many messages where speed
/// counts.
template <HashName name>
class Hash {
 public:
  Hash();
  Hash(Hash&&) noexcept;
  Hash& operator=(Hash&&) noexcept;
  ~Hash();

  Hash& update(Bytes part);
  /// The hash of all parts since the beginning or the last finish(); starts over, which overwrites what was fed in.
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

using Sha256 = Hash<HashName::sha256>;
using Sha3_256 = Hash<HashName::sha3_256>;

Digest sha256(Bytes message);
Digest sha3_256(Bytes message);

}  // namespace sealmq::crypto
