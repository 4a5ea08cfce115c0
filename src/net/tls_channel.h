// The part that both ends of TLS share: an SSL object between two memory BIOs of our own that hold nothing between calls.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "net/channel.h"

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

/// OpenSSL's queue of errors as text; empties it.
std::string tls_errors();
Failure tls_failure(Blame blame, const std::string& what);

class TlsChannel : public Channel {
 public:
  /// The SSL object knows already whether it accepts or connects. `settings` is what its callbacks look into.
  TlsChannel(Ssl ssl, std::shared_ptr<const void> settings);

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

 private:
  friend struct Wire;
  Result<> handshake();
  Failure failure(int result);

  std::shared_ptr<const void> settings_;
  Ssl ssl_;
  bool open_ = false;
  bool ended_ = false;
  // Set during a call only.
  Bytes input_;
  Buffer* output_ = nullptr;
};

}  // namespace sealmq::net
