#include "crypto/thumbprint.h"

#include <openssl/core_names.h>
#include <openssl/x509.h>

#include "base/cbor.h"
#include "base/try.h"
#include "crypto/big_number.h"
#include "crypto/must.h"

namespace sealmq::crypto {
namespace {

enum Label : std::int64_t { kty = 1, crv = -1, ec2_x = -2, ec2_y = -3, rsa_n = -1, rsa_e = -2 };
enum Kty : std::int64_t { okp = 1, ec2 = 2, rsa = 3 };
constexpr std::int64_t curve_p256 = 1, curve_ed25519 = 6;

/// Without leading zeros.
Buffer number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  must(EVP_PKEY_get_bn_param(key, name, &number) == 1, "EVP_PKEY_get_bn_param");
  Buffer octets(static_cast<std::size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, octets.data());
  BN_free(number);
  return octets;
}

}  // namespace

Result<Digest> thumbprint_p256(Bytes sec1_compressed) {
  const auto point = uncompressed(TRY(Point::decode(sec1_compressed)));
  const Bytes coordinates = Bytes(point).subspan(1);
  Buffer key;
  cbor::Writer out(key);
  out.map(4).integer(kty).integer(ec2).integer(crv).integer(curve_p256);
  out.integer(ec2_x).bytes(coordinates.first(32)).integer(ec2_y).bytes(coordinates.last(32));
  return sha256(key);
}

Digest thumbprint(const OtherPublicKey& public_key) {
  Buffer key;
  cbor::Writer out(key);
  if (public_key.kind() != KeyKind::rsa) {
    out.map(3).integer(kty).integer(okp).integer(crv).integer(curve_ed25519).integer(ec2_x).bytes(public_key.to_raw());
    return sha256(key);
  }
  const Buffer der = public_key.to_der();
  const unsigned char* at = der.data();
  EVP_PKEY* const loaded = d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size()));
  must(loaded != nullptr, "d2i_PUBKEY");
  out.map(3).integer(kty).integer(rsa).integer(rsa_n).bytes(number_of(loaded, OSSL_PKEY_PARAM_RSA_N));
  out.integer(rsa_e).bytes(number_of(loaded, OSSL_PKEY_PARAM_RSA_E));
  EVP_PKEY_free(loaded);
  return sha256(key);
}

}  // namespace sealmq::crypto
