#include "crypto/ecdsa.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>

#include "base/try.h"
#include "crypto/hash.h"
#include "crypto/must.h"
#include "crypto/operations.h"
#include "crypto/p256_openssl.h"

namespace sealmq::crypto::ecdsa {
namespace {

using PublicKey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using SignatureParts = std::unique_ptr<ECDSA_SIG, FreeWith<ECDSA_SIG_free>>;

constexpr std::size_t longest_der = 72;  // SEQUENCE of two INTEGERs of up to 33 bytes

PublicKey import_key(int selection, OSSL_PARAM* parameters) {
  EVP_PKEY* key = nullptr;
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  must(
      context && EVP_PKEY_fromdata_init(context.get()) == 1 && EVP_PKEY_fromdata(context.get(), &key, selection, parameters) == 1,
      "EVP_PKEY_fromdata");
  return PublicKey(key);
}

OSSL_PARAM curve_parameter() {
  static char name[] = "P-256";
  return OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name - 1);
}

OSSL_PARAM point_parameter(Sec1Compressed& point) {
  return OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
}

/// Setting up a context looks the algorithm up; a prepared one is copied instead, so that keys stay usable from any thread.
KeyContext prepare(EVP_PKEY* key, int (*start)(EVP_PKEY_CTX*)) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  must(context && start(context.get()) == 1, "EVP_PKEY_CTX_new_from_pkey");
  return context;
}

KeyContext copy(const KeyContext& prepared) {
  KeyContext context(EVP_PKEY_CTX_dup(prepared.get()));
  must(context != nullptr, "EVP_PKEY_CTX_dup");
  return context;
}

}  // namespace

struct SigningKey::Loaded {
  PublicKey key;
  KeyContext prepared;
};

struct VerifyingKey::Loaded {
  PublicKey key;
  KeyContext prepared;
};

SigningKey::SigningKey(const Scalar& scalar) : scalar_(scalar), public_key_(multiply_generator(scalar)) {
  std::array<std::uint8_t, 32> native;
  BigNumber number(BN_new());
  must(number != nullptr, "BN_new");
  load_secret(scalar, number.get());
  must(BN_bn2nativepad(number.get(), native.data(), static_cast<int>(native.size())) == static_cast<int>(native.size()),
       "BN_bn2nativepad");
  OSSL_PARAM parameters[] = {curve_parameter(), OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native.data(), native.size()),
                             point_parameter(public_key_), OSSL_PARAM_construct_end()};
  PublicKey key = import_key(EVP_PKEY_KEYPAIR, parameters);
  wipe(native.data(), native.size());
  KeyContext prepared = prepare(key.get(), EVP_PKEY_sign_init);
  loaded_ = std::make_unique<Loaded>(Loaded{std::move(key), std::move(prepared)});
}

SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::from_secret(const Secret& secret) {
  return SigningKey(TRY(decode_secret_scalar(secret)));
}

SigningKey SigningKey::generate(Random& random) {
  return SigningKey(*decode_secret_scalar(generate_scalar(random)));
}

Secret SigningKey::export_secret() const {
  return scalar_.to_secret();
}

Result<VerifyingKey> VerifyingKey::from_sec1(Bytes sec1_compressed) {
  TRY(Point::decode(sec1_compressed));
  Sec1Compressed point;
  std::copy(sec1_compressed.begin(), sec1_compressed.end(), point.begin());
  OSSL_PARAM parameters[] = {curve_parameter(), point_parameter(point), OSSL_PARAM_construct_end()};
  PublicKey key = import_key(EVP_PKEY_PUBLIC_KEY, parameters);
  KeyContext prepared = prepare(key.get(), EVP_PKEY_verify_init);
  return VerifyingKey(point, std::make_shared<const Loaded>(Loaded{std::move(key), std::move(prepared)}));
}

// R = k*G, s = (h + r*a) / k
Signature sign(const SigningKey& key, Bytes message) {
  count(&Operations::h);
  count(&Operations::sm);
  count(&Operations::m, 2);
  count(&Operations::a);
  Digest digest = sha256(message);
  std::array<std::uint8_t, longest_der> der;
  std::size_t size = der.size();
  must(EVP_PKEY_sign(copy(key.loaded().prepared).get(), der.data(), &size, digest.data(), digest.size()) == 1, "EVP_PKEY_sign");
  const std::uint8_t* at = der.data();
  SignatureParts parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  must(parts != nullptr, "d2i_ECDSA_SIG");
  Signature out;
  must(BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), out.data(), 32) == 32, "BN_bn2binpad");
  must(BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), out.data() + 32, 32) == 32, "BN_bn2binpad");
  return out;
}

bool verify(const VerifyingKey& key, Bytes message, const Signature& signature) {
  return verify_digest(key, sha256(message), signature);
}

Signature lowered(const Signature& signature) {
  Signature other = signature;
  const auto s = Scalar::decode(Bytes(signature).last(32));
  if (!s) return signature;  // verifies nothing
  (Scalar() - *s).encode(std::span(other).last<32>());
  return std::ranges::lexicographical_compare(Bytes(other).last(32), Bytes(signature).last(32)) ? other : signature;
}

bool is_low(const Signature& signature) {
  return lowered(signature) == signature;
}

bool verify_digest(const VerifyingKey& key, Bytes digest, const Signature& signature) {
  auto r = Scalar::decode(Bytes(signature).first(32));
  auto s = Scalar::decode(Bytes(signature).last(32));
  if (!r || !s || r->is_zero() || s->is_zero()) return false;

  SignatureParts parts(ECDSA_SIG_new());
  BigNumber r_number(BN_bin2bn(signature.data(), 32, nullptr));
  BigNumber s_number(BN_bin2bn(signature.data() + 32, 32, nullptr));
  must(parts && r_number && s_number, "BN_bin2bn");
  must(ECDSA_SIG_set0(parts.get(), r_number.release(), s_number.release()) == 1, "ECDSA_SIG_set0");
  std::array<std::uint8_t, longest_der> der;
  std::uint8_t* at = der.data();
  int size = i2d_ECDSA_SIG(parts.get(), &at);
  must(size > 0, "i2d_ECDSA_SIG");

  // (h/s)*G + (r/s)*A
  count(&Operations::h);
  count(&Operations::m, 2);
  count(&Operations::sm, 2);
  count(&Operations::a);
  int answer = EVP_PKEY_verify(copy(key.loaded().prepared).get(), der.data(), static_cast<std::size_t>(size), digest.data(),
                               digest.size());
  if (answer != 1) ERR_clear_error();
  return answer == 1;
}

}  // namespace sealmq::crypto::ecdsa
