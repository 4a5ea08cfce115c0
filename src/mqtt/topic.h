// Topic names and filters (MQTT 5 section 4.7).
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace sealmq::mqtt {

/// 1..65535 bytes of MQTT UTF-8 without '+' and '#'. [MQTT-4.7.1-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2]
bool is_topic_name(std::string_view topic);

/// 1..65535 bytes; '#' alone in the last level, '+' alone in a level. [MQTT-4.7.1-2] [MQTT-4.7.1-3]
/// A shared subscription ($share/name/filter) is not a filter in this sense.
bool is_topic_filter(std::string_view filter);

/// `$share/NAME/FILTER`, what a shared subscription asks for. `$share/workers/jobs/#` is one; `$share/workers` begins like one
/// and is malformed; `$share` alone is an ordinary filter.
struct SharedFilter {
  static constexpr std::string_view prefix = "$share/";
  std::string_view name;
  std::string_view filter;
  /// Whether it means to be one, well-formed or not.
  static bool is_shared(std::string_view text) { return text.starts_with(prefix); }
  /// Nothing if it is none, or malformed. [MQTT-4.8.2-1] [MQTT-4.8.2-2]
  static std::optional<SharedFilter> parse(std::string_view text);
};

bool has_wildcard(std::string_view filter);

/// The number of levels: separators plus one.
std::size_t levels(std::string_view topic);

/// `sport/+/player1` matches `sport/tennis/player1`; `sport/#` matches `sport` too; a filter that begins with a wildcard does
/// not match a name that begins with '$'. [MQTT-4.7.2-1] Both arguments are valid.
bool matches(std::string_view filter, std::string_view topic);

/// True if every name that `narrow` matches is matched by `wide`: covers("a/#", "a/+/c").
bool covers(std::string_view wide, std::string_view narrow);

/// True if some name is matched by both: intersects("a/+/c", "a/b/#").
bool intersects(std::string_view a, std::string_view b);

/// Orders filters by how specific they are: level by level, a literal before '+' before '#'; a longer one before its prefix, but
/// `a` before `a/#`, so that a filter always comes before one that covers it and more. True if `a` is the more specific one.
bool more_specific(std::string_view a, std::string_view b);

}  // namespace sealmq::mqtt
