#include "crypto/aes_cbc.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

#include "crypto/must.h"
#include "crypto/operations.h"

namespace sealmq::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

Context begin(const Secret& key, const CbcIv& iv, bool encrypts) {
  if (key.size() != 16) throw std::invalid_argument("an AES-128 key has 16 bytes");
  count(&Operations::aes);
  Context context(EVP_CIPHER_CTX_new());
  must(context != nullptr, "EVP_CIPHER_CTX_new");
  must(EVP_CipherInit_ex2(context.get(), EVP_aes_128_cbc(), key.reveal().data(), iv.data(), encrypts ? 1 : 0, nullptr) == 1,
       "EVP_CipherInit_ex2");
  return context;
}

}  // namespace

void encrypt_cbc(const Secret& key, const CbcIv& iv, Bytes plaintext, Buffer& out) {
  const Context context = begin(key, iv, true);
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + aes_block_size);
  int written = 0;
  int rest = 0;
  must(EVP_CipherUpdate(context.get(), out.data() + start, &written, plaintext.data(), int_length(plaintext.size())) == 1,
       "EVP_CipherUpdate");
  must(EVP_CipherFinal_ex(context.get(), out.data() + start + written, &rest) == 1, "EVP_CipherFinal_ex");
  out.resize(start + static_cast<std::size_t>(written + rest));
}

Result<Buffer> decrypt_cbc(const Secret& key, const CbcIv& iv, Bytes ciphertext) {
  if (ciphertext.empty() || ciphertext.size() % aes_block_size != 0)
    return fail(Blame::peer_misbehaved, "not a whole number of blocks");
  const Context context = begin(key, iv, false);
  Buffer plaintext(ciphertext.size() + aes_block_size);
  int written = 0;
  int rest = 0;
  must(EVP_CipherUpdate(context.get(), plaintext.data(), &written, ciphertext.data(), int_length(ciphertext.size())) == 1,
       "EVP_CipherUpdate");
  if (EVP_CipherFinal_ex(context.get(), plaintext.data() + written, &rest) != 1) {
    ERR_clear_error();
    wipe(plaintext.data(), plaintext.size());
    return fail(Blame::peer_misbehaved, "the padding is wrong");
  }
  plaintext.resize(static_cast<std::size_t>(written) + static_cast<std::size_t>(rest));
  return plaintext;
}

namespace {

const EVP_CIPHER* cipher_for(std::size_t key_size) {
  switch (key_size) {
    case 16:
      return EVP_aes_128_cbc();
    case 24:
      return EVP_aes_192_cbc();
    case 32:
      return EVP_aes_256_cbc();
    default:
      throw std::invalid_argument("an AES key has 16, 24 or 32 bytes");
  }
}

Buffer run_blocks(const Secret& key, Bytes in, bool encrypts) {
  if (in.size() % aes_block_size != 0) throw std::invalid_argument("not a whole number of blocks");
  count(&Operations::aes);
  const CbcIv iv{};
  const Context context(EVP_CIPHER_CTX_new());
  must(context != nullptr, "EVP_CIPHER_CTX_new");
  must(
      EVP_CipherInit_ex2(context.get(), cipher_for(key.size()), key.reveal().data(), iv.data(), encrypts ? 1 : 0, nullptr) == 1 &&
          EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1,
      "EVP_CipherInit_ex2");
  Buffer out(in.size());
  int written = 0;
  must(EVP_CipherUpdate(context.get(), out.data(), &written, in.data(), int_length(in.size())) == 1 &&
           static_cast<std::size_t>(written) == out.size(),
       "EVP_CipherUpdate");
  return out;
}

}  // namespace

Buffer encrypt_blocks(const Secret& key, Bytes plaintext) {
  return run_blocks(key, plaintext, true);
}

Secret decrypt_blocks(const Secret& key, Bytes ciphertext) {
  return Secret(run_blocks(key, ciphertext, false));
}

}  // namespace sealmq::crypto
