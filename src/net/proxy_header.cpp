#include "net/proxy_header.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/reader.h"
#include "base/try.h"
#include "net/address.h"

namespace sealmq::net {
namespace {

// Section 2.2 of the specification.
constexpr std::array<std::uint8_t, 12> signature = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
constexpr std::size_t fixed_size = 16;
constexpr std::uint8_t version_2_local = 0x20, version_2_proxy = 0x21;
constexpr std::uint8_t tcp_over_v4 = 0x11, tcp_over_v6 = 0x21;

Failure malformed(const char* why) {
  return fail(Blame::peer_misbehaved, std::string("PROXY header: ") + why);
}

template <class Sockaddr>
std::string text_of(const Sockaddr& socket_address) {
  Address address;
  std::memcpy(&address.storage, &socket_address, sizeof socket_address);
  address.size = sizeof socket_address;
  return to_text(address);
}

std::string read_v4(Reader& in) {
  sockaddr_in source{};
  source.sin_family = AF_INET;
  const auto host = in.array<4>();
  in.bytes(4);  // our own address
  std::memcpy(&source.sin_addr, host.data(), host.size());
  source.sin_port = htons(in.u16());
  in.u16();
  return text_of(source);
}

std::string read_v6(Reader& in) {
  sockaddr_in6 source{};
  source.sin6_family = AF_INET6;
  const auto host = in.array<16>();
  in.bytes(16);
  std::memcpy(&source.sin6_addr, host.data(), host.size());
  source.sin6_port = htons(in.u16());
  in.u16();
  return text_of(source);
}

/// What follows the addresses is for others, but has to be well-formed.
void skip_values(Reader& in) {
  while (in.remaining() > 0) {
    in.u8();
    in.lp16();
  }
}

}  // namespace

Result<std::optional<ProxyHeader>> parse_proxy_header(Bytes bytes) {
  const std::size_t compared = std::min(bytes.size(), signature.size());
  if (!std::equal(signature.begin(), signature.begin() + static_cast<std::ptrdiff_t>(compared), bytes.begin()))
    return malformed("the connection does not begin with one");
  if (bytes.size() < fixed_size) return std::optional<ProxyHeader>();
  const std::uint8_t command = bytes[12], family = bytes[13];
  const std::size_t size = fixed_size + static_cast<std::size_t>(bytes[14] << 8 | bytes[15]);
  if (command != version_2_local && command != version_2_proxy) return malformed("another version or command");
  if (size > largest_proxy_header) return malformed("it is too long");
  if (bytes.size() < size) return std::optional<ProxyHeader>();

  ProxyHeader header;
  header.size = size;
  if (command == version_2_local) return std::optional(header);  // a health check; what it holds says nothing
  Reader in(bytes.subspan(fixed_size, size - fixed_size));
  if (family == tcp_over_v4)
    header.source = read_v4(in);
  else if (family == tcp_over_v6)
    header.source = read_v6(in);
  else
    return malformed("it speaks of something else than TCP");
  skip_values(in);
  header = TRY(in.finish(std::move(header)));
  return std::optional(std::move(header));
}

}  // namespace sealmq::net
