// Two filters and a name, in three lines. What the topic functions say about them must agree.
#include <cstdlib>
#include <vector>

#include "mqtt/topic.h"
#include "sealmq/bytes.h"

using namespace sealmq::mqtt;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_filter_and_name(std::string_view filter, std::string_view name) {
  if (!is_topic_filter(filter) || !is_topic_name(name)) return;
  bool matched = matches(filter, name);
  if (!is_topic_filter(name)) return;  // $share/…
  check(matched == covers(filter, name) && matched == intersects(filter, name));
  if (!has_wildcard(filter)) check(matched == (filter == name));
}

void check_shared(std::string_view text) {
  const auto shared = SharedFilter::parse(text);
  if (!shared) return;
  check(SharedFilter::is_shared(text) && !is_topic_filter(text) && is_topic_filter(shared->filter));
  check(!shared->name.empty() && !has_wildcard(shared->name) && levels(shared->name) == 1);
  check(text.size() == SharedFilter::prefix.size() + shared->name.size() + 1 + shared->filter.size());
}

void check_filters(std::string_view a, std::string_view b, std::string_view name) {
  if (!is_topic_filter(a) || !is_topic_filter(b)) return;
  check(covers(a, a) && intersects(a, a) && !more_specific(a, a));
  check(intersects(a, b) == intersects(b, a));
  check(!more_specific(a, b) || !more_specific(b, a));
  if (covers(a, b)) {
    check(intersects(a, b));
    if (!covers(b, a)) check(more_specific(b, a));
  }
  if (!is_topic_name(name)) return;
  bool matches_a = matches(a, name), matches_b = matches(b, name);
  if (covers(a, b) && matches_b) check(matches_a);
  if (matches_a && matches_b) check(intersects(a, b));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view text = sealmq::as_text({data, size});
  std::vector<std::string_view> lines;
  for (std::size_t start = 0; lines.size() < 3;) {
    std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = std::min(end + 1, text.size());
  }
  for (std::string_view line : lines) {
    if (is_topic_name(line)) check(!has_wildcard(line) && levels(line) >= 1);
    check(!(has_wildcard(line) && is_topic_name(line)));
    check_shared(line);
  }
  for (std::string_view filter : lines)
    for (std::string_view name : lines) check_filter_and_name(filter, name);
  check_filters(lines[0], lines[1], lines[2]);
  check_filters(lines[1], lines[0], lines[2]);
  return 0;
}
