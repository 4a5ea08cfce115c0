// URLs of brokers: `mqtt://user:password@host:port/topic`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sealmq/result.h"

namespace sealmq::net {

enum class Transport : std::uint8_t { tcp, tls, websocket, secure_websocket, unix_socket };

struct Url {
  Transport transport = Transport::tcp;
  std::string host;  ///< an IPv6 address without its brackets
  std::uint16_t port = 0;
  std::string user;      ///< empty: none
  std::string password;  ///< empty: none
  /// Without its first '/': a topic (MQTT over TCP or TLS) or the path of a WebSocket. Of a Unix domain socket: its whole path.
  std::string path;

  bool operator==(const Url&) const = default;
};

/// Schemes mqtt, mqtts, ws and wss, with ports 1883, 8883, 8083 and 443 if none is named. User, password and path may be
/// percent-encoded. Or `unix:/path`, as it stands. Errors: caller_misused.
Result<Url> parse_url(std::string_view text);
/// The same for whoever listens: port 0 is a free one.
Result<Url> parse_listener_url(std::string_view text);

struct HostPort {
  std::string host;  ///< an IPv6 address without its brackets
  std::optional<std::uint16_t> port;
};
/// `host`, `host:port`, `[::1]` or `[::1]:port`. Errors: caller_misused.
Result<HostPort> parse_host_port(std::string_view text, std::uint16_t least_port = 0);

bool uses_tls(Transport transport);

/// `mqtts://`, or `unix:`.
std::string_view prefix(Transport transport);

}  // namespace sealmq::net
