#include "crypto/sha1.h"

#include <openssl/evp.h>

#include <algorithm>

#include "crypto/must.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {
namespace {

constexpr std::size_t block_size = 64;

const EVP_MD* method() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  must(fetched != nullptr, "EVP_MD_fetch");
  return fetched;
}

}  // namespace

Sha1Digest sha1(Bytes message) {
  Sha1Digest digest;
  must(EVP_Digest(message.data(), message.size(), digest.data(), nullptr, method(), nullptr) == 1, "EVP_Digest");
  return digest;
}

Sha1Digest hmac_sha1(Bytes key, Bytes data) {
  std::array<std::uint8_t, block_size> padded{};
  if (key.size() > block_size) {
    const Sha1Digest short_key = sha1(key);
    std::copy(short_key.begin(), short_key.end(), padded.begin());
  } else {
    std::copy(key.begin(), key.end(), padded.begin());
  }
  Buffer inner;
  inner.reserve(block_size + data.size());  // never grows: no unwiped copy is left behind
  for (const auto byte : padded) inner.push_back(byte ^ 0x36);
  append(inner, data);
  const Sha1Digest inner_digest = sha1(inner);
  Buffer outer;
  outer.reserve(block_size + inner_digest.size());
  for (const auto byte : padded) outer.push_back(byte ^ 0x5C);
  append(outer, inner_digest);
  const Sha1Digest digest = sha1(outer);
  wipe(padded.data(), padded.size());
  wipe(inner.data(), inner.size());
  wipe(outer.data(), outer.size());
  return digest;
}

}  // namespace sealmq::crypto
