#include "net/proxy_header.h"

#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/reader.h"
#include "base/try.h"
#include "net/address.h"

namespace sealmq::net {
namespace {

// Section 2.1 of the specification: one line, for people too.
constexpr std::string_view version_1 = "PROXY ";
constexpr std::size_t longest_line = 107;

// Section 2.2.
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

/// The next word; the rest begins behind the single space after it.
std::string_view next_word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

/// Decimal, without leading zeroes.
std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return port;
}

/// `TCP4 SOURCE DESTINATION PORT PORT`.
Result<std::string> source_of(std::string_view line) {
  const std::string_view family = next_word(line);
  const int of = family == "TCP4" ? AF_INET : family == "TCP6" ? AF_INET6 : AF_UNSPEC;
  if (of == AF_UNSPEC) return malformed("it speaks of something else than TCP");
  const auto host = next_word(line), our_host = next_word(line);
  const auto port = read_port(next_word(line)), our_port = read_port(line);
  auto source = with_port(host, port.value_or(0), of);
  if (!source || !with_port(our_host, 0, of) || !port || !our_port)
    return malformed("a line that is not of the form TCP4 ADDRESS ADDRESS PORT PORT");
  return *std::move(source);
}

Result<std::optional<ProxyHeader>> parse_line(std::string_view text) {
  const std::size_t compared = std::min(text.size(), version_1.size());
  if (text.substr(0, compared) != version_1.substr(0, compared)) return malformed("the connection does not begin with one");
  const std::size_t end = text.substr(0, longest_line).find("\r\n");
  if (end == text.npos && text.size() >= longest_line) return malformed("it is too long");
  if (end == text.npos) return std::optional<ProxyHeader>();
  ProxyHeader header;
  header.size = end + 2;
  const std::string_view line = text.substr(version_1.size(), end - version_1.size());
  const bool is_unknown = line == "UNKNOWN" || line.starts_with("UNKNOWN ");  // a health check; what follows says nothing
  if (!is_unknown) header.source = TRY(source_of(line));
  return std::optional(std::move(header));
}

}  // namespace

Result<std::optional<ProxyHeader>> parse_proxy_header(Bytes bytes) {
  if (!bytes.empty() && bytes.front() == static_cast<std::uint8_t>(version_1.front())) return parse_line(as_text(bytes));
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
