#include "crypto/aead.h"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

#include "crypto/must.h"
#include "crypto/operations.h"

namespace sealmq::crypto {
namespace {

const EVP_CIPHER* method_for(std::size_t key_size) {
  static const EVP_CIPHER* const aes128 = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  static const EVP_CIPHER* const aes256 = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  if (key_size != 16 && key_size != 32) throw std::invalid_argument("an AES-GCM key has 16 or 32 bytes");
  return key_size == 16 ? aes128 : aes256;
}

enum Direction { decrypt = 0, encrypt = 1 };

}  // namespace

// One context serves both directions: GCM uses the cipher's forward direction for both, so the key schedule is the same.
struct AesGcm::Context {
  Context(const EVP_CIPHER* method, Bytes key) {
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
    std::uint8_t none[AesGcm::tag_size];
    int written = 0;
    return EVP_CipherFinal_ex(cipher, none, &written) == 1;
  }

  EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
};

AesGcm::AesGcm(Bytes key) : context_(std::make_unique<Context>(method_for(key.size()), key)) {}
AesGcm::AesGcm(AesGcm&&) noexcept = default;
AesGcm& AesGcm::operator=(AesGcm&&) noexcept = default;
AesGcm::~AesGcm() = default;

void AesGcm::seal(const Iv& iv, Bytes aad, Bytes plaintext, Buffer& out) {
  count(&Operations::aes);
  std::size_t start = out.size();
  out.resize(start + plaintext.size() + tag_size);
  context_->start(iv, aad, encrypt);
  context_->transform(plaintext, out.data() + start);
  must(context_->end(), "GCM end");
  std::uint8_t* tag = out.data() + start + plaintext.size();
  must(EVP_CIPHER_CTX_ctrl(context_->cipher, EVP_CTRL_AEAD_GET_TAG, tag_size, tag) == 1, "EVP_CTRL_AEAD_GET_TAG");
}

Result<Buffer> AesGcm::open(const Iv& iv, Bytes aad, Bytes ciphertext_and_tag) {
  count(&Operations::aes);
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
