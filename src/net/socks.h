// SOCKS5 (RFC 1928, RFC 1929) as a channel: what a client says to a proxy so that it connects on. Afterwards bytes pass as they
// are. Tor keeps those apart who come with different names and passwords: each gets a circuit of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/channel.h"

namespace sealmq::net {

struct Proxy {
  std::string host;
  std::uint16_t port = 1080;
  std::string user;        ///< empty: nothing is asked of the proxy but to connect
  std::string password;    ///< goes with it, 1 to 255 bytes as the user
  bool finds_host = true;  ///< names are looked up by the proxy: nobody near the client learns of them
  bool operator==(const Proxy&) const = default;
};

/// `socks5h://user:password@host:port`, user, password and port if there are any; `socks5://`: names are looked up here. Errors:
/// caller_misused.
Result<Proxy> parse_proxy(std::string_view url);

/// To `host`, a name or an address, and `port`, by the proxy that the socket leads to. Errors of receive(): environment (it
/// cannot, or does not let us), peer_misbehaved (it speaks something else).
std::unique_ptr<Channel> connect_by_proxy(const Proxy& proxy, const std::string& host, std::uint16_t port);

}  // namespace sealmq::net
