#include "schemes/pmqtt/ends.h"

#include <optional>

#include "schemes/pmqtt/topics.h"

namespace sealmq::pmqtt {
namespace {

struct Ends {
  std::optional<std::string_view> from, to;
};

/// Nothing: not a topic with ends.
std::optional<Ends> ends_of(std::string_view prefix, std::string_view topic) {
  if (!topic.starts_with(prefix) || topic.size() <= prefix.size() || topic[prefix.size()] != '/') return std::nullopt;
  std::optional<std::string_view> rest = topic.substr(prefix.size() + 1);
  const auto kind = next_level(rest);
  if (kind != "kx" && kind != "e2e" && kind != "+") return std::nullopt;
  Ends ends;
  ends.from = next_level(rest);
  if (ends.from == "#") return Ends{};
  ends.to = next_level(rest);
  if (ends.to == "#") ends.to.reset();
  return ends;
}

}  // namespace

bool may_send_to(std::string_view prefix, std::string_view identity, std::string_view topic, const PartnerTable& table) {
  const auto ends = ends_of(prefix, topic);
  if (!ends) return true;
  if (identity.empty() || ends->from != identity) return false;
  return !ends->to || table.allows(identity, *ends->to);
}

bool may_get_from(std::string_view prefix, std::string_view identity, std::string_view filter, const PartnerTable& table) {
  const auto ends = ends_of(prefix, filter);
  if (!ends || !ends->to) return true;
  if (identity.empty() || *ends->to != identity) return false;
  return !ends->from || ends->from == "+" || table.allows(*ends->from, identity);
}

}  // namespace sealmq::pmqtt
