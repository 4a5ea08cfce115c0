// Channel: what stands between a socket and the MQTT packets on it, other than nothing: TLS, WebSocket, or one on the other.
// A codec without socket, thread or clock: bytes of the peer in, bytes of the layer above out, and the other way round.
//
// Plain TCP has no channel and pays nothing. A channel is used by one thread at a time and may be handed to another.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

struct x509_st;        // OpenSSL's X509,
struct stack_st_X509;  // and several

namespace sealmq::net {

/// What TLS has proved, to be asked about later (TlsServer::still_counts).
struct TlsProof {
  std::shared_ptr<x509_st> certificate{};     ///< a verified one; null: none
  std::shared_ptr<stack_st_X509> chain{};     ///< what came with it; null: nothing
  std::array<std::uint8_t, 32> trusted_by{};  ///< a digest of those whom the broker trusted then
  std::string psk_identity{};                 ///< of a proven pre-shared key; empty: none
  std::array<std::uint8_t, 32> psk_digest{};  ///< of the key, which may be another one later
  bool empty() const { return certificate == nullptr && psk_identity.empty(); }
};

/// Who is at the other end, as far as its connection proves it.
struct PeerInfo {
  std::string address;        ///< for people; told by a proxy where the listener believes one
  std::string forwarded_for;  ///< what the request of a WebSocket said in X-Forwarded-For, where it is asked for
  bool encrypted = false;
  std::string certificate_name;                ///< CN of a verified certificate; empty: none was shown
  std::vector<std::string> alternative_names;  ///< of the same: `dns:…`, `uri:…`, `email:…`
  std::int64_t certificate_ends = 0;           ///< likewise, seconds since 1970
  std::string key_digest;            ///< SHA-256 of the key that a certificate has proved, in hexadecimal; whoever signed
                                     ///< it, where the settings ask for that; empty: none was shown
  std::string psk_identity;          ///< of a proven pre-shared key; empty: none
  TlsProof proof;                    ///< all of this, at a broker
  std::string offered_psk_identity;  ///< likewise, proven or not
  std::string tls_version;           ///< `TLSv1.3`; empty: no TLS
  std::string tls_group;             ///< of its key exchange; empty: not known
  /// tls-exporter (RFC 9266): the same at both ends of this TLS connection and nowhere else. Zeroes without TLS.
  std::array<std::uint8_t, 32> channel_binding{};
};

class Channel {
 public:
  virtual ~Channel() = default;

  /// Whoever connects calls it once, before anything else.
  virtual Result<> start(Buffer& to_peer) = 0;
  /// Appends to `plain` what the bytes hold for the layer above, and to `to_peer` what they have to be answered with, also when
  /// it fails: then `to_peer` ends with a word of why, and the connection is to be closed. All bytes are taken.
  virtual Result<> receive(Bytes from_peer, Buffer& plain, Buffer& to_peer) = 0;
  /// The handshake is done: send() may be called.
  virtual bool is_open() const = 0;
  /// The peer has said goodbye.
  virtual bool has_ended() const = 0;
  /// Wraps the first pieces, in as few units as possible; answers how many of their bytes were taken, at least one.
  virtual Result<std::size_t> send(std::span<const iovec> parts, Buffer& to_peer) = 0;
  /// Says goodbye; nothing is sent afterwards.
  virtual void close(Buffer& to_peer) = 0;
  /// Fills in what it knows of the peer.
  virtual void describe(PeerInfo&) const {}
};

/// The most that one send() takes, so that what waits for a slow reader stays bounded.
inline constexpr std::size_t most_per_send = 128 * 1024;

/// Calls `use` with the first pieces as one contiguous view of at most most_per_send bytes, which are copied only if there are
/// several pieces; answers the view's size.
template <class Use>
Result<std::size_t> with_contiguous(std::span<const iovec> parts, Use&& use) {
  const auto bytes_of = [](const iovec& part) { return Bytes(static_cast<const std::uint8_t*>(part.iov_base), part.iov_len); };
  if (parts.empty()) return std::size_t{0};
  Bytes first = bytes_of(parts.front());
  first = first.first(std::min(first.size(), most_per_send));
  Buffer together;
  if (parts.size() > 1 && first.size() < most_per_send) {
    for (const iovec& part : parts) {
      const Bytes bytes = bytes_of(part);
      append(together, bytes.first(std::min(bytes.size(), most_per_send - together.size())));
    }
    first = together;
  }
  const Result<> used = use(first);
  if (!used) return Failure(used.error());
  return first.size();
}

/// `upper` speaks inside of `lower`: WebSocket inside of TLS.
std::unique_ptr<Channel> stack(std::unique_ptr<Channel> lower, std::unique_ptr<Channel> upper);

}  // namespace sealmq::net
