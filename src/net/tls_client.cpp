#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <new>

#include "base/try.h"
#include "net/tls.h"
#include "net/tls_files.h"

namespace sealmq::net {
namespace {

bool is_address(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

class Client final : public TlsClient, public std::enable_shared_from_this<Client> {
 public:
  explicit Client(const TlsOptions& options) : options_(options), context_(make_context(TLS_client_method())) {}

  Result<> load() {
    SSL_CTX* context = context_.get();
    if (options_.version == "tlsv1.3")
      SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    else if (!options_.version.empty() && options_.version != "tlsv1.2")
      return fail(Blame::caller_misused, "the TLS version is tlsv1.2 or tlsv1.3");
    if (options_.cert.empty() != options_.key.empty())
      return fail(Blame::caller_misused, "a TLS certificate and its key go together");
    if (options_.alpn.size() > 255) return fail(Blame::caller_misused, "the name of an ALPN protocol has 255 bytes at most");
    if (!options_.psk.empty() || !options_.psk_identity.empty()) return use_psk();
    if (!options_.cert.empty()) TRY(use_certificate(context, options_.cert, options_.key));
    TRY(trust());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    return {};
  }

  std::unique_ptr<Channel> connect(const std::string& host) const override {
    Ssl ssl(SSL_new(context_.get()));
    if (!ssl) throw std::bad_alloc();
    SSL_set_connect_state(ssl.get());
    X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl.get());
    if (is_address(host)) {
      if (!options_.insecure) X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str());
    } else {
      SSL_set_tlsext_host_name(ssl.get(), host.c_str());
      X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      if (!options_.insecure) X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size());
    }
    if (!options_.alpn.empty()) {
      const std::string list = static_cast<char>(options_.alpn.size()) + options_.alpn;
      SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(list.data()), static_cast<unsigned int>(list.size()));
    }
    return std::make_unique<TlsChannel>(std::move(ssl), shared_from_this());
  }

 private:
  Result<> trust() {
    ERR_clear_error();
    if (options_.ca_file.empty() && options_.ca_folder.empty()) {
      if (SSL_CTX_set_default_verify_paths(context_.get()) == 1) return {};
      return tls_failure(Blame::environment, "cannot read the certificates this system trusts");
    }
    if (!options_.ca_file.empty()) {
      TRY(check_readable(options_.ca_file, false));
      if (SSL_CTX_load_verify_file(context_.get(), options_.ca_file.c_str()) != 1)
        return not_taken(options_.ca_file, wants_certificate, options_.ca_file + " holds no certificate in PEM");
    }
    if (!options_.ca_folder.empty()) {
      TRY(check_readable(options_.ca_folder, false));
      if (SSL_CTX_load_verify_dir(context_.get(), options_.ca_folder.c_str()) != 1)
        return tls_failure(Blame::caller_misused, "cannot use " + options_.ca_folder);
    }
    return {};
  }

  /// With a pre-shared key no certificate is looked at, so nothing but ciphers that prove the key are offered.
  Result<> use_psk() {
    if (options_.psk.empty() || options_.psk_identity.empty() || options_.psk_identity.size() > 128)
      return fail(Blame::caller_misused, "a pre-shared key and its identity, of at most 128 bytes, go together");
    if (!options_.ca_file.empty() || !options_.ca_folder.empty() || !options_.cert.empty())
      return fail(Blame::caller_misused, "choose between certificates and a pre-shared key");
    key_ = TRY(parse_psk(options_.psk));
    SSL_CTX* context = context_.get();
    SSL_CTX_set_app_data(context, this);
    SSL_CTX_set_psk_client_callback(context, give_key);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");  // the hash that goes with such keys
    if (SSL_CTX_set_cipher_list(context, "ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES128-GCM-SHA256") != 1)
      return tls_failure(Blame::environment, "this OpenSSL has none of our ciphers");
    // A TLS 1.3 broker that does not know the key may answer with a certificate instead: nobody verified it, so it must fail.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    return {};
  }

  static unsigned int give_key(SSL* ssl, const char*, char* identity, unsigned int most_identity, unsigned char* key,
                               unsigned int most_key) {
    const auto& self = *static_cast<const Client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const Bytes bytes = self.key_.reveal();
    if (self.options_.psk_identity.size() >= most_identity || bytes.size() > most_key) return 0;
    std::memcpy(identity, self.options_.psk_identity.c_str(), self.options_.psk_identity.size() + 1);
    std::memcpy(key, bytes.data(), bytes.size());
    return static_cast<unsigned int>(bytes.size());
  }

  TlsOptions options_;
  SslContext context_;
  Secret key_;
};

}  // namespace

Result<std::shared_ptr<const TlsClient>> TlsClient::load(const TlsOptions& options) {
  auto client = std::make_shared<Client>(options);
  TRY(client->load());
  return client;
}

}  // namespace sealmq::net
