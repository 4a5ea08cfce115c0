// Connections outwards, over any transport.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <string>

#include "net/socks.h"
#include "net/tls.h"
#include "net/url.h"

namespace sealmq::net {

struct Destination {
  Transport transport = Transport::tcp;
  std::string host;
  std::uint16_t port = 0;
  std::string path;                      ///< as in Url: of a WebSocket (empty: `mqtt`) or of a Unix domain socket
  std::shared_ptr<const TlsClient> tls;  ///< for transports that need it
  std::optional<Proxy> proxy{};          ///< by which it connects
  std::string host_for_proxy{};          ///< what it is told instead of `host`; empty: that
  std::string from{};                    ///< an address of this machine; empty: whichever the system takes
};

/// Where a URL leads, with what TLS needs for it. Errors: as TlsClient::load; caller_misused, for options of TLS where there is
/// none. `proxy`: as parse_proxy() takes it; empty: none.
Result<Destination> destination_of(const Url& url, const TlsOptions& options, std::string_view proxy = {});

/// Whom the socket is connected to: the proxy, or the broker itself.
HostPort first_stop(const Destination& to);

/// A connection that is ready for MQTT.
struct Dialled {
  boost::asio::generic::stream_protocol::socket socket;  ///< does not block
  std::unique_ptr<Channel> channel;                      ///< null: none is needed
  Buffer first;                                          ///< what the peer sent right behind the handshake
};

/// For messages: `example.org port 8883`, or `unix:/path`.
std::string to_text(const Destination& to);

/// What stands between the socket and MQTT; null: nothing.
std::unique_ptr<Channel> make_channel(const Destination& to);

/// Looks the host up, tries its addresses in turn and finishes the handshakes of TLS and WebSocket, all within `timeout`. Errors:
/// environment, peer_misbehaved, peer_incompatible. The parameters are copies because a coroutine outlives its caller's
/// temporaries.
boost::asio::awaitable<Result<Dialled>> dial(Destination to, std::chrono::milliseconds timeout);

}  // namespace sealmq::net
