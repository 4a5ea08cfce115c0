#include "crypto/legacy_cbc.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "crypto/must.h"

namespace sealmq::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

Buffer run(const Secret& key, Bytes in, bool encrypts) {
  if ((key.size() != 8 && key.size() != 24) || in.empty() || in.size() % des_block_size != 0)
    throw std::invalid_argument("not a key of DES, or not whole blocks");
  // DES alone is in no provider that is loaded; three times the same key is DES.
  Buffer keys;
  keys.reserve(24);
  while (keys.size() < 24) append(keys, key.reveal());
  const Secret whole(std::move(keys));
  const std::array<std::uint8_t, des_block_size> iv{};
  const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  must(context != nullptr, "EVP_CIPHER_CTX_new");
  must(EVP_CipherInit_ex2(context.get(), EVP_des_ede3_cbc(), whole.reveal().data(), iv.data(), encrypts ? 1 : 0, nullptr) == 1,
       "EVP_CipherInit_ex2");
  EVP_CIPHER_CTX_set_padding(context.get(), 0);
  Buffer out(in.size());
  int written = 0;
  int rest = 0;
  must(EVP_CipherUpdate(context.get(), out.data(), &written, in.data(), int_length(in.size())) == 1, "EVP_CipherUpdate");
  must(EVP_CipherFinal_ex(context.get(), out.data() + written, &rest) == 1, "EVP_CipherFinal_ex");
  return out;
}

}  // namespace

Buffer encrypt_legacy_blocks(const Secret& key, Bytes plaintext) {
  return run(key, plaintext, true);
}

Secret decrypt_legacy_blocks(const Secret& key, Bytes ciphertext) {
  return Secret(run(key, ciphertext, false));
}

}  // namespace sealmq::crypto
