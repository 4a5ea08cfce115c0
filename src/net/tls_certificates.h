// The certificates of one listener: which of them a client is shown, and what their authority says of them (OCSP).
#pragma once

#include <openssl/ssl.h>
#include <sys/stat.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "net/tls.h"
#include "net/tls_channel.h"

namespace sealmq::net {

/// Any thread, once loaded.
class TlsCertificates {
 public:
  /// Errors: as TlsServer::load.
  Result<> load(const std::vector<TlsCertificateFiles>& files);
  /// Reads responses again whose files have changed. Errors: likewise; the others are read all the same.
  Result<> look_at_responses();

  bool is_for(std::string_view host) const;
  /// Those for the host that the client named, or else the first, one of each kind of key. False: OpenSSL does not take it.
  bool show(SSL* ssl) const;
  /// What the authority says of the one that is shown, unless that is out of date; the caller owns it (OPENSSL_free).
  std::optional<std::pair<unsigned char*, std::size_t>> response_for(SSL* ssl) const;

  std::size_t size() const { return all_.size(); }

 private:
  struct Certificate {
    explicit Certificate(TlsCertificateFiles its) : files(std::move(its)), context(make_context(TLS_server_method())) {}
    TlsCertificateFiles files;
    SslContext context;  // holds the certificate, its chain and its key
    X509* certificate = nullptr;
    Buffer response;  // DER
    std::int64_t response_ends = 0;
    struct timespec response_written {};
  };
  static bool is_for(const Certificate& certificate, std::string_view host);
  Result<> look_at_response(Certificate& certificate);

  std::deque<Certificate> all_;
  mutable std::mutex mutex_;  // of the responses
};

}  // namespace sealmq::net
