// Topic patterns: filters with places for the name of whoever logged in (%u) and the client identifier in use (%c). A place is a
// whole level, so that two names never meet in one topic. (Index of specifications, section 8.)
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sealmq::mqtt {

/// What the places stand for on one connection; empty: there is no such name.
struct PatternNames {
  std::string_view identity{};   ///< that the login has proved
  std::string_view client_id{};  ///< in use, where it is bound to that identity
  bool any_client_id = false;    ///< it is not known yet: each could be it
};

/// A topic filter in which `%` stands as a whole level, `%u` or `%c`, or doubled for itself.
bool is_topic_pattern(std::string_view pattern);

/// The filter that it is for these names. Nothing: one that it needs is missing, or might mean more than itself. What was put in
/// is not looked at again.
std::optional<std::string> fill_pattern(std::string_view pattern, const PatternNames& names);

/// The filter that matches what the pattern is for any names.
std::string widen_pattern(std::string_view pattern);

/// Whether a name can be a level of a topic and nothing else: 1 to 128 bytes of UTF-8 without `/ + #`, control characters, and
/// `$` in front.
bool fits_a_level(std::string_view name);

/// The pattern without places that is this filter.
std::string pattern_of_filter(std::string_view filter);

/// As more_specific(), of patterns: places stand between literals and '+'.
bool more_specific_pattern(std::string_view a, std::string_view b);

}  // namespace sealmq::mqtt
