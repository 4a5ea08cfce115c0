#include "server/configuration.h"

#include <sched.h>

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "broker/own_topics.h"
#include "keystore/file_access.h"
#include "net/address.h"
#include "net/url.h"
#include "registry/data_folder.h"
#include "sealmq/scheme.h"
#include "server/settings.h"

namespace sealmq::server {
namespace {

constexpr std::string_view every_topic = "#";

std::vector<std::string> default_schemes() {
  std::vector<std::string> names;
  for (const Scheme& scheme : all_schemes())
    if (scheme.info->in_default_policy) names.emplace_back(scheme.info->name);
  return names;
}

broker::SchemeSet scheme_set(const std::vector<std::string>& names) {
  const auto all = all_schemes();
  broker::SchemeSet set;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::ranges::find(names, all[i].info->name) != names.end()) set.add(i);
  return set;
}

bool is_named(const Configuration& configuration, const SchemeInfo& scheme) {
  const auto names_it = [&](const std::vector<std::string>& list) { return std::ranges::find(list, scheme.name) != list.end(); };
  return std::ranges::any_of(configuration.topics,
                             [&](const TopicRow& row) { return names_it(row.publish) || names_it(row.subscribe); });
}

/// Beyond the topics that are the broker's own.
bool opens_topics_to_plain(const Configuration& configuration) {
  const auto has_plain = [](const std::vector<std::string>& list) {
    return std::ranges::find(list, all_schemes().back().info->name) != list.end();
  };
  return std::ranges::any_of(configuration.topics, [&](const TopicRow& row) {
    return !row.filter.starts_with('$') && (has_plain(row.publish) || has_plain(row.subscribe));
  });
}

const TopicRow* find_row(const std::vector<TopicRow>& rows, std::string_view filter) {
  const auto found = std::ranges::find(rows, filter, &TopicRow::filter);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

Configuration::Configuration()
    : listeners{{.host = "127.0.0.1", .port = 1883}},
      topics{{.filter = std::string(every_topic), .publish = default_schemes(), .subscribe = default_schemes()}} {}

Result<Listener> parse_listener(std::string_view text) {
  const net::Url url = TRY(net::parse_listener_url(text));
  Listener listener{url.host, url.port};
  listener.transport = url.transport;
  const bool is_web = url.transport == net::Transport::websocket || url.transport == net::Transport::secure_websocket;
  if (url.transport == net::Transport::unix_socket)
    listener.socket_path = url.path;
  else if (is_web && !url.path.empty())
    listener.upgrade.path = "/" + url.path;
  else if (!url.path.empty())
    return fail(Blame::caller_misused, in_quotes(text) + " names a topic, which a listener has not");
  listener.upgrade.is_local = is_web && net::is_loopback(url.host);
  if (!url.user.empty()) return fail(Blame::caller_misused, in_quotes(text) + " names a user, which a listener has not");
  return listener;
}

bool needs_tls(const Listener& listener) {
  return listener.transport == net::Transport::tls || listener.transport == net::Transport::secure_websocket;
}

bool lets_in_anonymous(const Configuration& configuration, const Listener& listener) {
  const bool may_prove = !configuration.password_file.empty() || listener.identity != IdentityFrom::nothing ||
                         !listener.tls.client_ca.empty() || !listener.tls.psk_file.empty();
  return listener.anonymous.value_or(!may_prove);
}

void allow_plain(Configuration& configuration) {
  auto row = std::ranges::find(configuration.topics, every_topic, &TopicRow::filter);
  if (row == configuration.topics.end()) {
    configuration.topics.push_back({.filter = std::string(every_topic), .publish = {}, .subscribe = {}});
    row = configuration.topics.end() - 1;
  }
  const std::string plain(all_schemes().back().info->name);
  for (auto* list : {&row->publish, &row->subscribe})
    if (std::ranges::find(*list, plain) == list->end()) list->push_back(plain);
  const bool is_local = std::ranges::all_of(configuration.listeners,
                                            [](const Listener& l) { return !l.socket_path.empty() || net::is_loopback(l.host); });
  const bool is_decided =
      std::ranges::any_of(configuration.topics, [](const TopicRow& r) { return r.filter.starts_with("$SYS/"); });
  if (is_local && !is_decided) configuration.topics.push_back({.filter = "$SYS/#", .publish = {}, .subscribe = {plain}});
}

std::size_t shard_count(const Configuration& configuration) {
  if (configuration.threads != 0) return configuration.threads;
  cpu_set_t mine;  // those this process may run on, which may be fewer than there are
  CPU_ZERO(&mine);
  const int count = ::sched_getaffinity(0, sizeof mine, &mine) == 0 ? CPU_COUNT(&mine) : 0;
  return static_cast<std::size_t>(std::max(1, count));
}

Result<std::shared_ptr<const broker::Policy>> make_policy(const Configuration& configuration) {
  std::vector<broker::TopicRule> rules;
  for (const TopicRow& row : configuration.topics)
    rules.push_back({row.filter, scheme_set(row.publish), scheme_set(row.subscribe), row.multicast});
  // What everybody has to know of this broker.
  broker::SchemeSet plain;
  plain.add(all_schemes().size() - 1);
  for (const std::string_view filter : {broker::parameters_topic, broker::orders_filter})
    if (find_row(configuration.topics, filter) == nullptr) rules.push_back({std::string(filter), {}, plain});
  return std::make_shared<const broker::Policy>(TRY(broker::Policy::make(std::move(rules))));
}

bool needs_rabin(const Configuration& configuration) {
  return std::ranges::any_of(
      all_schemes(), [&](const Scheme& scheme) { return scheme.info->needs_rabin && is_named(configuration, *scheme.info); });
}

std::string schemes_signing_on_shards(const Configuration& configuration) {
  std::string names;
  for (const Scheme& scheme : all_schemes())
    if (scheme.info->signs_on_shard && is_named(configuration, *scheme.info))
      names.append(names.empty() ? "" : ", ").append(scheme.info->name);
  return names;
}

bool needs_topic_keys(const Configuration& configuration) {
  return std::ranges::any_of(all_schemes(), [&](const Scheme& scheme) {
    return scheme.info->needs_topic_keys && is_named(configuration, *scheme.info);
  });
}

bool needs_rsa(const Configuration& configuration) {
  return std::ranges::any_of(
      all_schemes(), [&](const Scheme& scheme) { return scheme.info->needs_rsa && is_named(configuration, *scheme.info); });
}

std::vector<std::string> warnings(const Configuration& configuration) {
  std::vector<std::string> lines;
  for (const Scheme& scheme : all_schemes()) {
    if (scheme.info->profile != Profile::paper || !is_named(configuration, *scheme.info)) continue;
    std::string line = std::string(scheme.info->name) + " is there for study, not for use";
    for (std::string_view hazard : scheme.info->hazards) line += "; " + std::string(hazard);
    lines.push_back(std::move(line));
  }
  const bool has_passwords = configuration.password_file.empty() && exists(DataFolder{configuration.data}.passwords());
  for (const Listener& listener : configuration.listeners) {
    if (listener.anonymous) continue;
    const std::string at = "the listener on port " + std::to_string(listener.port);
    const bool lets_in = lets_in_anonymous(configuration, listener);
    if (lets_in && has_passwords && opens_topics_to_plain(configuration))
      lines.push_back(
          at + " lets in clients without a password too: anonymous = false in its [[listener]] keeps them out, true is silent");
    if (!lets_in && listener.identity == IdentityFrom::nothing && configuration.password_file.empty())
      lines.push_back(
          at +
          " does not tell by certificate or key who its clients are, and lets in nobody without another login: identity = "
          "\"cn\", \"san\" or \"psk\" in its [[listener]] tells, anonymous = true lets them in");
  }
  return lines;
}

std::vector<Difference> differences(const Configuration& before, const Configuration& after) {
  std::vector<Difference> found;
  for (const Setting& setting : settings()) {
    const std::string was = setting.value_in(before), is = setting.value_in(after);
    if (was != is) found.push_back({setting.full_name() + ": " + in_quotes(was) + " -> " + in_quotes(is), true});
  }
  if (before.scheme_options != after.scheme_options) found.push_back({"options of schemes", true});
  if (before.bridges != after.bridges) found.push_back({"the bridges", true});
  if (before.listeners != after.listeners) found.push_back({"the listeners", true});
  for (const TopicRow& row : before.topics)
    if (find_row(after.topics, row.filter) == nullptr) found.push_back({"topic " + in_quotes(row.filter) + ": removed", false});
  for (const TopicRow& row : after.topics) {
    const TopicRow* was = find_row(before.topics, row.filter);
    if (was == nullptr)
      found.push_back({"topic " + in_quotes(row.filter) + ": new", false});
    else if (was->publish != row.publish || was->subscribe != row.subscribe)
      found.push_back({"topic " + in_quotes(row.filter) + ": other schemes", false});
    else if (was->multicast != row.multicast)
      found.push_back({"topic " + in_quotes(row.filter) + ": multicast", false});
  }
  return found;
}

}  // namespace sealmq::server
