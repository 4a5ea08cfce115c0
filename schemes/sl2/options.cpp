#include "schemes/sl2/options.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "base/try.h"
#include "mqtt/topic.h"

namespace sealmq::sl2 {
namespace {

constexpr std::size_t hex_size = 2 * std::tuple_size_v<Capability>;
constexpr std::size_t least_cover = 256;  // an escrow, and room for a topic
constexpr std::size_t most_cover = 60'000;
constexpr std::uint64_t longest_interval = 3'600'000;

Failure misused(const std::string& why) {
  return fail(Blame::caller_misused, "[scheme.sl2] " + why);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

Result<ClosedTopics> parse_entry(std::string_view entry) {
  if (entry.size() < hex_size + 2 || entry[hex_size] != ' ')
    return misused("closed: 32 hexadecimal digits, a space and a filter, separated by semicolons");
  const auto capability = from_hex(entry.substr(0, hex_size));
  const auto filter = trimmed(entry.substr(hex_size + 1));
  if (!capability || capability->size() != std::tuple_size_v<Capability>)
    return misused("closed: a capability has 32 hexadecimal digits");
  if (!mqtt::is_topic_filter(filter)) return misused("closed: what follows a capability is not a topic filter");
  ClosedTopics closed;
  std::copy(capability->begin(), capability->end(), closed.capability.begin());
  closed.filter = filter;
  return closed;
}

Result<std::uint64_t> number(const SchemeOptions& options, std::string_view name, std::uint64_t usual) {
  const auto found = options.find(name);
  if (found == options.end()) return usual;
  std::uint64_t value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto read = std::from_chars(found->second.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return misused(std::string(name.substr(4)) + " is not a number");
  return value;
}

}  // namespace

Result<std::vector<ClosedTopics>> parse_closed(std::string_view text) {
  std::vector<ClosedTopics> closed;
  while (!trimmed(text).empty()) {
    const auto end = std::min(text.find(';'), text.size());
    auto entry = TRY(parse_entry(trimmed(text.substr(0, end))));
    closed.push_back(std::move(entry));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return closed;
}

Result<const ClosedTopics*> closed_by(const std::vector<ClosedTopics>& closed, std::string_view filter) {
  const ClosedTopics* narrowest = nullptr;
  for (const auto& its : closed) {
    if (!mqtt::intersects(its.filter, filter)) continue;
    if (!mqtt::covers(its.filter, filter))
      return fail(Blame::not_authorised, "the filter goes beyond closed topics that it touches");
    if (narrowest == nullptr || mqtt::covers(narrowest->filter, its.filter)) narrowest = &its;
  }
  return narrowest;
}

Result<Options> parse_options(const SchemeOptions& options) {
  Options parsed;
  if (const auto closed = options.find("sl2.closed"); closed != options.end()) parsed.closed = TRY(parse_closed(closed->second));
  parsed.cover.interval = TRY(number(options, "sl2.cover", 0));
  parsed.cover.size = TRY(number(options, "sl2.cover-size", parsed.cover.size));
  if (parsed.cover.interval % 1000 != 0 || parsed.cover.interval > longest_interval)
    return misused("cover must be whole seconds in milliseconds, at most an hour");
  if (parsed.cover.size < least_cover || parsed.cover.size > most_cover) return misused("cover-size must be 256 to 60000");
  return parsed;
}

}  // namespace sealmq::sl2
