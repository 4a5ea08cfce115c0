// What schemes claim, one word for each field of Claims. A field that is added there does not compile here until it has a word,
// and a word without a test fails (scheme_conformance.cpp).
#pragma once

#include <array>

#include "sealmq/scheme.h"

namespace sealmq::testing {

enum class Claim : std::uint8_t {
  authorship,
  confidentiality,
  bound_to_topic,
  refuses_replay,
  hides_subscriber,
  hides_publisher,
  forward_secrecy,
  revocable,
  count_,
};
constexpr std::size_t claims_count = static_cast<std::size_t>(Claim::count_);

/// Whether each of them is made, to whatever degree.
constexpr std::array<bool, claims_count> made_by(const Claims& claims) {
  const auto& [authorship, confidentiality, bound_to_topic, refuses_replay, hides_subscriber, hides_publisher, forward_secrecy,
               revocable] = claims;
  return {authorship != Authorship::none,
          confidentiality != Confidentiality::none,
          bound_to_topic,
          refuses_replay,
          hides_subscriber,
          hides_publisher,
          forward_secrecy,
          revocable};
}
constexpr bool is_made(const Claims& claims, Claim claim) {
  return made_by(claims)[static_cast<std::size_t>(claim)];
}

}  // namespace sealmq::testing
