#include "net/tls_responses.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "net/tls_channel.h"

namespace sealmq::net {
namespace {

using Response = std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>>;
using Basic = std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>>;
using CertificateId = std::unique_ptr<OCSP_CERTID, FreeWith<OCSP_CERTID_free>>;

constexpr long clock_difference = 300;  // seconds

Basic parse(Bytes der) {
  const unsigned char* at = der.data();
  const Response response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (!response || at != der.data() + der.size()) return nullptr;
  if (OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) return nullptr;
  return Basic(OCSP_response_get1_basic(response.get()));
}

/// RFC 7633: status_request among the features of TLS that the certificate's owner promises.
bool must_have_response(const X509* certificate) {
  constexpr long status_request = 5;
  const std::unique_ptr<TLS_FEATURE, FreeWith<TLS_FEATURE_free>> features(
      static_cast<TLS_FEATURE*>(X509_get_ext_d2i(certificate, NID_tlsfeature, nullptr, nullptr)));
  for (int i = 0; features && i < sk_ASN1_INTEGER_num(features.get()); ++i)
    if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features.get(), i)) == status_request) return true;
  return false;
}

enum class Says : std::uint8_t { nothing, good, revoked };

Says what_is_said(SSL* ssl) {
  const unsigned char* der = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
  if (der == nullptr || size <= 0) return Says::nothing;
  const Basic basic = parse({der, static_cast<std::size_t>(size)});
  STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  if (!basic || chain == nullptr || sk_X509_num(chain) < 2) return Says::nothing;
  if (OCSP_basic_verify(basic.get(), chain, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), 0) != 1) return Says::nothing;

  X509* const certificate = sk_X509_value(chain, 0);
  X509* const issuer = sk_X509_value(chain, 1);
  for (int i = 0; i < OCSP_resp_count(basic.get()); ++i) {
    OCSP_SINGLERESP* one = OCSP_resp_get0(basic.get(), i);
    const OCSP_CERTID* named = OCSP_SINGLERESP_get0_id(one);
    ASN1_OBJECT* hash = nullptr;
    OCSP_id_get0_info(nullptr, &hash, nullptr, nullptr, const_cast<OCSP_CERTID*>(named));
    const CertificateId ours(OCSP_cert_to_id(EVP_get_digestbyobj(hash), certificate, issuer));
    if (!ours || OCSP_id_cmp(ours.get(), named) != 0) continue;
    ASN1_GENERALIZEDTIME *from = nullptr, *until = nullptr;
    const int status = OCSP_single_get0_status(one, nullptr, nullptr, &from, &until);
    if (until == nullptr || OCSP_check_validity(from, until, clock_difference, -1) != 1) continue;
    if (status == V_OCSP_CERTSTATUS_REVOKED) return Says::revoked;
    if (status == V_OCSP_CERTSTATUS_GOOD) return Says::good;
  }
  return Says::nothing;
}

}  // namespace

Result<std::int64_t> end_of_response(Bytes der, X509* certificate) {
  ERR_clear_error();
  const Basic basic = parse(der);
  ERR_clear_error();
  if (!basic) return fail(Blame::caller_misused, " is no successful OCSP response in DER");
  for (int i = 0; i < OCSP_resp_count(basic.get()); ++i) {
    OCSP_SINGLERESP* one = OCSP_resp_get0(basic.get(), i);
    ASN1_INTEGER* serial = nullptr;
    OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(one)));
    if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) != 0) continue;
    ASN1_GENERALIZEDTIME* until = nullptr;
    OCSP_single_get0_status(one, nullptr, nullptr, nullptr, &until);
    tm parts{};
    if (until == nullptr || ASN1_TIME_to_tm(until, &parts) != 1)
      return fail(Blame::caller_misused, " does not say until when it counts");
    return static_cast<std::int64_t>(::timegm(&parts));
  }
  return fail(Blame::caller_misused, " is an OCSP response for another certificate");
}

std::optional<const char*> refuse_by_response(SSL* ssl, OcspWish wish) {
  if (wish == OcspWish::off) return std::nullopt;
  ERR_clear_error();
  const Says said = what_is_said(ssl);
  ERR_clear_error();
  if (said == Says::revoked) return "its authority says that the certificate is revoked";
  if (said == Says::good) return std::nullopt;
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (wish == OcspWish::require || (certificate != nullptr && must_have_response(certificate)))
    return "no valid OCSP response of its authority came with the certificate";
  return std::nullopt;
}

}  // namespace sealmq::net
