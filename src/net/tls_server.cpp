#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <new>

#include "base/try.h"
#include "net/tls.h"
#include "net/tls_files.h"

namespace sealmq::net {
namespace {

// AES-128 first: as far from being broken as AES-256, and cheaper for each record. A client without AES in
// hardware, which puts ChaCha20 first, gets that (SSL_OP_PRIORITIZE_CHACHA).
constexpr const char* suites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
constexpr const char* ciphers = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";
// The last three have no forward secrecy: they are what devices without elliptic curves have.
constexpr const char* psk_ciphers =
    "ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES128-GCM-SHA256:ECDHE-PSK-AES128-CBC-SHA256:"
    "PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256:PSK-AES128-CCM";

constexpr unsigned char session_context[] = "sealmq";  // sessions of one listener; the tickets' key tells listeners apart

class Server final : public TlsServer, public std::enable_shared_from_this<Server> {
 public:
  Server() : context_(make_context(TLS_server_method())) {}

  Result<> load(const TlsServerFiles& files) {
    TRY(check_together(files));
    if (!files.cert.empty()) TRY(use_certificate(context_.get(), files.cert, files.key));
    std::string list = files.cert.empty() ? "" : ciphers;
    if (!files.psk_file.empty()) {
      TRY(take_keys(files.psk_file));
      list += (list.empty() ? "" : ":") + std::string(psk_ciphers);
    }
    if (SSL_CTX_set_ciphersuites(context_.get(), suites) != 1 || SSL_CTX_set_cipher_list(context_.get(), list.c_str()) != 1)
      return tls_failure(Blame::environment, "this OpenSSL has none of our ciphers");
    if (!files.client_ca.empty()) TRY(check_clients(files));
    SSL_CTX_set_session_id_context(context_.get(), session_context, sizeof session_context - 1);
    SSL_CTX_set_num_tickets(context_.get(), files.psk_file.empty() ? 1 : 0);
    SSL_CTX_set_alpn_select_cb(context_.get(), choose_protocol, nullptr);
    return {};
  }

  std::unique_ptr<Channel> accept() const override {
    Ssl ssl(SSL_new(context_.get()));
    if (!ssl) throw std::bad_alloc();
    SSL_set_accept_state(ssl.get());
    return std::make_unique<TlsChannel>(std::move(ssl), shared_from_this());
  }

 private:
  Result<> take_keys(const std::string& path) {
    keys_ = TRY(read_psk_file(path));
    SSL_CTX_set_app_data(context_.get(), this);
    SSL_CTX_set_psk_server_callback(context_.get(), find_key);  // of both versions
    SSL_CTX_set_dh_auto(context_.get(), 1);
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_TICKET);
    return {};
  }

  static unsigned int find_key(SSL* ssl, const char* identity, unsigned char* key, unsigned int most) {
    const auto& self = *static_cast<const Server*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const auto found = identity == nullptr ? self.keys_.end() : self.keys_.find(std::string_view(identity));
    if (found == self.keys_.end() || found->second.reveal().size() > most) return 0;
    TlsChannel::of(ssl).offered_psk_identity = identity;
    const Bytes bytes = found->second.reveal();
    std::memcpy(key, bytes.data(), bytes.size());
    return static_cast<unsigned int>(bytes.size());
  }

  Result<> check_clients(const TlsServerFiles& files) {
    SSL_CTX* context = context_.get();
    TRY(check_readable(files.client_ca, false));
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, files.client_ca.c_str()) != 1)
      return not_taken(files.client_ca, wants_certificate, files.client_ca + " holds no certificate in PEM");
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files.client_ca.c_str()));  // tells clients which to show
    if (!files.client_crl.empty()) {
      TRY(check_readable(files.client_crl, false));
      X509_STORE* store = SSL_CTX_get_cert_store(context);
      X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
      if (lookup == nullptr || X509_load_crl_file(lookup, files.client_crl.c_str(), X509_FILETYPE_PEM) < 1)
        return not_taken(files.client_crl, wants_revocations, files.client_crl + " holds no revocation list in PEM");
      // Of the clients' own certificates; a list that has expired lets nobody in.
      X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (files.require_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    return {};
  }

  /// Clients that name a protocol name `mqtt`, or `http/1.1` for WebSocket. Others go on without one.
  static int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                             unsigned int offered_size, void*) {
    constexpr std::string_view known = "\x04mqtt\x08http/1.1";
    unsigned char* choice = nullptr;
    if (SSL_select_next_proto(&choice, size, reinterpret_cast<const unsigned char*>(known.data()),
                              static_cast<unsigned int>(known.size()), offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
      return SSL_TLSEXT_ERR_NOACK;
    *chosen = choice;
    return SSL_TLSEXT_ERR_OK;
  }

  SslContext context_;
  PskTable keys_;
};

}  // namespace

Result<> check_together(const TlsServerFiles& files) {
  if (files.cert.empty() && files.psk_file.empty()) return fail(Blame::caller_misused, "TLS needs cert and key, or psk_file");
  if (files.cert.empty() != files.key.empty()) return fail(Blame::caller_misused, "cert and key go together");
  if (files.client_ca.empty() && (files.require_certificate || !files.client_crl.empty()))
    return fail(Blame::caller_misused, "clients' certificates need client_ca to be checked against");
  return {};
}

Result<std::shared_ptr<const TlsServer>> TlsServer::load(const TlsServerFiles& files) {
  auto server = std::make_shared<Server>();
  TRY(server->load(files));
  return server;
}

}  // namespace sealmq::net
