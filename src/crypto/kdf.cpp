#include "crypto/kdf.h"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

namespace sealmq::crypto {
namespace {

constexpr std::size_t block_size = 64;  // of SHA-256
constexpr std::size_t digest_size = std::tuple_size_v<Digest>;

/// HMAC over parts, so that HKDF need not join them. The hash restarts at each finish(), which overwrites the key in its state.
class Hmac {
 public:
  explicit Hmac(Bytes key) {
    if (key.size() > block_size) {
      Digest short_key = sha256(key);
      std::copy(short_key.begin(), short_key.end(), padded_.begin());
      wipe(short_key.data(), short_key.size());
    } else {
      std::copy(key.begin(), key.end(), padded_.begin());
    }
    for (auto& byte : padded_) byte ^= 0x36;
    hash_.update(padded_);
  }
  ~Hmac() { wipe(padded_.data(), padded_.size()); }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  Hmac& update(Bytes part) {
    hash_.update(part);
    return *this;
  }

  Digest finish() {
    Digest inner = hash_.finish();
    for (auto& byte : padded_) byte ^= 0x36 ^ 0x5C;
    Digest outer = hash_.update(padded_).update(inner).finish();
    wipe(inner.data(), inner.size());
    return outer;
  }

 private:
  Sha256 hash_;
  std::array<std::uint8_t, block_size> padded_{};
};

}  // namespace

Digest hmac_sha256(Bytes key, Bytes data) {
  return Hmac(key).update(data).finish();
}

Secret hkdf_extract(Bytes salt, Bytes input_key) {
  Digest pseudo_random_key = hmac_sha256(salt, input_key);
  Secret out{Bytes(pseudo_random_key)};
  wipe(pseudo_random_key.data(), pseudo_random_key.size());
  return out;
}

Secret hkdf_expand(Bytes pseudo_random_key, Bytes info, std::size_t length) {
  if (length > 255 * digest_size) throw std::length_error("hkdf output too long");
  Buffer out;
  out.reserve(length);  // never grows, so no copy is left behind
  Digest block{};
  Bytes previous;
  for (std::uint8_t number = 1; out.size() < length; ++number) {
    block = Hmac(pseudo_random_key).update(previous).update(info).update({&number, 1}).finish();
    previous = block;
    append(out, previous.first(std::min(digest_size, length - out.size())));
  }
  wipe(block.data(), block.size());
  return Secret(std::move(out));
}

Secret hkdf(Bytes input_key, Bytes salt, Bytes info, std::size_t length) {
  return hkdf_expand(hkdf_extract(salt, input_key).reveal(), info, length);
}

Result<Secret> scrypt(Bytes password, Bytes salt, ScryptCost cost, std::size_t length) {
  constexpr std::uint64_t most_memory = std::uint64_t{256} << 20;
  if (cost.log2_n > 24) return fail(Blame::environment, "scrypt with too high a cost");
  Buffer key(length);
  const auto* text = reinterpret_cast<const char*>(password.data());
  if (EVP_PBE_scrypt(text != nullptr ? text : "", password.size(), salt.data(), salt.size(), std::uint64_t{1} << cost.log2_n,
                     cost.r, cost.p, most_memory, key.data(), key.size()) != 1)
    return fail(Blame::environment, "scrypt fails, or wants too much memory");
  return Secret(std::move(key));
}

}  // namespace sealmq::crypto
