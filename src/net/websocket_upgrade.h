// How a WebSocket begins (RFC 6455, section 4): one HTTP request and its answer. A strict reader of our own: what MQTT needs of
// HTTP is a first line and some headers, and what is hostile in HTTP (folding, chunks, bodies) is refused as such.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::net {

/// The most that a request or an answer may take until its empty line.
inline constexpr std::size_t largest_head = 8 * 1024;

/// What a broker expects of a request.
struct UpgradeRules {
  std::vector<std::string> paths{"/mqtt"};
  /// Web pages that may connect, as in `https://example.org`; `*`: all; empty: those of the same host. Only browsers say where
  /// they come from, and only browsers can be abused by a page, so a request without an Origin is let in.
  std::vector<std::string> origins{};
  bool keeps_forwarded = false;  ///< PeerInfo::forwarded_for is wanted
  bool is_local = false;         ///< on loopback: no page may call it by another name, which its owner can let mean this machine
  bool operator==(const UpgradeRules&) const = default;
};

struct HttpHead {
  std::string_view first_line;
  struct Field {
    std::string_view name, value;
  };
  std::vector<Field> fields;
  std::size_t size = 0;  ///< with the empty line

  /// Null: it is not there. The first of several.
  const std::string_view* find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  /// Whether one of a list's words, in one or several fields, is this one, in any case of letters.
  bool lists(std::string_view name, std::string_view word) const;
};

/// Nothing: it has not come whole. Views point into `text`. Errors: peer_misbehaved, also when it is longer than largest_head.
Result<std::optional<HttpHead>> parse_head(std::string_view text);

/// What X-Forwarded-For says, all fields of it; the last part of what is very long.
std::string forwarded_for(const HttpHead& request);

/// What a broker answers a request with.
struct Upgraded {
  std::string answer;
  bool accepted = false;
  std::string why_not;
};
Upgraded answer_upgrade(const HttpHead& request, const UpgradeRules& rules);
/// The answer to what is no request at all.
std::string bad_request();

/// A client's request; `key` is 16 random bytes in base64.
std::string upgrade_request(const std::string& host, const std::string& path, const std::string& key);
/// Errors: peer_misbehaved, peer_incompatible.
Result<> check_upgrade(const HttpHead& answer, const std::string& key);

}  // namespace sealmq::net
