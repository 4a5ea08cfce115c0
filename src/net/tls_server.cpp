#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <new>

#include "base/try.h"
#include "crypto/hash.h"
#include "net/tls.h"
#include "net/tls_certificates.h"
#include "net/tls_files.h"
#include "net/tls_psk.h"
#include "net/tls_tickets.h"

namespace sealmq::net {
namespace {

// AES-128 first: as far from being broken as AES-256, and cheaper for each record. A client without AES in
// hardware, which puts ChaCha20 first, gets that (SSL_OP_PRIORITIZE_CHACHA).
constexpr const char* suites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
constexpr const char* ciphers = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* psk_ciphers = "ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES128-GCM-SHA256";
// CBC, or without forward secrecy: they are what devices without elliptic curves have.
constexpr const char* legacy_psk_ciphers =
    ":ECDHE-PSK-AES128-CBC-SHA256:PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256:PSK-AES128-CCM";

constexpr long ticket_life = 24 * 3600;                // seconds
constexpr unsigned char session_context[] = "sealmq";  // sessions of one listener; the tickets' key tells listeners apart

struct FreeCertificates {
  void operator()(STACK_OF(X509) * certificates) const { sk_X509_pop_free(certificates, X509_free); }
};

struct FreeLists {
  void operator()(STACK_OF(X509_CRL) * lists) const { sk_X509_CRL_pop_free(lists, X509_CRL_free); }
};

class Server final : public TlsServer, public TlsEnd, public std::enable_shared_from_this<Server> {
 public:
  explicit Server(TlsServerSettings settings)
      : settings_(std::move(settings)),
        context_(make_context(TLS_server_method())),
        groups_(use_groups(context_.get(), settings_.groups)) {}

  Result<> load() {
    TRY(check_together(settings_));
    SSL_CTX* context = context_.get();
    SSL_CTX_set_app_data(context, this);
    if (settings_.least_is_13) SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    if (!settings_.certificates.empty()) TRY(show_certificates());
    std::string list = settings_.certificates.empty() ? "" : ciphers;
    if (!settings_.psk_file.empty()) {
      TRY(take_keys());
      list.append(list.empty() ? "" : ":").append(psk_ciphers).append(settings_.legacy_psk_suites ? legacy_psk_ciphers : "");
    }
    if (SSL_CTX_set_ciphersuites(context, suites) != 1 || SSL_CTX_set_cipher_list(context, list.c_str()) != 1)
      return tls_failure(Blame::environment, "this OpenSSL has none of our ciphers");
    TRY(check_clients());
    use_tickets();
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, this);
    if (settings_.require_protocol) SSL_CTX_set_client_hello_cb(context, want_protocol, nullptr);
    return {};
  }

  std::unique_ptr<Channel> accept() const override {
    Ssl ssl(SSL_new(context_.get()));
    if (!ssl) throw std::bad_alloc();
    SSL_set_accept_state(ssl.get());
    return std::make_unique<TlsChannel>(std::move(ssl), shared_from_this());
  }

  bool still_counts(const TlsProof& proof) const override {
    if (!proof.psk_identity.empty()) {
      const auto found = keys_.find(proof.psk_identity);
      if (found == keys_.end() || digest_of(found->second) != proof.psk_digest) return false;
    }
    if (proof.certificate == nullptr) return true;
    return still_counts(proof.certificate.get()) && (proof.trusted_by == trusted_ || is_trusted(proof));
  }
  Result<> look_at_responses() override { return certificates_.look_at_responses(); }
  const char* groups() const override { return groups_; }

  void prove(SSL* ssl, const TlsChannel& channel, PeerInfo& peer) const override {
    peer.proof.psk_identity = peer.psk_identity;
    if (!peer.psk_identity.empty()) peer.proof.psk_digest = channel.offered_psk_digest;
    if (peer.proof.certificate == nullptr) return;
    peer.proof.trusted_by = trusted_;
    STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
    if (sk_X509_num(chain) > 0) peer.proof.chain = std::shared_ptr<STACK_OF(X509)>(X509_chain_up_ref(chain), FreeCertificates());
  }

  /// A name without a key cannot get as far as this.
  Result<> check(SSL*, const TlsChannel& channel) const override {
    const std::string& named = channel.offered_psk_identity;
    if (!named.empty() && !keys_.contains(named)) return fail(Blame::not_authorised, "the pre-shared key is nobody's");
    return {};
  }

 private:
  static Server& of(SSL* ssl) { return *static_cast<Server*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl))); }

  // -- certificates of the broker

  Result<> show_certificates() {
    SSL_CTX* context = context_.get();
    const TlsCertificateFiles& first = settings_.certificates.front();
    TRY(use_certificate(context, first.cert, first.key));
    TRY(certificates_.load(settings_.certificates));
    if (certificates_.size() > 1) SSL_CTX_set_cert_cb(context, choose_certificate, this);
    if (settings_.strict_names) {
      SSL_CTX_set_tlsext_servername_callback(context, check_name);
      SSL_CTX_set_tlsext_servername_arg(context, this);
    }
    SSL_CTX_set_tlsext_status_cb(context, attach_response);
    SSL_CTX_set_tlsext_status_arg(context, this);
    return {};
  }

  static int choose_certificate(SSL* ssl, void* self) { return static_cast<Server*>(self)->certificates_.show(ssl) ? 1 : 0; }

  /// RFC 6066, section 3.
  static int check_name(SSL* ssl, int* alert, void* self) {
    const char* named = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (named == nullptr || static_cast<Server*>(self)->certificates_.is_for(named)) return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    TlsChannel::of(ssl).refusal = "no certificate is for the host that the client names";
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int attach_response(SSL* ssl, void* self) {
    const auto response = static_cast<Server*>(self)->certificates_.response_for(ssl);
    if (!response) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, response->first, static_cast<long>(response->second));  // which owns it now
    return SSL_TLSEXT_ERR_OK;
  }

  // -- pre-shared keys

  Result<> take_keys() {
    keys_ = derive_all(TRY(read_psk_lines(settings_.psk_file)));
    Buffer secret(32);
    if (RAND_priv_bytes(secret.data(), static_cast<int>(secret.size())) != 1) throw std::bad_alloc();
    made_up_from_ = Secret(std::move(secret));
    SSL_CTX_set_psk_server_callback(context_.get(), find_key);  // of both versions
    SSL_CTX_set_dh_auto(context_.get(), 1);
    // Tickets travel as names of pre-shared keys, and would have to be told from them.
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_TICKET);
    return {};
  }

  /// Asked for TLS 1.3, and once more for 1.2 if that becomes the version. Who has no key gets one that is made up, so that
  /// names cannot be found out: the same happens as with a wrong key, in the same time.
  static unsigned int find_key(SSL* ssl, const char* identity, unsigned char* key, unsigned int most) {
    const Server& self = of(ssl);
    if (identity == nullptr || !is_psk_identity(identity)) return 0;  // a ticket of somewhere else, or no line of any file
    const Secret made_up = make_up_psk(self.made_up_from_, identity);
    const auto found = self.keys_.find(std::string_view(identity));
    Bytes bytes = made_up.reveal();
    if (found != self.keys_.end()) {
      TlsChannel::of(ssl).offered_psk_digest = digest_of(found->second);
      bytes = (SSL_version(ssl) >= TLS1_3_VERSION ? found->second.tls_13 : found->second.tls_12).reveal();
    }
    if (bytes.size() > most) return 0;
    TlsChannel::of(ssl).offered_psk_identity = identity;
    std::memcpy(key, bytes.data(), bytes.size());
    return static_cast<unsigned int>(bytes.size());
  }

  // -- certificates of clients

  Result<> check_clients() {
    SSL_CTX* context = context_.get();
    if (!settings_.client_ca.empty()) {
      TRY(check_readable(settings_.client_ca, false));
      ERR_clear_error();
      if (SSL_CTX_load_verify_file(context, settings_.client_ca.c_str()) != 1)
        return not_taken(settings_.client_ca, wants_certificate, settings_.client_ca + " holds no certificate in PEM");
      SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings_.client_ca.c_str()));  // tells clients which to show
      trusted_ = digest_of_trusted();
    }
    if (!settings_.client_crl.empty()) {
      TRY(check_readable(settings_.client_crl, false));
      X509_STORE* store = SSL_CTX_get_cert_store(context);
      X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
      if (lookup == nullptr || X509_load_crl_file(lookup, settings_.client_crl.c_str(), X509_FILETYPE_PEM) < 1)
        return not_taken(settings_.client_crl, wants_revocations, settings_.client_crl + " holds no revocation list in PEM");
      // Of the clients' own certificates; a list that has expired lets nobody in.
      X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    if (settings_.client_ca.empty() && !settings_.any_certificate) return {};
    const int mode = SSL_VERIFY_PEER | (settings_.require_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    // OpenSSL keeps what was wrong, so that such a certificate names nobody but its key.
    SSL_CTX_set_verify(context, mode, settings_.any_certificate ? take_any : nullptr);
    return {};
  }

  static int take_any(int, X509_STORE_CTX*) { return 1; }

  // -- resumption

  void use_tickets() {
    SSL_CTX* context = context_.get();
    SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1);
    SSL_CTX_set_num_tickets(context, settings_.psk_file.empty() ? 1 : 0);
    SSL_CTX_set_timeout(context, ticket_life);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, prepare_ticket);
    SSL_CTX_set_session_ticket_cb(context, nullptr, look_at_session, this);
  }

  static int prepare_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                            int seals) {
    const bool serves_once = SSL_version(ssl) >= TLS1_3_VERSION;  // RFC 8446, appendix C.4
    return of(ssl).tickets_.prepare(serves_once, name, iv, cipher, mac, seals != 0);
  }

  /// A session is not resumed when its certificate would no longer be taken: the whole handshake says so then.
  static SSL_TICKET_RETURN look_at_session(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                                           SSL_TICKET_STATUS status, void* self) {
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return SSL_TICKET_RETURN_IGNORE_RENEW;
    X509* certificate = SSL_SESSION_get0_peer(session);
    if (certificate != nullptr && !static_cast<Server*>(self)->still_counts(certificate)) return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
  }

  bool still_counts(X509* certificate) const {
    if (settings_.any_certificate) return true;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) return false;
    if (settings_.client_crl.empty()) return true;
    const std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>> search(X509_STORE_CTX_new());
    if (!search || X509_STORE_CTX_init(search.get(), SSL_CTX_get_cert_store(context_.get()), certificate, nullptr) != 1)
      return false;
    const std::unique_ptr<STACK_OF(X509_CRL), FreeLists> lists(
        X509_STORE_CTX_get1_crls(search.get(), X509_get_issuer_name(certificate)));
    bool is_covered = false;
    for (int i = 0; lists && i < sk_X509_CRL_num(lists.get()); ++i) {
      X509_CRL* list = sk_X509_CRL_value(lists.get(), i);
      X509_REVOKED* entry = nullptr;
      if (X509_CRL_get0_by_cert(list, &entry, certificate) == 1) return false;
      const ASN1_TIME* next = X509_CRL_get0_nextUpdate(list);
      if (next == nullptr || X509_cmp_current_time(next) > 0) is_covered = true;
    }
    return is_covered;
  }

  /// Of the store's certificates, in its order: where that tells two stores apart that are the same, only time is lost.
  std::array<std::uint8_t, 32> digest_of_trusted() const {
    Buffer digests;
    const STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context_.get()));
    for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
      std::array<std::uint8_t, 32> digest{};
      const X509* certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
      if (certificate != nullptr && X509_digest(certificate, EVP_sha256(), digest.data(), nullptr) == 1) append(digests, digest);
    }
    return crypto::sha256(digests);
  }

  bool is_trusted(const TlsProof& proof) const {
    const std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>> search(X509_STORE_CTX_new());
    if (!search || X509_STORE_CTX_init(search.get(), SSL_CTX_get_cert_store(context_.get()), proof.certificate.get(),
                                       proof.chain.get()) != 1)
      return false;
    X509_STORE_CTX_set_default(search.get(), "ssl_client");
    const bool is_verified = X509_verify_cert(search.get()) == 1;
    ERR_clear_error();
    return is_verified;
  }

  // -- the protocol inside

  /// RFC 7301. One listener never takes the other's name: what a browser is made to send to the port of MQTT ends here.
  static int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                             unsigned int offered_size, void* self) {
    const std::string& wanted = static_cast<Server*>(self)->settings_.protocol;
    for (std::string_view rest(reinterpret_cast<const char*>(offered), offered_size); !rest.empty();) {
      const std::size_t length = static_cast<unsigned char>(rest.front());
      const std::string_view name = rest.substr(1, length);
      if (name == wanted) {
        *chosen = reinterpret_cast<const unsigned char*>(name.data());
        *size = static_cast<unsigned char>(name.size());
        return SSL_TLSEXT_ERR_OK;
      }
      rest.remove_prefix(std::min(rest.size(), 1 + length));
    }
    TlsChannel::of(ssl).refusal = "the client names other protocols than this listener's (ALPN)";
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int want_protocol(SSL* ssl, int* alert, void*) {
    const unsigned char* list = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &size) == 1)
      return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    TlsChannel::of(ssl).refusal = "the client names no protocol (ALPN)";
    return SSL_CLIENT_HELLO_ERROR;
  }

  const TlsServerSettings settings_;
  SslContext context_;
  const char* const groups_;
  TlsCertificates certificates_;
  PskTable keys_;
  std::array<std::uint8_t, 32> trusted_{};
  Secret made_up_from_;
  TicketKeys tickets_;
};

}  // namespace

Result<TlsGroups> parse_groups(std::string_view word) {
  if (word.empty() || word == "default") return TlsGroups::standard;
  if (word == "both") return TlsGroups::both;
  if (word == "classic") return TlsGroups::classic;
  return fail(Blame::caller_misused, "groups must be \"default\", \"both\" or \"classic\"");
}

Result<> check_together(const TlsServerSettings& settings) {
  if (settings.certificates.empty() && settings.psk_file.empty())
    return fail(Blame::caller_misused, "TLS needs cert and key, or psk_file");
  for (const TlsCertificateFiles& its : settings.certificates)
    if (its.cert.empty() || its.key.empty()) return fail(Blame::caller_misused, "cert and key go together");
  if (settings.client_ca.empty() && (!settings.client_crl.empty() || (settings.require_certificate && !settings.any_certificate)))
    return fail(Blame::caller_misused, "clients' certificates need client_ca to be checked against");
  if (settings.any_certificate && !settings.client_ca.empty())
    return fail(Blame::caller_misused, "where keys alone count, client_ca is not looked at");
  if (settings.legacy_psk_suites && settings.psk_file.empty())
    return fail(Blame::caller_misused, "psk_suites goes with psk_file");
  return {};
}

Result<std::shared_ptr<TlsServer>> TlsServer::load(const TlsServerSettings& settings) {
  auto server = std::make_shared<Server>(settings);
  TRY(server->load());
  return server;
}

}  // namespace sealmq::net
