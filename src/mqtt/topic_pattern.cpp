#include "mqtt/topic_pattern.h"

#include <algorithm>

#include "base/text.h"
#include "mqtt/topic.h"

namespace sealmq::mqtt {
namespace {

constexpr std::string_view of_identity = "%u", of_client = "%c";

bool is_place(std::string_view level) {
  return level == of_identity || level == of_client;
}

/// "%%" becomes "%". Nothing: another '%'.
std::optional<std::string> literal(std::string_view level) {
  std::string text;
  for (std::size_t i = 0; i < level.size(); ++i) {
    if (level[i] == '%' && (++i == level.size() || level[i] != '%')) return std::nullopt;
    text += level[i];
  }
  return text;
}

/// Puts a text in the place of each level; nothing, if that answers nothing for one of them.
template <class Put>
std::optional<std::string> rewrite(std::string_view pattern, Put put) {
  std::string text;
  for (;;) {
    const std::size_t end = pattern.find('/');
    const auto level = put(pattern.substr(0, end));
    if (!level) return std::nullopt;
    text += *level;
    if (end == pattern.npos) return text;
    text += '/';
    pattern.remove_prefix(end + 1);
  }
}

std::optional<std::string> widened(std::string_view pattern) {
  return rewrite(pattern,
                 [](std::string_view level) { return is_place(level) ? std::optional<std::string>("+") : literal(level); });
}

}  // namespace

bool is_topic_pattern(std::string_view pattern) {
  const auto filter = widened(pattern);
  return filter && is_topic_filter(*filter);
}

std::string widen_pattern(std::string_view pattern) {
  return widened(pattern).value_or(std::string());
}

bool fits_a_level(std::string_view name) {
  constexpr std::size_t longest = 128;
  const auto is_harmful = [](char c) {
    return c == '/' || c == '+' || c == '#' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  };
  return !name.empty() && name.size() <= longest && !name.starts_with('$') && is_mqtt_utf8(name) &&
         std::ranges::none_of(name, is_harmful);
}

std::optional<std::string> fill_pattern(std::string_view pattern, const PatternNames& names) {
  return rewrite(pattern, [&](std::string_view level) -> std::optional<std::string> {
    if (!is_place(level)) return literal(level);
    if (level == of_client && names.any_client_id) return "+";
    const std::string_view name = level == of_identity ? names.identity : names.client_id;
    return fits_a_level(name) ? std::optional<std::string>(name) : std::nullopt;
  });
}

std::string pattern_of_filter(std::string_view filter) {
  std::string pattern;
  for (const char c : filter) pattern.append(c == '%' ? 2 : 1, c);
  return pattern;
}

bool more_specific_pattern(std::string_view a, std::string_view b) {
  const auto rank = [](std::string_view text, bool is_there) {
    if (!is_there) return 3;
    return text == "#" ? 4 : text == "+" ? 2 : is_place(text) ? 1 : 0;
  };
  bool a_goes_on = true, b_goes_on = true;
  const auto next = [](std::string_view& rest, bool& goes_on) {
    const std::size_t end = rest.find('/');
    const std::string_view level = rest.substr(0, end);
    goes_on = end != rest.npos;
    rest.remove_prefix(goes_on ? end + 1 : rest.size());
    return level;
  };
  for (;;) {
    const bool a_is_there = a_goes_on, b_is_there = b_goes_on;
    const auto x = a_is_there ? next(a, a_goes_on) : std::string_view();
    const auto y = b_is_there ? next(b, b_goes_on) : std::string_view();
    if (rank(x, a_is_there) != rank(y, b_is_there)) return rank(x, a_is_there) < rank(y, b_is_there);
    if (!a_is_there) return false;
  }
}

}  // namespace sealmq::mqtt
