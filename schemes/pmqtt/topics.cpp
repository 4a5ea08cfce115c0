#include "schemes/pmqtt/topics.h"

#include "mqtt/topic.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::string_view exchange_level = "kx";
constexpr std::string_view messages_level = "e2e";

std::string joined(std::string_view prefix, std::string_view kind, std::string_view from, std::string_view to) {
  std::string topic(prefix);
  topic.append("/").append(kind).append("/").append(from).append("/").append(to);
  return topic;
}

}  // namespace

std::optional<std::string_view> next_level(std::optional<std::string_view>& rest) {
  if (!rest) return std::nullopt;
  const auto slash = rest->find('/');
  const std::string_view level = rest->substr(0, slash);
  if (slash == rest->npos)
    rest.reset();
  else
    rest->remove_prefix(slash + 1);
  return level;
}

const std::string* find_option(const SchemeOptions& options, std::string_view scheme, std::string_view name) {
  const auto option = options.find(std::string(scheme.substr(0, scheme.find('@'))).append(".").append(name));
  return option == options.end() ? nullptr : &option->second;
}

Result<Topics> Topics::make(const SchemeOptions& options, std::string_view scheme) {
  const std::string* prefix = find_option(options, scheme, "prefix");
  if (prefix == nullptr) return Topics();
  if (!mqtt::is_topic_name(*prefix) || prefix->starts_with('$'))
    return fail(Blame::caller_misused, "no topic can begin with what the scheme's option prefix says");
  return Topics(*prefix);
}

std::optional<Address> Topics::read(std::string_view topic) const {
  if (!topic.starts_with(prefix_) || topic.size() <= prefix_.size() || topic[prefix_.size()] != '/') return std::nullopt;
  std::optional<std::string_view> rest = topic.substr(prefix_.size() + 1);
  const auto kind = next_level(rest);
  Address address;
  address.is_exchange = kind == exchange_level;
  if (!address.is_exchange && kind != messages_level) return std::nullopt;
  address.from = next_level(rest).value_or("");
  address.to = next_level(rest).value_or("");
  if (!is_identity_name(address.from) || !is_identity_name(address.to)) return std::nullopt;
  if (rest && (rest->empty() || address.is_exchange)) return std::nullopt;
  address.topic = rest.value_or(std::string_view());
  return address;
}

std::string Topics::exchange(std::string_view from, std::string_view to) const {
  return joined(prefix_, exchange_level, from, to);
}
std::string Topics::messages(std::string_view from, std::string_view to) const {
  return joined(prefix_, messages_level, from, to);
}
std::string Topics::message(std::string_view from, std::string_view to, std::string_view topic) const {
  return messages(from, to).append("/").append(topic);
}

}  // namespace sealmq::pmqtt
