#include "net/websocket_upgrade.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "base/text.h"
#include "net/address.h"

namespace sealmq::net {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::size_t most_fields = 100;
constexpr std::string_view key_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // section 1.3
constexpr std::size_t key_size = 24;                                             // 16 bytes in base64
/// [MQTT-6.0.0-3]; the second is what clients of MQTT 3.1 call it.
constexpr std::array<std::string_view, 2> protocols = {"mqtt", "mqttv3.1"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// RFC 9110, section 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || others.find(c) != others.npos;
  });
}

Failure malformed(const char* why) {
  return fail(Blame::peer_misbehaved, std::string("HTTP: ") + why);
}

/// Calls `use` with each word of a comma-separated list, in all fields of this name, until it answers true.
template <class Use>
bool any_word(const HttpHead& head, std::string_view name, Use&& use) {
  for (const HttpHead::Field& field : head.fields) {
    if (!same_word(field.name, name)) continue;
    std::string_view rest = field.value;
    while (true) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (use(trimmed(rest.substr(0, comma)))) return true;
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + std::string(key_suffix);
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return to_base64(digest);
}

Upgraded refused(std::string_view status, std::string why, std::string_view more = {}) {
  Upgraded answer;
  answer.answer =
      "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(more) + "Connection: close\r\nContent-Length: 0\r\n\r\n";
  answer.why_not = "WebSocket: " + std::move(why);
  return answer;
}

}  // namespace

const std::string_view* HttpHead::find(std::string_view name) const {
  const auto found = std::ranges::find_if(fields, [name](const Field& field) { return same_word(field.name, name); });
  return found == fields.end() ? nullptr : &found->value;
}

std::size_t HttpHead::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields, [name](const Field& field) { return same_word(field.name, name); }));
}

bool HttpHead::lists(std::string_view name, std::string_view word) const {
  return any_word(*this, name, [word](std::string_view listed) { return same_word(listed, word); });
}

Result<std::optional<HttpHead>> parse_head(std::string_view text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (std::min(end, text.size()) > largest_head) return malformed("the head is too long");
  // Judged as it comes, so that garbage is not waited for.
  for (std::size_t at = 0; at < std::min(end, text.size()); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    const bool follows_cr = at > 0 && text[at - 1] == '\r';
    if ((c == '\n') != follows_cr || (c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7F)
      return malformed("the head holds a control character, or half a line's end");
  }
  if (end == text.npos) return std::optional<HttpHead>();

  HttpHead head;
  head.size = end + 4;
  std::string_view rest = text.substr(0, end + line_end.size());
  for (bool is_first = true; !rest.empty(); is_first = false) {
    const std::size_t line_size = rest.find(line_end);
    const std::string_view line = rest.substr(0, line_size);
    rest.remove_prefix(line_size + line_end.size());
    if (is_first) {
      head.first_line = line;
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon))) return malformed("a header is malformed");  // folding included
    if (head.fields.size() == most_fields) return malformed("there are too many headers");
    head.fields.push_back({line.substr(0, colon), trimmed(line.substr(colon + 1))});
  }
  return std::optional<HttpHead>(std::move(head));
}

namespace {

/// Of `HOST` or `HOST:PORT`, where HOST may be `[::1]`.
std::string_view host_in(std::string_view place) {
  if (place.starts_with('[')) return place.substr(0, std::min(place.find(']'), place.size() - 1) + 1);
  return place.substr(0, place.find(':'));
}

bool means_this_machine(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return is_loopback(host) || same_word(host, "localhost");
}

bool may_connect(std::string_view origin, std::string_view host, const UpgradeRules& rules) {
  if (!rules.origins.empty())
    return std::ranges::any_of(rules.origins,
                               [&](const std::string& allowed) { return allowed == "*" || same_word(allowed, origin); });
  const auto behind = origin.find("://");
  if (behind == origin.npos) return false;  // `null`, of a page that is a file
  const std::string_view ours = host_in(host);
  return same_word(host_in(origin.substr(behind + 3)), ours) && (!rules.is_local || means_this_machine(ours));
}

}  // namespace

std::string forwarded_for(const HttpHead& request) {
  constexpr std::size_t most_kept = 512;
  std::string all;
  for (const HttpHead::Field& field : request.fields)
    if (same_word(field.name, "X-Forwarded-For")) all.append(all.empty() ? "" : ",").append(field.value);
  if (all.size() > most_kept) all.erase(0, all.find(',', all.size() - most_kept) + 1);
  return all;
}

// Section 4.2.1, in its order.
Upgraded answer_upgrade(const HttpHead& request, const UpgradeRules& rules) {
  const std::string_view line = request.first_line;
  const std::size_t first = std::min(line.find(' '), line.size());
  const std::size_t second = line.rfind(' ');
  if (first >= second || line.substr(second + 1) != "HTTP/1.1") return refused("400 Bad Request", "not a request of HTTP/1.1");
  if (line.substr(0, first) != "GET") return refused("405 Method Not Allowed", "the request is no GET", "Allow: GET\r\n");
  const std::string_view target = line.substr(first + 1, second - first - 1);
  if (std::ranges::find(rules.paths, target.substr(0, target.find('?'))) == rules.paths.end())
    return refused("404 Not Found", "no such path: " + printable(target));
  if (request.count("Host") != 1 || request.find("Transfer-Encoding") != nullptr ||
      (request.find("Content-Length") != nullptr && *request.find("Content-Length") != "0"))
    return refused("400 Bad Request", "no Host, or a body");
  if (!request.lists("Upgrade", "websocket") || !request.lists("Connection", "upgrade"))
    return refused("426 Upgrade Required", "the request is an ordinary one", "Upgrade: websocket\r\n");
  if (request.count("Sec-WebSocket-Version") != 1 || *request.find("Sec-WebSocket-Version") != "13")
    return refused("426 Upgrade Required", "another version", "Sec-WebSocket-Version: 13\r\n");
  const std::string_view* key = request.find("Sec-WebSocket-Key");
  if (request.count("Sec-WebSocket-Key") != 1 || key->size() != key_size || !key->ends_with("=="))
    return refused("400 Bad Request", "no key of 16 bytes");
  const std::string_view* origin = request.find("Origin");
  if (origin != nullptr && !may_connect(*origin, *request.find("Host"), rules))
    return refused("403 Forbidden", "a page of another origin: " + printable(*origin));

  std::string_view protocol;
  any_word(request, "Sec-WebSocket-Protocol", [&](std::string_view offered) {
    const auto* known = std::ranges::find(protocols, offered);
    if (known != protocols.end()) protocol = *known;
    return !protocol.empty();
  });
  if (protocol.empty()) return refused("400 Bad Request", "the subprotocol mqtt is not offered");

  Upgraded answer;
  answer.accepted = true;
  answer.answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                  accept_key(*key) + "\r\nSec-WebSocket-Protocol: " + std::string(protocol) + "\r\n\r\n";
  return answer;
}

std::string bad_request() {
  return refused("400 Bad Request", "").answer;
}

std::string upgrade_request(const std::string& host, const std::string& path, const std::string& key) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key +
         "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
}

Result<> check_upgrade(const HttpHead& answer, const std::string& key) {
  if (!answer.first_line.starts_with("HTTP/1.1 101"))
    return fail(Blame::peer_incompatible, "the broker does not speak WebSocket here: " + printable(answer.first_line));
  const std::string_view* accept = answer.find("Sec-WebSocket-Accept");
  if (!answer.lists("Upgrade", "websocket") || !answer.lists("Connection", "upgrade") ||
      answer.count("Sec-WebSocket-Accept") != 1 || *accept != accept_key(key))
    return malformed("the broker's answer does not belong to our request");
  if (answer.find("Sec-WebSocket-Extensions") != nullptr) return malformed("the broker uses an extension that nobody offered");
  const std::string_view* protocol = answer.find("Sec-WebSocket-Protocol");
  if (protocol == nullptr || *protocol != "mqtt")
    return fail(Blame::peer_incompatible, "the broker does not speak MQTT over WebSocket here");
  return {};
}

}  // namespace sealmq::net
