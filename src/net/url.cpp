#include "net/url.h"

#include <algorithm>
#include <array>
#include <charconv>

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

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || stop != text.data() + text.size() || port == 0) return not_a_url("the port is not 1 to 65535");
  return port;
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
Result<> parse_place(std::string_view place, Url& url) {
  std::string_view rest;
  if (place.starts_with('[')) {
    std::size_t end = place.find(']');
    if (end == place.npos) return not_a_url("'[' is not closed");
    url.host = place.substr(1, end - 1);
    rest = place.substr(end + 1);
  } else {
    std::size_t end = std::min(place.find(':'), place.size());
    url.host = place.substr(0, end);
    rest = place.substr(end);
  }
  if (url.host.empty()) return not_a_url("it names no host");
  if (rest.empty()) return {};
  if (rest.front() != ':') return not_a_url("there is something between host and port");
  url.port = TRY(parse_port(rest.substr(1)));
  return {};
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const auto* form = std::ranges::find_if(forms, [text](const Form& f) { return text.starts_with(f.prefix); });
  if (form == forms.end()) return not_a_url("it begins with none of mqtt:// mqtts:// ws:// wss://");
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
    return not_a_url("it holds a control character");
  Url url;
  url.transport = form->transport;
  url.port = form->port;
  text.remove_prefix(form->prefix.size());

  std::size_t end_of_authority = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, end_of_authority);
  if (end_of_authority < text.size()) url.path = TRY(percent_decoded(text.substr(end_of_authority + 1)));

  if (std::size_t at = authority.rfind('@'); at != authority.npos) {
    std::string_view user = authority.substr(0, at);
    std::size_t colon = std::min(user.find(':'), user.size());
    url.user = TRY(percent_decoded(user.substr(0, colon)));
    if (colon < user.size()) url.password = TRY(percent_decoded(user.substr(colon + 1)));
    authority.remove_prefix(at + 1);
  }
  TRY(parse_place(authority, url));
  return url;
}

}  // namespace sealmq::net
