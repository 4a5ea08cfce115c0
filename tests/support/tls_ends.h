// Both ends of TLS in memory, with the certificates of make_certificates.sh; and a client that is OpenSSL alone, set up as a test
// wants it.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/try.h"
#include "net/tls.h"
#include "support/certificates.h"

namespace sealmq::testing {

using net::Channel;
using net::PeerInfo;
using net::TlsClient;
using net::TlsServer;
using net::TlsServerSettings;

class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { made_ = std::make_unique<Certificates>(); }
  static void TearDownTestSuite() { made_.reset(); }
  static std::string file(const std::string& name) { return *made_ / name; }

  static TlsServerSettings with_certificate(const std::string& name) {
    return {.certificates = {{file(name + ".pem"), file(name + ".key"), ""}}};
  }
  static TlsServerSettings server_files() { return with_certificate("server"); }
  static TlsOptions client_options() {
    TlsOptions options;
    options.ca_file = file("ca.pem");
    return options;
  }
  static TlsOptions shows(const std::string& name) {
    TlsOptions options = client_options();
    options.cert = file(name + ".pem");
    options.key = file(name + ".key");
    return options;
  }
  static TlsServerSettings checks_clients(bool required = true, const std::string& crl = "crl.pem") {
    TlsServerSettings files = server_files();
    files.client_ca = file("ca.pem");
    files.client_crl = file(crl);
    files.require_certificate = required;
    return files;
  }
  static std::string psk_file(const std::string& text) {
    const std::string path = file("psk");
    sealmq::testing::write_text(path, text);
    ::chmod(path.c_str(), 0600);
    return path;
  }

  static inline std::unique_ptr<Certificates> made_;
};

/// Both ends in memory.
struct Pair {
  Pair(const TlsServerSettings& files, const TlsOptions& options, const std::string& host = "localhost")
      : broker(TlsServer::load(files).value()->accept()), client(TlsClient::load(options).value()->connect(host)) {}

  /// Until neither has anything to say. The first error of either.
  Result<> shake_hands(std::size_t piece = SIZE_MAX) {
    Result<> at_client = client->start(to_broker);
    Result<> at_broker;
    while (!to_broker.empty() || !to_client.empty()) {
      at_broker = carry(*broker, to_broker, broker_plain, to_client, piece);
      const Result<> answered = carry(*client, to_client, client_plain, to_broker, piece);
      if (at_client) at_client = answered;
      if (!at_broker) return at_broker;
    }
    return at_client;
  }

  static Result<> carry(Channel& to, Buffer& bytes, Buffer& plain, Buffer& answer, std::size_t piece = SIZE_MAX) {
    const Buffer all = std::exchange(bytes, {});
    for (Bytes rest = all; !rest.empty();) {
      const Bytes part = rest.first(std::min(piece, rest.size()));
      rest = rest.subspan(part.size());
      TRY(to.receive(part, plain, answer));
    }
    return {};
  }

  Result<> send(Channel& from, Bytes bytes, Buffer& to_peer) {
    while (!bytes.empty()) {
      const iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
      bytes = bytes.subspan(TRY(from.send(std::span(&part, 1), to_peer)));
    }
    return {};
  }

  PeerInfo seen_by_broker() const {
    PeerInfo peer;
    broker->describe(peer);
    return peer;
  }
  PeerInfo seen_by_client() const {
    PeerInfo peer;
    client->describe(peer);
    return peer;
  }

  std::unique_ptr<Channel> broker, client;
  Buffer to_broker, to_client, broker_plain, client_plain;
};

/// OpenSSL as it is. `set` before anything else.
class RawClient {
 public:
  explicit RawClient(const std::function<void(SSL_CTX*)>& set = {}) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(context_, this);
    SSL_CTX_sess_set_new_cb(context_, [](SSL* ssl, SSL_SESSION* fresh) {
      RawClient& self = *static_cast<RawClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
      SSL_SESSION_free(self.session);
      self.session = fresh;
      return 1;
    });
    if (set) set(context_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() {
    SSL_free(ssl_);
    SSL_SESSION_free(session);
    SSL_CTX_free(context_);
  }

  /// What the broker's end says of it. A session of before is gone on with, if there is one.
  Result<> shake_hands(const TlsServer& server, const std::string& host = "localhost") {
    if (ssl_ != nullptr) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN);  // or OpenSSL takes its session for a broken one
    SSL_free(ssl_);
    ERR_clear_error();
    ssl_ = SSL_new(context_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
    if (!host.empty()) SSL_set_tlsext_host_name(ssl_, host.c_str());
    if (session != nullptr) SSL_set_session(ssl_, session);
    alert = -1;
    SSL_set_app_data(ssl_, this);
    SSL_set_info_callback(ssl_, [](const SSL* ssl, int where, int value) {
      if (where == SSL_CB_READ_ALERT) static_cast<RawClient*>(SSL_get_app_data(ssl))->alert = value & 0xFF;
    });
    SSL_set_msg_callback(ssl_, [](int sent, int, int type, const void* bytes, std::size_t, SSL* ssl, void*) {
      RawClient& self = *static_cast<RawClient*>(SSL_get_app_data(ssl));
      if (sent == 0 && type == SSL3_RT_HANDSHAKE && *static_cast<const std::uint8_t*>(bytes) == SSL3_MT_KEY_UPDATE)
        ++self.key_updates;
    });
    broker = server.accept();
    answer.clear();
    Result<> result;
    for (int flights = 0; flights < 8 && result; ++flights) {
      const bool is_done = SSL_do_handshake(ssl_) == 1;
      if (BIO_pending(out_) == 0 && is_done) break;
      result = send_on();
    }
    (void)SSL_do_handshake(ssl_);
    (void)read();  // tickets, and an alert
    return result;
  }
  bool is_open() const { return SSL_is_init_finished(ssl_) == 1 && broker->is_open() && alert < 0; }

  /// What has come in of the layer above.
  std::string read() {
    std::string text;
    char part[4096];
    while (true) {
      const int count = SSL_read(ssl_, part, sizeof part);
      if (count <= 0) return text;
      text.append(part, static_cast<std::size_t>(count));
    }
  }
  void take(Bytes from_broker) { BIO_write(in_, from_broker.data(), static_cast<int>(from_broker.size())); }
  Result<> send_on() {
    Buffer bytes(static_cast<std::size_t>(BIO_pending(out_)));
    BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    Buffer plain, back;
    const Result<> result = broker->receive(bytes, plain, back);
    append(answer, back);
    take(back);
    return result;
  }
  SSL* ssl() const { return ssl_; }
  std::string subject() const {
    char text[256]{};
    const X509* shown = SSL_get0_peer_certificate(ssl_);
    if (shown != nullptr) X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, text, sizeof text);
    return text;
  }

  std::unique_ptr<Channel> broker;
  Buffer answer;  ///< all that the broker sent in the handshake
  SSL_SESSION* session = nullptr;
  int alert = -1;  ///< of the broker's; -1: none
  int key_updates = 0;

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  BIO *in_ = nullptr, *out_ = nullptr;
};

}  // namespace sealmq::testing
