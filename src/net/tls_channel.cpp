#include "net/tls_channel.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <ctime>
#include <new>

#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"
#include "sealmq/secret.h"

namespace sealmq::net {
namespace {

/// RFC 9266, section 2.
constexpr std::string_view exporter_label = "EXPORTER-Channel-Binding";
constexpr std::size_t largest_record = 16 * 1024;

struct FreeText {
  void operator()(unsigned char* text) const { OPENSSL_free(text); }
};

std::string text_of(const ASN1_STRING* string) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, string);
  if (size < 0) return {};
  const std::unique_ptr<unsigned char, FreeText> owner(utf8);
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  // A name with a NUL in it is made to be read in two ways; it names nobody.
  return text.find('\0') == text.npos ? text : std::string();
}

void describe_certificate(X509* certificate, PeerInfo& peer) {
  if (X509_up_ref(certificate) == 1) peer.proof.certificate = std::shared_ptr<x509_st>(certificate, X509_free);
  tm ends{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &ends) == 1) peer.certificate_ends = ::timegm(&ends);

  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) peer.certificate_name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));

  const std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    const char* kind = type == GEN_DNS ? "dns:" : type == GEN_URI ? "uri:" : type == GEN_EMAIL ? "email:" : nullptr;
    if (kind == nullptr) continue;
    const std::string text = text_of(static_cast<const ASN1_STRING*>(value));
    if (!text.empty()) peer.alternative_names.push_back(kind + text);
  }
}

/// What others left in this thread's queue would be taken for ours; looking is cheaper than clearing.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

/// The BIO: reads what a call was given, appends to what it is to fill.
struct Wire {
  static TlsChannel& of(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, std::size_t most, std::size_t* count) {
    Bytes& input = of(bio).input_;
    BIO_clear_retry_flags(bio);
    if (input.empty()) {
      BIO_set_retry_read(bio);
      return 0;
    }
    *count = std::min(most, input.size());
    std::memcpy(to, input.data(), *count);
    input = input.subspan(*count);
    return 1;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    append(*of(bio).output_, {reinterpret_cast<const std::uint8_t*>(from), size});
    *count = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
      if (wire == nullptr) throw std::bad_alloc();
      BIO_meth_set_read_ex(wire, read);
      BIO_meth_set_write_ex(wire, write);
      BIO_meth_set_ctrl(wire, control);
      return wire;
    }();
    return made;
  }
};

std::optional<std::array<std::uint8_t, 32>> key_digest(const X509* certificate) {
  std::array<std::uint8_t, 32> digest{};
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  const std::unique_ptr<unsigned char, FreeText> owner(der);
  if (size <= 0 || EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    return std::nullopt;
  return digest;
}

std::string tls_errors() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) text += ", ";
    text += reason != nullptr ? reason : error_text(ERR_GET_REASON(code));
  }
  return text.empty() ? "no reason is known" : text;
}

Failure tls_failure(Blame blame, const std::string& what) {
  return fail(blame, what + ": " + tls_errors());
}

SslContext make_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method));
  if (!context) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CLEANSE_PLAINTEXT);
  // Buffers of 16 KB each way belong to a connection only while a record is on its way.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  // Tickets are kept by the clients; a cache would cost memory and a lock that all threads share.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

const char* use_groups(SSL_CTX* context, TlsGroups groups) {
  // A list without the hybrid switches it off where the library has it; one with it is refused where it has not.
  constexpr const char* hybrid = "X25519MLKEM768:X25519:P-256:P-384";
  constexpr const char* both = "*X25519MLKEM768:*X25519:P-256:P-384";
  constexpr const char* classic = "X25519:P-256:P-384";
  for (const char* list : {groups == TlsGroups::both ? both : hybrid, hybrid, classic}) {
    if (groups == TlsGroups::classic && list != classic) continue;
    const bool taken = SSL_CTX_set1_groups_list(context, list) == 1;
    ERR_clear_error();
    if (taken) return list;
  }
  return "the library's own";
}

TlsChannel::TlsChannel(Ssl ssl, std::shared_ptr<const TlsEnd> end) : end_(std::move(end)), ssl_(std::move(ssl)) {
  BIO* wire = BIO_new(Wire::method());
  if (wire == nullptr) throw std::bad_alloc();
  BIO_set_data(wire, this);
  BIO_set_init(wire, 1);
  SSL_set_bio(ssl_.get(), wire, wire);  // which owns it now
  SSL_set_app_data(ssl_.get(), this);
}

Result<> TlsChannel::start(Buffer& to_peer) {
  output_ = &to_peer;
  return handshake();
}

Result<> TlsChannel::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    // RFC 7627: without it a session's secret may be another session's too. OpenSSL cannot refuse earlier.
    if (SSL_version(ssl_.get()) < TLS1_3_VERSION && SSL_get_extms_support(ssl_.get()) != 1)
      return fail(Blame::peer_incompatible, "the TLS handshake failed: TLS 1.2 without extended master secret");
    TRY(end_->check(ssl_.get(), *this));
    open_ = true;
    keys_since_ = std::chrono::steady_clock::now();
    return {};
  }
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return {};
  return failure(result);
}

Failure TlsChannel::failure(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  const long verified = SSL_get_verify_result(ssl_.get());
  std::string what = open_ ? "TLS failed: " : "the TLS handshake failed: ";
  const std::string told = error == SSL_ERROR_SSL ? tls_errors() : "it ended too early";
  what += refusal != nullptr ? refusal : told;
  if (!open_ && refusal == nullptr && verified != X509_V_OK)
    what += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
  return fail(Blame::peer_misbehaved, what);
}

Result<> TlsChannel::receive(Bytes from_peer, Buffer& plain, Buffer& to_peer) {
  input_ = from_peer;
  output_ = &to_peer;
  constexpr std::uint8_t connect_packet = 0x10;
  if (!open_ && SSL_in_before(ssl_.get()) == 1 && !from_peer.empty() && from_peer.front() == connect_packet)
    return fail(Blame::peer_misbehaved, "clear MQTT on a TLS listener");
  if (!open_) {
    TRY(handshake());
    if (!open_) return {};
  }
  std::array<std::uint8_t, largest_record> record;
  std::size_t most = 0;
  const auto forget = [&](std::uint8_t* bytes) { wipe(bytes, most); };
  const std::unique_ptr<std::uint8_t, decltype(forget)> forgotten(record.data(), forget);  // a password may be in it
  while (!ended_) {
    std::size_t count = 0;
    forget_errors();
    const int result = SSL_read_ex(ssl_.get(), record.data(), record.size(), &count);
    if (result == 1) {
      append(plain, Bytes(record).first(count));
      most = std::max(most, count);
      if (input_.empty() && SSL_pending(ssl_.get()) == 0) return {};  // asking once more would only cost time
      continue;
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return {};
      case SSL_ERROR_ZERO_RETURN:
        ended_ = true;
        return {};
      default:
        return failure(result);
    }
  }
  return {};
}

Result<std::size_t> TlsChannel::send(std::span<const iovec> parts, Buffer& to_peer) {
  output_ = &to_peer;
  return with_contiguous(parts, [this](Bytes bytes) -> Result<> {
    TRY(update_keys(bytes.size()));
    std::size_t count = 0;
    forget_errors();
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);  // the wire takes everything
    if (result != 1) return failure(result);
    return {};
  });
}

// RFC 8446, section 5.5: what one key may protect has a bound. TLS 1.2 has no such change.
Result<> TlsChannel::update_keys(std::size_t size) {
  sent_ += size;
  if (SSL_version(ssl_.get()) < TLS1_3_VERSION) return {};
  const auto now = std::chrono::steady_clock::now();
  if (sent_ < key_life_.bytes && now - keys_since_ < key_life_.time) return {};
  sent_ = size;
  keys_since_ = now;
  const int result = SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
  if (result != 1) return failure(result);
  return {};
}

void TlsChannel::close(Buffer& to_peer) {
  if (!open_) return;
  output_ = &to_peer;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

bool TlsChannel::is_by_psk() const {
  // In TLS 1.3 a connection without tickets that goes on with a session can only have done so by a pre-shared key.
  if (offered_psk_identity.empty()) return false;
  if (SSL_version(ssl_.get()) >= TLS1_3_VERSION) return SSL_session_reused(ssl_.get()) == 1;
  return SSL_CIPHER_get_auth_nid(SSL_get_current_cipher(ssl_.get())) == NID_auth_psk;
}

void TlsChannel::describe(PeerInfo& peer) const {
  SSL* ssl = ssl_.get();
  peer.offered_psk_identity = offered_psk_identity;
  if (!open_) return;
  peer.encrypted = true;
  peer.tls_version = SSL_get_version(ssl);
  if (const char* group = SSL_group_to_name(ssl, static_cast<int>(SSL_get_negotiated_group(ssl))); group != nullptr)
    peer.tls_group = group;
  if ((SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0)
    if (X509* certificate = SSL_get0_peer_certificate(ssl)) {
      if (const auto digest = key_digest(certificate)) peer.key_digest = to_hex(*digest);
      // Whoever signed it is trusted, or else it proves nothing but its key.
      if (SSL_get_verify_result(ssl) == X509_V_OK) describe_certificate(certificate, peer);
    }
  if (is_by_psk()) peer.psk_identity = offered_psk_identity;
  end_->prove(ssl, *this, peer);

  // RFC 9266, section 4.2: TLS 1.2 needs the extended master secret for it, which handshake() sees to.
  SSL_export_keying_material(ssl, peer.channel_binding.data(), peer.channel_binding.size(), exporter_label.data(),
                             exporter_label.size(), reinterpret_cast<const unsigned char*>(""), 0, 1);
}

}  // namespace sealmq::net
