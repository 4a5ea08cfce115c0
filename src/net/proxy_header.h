// The PROXY protocol, versions 1 and 2: a header in front of everything else by which a load balancer tells for whom it connects.
#pragma once

#include <optional>
#include <string>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::net {

/// The most that a header may take: addresses and a few further values.
inline constexpr std::size_t largest_proxy_header = 16 + 1024;

struct ProxyHeader {
  std::size_t size = 0;
  std::string source;  ///< `192.0.2.7:4711`; empty: the proxy speaks for itself
  bool operator==(const ProxyHeader&) const = default;
};

/// What `bytes` begin with, whichever version it is; nothing: it has not come whole. Errors: peer_misbehaved.
Result<std::optional<ProxyHeader>> parse_proxy_header(Bytes bytes);

}  // namespace sealmq::net
