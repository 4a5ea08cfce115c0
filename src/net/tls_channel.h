// The part that both ends of TLS share: an SSL object between two memory BIOs of our own that hold nothing between calls.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <optional>

#include "net/tls.h"

namespace sealmq::net {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Ssl = std::unique_ptr<SSL, FreeWith<SSL_free>>;
using SslContext = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;

/// What both ends have in common. Throws std::bad_alloc.
SslContext make_context(const SSL_METHOD* method);

/// SHA-256 of its SubjectPublicKeyInfo; nullopt: OpenSSL cannot tell.
std::optional<std::array<std::uint8_t, 32>> key_digest(const X509* certificate);

/// OpenSSL's queue of errors as text; empties it.
std::string tls_errors();
Failure tls_failure(Blame blame, const std::string& what);

class TlsChannel;

/// The groups of the key exchange, the first list that this library takes; answers which.
const char* use_groups(SSL_CTX* context, TlsGroups groups);

/// The settings of one end, which its channels' callbacks look into. Any thread.
class TlsEnd {
 public:
  virtual ~TlsEnd() = default;
  /// The handshake is complete, and nothing of the layer above has been looked at: whether it may go on.
  virtual Result<> check(SSL* ssl, const TlsChannel& channel) const = 0;
  /// Fills in PeerInfo::proof, the rest being there.
  virtual void prove(SSL*, const TlsChannel&, PeerInfo&) const {}
};

class TlsChannel : public Channel {
 public:
  /// The SSL object knows already whether it accepts or connects.
  TlsChannel(Ssl ssl, std::shared_ptr<const TlsEnd> end);

  Result<> start(Buffer& to_peer) override;
  Result<> receive(Bytes from_peer, Buffer& plain, Buffer& to_peer) override;
  bool is_open() const override { return open_; }
  bool has_ended() const override { return ended_; }
  Result<std::size_t> send(std::span<const iovec> parts, Buffer& to_peer) override;
  void close(Buffer& to_peer) override;
  void describe(PeerInfo& peer) const override;

  static TlsChannel& of(SSL* ssl) { return *static_cast<TlsChannel*>(SSL_get_app_data(ssl)); }
  /// The peer named it and has yet to prove the key.
  std::string offered_psk_identity;
  std::array<std::uint8_t, 32> offered_psk_digest{};
  /// What a callback ended the handshake for, in words; null: OpenSSL's own.
  const char* refusal = nullptr;

  /// When TLS 1.3 changes its keys, both ways, at the next thing that is sent.
  struct KeyLife {
    std::uint64_t bytes = std::uint64_t{1} << 36;
    std::chrono::steady_clock::duration time = std::chrono::hours(24);
  };
  void set_key_life(KeyLife life) { key_life_ = life; }

 private:
  friend struct Wire;
  Result<> handshake();
  Failure failure(int result);
  Result<> update_keys(std::size_t size);
  bool is_by_psk() const;

  std::shared_ptr<const TlsEnd> end_;
  Ssl ssl_;
  KeyLife key_life_;
  std::uint64_t sent_ = 0;  // under the present keys
  std::chrono::steady_clock::time_point keys_since_;
  bool open_ = false;
  bool ended_ = false;
  // Set during a call only.
  Bytes input_;
  Buffer* output_ = nullptr;
};

}  // namespace sealmq::net
