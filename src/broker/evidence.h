// The user properties in which the broker tells a subscriber what it has verified of a message. A client's own of these names are
// removed; all others travel as they are.
#pragma once

#include <string_view>

namespace sealmq::broker {

inline constexpr std::string_view evidence_of_author = "sealmq-from";
inline constexpr std::string_view evidence_of_scheme = "sealmq-scheme";
/// By what its author has logged in, on the connection that brought it.
inline constexpr std::string_view evidence_of_login = "sealmq-login";

constexpr bool is_evidence(std::string_view name) {
  return name == evidence_of_author || name == evidence_of_scheme || name == evidence_of_login;
}

}  // namespace sealmq::broker
