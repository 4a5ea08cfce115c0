#include "crypto/hash.h"

#include <openssl/evp.h>

#include "crypto/must.h"

namespace sealmq::crypto {
namespace {

// Looking an algorithm up costs more than hashing a short message, so it is done once for the life of the process.
template <HashName name>
const EVP_MD* method() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, name == HashName::sha256 ? "SHA2-256" : "SHA3-256", nullptr);
  must(fetched != nullptr, "EVP_MD_fetch");
  return fetched;
}

template <HashName name>
Digest at_once(Bytes message) {
  static thread_local Hash<name> hash;
  return hash.update(message).finish();
}

}  // namespace

template <HashName name>
struct Hash<name>::Context {
  Context() {
    must(md != nullptr, "EVP_MD_CTX_new");
    start();
  }
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  void start() { must(EVP_DigestInit_ex2(md, method<name>(), nullptr) == 1, "EVP_DigestInit_ex2"); }

  EVP_MD_CTX* md = EVP_MD_CTX_new();
};

template <HashName name>
Hash<name>::Hash() : context_(std::make_unique<Context>()) {}
template <HashName name>
Hash<name>::Hash(Hash&&) noexcept = default;
template <HashName name>
Hash<name>& Hash<name>::operator=(Hash&&) noexcept = default;
template <HashName name>
Hash<name>::~Hash() = default;

template <HashName name>
Hash<name>& Hash<name>::update(Bytes part) {
  must(EVP_DigestUpdate(context_->md, part.data(), part.size()) == 1, "EVP_DigestUpdate");
  return *this;
}

template <HashName name>
Digest Hash<name>::finish() {
  Digest digest;
  must(EVP_DigestFinal_ex(context_->md, digest.data(), nullptr) == 1, "EVP_DigestFinal_ex");
  context_->start();
  return digest;
}

template class Hash<HashName::sha256>;
template class Hash<HashName::sha3_256>;

Digest sha256(Bytes message) {
  return at_once<HashName::sha256>(message);
}
Digest sha3_256(Bytes message) {
  return at_once<HashName::sha3_256>(message);
}

}  // namespace sealmq::crypto
