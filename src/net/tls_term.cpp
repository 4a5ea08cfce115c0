#include "net/tls_term.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

#include "base/try.h"
#include "net/tls_files.h"

namespace sealmq::net {
namespace {

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

std::string day_of(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[16];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d", &parts)};
}

}  // namespace

Result<Term> read_term(const std::string& path) {
  TRY(check_readable(path, false));
  ERR_clear_error();
  const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(path.c_str(), "r"), BIO_free);
  if (file == nullptr) return fail(Blame::environment, "cannot read " + path);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr),
                                                                X509_free);
  if (certificate == nullptr) return not_taken(path, wants_certificate, path + " is no certificate in PEM");
  return Term{seconds_of(X509_get0_notBefore(certificate.get())), seconds_of(X509_get0_notAfter(certificate.get()))};
}

std::string why_not_now(const std::string& path, const Term& term, std::int64_t now) {
  if (now >= term.ends) return path + " ran out on " + day_of(term.ends);
  if (now < term.begins) return path + " counts from " + day_of(term.begins) + " on";
  return {};
}

}  // namespace sealmq::net
