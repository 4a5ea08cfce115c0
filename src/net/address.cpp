#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/text.h"

namespace sealmq::net {
namespace {

template <class Sockaddr>
Sockaddr view_as(const Address& address) {
  Sockaddr copy;
  std::memcpy(&copy, &address.storage, sizeof copy);
  return copy;
}

}  // namespace

std::string to_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.storage.ss_family == AF_INET) {
    const auto v4 = view_as<sockaddr_in>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto v6 = view_as<sockaddr_in6>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  if (address.storage.ss_family == AF_UNIX) return "unix:" + std::string(view_as<sockaddr_un>(address).sun_path);
  return "unknown";
}

std::optional<std::string> with_port(std::string_view host, std::uint16_t port, int family) {
  const std::string copy(host);
  if (copy.find('\0') != copy.npos) return std::nullopt;  // inet_pton would stop there
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 v6{.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
  Address address;
  if (family != AF_INET6 && ::inet_pton(AF_INET, copy.c_str(), &v4.sin_addr) == 1)
    std::memcpy(&address.storage, &v4, sizeof v4);
  else if (family != AF_INET && ::inet_pton(AF_INET6, copy.c_str(), &v6.sin6_addr) == 1)
    std::memcpy(&address.storage, &v6, sizeof v6);
  else
    return std::nullopt;
  return to_text(address);
}

Address unix_address(const std::string& path) {
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  path.copy(place.sun_path, sizeof place.sun_path - 1);
  Address address;
  std::memcpy(&address.storage, &place, sizeof place);
  address.size = sizeof place;
  return address;
}

Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port) {
  addrinfo wish{};
  wish.ai_socktype = SOCK_STREAM;
  wish.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wish, &first);
  if (error != 0) return fail(Blame::environment, "cannot find the address of " + host + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(first, ::freeaddrinfo);

  std::vector<Address> found;
  for (const addrinfo* entry = first; entry != nullptr; entry = entry->ai_next) {
    Address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    found.push_back(address);
  }
  return found;
}

std::string peer_address(int socket) {
  Address address;
  address.size = sizeof address.storage;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) return "unknown";
  if (address.storage.ss_family == AF_UNIX) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "unix";
    return "unix:uid=" + std::to_string(peer.uid);
  }
  return to_text(address);
}

namespace {

std::string host_of(std::string_view peer_address) {
  if (peer_address.starts_with('[')) return std::string(peer_address.substr(1, peer_address.find(']') - 1));
  return std::string(peer_address.substr(0, peer_address.rfind(':')));
}

std::optional<std::array<std::uint8_t, 16>> octets_of(const std::string& host) {
  std::array<std::uint8_t, 16> octets{};
  if (::inet_pton(AF_INET6, host.c_str(), octets.data()) == 1) return octets;
  octets = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (::inet_pton(AF_INET, host.c_str(), octets.data() + 12) == 1) return octets;
  return std::nullopt;
}

bool begin_alike(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, unsigned bits) {
  for (unsigned at = 0; at < bits; ++at)
    if (((a[at / 8] ^ b[at / 8]) >> (7 - at % 8) & 1) != 0) return false;
  return true;
}

}  // namespace

std::optional<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const std::string host(text.substr(0, slash));
  const auto octets = octets_of(host);
  if (!octets) return std::nullopt;
  const bool is_v4 = host.find(':') == host.npos;
  const unsigned most = is_v4 ? 32 : 128;
  Network network;
  network.prefix_ = *octets;
  network.bits_ = most;
  if (slash != text.npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), network.bits_);
    if (error != std::errc{} || end != digits.data() + digits.size() || network.bits_ > most) return std::nullopt;
  }
  network.bits_ += is_v4 ? 96 : 0;
  return network;
}

bool Network::contains(std::string_view peer_address) const {
  const auto octets = octets_of(host_of(peer_address));
  return octets && begin_alike(*octets, prefix_, bits_);
}

std::string place_of(std::string_view peer_address) {
  if (peer_address.starts_with("unix:")) return std::string(peer_address);
  const std::string host = host_of(peer_address);
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) != 1) return host.empty() ? std::string(peer_address) : host;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return host.substr(host.rfind(':') + 1);
  return to_hex(Bytes(v6.s6_addr, 8)) + "/64";
}

Address local_address(int socket) {
  Address address;
  address.size = sizeof address.storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) return {};
  return address;
}

std::uint16_t port(const Address& address) {
  if (address.storage.ss_family == AF_INET) return ntohs(view_as<sockaddr_in>(address).sin_port);
  if (address.storage.ss_family == AF_INET6) return ntohs(view_as<sockaddr_in6>(address).sin6_port);
  return 0;
}

void set_port(Address& address, std::uint16_t port) {
  if (address.storage.ss_family == AF_INET) reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
  if (address.storage.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
}

bool is_loopback(std::string_view host) {
  const std::string text(host);
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return text == "localhost";
}

}  // namespace sealmq::net
