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
  plaintext.resize(static_cast<std::size_t>(written + rest));
  return plaintext;
}

}  // namespace sealmq::crypto
