#include "crypto/other_keys.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdexcept>

#include "crypto/big_number.h"
#include "crypto/must.h"
#include "crypto/operations.h"

namespace sealmq::crypto {
namespace {

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;

constexpr int fewest_bits = 2048;
constexpr int most_bits = 4096;  // verifying with longer ones is work that a stranger could cause
constexpr std::size_t raw_size = 32;

int type_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::ed25519:
      return EVP_PKEY_ED25519;
    case KeyKind::x25519:
      return EVP_PKEY_X25519;
    case KeyKind::rsa:
      break;
  }
  return EVP_PKEY_RSA;
}

/// Of a small thing that the library has written to memory of its own.
template <class Octets>
Octets take(std::uint8_t* der, int size) {
  must(der != nullptr && size > 0, "i2d");
  Octets out{Bytes(der, static_cast<std::size_t>(size))};
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return out;
}

}  // namespace

struct OtherPublicKey::Loaded {
  explicit Loaded(EVP_PKEY* its) : key(its) {}
  ~Loaded() { EVP_PKEY_free(key); }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  EVP_PKEY* key;
};

namespace {

bool is_fit(const EVP_PKEY* key, KeyKind kind) {
  if (key == nullptr || EVP_PKEY_get_base_id(key) != type_of(kind)) return false;
  return kind != KeyKind::rsa || (EVP_PKEY_get_bits(key) >= fewest_bits && EVP_PKEY_get_bits(key) <= most_bits);
}

/// Takes the key over; null if it is none of this kind.
std::shared_ptr<const OtherPublicKey::Loaded> keep(EVP_PKEY* key, KeyKind kind) {
  ERR_clear_error();
  auto loaded = std::make_shared<const OtherPublicKey::Loaded>(key);
  return is_fit(key, kind) ? loaded : nullptr;
}

KeyContext context_of(const OtherPublicKey& key, KeyKind wanted) {
  if (key.kind() != wanted) throw std::invalid_argument("a key of another kind");
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.loaded().key, nullptr));
  must(context != nullptr, "EVP_PKEY_CTX_new_from_pkey");
  return context;
}

void set_oaep(EVP_PKEY_CTX* context) {
  must(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1,
       "OAEP");
}

/// Begins with `begin`, which is for signing or for verifying.
template <class Begin>
DigestContext start(const OtherPublicKey& key, Signing how, Begin begin) {
  if ((how == Signing::ed25519 ? KeyKind::ed25519 : KeyKind::rsa) != key.kind())
    throw std::invalid_argument("a key of another kind");
  DigestContext context(EVP_MD_CTX_new());
  must(context != nullptr, "EVP_MD_CTX_new");
  EVP_PKEY_CTX* parameters = nullptr;
  const EVP_MD* const hash = how == Signing::ed25519 ? nullptr : EVP_sha256();
  must(begin(context.get(), &parameters, hash, nullptr, key.loaded().key) == 1, "EVP_DigestSignInit");
  if (how == Signing::rsa_pss)
    must(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1,
         "PSS");
  return context;
}

}  // namespace

// -- public halves

Result<OtherPublicKey> OtherPublicKey::from_der(KeyKind kind, Bytes der) {
  const std::uint8_t* at = der.data();
  EVP_PKEY* const read = der.empty() ? nullptr : d2i_PUBKEY(nullptr, &at, static_cast<long>(int_length(der.size())));
  const bool is_whole = read != nullptr && at == der.data() + der.size();
  auto loaded = keep(read, kind);
  if (!loaded || !is_whole) return fail(Blame::peer_misbehaved, "not a public key of this kind");
  return OtherPublicKey(kind, std::move(loaded));
}

Result<OtherPublicKey> OtherPublicKey::from_raw(KeyKind kind, Bytes raw) {
  if (kind == KeyKind::rsa || raw.size() != raw_size) return fail(Blame::peer_misbehaved, "not a public key of this kind");
  auto loaded = keep(EVP_PKEY_new_raw_public_key(type_of(kind), nullptr, raw.data(), raw.size()), kind);
  if (!loaded) return fail(Blame::peer_misbehaved, "not a public key of this kind");
  return OtherPublicKey(kind, std::move(loaded));
}

Buffer OtherPublicKey::to_der() const {
  std::uint8_t* der = nullptr;
  const int size = i2d_PUBKEY(loaded_->key, &der);
  const auto octets = take<Secret>(der, size);
  return to_buffer(octets.reveal());
}

Buffer OtherPublicKey::to_raw() const {
  Buffer raw(raw_size);
  std::size_t size = raw.size();
  if (kind_ == KeyKind::rsa) throw std::invalid_argument("a key of another kind");
  must(EVP_PKEY_get_raw_public_key(loaded_->key, raw.data(), &size) == 1 && size == raw_size, "EVP_PKEY_get_raw_public_key");
  return raw;
}

// -- private keys

OtherPrivateKey OtherPrivateKey::generate(KeyKind kind) {
  const char* const name = kind == KeyKind::ed25519 ? "ED25519" : kind == KeyKind::x25519 ? "X25519" : "RSA";
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, name, nullptr));
  must(context && EVP_PKEY_keygen_init(context.get()) == 1, "EVP_PKEY_keygen_init");
  if (kind == KeyKind::rsa) must(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), fewest_bits) == 1, "RSA");
  EVP_PKEY* key = nullptr;
  must(EVP_PKEY_generate(context.get(), &key) == 1, "EVP_PKEY_generate");
  return OtherPrivateKey(OtherPublicKey(kind, keep(key, kind)));
}

Result<OtherPrivateKey> OtherPrivateKey::from_der(KeyKind kind, const Secret& pkcs8) {
  const std::uint8_t* at = pkcs8.reveal().data();
  EVP_PKEY* const read = pkcs8.empty() ? nullptr : d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(int_length(pkcs8.size())));
  const bool is_whole = read != nullptr && at == pkcs8.reveal().data() + pkcs8.size();
  auto loaded = keep(read, kind);
  if (!loaded || !is_whole) return fail(Blame::caller_misused, "not a private key of this kind");
  return OtherPrivateKey(OtherPublicKey(kind, std::move(loaded)));
}

Result<OtherPrivateKey> OtherPrivateKey::from_raw(KeyKind kind, const Secret& raw) {
  if (kind == KeyKind::rsa || raw.size() != raw_size) return fail(Blame::caller_misused, "not a private key of this kind");
  auto loaded = keep(EVP_PKEY_new_raw_private_key(type_of(kind), nullptr, raw.reveal().data(), raw.size()), kind);
  if (!loaded) return fail(Blame::caller_misused, "not a private key of this kind");
  return OtherPrivateKey(OtherPublicKey(kind, std::move(loaded)));
}

Secret OtherPrivateKey::to_der() const {
  std::uint8_t* der = nullptr;
  PKCS8_PRIV_KEY_INFO* const info = EVP_PKEY2PKCS8(public_key_.loaded().key);
  must(info != nullptr, "EVP_PKEY2PKCS8");
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  PKCS8_PRIV_KEY_INFO_free(info);
  return take<Secret>(der, size);
}

// -- what they do

Buffer sign(const OtherPrivateKey& key, Signing how, Bytes message) {
  const DigestContext context = start(key.public_key(), how, EVP_DigestSignInit);
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key.public_key().loaded().key));
  Buffer signature(size);
  must(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1, "EVP_DigestSign");
  signature.resize(size);
  return signature;
}

bool verify(const OtherPublicKey& key, Signing how, Bytes message, Bytes signature) {
  const DigestContext context = start(key, how, EVP_DigestVerifyInit);
  const int answer = EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size());
  if (answer != 1) ERR_clear_error();
  return answer == 1;
}

Result<Secret> agree(const OtherPrivateKey& own, const OtherPublicKey& peer) {
  const KeyContext context = context_of(own.public_key(), KeyKind::x25519);
  if (peer.kind() != KeyKind::x25519) throw std::invalid_argument("a key of another kind");
  must(EVP_PKEY_derive_init(context.get()) == 1, "EVP_PKEY_derive_init");
  Buffer shared(raw_size);
  std::size_t size = shared.size();
  const bool agrees = EVP_PKEY_derive_set_peer(context.get(), peer.loaded().key) == 1 &&
                      EVP_PKEY_derive(context.get(), shared.data(), &size) == 1 && size == raw_size;
  Secret secret(std::move(shared));
  if (!agrees) {
    ERR_clear_error();
    return fail(Blame::peer_misbehaved, "nothing can be agreed on with this key");
  }
  return secret;
}

Buffer encrypt_oaep(const OtherPublicKey& key, const Secret& plaintext) {
  const KeyContext context = context_of(key, KeyKind::rsa);
  must(EVP_PKEY_encrypt_init(context.get()) == 1, "EVP_PKEY_encrypt_init");
  set_oaep(context.get());
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key.loaded().key));
  Buffer ciphertext(size);
  if (EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, plaintext.reveal().data(), plaintext.size()) != 1)
    throw std::length_error("too long for OAEP");
  ciphertext.resize(size);
  return ciphertext;
}

Result<Secret> decrypt_oaep(const OtherPrivateKey& key, Bytes ciphertext) {
  const KeyContext context = context_of(key.public_key(), KeyKind::rsa);
  must(EVP_PKEY_decrypt_init(context.get()) == 1, "EVP_PKEY_decrypt_init");
  set_oaep(context.get());
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key.public_key().loaded().key));
  Buffer plaintext(size);
  const bool opens = EVP_PKEY_decrypt(context.get(), plaintext.data(), &size, ciphertext.data(), ciphertext.size()) == 1;
  Secret whole(std::move(plaintext));
  if (!opens) {
    ERR_clear_error();
    return fail(Blame::peer_misbehaved, "the encrypted key does not open");
  }
  return Secret(whole.reveal().first(size));
}

}  // namespace sealmq::crypto
