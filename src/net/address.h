// Addresses of sockets as people read them: `127.0.0.1:1883`, `[::1]:1883`, `unix:uid=1000`.
#pragma once

#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/result.h"

namespace sealmq::net {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::string to_text(const Address& address);

/// A numeric address of that family (AF_UNSPEC: of either), with a port, as peer_address() writes it. Nothing: it is none.
std::optional<std::string> with_port(std::string_view host, std::uint16_t port, int family);

/// The addresses of a host, numeric or to be looked up (which blocks). Errors: environment.
Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port);

/// Of a Unix domain socket. The path fits (parse_url sees to it).
Address unix_address(const std::string& path);

/// Of a connected socket; of a Unix domain socket who is at the other end; the text is `unknown` once the connection is gone.
std::string peer_address(int socket);
/// What counts as one place for bounds on where clients come from: of `127.0.0.1:1883` the host, of IPv6 the first 64 bits, of a
/// Unix domain socket each user of the machine.
std::string place_of(std::string_view peer_address);
/// `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`: addresses that begin alike. One of IPv4 is the same in IPv6's way of writing it.
class Network {
 public:
  /// Nothing: it is none.
  static std::optional<Network> parse(std::string_view text);
  /// An address as peer_address() writes it.
  bool contains(std::string_view peer_address) const;
  bool operator==(const Network&) const = default;

 private:
  std::array<std::uint8_t, 16> prefix_{};
  unsigned bits_ = 0;
};

/// Of a bound socket.
Address local_address(int socket);
std::uint16_t port(const Address& address);
void set_port(Address& address, std::uint16_t port);
/// Whether a name or numeric address means this machine alone.
bool is_loopback(std::string_view host);

}  // namespace sealmq::net
