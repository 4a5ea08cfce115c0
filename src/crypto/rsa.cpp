#include "crypto/rsa.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <stdexcept>

#include "base/try.h"
#include "crypto/big_number.h"
#include "crypto/hash.h"
#include "crypto/must.h"

namespace sealmq::crypto::rsa {
namespace {

using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using ParametersBuilder = std::unique_ptr<OSSL_PARAM_BLD, FreeWith<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, FreeWith<OSSL_PARAM_free>>;

bool is_usual(std::size_t bits) {
  return bits == 2048 || bits == 3072 || bits == 4096;
}

BigNumber number_from(Bytes bytes) {
  BigNumber number(BN_bin2bn(bytes.data(), int_length(bytes.size()), nullptr));
  must(number != nullptr, "BN_bin2bn");
  return number;
}

/// Marked as secret: the library takes its constant-time ways.
BigNumber secret_from(Bytes bytes) {
  BigNumber number(BN_secure_new());
  must(number && BN_bin2bn(bytes.data(), int_length(bytes.size()), number.get()) != nullptr, "BN_bin2bn");
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

BigNumber new_secret() {
  BigNumber number(BN_secure_new());
  must(number != nullptr, "BN_secure_new");
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

BigNumber public_exponent() {
  BigNumber number(BN_new());
  must(number && BN_set_word(number.get(), exponent) == 1, "BN_set_word");
  return number;
}

struct Part {
  const char* name;
  const BigNumber& number;
};

/// Nothing if the library refuses the numbers.
Key import_key(int selection, std::initializer_list<Part> parts) {
  ParametersBuilder builder(OSSL_PARAM_BLD_new());
  must(builder != nullptr, "OSSL_PARAM_BLD_new");
  for (const Part& part : parts)
    must(OSSL_PARAM_BLD_push_BN(builder.get(), part.name, part.number.get()) == 1, "OSSL_PARAM_BLD_push_BN");
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  must(parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1, "EVP_PKEY_fromdata_init");
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) != 1) {
    ERR_clear_error();
    EVP_PKEY_free(key);
    return nullptr;
  }
  return Key(key);
}

KeyContext begin(EVP_PKEY* key, int (*start)(EVP_PKEY_CTX*), int padding) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  must(context && start(context.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(context.get(), padding) == 1, "EVP_PKEY_CTX_new");
  return context;
}

void use_pss(const KeyContext& context) {
  must(EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256()) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1,
       "EVP_PKEY_CTX_set_rsa_pss_saltlen");
}

BigNumber part_of(const Key& key, const char* name) {
  BIGNUM* number = nullptr;
  must(EVP_PKEY_get_bn_param(key.get(), name, &number) == 1, "EVP_PKEY_get_bn_param");
  return BigNumber(number);
}

void write(const BigNumber& number, std::span<std::uint8_t> to) {
  must(BN_bn2binpad(number.get(), to.data(), int_length(to.size())) == static_cast<int>(to.size()), "BN_bn2binpad");
}

Failure refuse_private() {
  return fail(Blame::caller_misused, "these are not the numbers of an RSA key");
}

}  // namespace

struct PublicKey::Loaded {
  Buffer modulus;
  Key key;
};

struct PrivateKey::Loaded {
  Key key;
  PublicKey public_key;
};

const Buffer& PublicKey::modulus() const {
  return loaded_->modulus;
}

Result<PublicKey> PublicKey::from_modulus(Bytes modulus) {
  if (!is_usual(modulus.size() * 8) || (modulus.front() & 0x80) == 0 || (modulus.back() & 1) == 0)
    return fail(Blame::peer_misbehaved, "not the modulus of an RSA key of 2048, 3072 or 4096 bits");
  const auto n = number_from(modulus);
  const auto e = public_exponent();
  Key key = import_key(EVP_PKEY_PUBLIC_KEY, {{OSSL_PKEY_PARAM_RSA_N, n}, {OSSL_PKEY_PARAM_RSA_E, e}});
  must(key != nullptr, "EVP_PKEY_fromdata");
  auto loaded = std::make_shared<Loaded>();
  loaded->modulus = to_buffer(modulus);
  loaded->key = std::move(key);
  return PublicKey(std::move(loaded));
}

PrivateKey::PrivateKey(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

const PublicKey& PrivateKey::public_key() const {
  return loaded_->public_key;
}

PrivateKey PrivateKey::generate(unsigned bits) {
  if (!is_usual(bits)) throw std::invalid_argument("RSA keys have 2048, 3072 or 4096 bits");
  Key key(EVP_RSA_gen(bits));
  must(key != nullptr, "EVP_RSA_gen");
  Buffer modulus(bits / 8);
  write(part_of(key, OSSL_PKEY_PARAM_RSA_N), modulus);
  auto open = PublicKey::from_modulus(modulus);
  must(open.has_value(), "EVP_RSA_gen");
  return PrivateKey(std::make_unique<Loaded>(Loaded{std::move(key), *std::move(open)}));
}

Result<PrivateKey> PrivateKey::from_secret(const Secret& secret) {
  if (!is_usual(secret.size() * 8)) return refuse_private();
  const std::size_t half = secret.size() / 2;
  const auto p = secret_from(secret.reveal().first(half));
  const auto q = secret_from(secret.reveal().last(half));
  if (!BN_is_odd(p.get()) || !BN_is_odd(q.get()) || BN_cmp(p.get(), q.get()) == 0) return refuse_private();

  const BigNumberContext work(BN_CTX_secure_new());
  must(work != nullptr, "BN_CTX_secure_new");
  const auto n = new_secret(), p1 = new_secret(), q1 = new_secret(), phi = new_secret(), d = new_secret(), dp = new_secret(),
             dq = new_secret(), qi = new_secret();
  const auto e = public_exponent();
  must(BN_mul(n.get(), p.get(), q.get(), work.get()) == 1 && BN_sub(p1.get(), p.get(), BN_value_one()) == 1 &&
           BN_sub(q1.get(), q.get(), BN_value_one()) == 1 && BN_mul(phi.get(), p1.get(), q1.get(), work.get()) == 1,
       "BN_mul");
  // Also keeps out 0 and 1, which nothing could be divided by.
  if (static_cast<std::size_t>(BN_num_bytes(n.get())) != secret.size()) return refuse_private();
  if (BN_mod_inverse(d.get(), e.get(), phi.get(), work.get()) == nullptr ||
      BN_mod_inverse(qi.get(), q.get(), p.get(), work.get()) == nullptr) {
    ERR_clear_error();
    return refuse_private();
  }
  must(BN_mod(dp.get(), d.get(), p1.get(), work.get()) == 1 && BN_mod(dq.get(), d.get(), q1.get(), work.get()) == 1, "BN_mod");

  Buffer modulus(secret.size());
  write(n, modulus);
  auto open = PublicKey::from_modulus(modulus);
  if (!open) return refuse_private();
  BN_set_flags(n.get(), 0);
  Key key = import_key(EVP_PKEY_KEYPAIR, {{OSSL_PKEY_PARAM_RSA_N, n},
                                          {OSSL_PKEY_PARAM_RSA_E, e},
                                          {OSSL_PKEY_PARAM_RSA_D, d},
                                          {OSSL_PKEY_PARAM_RSA_FACTOR1, p},
                                          {OSSL_PKEY_PARAM_RSA_FACTOR2, q},
                                          {OSSL_PKEY_PARAM_RSA_EXPONENT1, dp},
                                          {OSSL_PKEY_PARAM_RSA_EXPONENT2, dq},
                                          {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qi}});
  if (!key) return refuse_private();
  PrivateKey made(std::make_unique<Loaded>(Loaded{std::move(key), *std::move(open)}));

  // Numbers that are no primes make signatures that do not verify; what they make of a ciphertext could tell of them.
  constexpr std::string_view probe = "does this key work";
  if (!verify_pss(made.public_key(), as_bytes(probe), sign_pss(made, as_bytes(probe)))) return refuse_private();
  return made;
}

Result<PrivateKey> PrivateKey::from_exponent(Bytes modulus, const Secret& private_exponent) {
  auto open = PublicKey::from_modulus(modulus);
  if (!open) return refuse_private();
  const auto n = number_from(modulus);
  const auto e = public_exponent();
  const auto d = secret_from(private_exponent.reveal());
  Key key = import_key(EVP_PKEY_KEYPAIR, {{OSSL_PKEY_PARAM_RSA_N, n}, {OSSL_PKEY_PARAM_RSA_E, e}, {OSSL_PKEY_PARAM_RSA_D, d}});
  if (!key) return refuse_private();
  PrivateKey made(std::make_unique<Loaded>(Loaded{std::move(key), *std::move(open)}));
  constexpr std::string_view probe = "does this key work";
  if (!verify_pss(made.public_key(), as_bytes(probe), sign_pss(made, as_bytes(probe)))) return refuse_private();
  return made;
}

Secret PrivateKey::export_secret() const {
  Buffer both(public_key().size());
  const auto half = static_cast<std::ptrdiff_t>(both.size() / 2);
  write(part_of(loaded_->key, OSSL_PKEY_PARAM_RSA_FACTOR1), {both.begin(), both.begin() + half});
  write(part_of(loaded_->key, OSSL_PKEY_PARAM_RSA_FACTOR2), {both.begin() + half, both.end()});
  return Secret(std::move(both));
}

// -- RSA-PSS -------------------------------------------------------------------------------------------------------------------

Buffer sign_pss(const PrivateKey& key, Bytes message) {
  const auto context = begin(key.loaded().key.get(), EVP_PKEY_sign_init, RSA_PKCS1_PSS_PADDING);
  use_pss(context);
  const Digest digest = sha256(message);
  Buffer signature(key.public_key().size());
  std::size_t size = signature.size();
  // Only numbers that are no key's fail here; an empty signature verifies under no key.
  if (EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
    ERR_clear_error();
    return {};
  }
  return signature;
}

bool verify_pss(const PublicKey& key, Bytes message, Bytes signature) {
  if (signature.size() != key.size()) return false;
  const auto context = begin(key.loaded().key.get(), EVP_PKEY_verify_init, RSA_PKCS1_PSS_PADDING);
  use_pss(context);
  const Digest digest = sha256(message);
  const int answer = EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size());
  if (answer != 1) ERR_clear_error();
  return answer == 1;
}

// -- PKCS#1 v1.5, raw ----------------------------------------------------------------------------------------------------------

Result<> check_ciphertext(const PublicKey& key, Bytes ciphertext) {
  if (ciphertext.size() != key.size() ||
      !std::lexicographical_compare(ciphertext.begin(), ciphertext.end(), key.modulus().begin(), key.modulus().end()))
    return fail(Blame::peer_misbehaved, "not a number below the modulus of the RSA key");
  return {};
}

Result<Secret> raw_private(const PrivateKey& key, Bytes ciphertext) {
  TRY(check_ciphertext(key.public_key(), ciphertext));
  const auto context = begin(key.loaded().key.get(), EVP_PKEY_decrypt_init, RSA_NO_PADDING);
  Buffer block(ciphertext.size());
  std::size_t size = block.size();
  must(EVP_PKEY_decrypt(context.get(), block.data(), &size, ciphertext.data(), ciphertext.size()) == 1 && size == block.size(),
       "EVP_PKEY_decrypt");
  return Secret(std::move(block));
}

Result<Buffer> pad_type_1(Bytes message, std::size_t size) {
  if (message.size() + padding_overhead > size) return fail(Blame::caller_misused, "the message is too long for the RSA key");
  Buffer block(size, 0xFF);
  block[0] = 0;
  block[1] = 1;
  block[size - message.size() - 1] = 0;
  std::copy(message.begin(), message.end(), block.end() - static_cast<std::ptrdiff_t>(message.size()));
  return block;
}

Result<Buffer> seal_with_private(const PrivateKey& key, Bytes message) {
  const Buffer block = TRY(pad_type_1(message, key.public_key().size()));
  const Secret sealed = TRY(raw_private(key, block));
  return to_buffer(sealed.reveal());
}

Result<Buffer> open_with_public(const PublicKey& key, Bytes block, std::size_t length) {
  TRY(check_ciphertext(key, block));
  const auto context = begin(key.loaded().key.get(), EVP_PKEY_encrypt_init, RSA_NO_PADDING);
  Buffer opened(block.size());
  std::size_t size = opened.size();
  must(EVP_PKEY_encrypt(context.get(), opened.data(), &size, block.data(), block.size()) == 1, "EVP_PKEY_encrypt");
  const Bytes message = Bytes(opened).last(std::min(length, opened.size()));
  // All that is not the message follows from its length: so the whole block is compared.
  const auto expected = pad_type_1(message, opened.size());
  if (!expected || message.size() != length || *expected != opened)
    return fail(Blame::peer_misbehaved, "was not made with this RSA key");
  return to_buffer(message);
}

Result<Buffer> encrypt(const PublicKey& key, Bytes message) {
  if (message.size() + padding_overhead > key.size())
    return fail(Blame::caller_misused, "the message is too long for the RSA key");
  const auto context = begin(key.loaded().key.get(), EVP_PKEY_encrypt_init, RSA_PKCS1_PADDING);
  Buffer ciphertext(key.size());
  std::size_t size = ciphertext.size();
  must(EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, message.data(), message.size()) == 1, "EVP_PKEY_encrypt");
  return ciphertext;
}

namespace {

/// 0 if the octet is zero, else FF; in constant time.
std::uint8_t mask_of(std::uint8_t octet) {
  return static_cast<std::uint8_t>(0U - ((octet | (0U - octet)) >> 31));
}

}  // namespace

Secret open_block(const Secret& block, std::size_t length, Random& random) {
  if (length + padding_overhead > block.size()) throw std::invalid_argument("no block is long enough for such a message");
  Buffer answer(length);
  random.fill(answer);
  const Bytes octets = block.reveal();
  const std::size_t zero_at = octets.size() - length - 1;
  // The length is known, so nothing is searched for: 00 02, then no zero, then one, then the message. Every octet is looked at.
  auto wrong = static_cast<std::uint8_t>(octets[0] | (octets[1] ^ 2) | octets[zero_at]);
  for (std::size_t i = 2; i < zero_at; ++i) wrong |= static_cast<std::uint8_t>(~mask_of(octets[i]));
  const std::uint8_t take_random = mask_of(wrong);
  for (std::size_t i = 0; i < length; ++i)
    answer[i] = static_cast<std::uint8_t>((answer[i] & take_random) | (octets[zero_at + 1 + i] & ~take_random));
  return Secret(std::move(answer));
}

Result<Secret> decrypt(const PrivateKey& key, Bytes ciphertext, std::size_t length, Random& random) {
  const Secret block = TRY(raw_private(key, ciphertext));
  return open_block(block, length, random);
}

}  // namespace sealmq::crypto::rsa
