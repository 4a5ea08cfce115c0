#include "net/url.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/try.h"
#include "net/socks.h"

namespace sealmq::net {
namespace {

struct Form {
  std::string_view prefix;
  Transport transport;
  std::uint16_t port;
};
constexpr std::array forms = {
    Form{"mqtt://", Transport::tcp, 1883},
    Form{"mqtts://", Transport::tls, 8883},
    Form{"ws://", Transport::websocket, 8083},
    Form{"wss://", Transport::secure_websocket, 443},
};

Failure not_a_url(const char* why) {
  return fail(Blame::caller_misused, std::string("not a broker's url: ") + why);
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '%') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned value = 0;
    const char* end = text.data() + std::min<std::size_t>(text.size(), 3);
    auto [stop, error] = std::from_chars(text.data() + 1, end, value, 16);
    if (error != std::errc{} || stop != text.data() + 3) return not_a_url("'%' needs two hexadecimal digits");
    out += static_cast<char>(value);
    text.remove_prefix(3);
  }
  return out;
}

constexpr std::string_view unix_prefix = "unix:";

Result<std::uint16_t> parse_port(std::string_view text, std::uint16_t least) {
  std::uint16_t port = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || stop != text.data() + text.size() || port < least)
    return not_a_url(least == 0 ? "the port is not 0 to 65535" : "the port is not 1 to 65535");
  return port;
}

Result<Url> parse_unix(std::string_view path) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (!path.starts_with('/')) return not_a_url("the path of a socket begins with '/'");
  if (path.size() > longest) return not_a_url("the path of a socket is too long");
  if (path.find('\0') != path.npos) return not_a_url("the path of a socket holds a NUL");
  Url url;
  url.transport = Transport::unix_socket;
  url.path = path;
  return url;
}

/// `user:password@host:port` into what it is.
Result<> read_authority(std::string_view authority, std::uint16_t least_port, std::uint16_t usual_port, Url& url) {
  if (std::size_t at = authority.rfind('@'); at != authority.npos) {
    std::string_view user = authority.substr(0, at);
    std::size_t colon = std::min(user.find(':'), user.size());
    url.user = TRY(percent_decoded(user.substr(0, colon)));
    if (colon < user.size()) url.password = TRY(percent_decoded(user.substr(colon + 1)));
    authority.remove_prefix(at + 1);
  }
  HostPort place = TRY(parse_host_port(authority, least_port));
  url.host = std::move(place.host);
  url.port = place.port.value_or(usual_port);
  return {};
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

Result<Url> parse(std::string_view text, std::uint16_t least_port) {
  const auto* form = std::ranges::find_if(forms, [text](const Form& f) { return text.starts_with(f.prefix); });
  if (text.starts_with(unix_prefix)) return parse_unix(text.substr(unix_prefix.size()));
  if (form == forms.end()) return not_a_url("it begins with none of mqtt:// mqtts:// ws:// wss:// unix:");
  if (has_control_character(text)) return not_a_url("it holds a control character");
  Url url;
  url.transport = form->transport;
  text.remove_prefix(form->prefix.size());

  std::size_t end_of_authority = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, end_of_authority);
  if (end_of_authority < text.size()) url.path = TRY(percent_decoded(text.substr(end_of_authority + 1)));
  TRY(read_authority(authority, least_port, form->port, url));
  return url;
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text, std::uint16_t least_port) {
  HostPort place;
  std::string_view rest;
  if (text.starts_with('[')) {
    std::size_t end = text.find(']');
    if (end == text.npos) return not_a_url("'[' is not closed");
    place.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    std::size_t end = std::min(text.find(':'), text.size());
    place.host = text.substr(0, end);
    rest = text.substr(end);
  }
  if (place.host.empty()) return not_a_url("it names no host");
  if (rest.empty()) return place;
  if (rest.front() != ':') return not_a_url("there is something between host and port");
  place.port = TRY(parse_port(rest.substr(1), least_port));
  return place;
}

Result<Proxy> parse_proxy(std::string_view text) {
  constexpr std::string_view by_proxy = "socks5h://", by_us = "socks5://";
  constexpr std::uint16_t usual_port = 1080;
  const auto not_a_proxy = [](const std::string& why) { return fail(Blame::caller_misused, "not a proxy's url: " + why); };
  const bool finds_host = text.starts_with(by_proxy);
  if (!finds_host && !text.starts_with(by_us)) return not_a_proxy("it begins with neither socks5h:// nor socks5://");
  if (has_control_character(text)) return not_a_proxy("it holds a control character");
  text.remove_prefix(finds_host ? by_proxy.size() : by_us.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  Url url;
  if (const auto read = read_authority(text, 1, usual_port, url); !read) return not_a_proxy(read.error().what);
  if (url.host.find('/') != url.host.npos) return not_a_proxy("it has a path");
  if (url.user.empty() != url.password.empty()) return not_a_proxy("user and password go together");
  if (url.user.size() > 255 || url.password.size() > 255) return not_a_proxy("user or password is longer than 255 bytes");
  return Proxy{url.host, url.port, url.user, url.password, finds_host};
}

Result<Url> parse_url(std::string_view text) {
  return parse(text, 1);
}

Result<Url> parse_listener_url(std::string_view text) {
  return parse(text, 0);
}

bool uses_tls(Transport transport) {
  return transport == Transport::tls || transport == Transport::secure_websocket;
}

std::string_view prefix(Transport transport) {
  const auto* form = std::ranges::find(forms, transport, &Form::transport);
  return form == forms.end() ? unix_prefix : form->prefix;
}

}  // namespace sealmq::net
