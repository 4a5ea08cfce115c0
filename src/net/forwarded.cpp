#include "net/forwarded.h"

#include <algorithm>

#include "base/text.h"

namespace sealmq::net {
namespace {

/// `192.0.2.7`, `2001:db8::7`, `[2001:db8::7]`, each of them with a port or without.
std::optional<std::string> address_in(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    return end == text.npos ? std::nullopt : with_port(text.substr(1, end - 1), 0, AF_INET6);
  }
  if (auto whole = with_port(text, 0, AF_UNSPEC)) return whole;
  return with_port(text.substr(0, text.rfind(':')), 0, AF_INET);
}

}  // namespace

bool ProxyRules::believe(std::string_view address) const {
  return std::ranges::any_of(from, [&](const Network& network) { return network.contains(address); });
}

std::optional<std::string> client_of(std::string_view forwarded, const std::string& from, const ProxyRules& proxies) {
  std::string client = from;
  while (!trimmed(forwarded).empty()) {
    const std::size_t comma = forwarded.rfind(',');
    auto last = address_in(trimmed(forwarded.substr(comma == forwarded.npos ? 0 : comma + 1)));
    if (!last) return std::nullopt;
    client = *std::move(last);
    if (!proxies.believe(client) || comma == forwarded.npos) break;
    forwarded = forwarded.substr(0, comma);
  }
  return client;
}

}  // namespace sealmq::net
