#include "net/tls_certificates.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/error_text.h"
#include "base/try.h"
#include "net/tls_files.h"
#include "net/tls_responses.h"

namespace sealmq::net {

Result<> TlsCertificates::load(const std::vector<TlsCertificateFiles>& files) {
  for (const TlsCertificateFiles& its : files) {
    Certificate& added = all_.emplace_back(its);
    TRY(use_certificate(added.context.get(), its.cert, its.key));
    added.certificate = SSL_CTX_get0_certificate(added.context.get());
    TRY(look_at_response(added));
  }
  return {};
}

Result<> TlsCertificates::look_at_responses() {
  const std::lock_guard lock(mutex_);
  Result<> all;
  for (Certificate& certificate : all_)
    if (const Result<> looked = look_at_response(certificate); !looked) all = looked;
  return all;
}

Result<> TlsCertificates::look_at_response(Certificate& certificate) {
  const std::string& path = certificate.files.ocsp_response;
  if (path.empty()) return {};
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return fail(Blame::environment, "cannot read " + path + ": " + error_text(errno));
  const auto& written = certificate.response_written;
  if (written.tv_sec == about.st_mtim.tv_sec && written.tv_nsec == about.st_mtim.tv_nsec) return {};
  TRY(check_readable(path, false));
  const Secret read = read_secret_file(path);
  certificate.response_written = about.st_mtim;  // one that is no good is told once
  const auto ends = end_of_response(read.reveal(), certificate.certificate);
  if (!ends) return fail(ends.error().blame, path + ends.error().what);
  certificate.response = to_buffer(read.reveal());
  certificate.response_ends = *ends;
  return {};
}

bool TlsCertificates::is_for(const Certificate& certificate, std::string_view host) {
  return X509_check_host(certificate.certificate, host.data(), host.size(),
                         X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
}

bool TlsCertificates::is_for(std::string_view host) const {
  return std::ranges::any_of(all_, [&](const Certificate& its) { return is_for(its, host); });
}

bool TlsCertificates::show(SSL* ssl) const {
  const char* named = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const std::string_view host = named == nullptr ? "" : named;
  const bool is_known = is_for(host);
  SSL_certs_clear(ssl);
  // The earlier one of a kind of key overwrites the later one.
  for (auto its = all_.rbegin(); its != all_.rend(); ++its) {
    if (is_known ? !is_for(*its, host) : &*its != &all_.front()) continue;
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(its->context.get(), &chain);
    EVP_PKEY* key = SSL_CTX_get0_privatekey(its->context.get());
    if (SSL_use_cert_and_key(ssl, its->certificate, key, chain, 1) != 1) return false;
  }
  return true;
}

std::optional<std::pair<unsigned char*, std::size_t>> TlsCertificates::response_for(SSL* ssl) const {
  const X509* shown = SSL_get_certificate(ssl);
  const std::lock_guard lock(mutex_);
  for (const Certificate& its : all_) {
    if (shown == nullptr || X509_cmp(its.certificate, shown) != 0) continue;
    if (its.response.empty() || its.response_ends <= std::time(nullptr)) return std::nullopt;
    auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(its.response.data(), its.response.size()));
    if (copy == nullptr) return std::nullopt;
    return std::pair(copy, its.response.size());
  }
  return std::nullopt;
}

}  // namespace sealmq::net
