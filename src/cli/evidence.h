// What somebody shows the authority about a message, and who wrote that message. Its own work, without files and connections.
#pragma once

#include <optional>
#include <vector>

#include "schemes/malina/revocation.h"
#include "sealmq/registry.h"

namespace sealmq::cli {

/// Evidence, or a request that has some; hardened or as published. Views point into what was read.
struct Shown {
  std::optional<malina::Evidence> hardened;   ///< this one
  std::optional<malina::PaperRequest> paper;  ///< or this one
  std::string_view reason;
  bool has_requester = false;  ///< a hardened request: its signature has been verified
  std::array<std::uint8_t, 33> requester{};
  std::uint64_t number = 0;
  std::uint64_t sent = 0;

  malina::Level level() const;
  std::string_view topic() const;
  Bytes message() const;
  std::uint64_t time() const;
};

/// Errors: malformed; peer_misbehaved for a request that its requester has not signed.
Result<Shown> read_shown(Bytes file);

/// The author, whose signature over the message has been verified. What hides it is opened with the authority's key; the
/// published SL2, which hides it well, by trying `listed`, first those who may publish to the topic. Errors: peer_misbehaved: it
/// was signed by none of them, or not by who it names; the key store's.
Result<malina::Id> author_of(const Shown& shown, KeyStore& authority, const std::vector<Identity>& listed);

}  // namespace sealmq::cli
