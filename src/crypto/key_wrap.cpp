#include "crypto/key_wrap.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

#include "crypto/must.h"
#include "crypto/operations.h"

namespace sealmq::crypto {
namespace {

constexpr std::size_t block = 8;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

Context begin(const Secret& key, bool wraps) {
  if (key.size() != 16 && key.size() != 32) throw std::invalid_argument("a wrapping key has 16 or 32 bytes");
  count(&Operations::aes);
  Context context(EVP_CIPHER_CTX_new());
  must(context != nullptr, "EVP_CIPHER_CTX_new");
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  const EVP_CIPHER* const method = key.size() == 16 ? EVP_aes_128_wrap() : EVP_aes_256_wrap();
  must(EVP_CipherInit_ex2(context.get(), method, key.reveal().data(), nullptr, wraps ? 1 : 0, nullptr) == 1,
       "EVP_CipherInit_ex2");
  return context;
}

}  // namespace

Buffer wrap_key(const Secret& wrapping_key, const Secret& key) {
  if (key.size() % block != 0 || key.size() < 2 * block) throw std::invalid_argument("only whole blocks can be wrapped");
  const Context context = begin(wrapping_key, true);
  Buffer wrapped(key.size() + block);
  int written = 0;
  must(EVP_CipherUpdate(context.get(), wrapped.data(), &written, key.reveal().data(), int_length(key.size())) == 1 &&
           written == int_length(wrapped.size()),
       "AES key wrap");
  return wrapped;
}

Result<Secret> unwrap_key(const Secret& wrapping_key, Bytes wrapped) {
  if (wrapped.size() % block != 0 || wrapped.size() < 3 * block) return fail(Blame::peer_misbehaved, "not a wrapped key");
  const Context context = begin(wrapping_key, false);
  Buffer key(wrapped.size());
  int written = 0;
  const bool opens = EVP_CipherUpdate(context.get(), key.data(), &written, wrapped.data(), int_length(wrapped.size())) == 1;
  if (!opens || written != int_length(wrapped.size() - block)) {
    ERR_clear_error();
    wipe(key.data(), key.size());
    return fail(Blame::peer_misbehaved, "the wrapped key does not open");
  }
  key.resize(wrapped.size() - block);  // what is cut off was never written
  return Secret(std::move(key));
}

}  // namespace sealmq::crypto
