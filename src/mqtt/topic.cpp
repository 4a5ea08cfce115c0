#include "mqtt/topic.h"

#include <algorithm>

#include "base/text.h"

namespace sealmq::mqtt {
namespace {

/// The levels of a filter, one after the other. `a/` has two, the last is empty.
class Levels {
 public:
  explicit Levels(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> next() {
    if (at_end_) return std::nullopt;
    std::size_t end = rest_.find('/');
    at_end_ = end == std::string_view::npos;
    std::string_view level = rest_.substr(0, end);
    if (!at_end_) rest_.remove_prefix(end + 1);
    return level;
  }

 private:
  std::string_view rest_;
  bool at_end_ = false;
};

/// A filter that matches the same names and whose '#' is not what decides about the first level. `#` also matches the level above
/// it, and there is no level above the first; nor is there an empty name for `/#` to match.
std::string_view spelled_out(std::string_view filter) {
  if (filter == "#") return "+/#";
  if (filter == "/#") return "/+/#";
  return filter;
}

/// [MQTT-4.7.2-1]
bool hidden_from_wildcards(std::string_view level, bool is_first) {
  return is_first && level.starts_with('$');
}

bool is_valid_string(std::string_view text) {
  return !text.empty() && text.size() <= 65535 && is_mqtt_utf8(text);
}

}  // namespace

bool has_wildcard(std::string_view filter) {
  return std::ranges::any_of(filter, [](char c) { return c == '+' || c == '#'; });
}

bool is_topic_name(std::string_view topic) {
  return is_valid_string(topic) && !has_wildcard(topic);
}

bool is_topic_filter(std::string_view filter) {
  if (!is_valid_string(filter) || SharedFilter::is_shared(filter)) return false;
  Levels levels(filter);
  for (auto level = levels.next(); level;) {
    auto following = levels.next();
    if (has_wildcard(*level) && level->size() != 1) return false;  // [MQTT-4.7.1-1] [MQTT-4.7.1-2]
    if (*level == "#" && following) return false;                  // [MQTT-4.7.1-1]
    level = following;
  }
  return true;
}

std::optional<SharedFilter> SharedFilter::parse(std::string_view text) {
  if (!is_shared(text) || !is_valid_string(text)) return std::nullopt;
  text.remove_prefix(prefix.size());
  const std::size_t slash = text.find('/');
  if (slash == 0 || slash == text.npos) return std::nullopt;
  const SharedFilter shared{text.substr(0, slash), text.substr(slash + 1)};
  if (has_wildcard(shared.name) || !is_topic_filter(shared.filter)) return std::nullopt;
  return shared;
}

std::size_t levels(std::string_view topic) {
  return 1 + static_cast<std::size_t>(std::ranges::count(topic, '/'));
}

bool matches(std::string_view filter, std::string_view topic) {
  return covers(filter, topic);  // a name is a filter that matches itself alone
}

bool covers(std::string_view wide, std::string_view narrow) {
  Levels wides(spelled_out(wide)), narrows(spelled_out(narrow));
  for (bool is_first = true;; is_first = false) {
    auto w = wides.next(), n = narrows.next();
    if (w == "#") return true;  // so far each level covers, and from here on everything does
    if (!w || !n) return !w && !n;
    if (n == "#") return false;  // narrow matches names of any length, wide does not or asks for more levels
    bool covered = w == "+" ? !hidden_from_wildcards(*n, is_first) : *w == *n;
    if (!covered) return false;
  }
}

bool intersects(std::string_view a, std::string_view b) {
  Levels as(spelled_out(a)), bs(spelled_out(b));
  for (bool is_first = true;; is_first = false) {
    auto x = as.next(), y = bs.next();
    if (x == "#" || y == "#") return true;  // the other one, however it goes on, has names to match
    if (!x || !y) return !x && !y;
    bool meet = x == "+" ? !hidden_from_wildcards(*y, is_first) : y == "+" ? !hidden_from_wildcards(*x, is_first) : *x == *y;
    if (!meet) return false;
  }
}

bool more_specific(std::string_view a, std::string_view b) {
  auto rank = [](std::optional<std::string_view> level) {
    if (!level) return 2;
    return *level == "#" ? 3 : *level == "+" ? 1 : 0;
  };
  Levels as(a), bs(b);
  for (;;) {
    auto x = as.next(), y = bs.next();
    if (rank(x) != rank(y)) return rank(x) < rank(y);
    if (!x) return false;
  }
}

}  // namespace sealmq::mqtt
