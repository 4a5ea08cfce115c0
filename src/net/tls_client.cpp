#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <new>

#include "base/text.h"
#include "base/try.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "net/tls_psk.h"
#include "net/tls_responses.h"

namespace sealmq::net {
namespace {

bool is_address(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

using Pin = std::array<std::uint8_t, 32>;

Result<Pin> parse_pin(std::string_view text) {
  constexpr std::string_view base64_mark = "sha256//";  // curl's word for it
  const bool is_base64 = text.starts_with(base64_mark);
  Pin pin{};
  // 45 digits with one '=': EVP_DecodeBlock counts the padding as a zero byte.
  std::array<std::uint8_t, 33> decoded{};
  const std::string_view digits = is_base64 ? text.substr(base64_mark.size()) : std::string_view();
  if (is_base64 && digits.size() == 44 && digits.ends_with('=') && digits.find('=') == 43 &&
      EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(digits.data()), 44) == 33) {
    std::copy_n(decoded.begin(), pin.size(), pin.begin());
    return pin;
  }
  const auto bytes = is_base64 ? std::nullopt : from_hex(text);
  if (!bytes || bytes->size() != pin.size())
    return fail(Blame::caller_misused,
                "a pin is 64 hexadecimal digits, or sha256// and base64, of SHA-256 of a public key: " + printable(text));
  std::ranges::copy(*bytes, pin.begin());
  return pin;
}

Result<OcspWish> parse_ocsp(std::string_view word) {
  if (word.empty() || word == "off") return OcspWish::off;
  if (word == "prefer") return OcspWish::prefer;
  if (word == "require") return OcspWish::require;
  return fail(Blame::caller_misused, "ocsp is off, prefer or require");
}

class Client final : public TlsClient, public TlsEnd, public std::enable_shared_from_this<Client> {
 public:
  Client(const TlsOptions& options, std::string_view protocol) : options_(options), context_(make_context(TLS_client_method())) {
    if (options_.alpn.empty()) options_.alpn = protocol;
  }

  Result<> load() {
    SSL_CTX* context = context_.get();
    use_groups(context, TRY(parse_groups(options_.groups)));
    ocsp_ = TRY(parse_ocsp(options_.ocsp));
    for (const std::string& pin : options_.pins) pins_.push_back(TRY(parse_pin(pin)));
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
    if (!pins_.empty()) SSL_CTX_set_cert_verify_callback(context, verify_with_pins, this);
    if (ocsp_ != OcspWish::off) {
      SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
      SSL_CTX_set_tlsext_status_cb(context, look_at_response);
      SSL_CTX_set_tlsext_status_arg(context, this);
    }
    return {};
  }

  Result<> check(SSL*, const TlsChannel&) const override { return {}; }

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
  /// The pins count beside everything else, and before this client shows who it is.
  static int verify_with_pins(X509_STORE_CTX* verification, void* self) {
    if (X509_verify_cert(verification) != 1) return 0;
    STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(verification);
    for (int i = 0; i < sk_X509_num(chain); ++i)
      if (const auto digest = key_digest(sk_X509_value(chain, i)); digest && static_cast<Client*>(self)->has_pin(*digest))
        return 1;
    SSL* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsChannel::of(ssl).refusal = "neither the broker's key nor one that signed it is pinned";
    X509_STORE_CTX_set_error(verification, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
  bool has_pin(const Pin& digest) const { return std::ranges::find(pins_, digest) != pins_.end(); }

  static int look_at_response(SSL* ssl, void* self) {
    const auto refusal = refuse_by_response(ssl, static_cast<Client*>(self)->ocsp_);
    if (!refusal) return 1;
    TlsChannel::of(ssl).refusal = *refusal;
    return 0;
  }

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
    if (options_.psk.empty() || !is_psk_identity(options_.psk_identity))
      return fail(Blame::caller_misused, "a pre-shared key and its identity, of at most 128 bytes of UTF-8, go together");
    if (!options_.ca_file.empty() || !options_.ca_folder.empty() || !options_.cert.empty())
      return fail(Blame::caller_misused, "choose between certificates and a pre-shared key");
    if (!pins_.empty() || ocsp_ != OcspWish::off)
      return fail(Blame::caller_misused, "pins and OCSP are of certificates, which a pre-shared key takes the place of");
    const Secret stored = TRY(parse_psk(options_.psk));
    keys_ = derive_psk(stored.reveal(), options_.psk_identity, options_.psk_is_raw);
    SSL_CTX* context = context_.get();
    SSL_CTX_set_app_data(context, this);
    SSL_CTX_set_psk_client_callback(context, give_key);           // of both versions
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
    const Bytes bytes = (SSL_version(ssl) >= TLS1_3_VERSION ? self.keys_.tls_13 : self.keys_.tls_12).reveal();
    if (self.options_.psk_identity.size() >= most_identity || bytes.size() > most_key) return 0;
    std::memcpy(identity, self.options_.psk_identity.c_str(), self.options_.psk_identity.size() + 1);
    std::memcpy(key, bytes.data(), bytes.size());
    return static_cast<unsigned int>(bytes.size());
  }

  TlsOptions options_;
  SslContext context_;
  std::vector<Pin> pins_;
  OcspWish ocsp_ = OcspWish::off;
  PskKeys keys_;
};

}  // namespace

Result<std::shared_ptr<const TlsClient>> TlsClient::load(const TlsOptions& options, std::string_view protocol) {
  auto client = std::make_shared<Client>(options, protocol);
  TRY(client->load());
  return client;
}

}  // namespace sealmq::net
