// For whom a proxy connects: whose word counts, and what X-Forwarded-For says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace sealmq::net {

/// Of one listener.
struct ProxyRules {
  bool header = false;          ///< each connection begins with a PROXY header
  bool forwarded = false;       ///< requests of WebSockets name their client in X-Forwarded-For
  std::vector<Network> from{};  ///< who is believed
  /// Of an address as peer_address() answers it.
  bool believe(std::string_view address) const;
  bool operator==(const ProxyRules&) const = default;
};

/// Whose request it is, as peer_address() would write it: the last address of the list that is no proxy's, for each proxy adds
/// the one it was called from. `from` is the address of the last proxy, and the answer where the list names nobody else. Nothing:
/// what had to be looked at is no list of addresses.
std::optional<std::string> client_of(std::string_view forwarded, const std::string& from, const ProxyRules& proxies);

}  // namespace sealmq::net
