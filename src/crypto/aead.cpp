#include "crypto/aead.h"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

#include "crypto/must.h"
#include "crypto/operations.h"

namespace sealmq::crypto {
namespace {

const EVP_CIPHER* method_for(AeadName name) {
  static const EVP_CIPHER* const aes128 = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  static const EVP_CIPHER* const aes256 = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static const EVP_CIPHER* const chacha20 = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  switch (name) {
    case AeadName::aes128_gcm:
      return aes128;
    case AeadName::aes256_gcm:
      return aes256;
    case AeadName::chacha20_poly1305:
      break;
  }
  return chacha20;
}

enum Direction { decrypt = 0, encrypt = 1 };

}  // namespace

// One context serves both directions: both modes use the cipher's forward direction for both, so the key schedule is the same.
struct Aead::Context {
  Context(const EVP_CIPHER* method, Bytes key, bool counts) : counts_as_aes(counts) {
    must(cipher != nullptr && method != nullptr, "EVP_CIPHER_CTX_new");
    must(EVP_CipherInit_ex2(cipher, method, key.data(), nullptr, encrypt, nullptr) == 1, "EVP_CipherInit_ex2");
  }
  ~Context() { EVP_CIPHER_CTX_free(cipher); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  void start(const Iv& iv, Bytes aad, Direction direction) {
    must(EVP_CipherInit_ex2(cipher, nullptr, nullptr, iv.data(), direction, nullptr) == 1, "EVP_CipherInit_ex2");
    int written = 0;
    if (!aad.empty()) must(EVP_CipherUpdate(cipher, nullptr, &written, aad.data(), int_length(aad.size())) == 1, "GCM aad");
  }

  void transform(Bytes in, std::uint8_t* out) {
    int written = 0;
    if (!in.empty()) must(EVP_CipherUpdate(cipher, out, &written, in.data(), int_length(in.size())) == 1, "GCM data");
  }

  bool end() {
    std::uint8_t none[Aead::tag_size];
    int written = 0;
    return EVP_CipherFinal_ex(cipher, none, &written) == 1;
  }

  EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
  const bool counts_as_aes;
};

std::size_t key_size(AeadName name) {
  return name == AeadName::aes128_gcm ? 16 : 32;
}

Aead::Aead(AeadName name, Bytes key) {
  if (key.size() != key_size(name)) throw std::invalid_argument("a key of this cipher has 16 or 32 bytes");
  context_ = std::make_unique<Context>(method_for(name), key, name != AeadName::chacha20_poly1305);
}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(const Iv& iv, Bytes aad, Bytes plaintext, Buffer& out) {
  if (context_->counts_as_aes) count(&Operations::aes);
  std::size_t start = out.size();
  out.resize(start + plaintext.size() + tag_size);
  context_->start(iv, aad, encrypt);
  context_->transform(plaintext, out.data() + start);
  must(context_->end(), "GCM end");
  std::uint8_t* tag = out.data() + start + plaintext.size();
  must(EVP_CIPHER_CTX_ctrl(context_->cipher, EVP_CTRL_AEAD_GET_TAG, tag_size, tag) == 1, "EVP_CTRL_AEAD_GET_TAG");
}

Result<Buffer> Aead::open(const Iv& iv, Bytes aad, Bytes ciphertext_and_tag) {
  if (context_->counts_as_aes) count(&Operations::aes);
  if (ciphertext_and_tag.size() < tag_size) return fail(Blame::peer_misbehaved, "sealed message is shorter than its tag");
  Bytes ciphertext = ciphertext_and_tag.first(ciphertext_and_tag.size() - tag_size);
  std::array<std::uint8_t, tag_size> tag;
  std::copy(ciphertext_and_tag.end() - tag_size, ciphertext_and_tag.end(), tag.begin());
  Buffer plaintext(ciphertext.size());
  context_->start(iv, aad, decrypt);
  context_->transform(ciphertext, plaintext.data());
  must(EVP_CIPHER_CTX_ctrl(context_->cipher, EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1, "EVP_CTRL_AEAD_SET_TAG");
  if (context_->end()) return plaintext;
  wipe(plaintext.data(), plaintext.size());
  return fail(Blame::peer_misbehaved, "sealed message does not open");
}

}  // namespace sealmq::crypto
