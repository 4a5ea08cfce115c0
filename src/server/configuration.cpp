#include "server/configuration.h"

#include <sched.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "base/try.h"
#include "broker/own_topics.h"
#include "broker/policy/access.h"
#include "keystore/file_access.h"
#include "keystore/key_log.h"
#include "mqtt/topic.h"
#include "net/address.h"
#include "net/tls_psk.h"
#include "net/url.h"
#include "registry/data_folder.h"
#include "sealmq/scheme.h"
#include "server/settings.h"

namespace sealmq::server {
namespace {

constexpr std::string_view every_topic = "#", states_of_bridges = "$SYS/broker/connection/+/state";

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

/// Beyond the topics that are the broker's own.
bool opens_topics_to_plain(const Configuration& configuration) {
  const auto has_plain = [](const std::vector<std::string>& list) {
    return std::ranges::find(list, all_schemes().back().info->name) != list.end();
  };
  return std::ranges::any_of(configuration.topics, [&](const TopicRow& row) {
    return !row.filter.starts_with('$') && (has_plain(row.publish) || has_plain(row.subscribe));
  });
}

/// What of the row can never happen; empty: nothing.
std::string in_vain(const TopicRow& row) {
  if (!row.name().starts_with('$')) return {};
  constexpr std::string_view read[] = {"$SYS/#", broker::parameters_topic, broker::orders_filter};
  const auto meets = [&](std::string_view filter) { return mqtt::intersects(filter, row.name()); };
  const std::string topic = "topic " + in_quotes(row.name()) + ": ";
  if (!row.publish.empty() && !meets(states_of_bridges))
    return topic +
           "clients cannot publish under $, whatever a row says; a bridge reaches such topics of another broker by its "
           "remote_prefix";
  if (!row.subscribe.empty() && std::ranges::none_of(read, meets)) return topic + "nothing is ever published there";
  return {};
}

const TopicRow* find_row(const std::vector<TopicRow>& rows, std::string_view name) {
  const auto found = std::ranges::find_if(rows, [&](const TopicRow& row) { return row.name() == name; });
  return found == rows.end() ? nullptr : &*found;
}

bool is_in(const std::vector<std::string>& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

broker::LoginSet login_set(const std::vector<std::string>& list) {
  broker::LoginSet set;
  for (std::size_t i = 0; i < all_schemes().size(); ++i)
    if (is_in(list, all_schemes()[i].info->name)) set.add(i);
  for (const auto& [name, login] : {std::pair(broker::password_login, broker::login_by_password),
                                    std::pair(broker::transport_login, broker::login_by_transport)})
    if (is_in(list, name)) set.add(login);
  return set;
}

bool can_carry(const Configuration& configuration, std::string_view login) {
  if (login != broker::transport_login) return true;
  return std::ranges::any_of(configuration.listeners, [](const Listener& l) { return l.identity != IdentityFrom::nothing; });
}

/// What a login by one of these can prove, with the transport's proof beside it.
Factors most_factors(const TopicRow& row, const Configuration& configuration) {
  Factors most;
  const auto may = [&](std::string_view login) { return row.login.empty() || is_in(row.login, login); };
  if (may(broker::password_login)) most.add({Factor::password});
  if (can_carry(configuration, broker::transport_login)) most.add({Factor::key});
  for (const Scheme& scheme : all_schemes())
    if (may(scheme.info->name)) most.add(scheme.info->login_proves);
  return most;
}

}  // namespace

namespace {

/// What this one can prove by the logins that the row names, with the transport's proof beside them; nothing: it cannot log in
/// so.
std::optional<Factors> provable(const Identity& identity, bool has_password, const TopicRow& row,
                                const Configuration& configuration) {
  if (identity.status != Status::active) return std::nullopt;
  Factors proved;
  bool enters = false;
  const auto log_in = [&](std::string_view login, Profile profile, Factors factors) {
    if (!broker::Access::may_log_in(identity, login, profile)) return;
    enters = enters || row.login.empty() || is_in(row.login, login);
    if (profile == Profile::hardened) proved.add(factors);
  };
  if (has_password) log_in(broker::password_login, Profile::hardened, {Factor::password});
  const bool tells = std::ranges::any_of(configuration.listeners,
                                         [](const Listener& listener) { return listener.identity != IdentityFrom::nothing; });
  if (tells) log_in(broker::transport_login, Profile::hardened, {Factor::key});
  const bool has_key = is_there(identity.keys.ecdsa) || !identity.keys.rsa.empty();
  for (const Scheme& scheme : all_schemes()) {
    if (!scheme.info->has_login || !has_key) continue;
    Factors factors;
    for (const Factor factor : {Factor::key, Factor::password, Factor::card}) {
      const bool is_possible = (factor != Factor::password || has_password) && (factor != Factor::card || identity.in_card);
      if (is_possible && scheme.info->login_proves.holds({factor})) factors.add({factor});
    }
    log_in(scheme.info->name, scheme.info->profile, factors);
  }
  return enters ? std::optional(proved) : std::nullopt;
}

}  // namespace

std::vector<std::string> warnings_about(const std::vector<Identity>& identities, const std::set<std::string>& with_password,
                                        const Configuration& configuration) {
  std::vector<std::string> lines;
  if (identities.empty()) return lines;
  for (const TopicRow& row : configuration.topics) {
    if (row.login.empty() && row.require.empty()) continue;
    const auto opens = [&](const Identity& identity) {
      const auto proved = provable(identity, with_password.contains(identity.name), row, configuration);
      if (!proved || !proved->holds(identity.require)) return false;
      return row.require.empty() || std::ranges::any_of(row.require, [&](Factors all) { return proved->holds(all); });
    };
    if (std::ranges::any_of(identities, opens)) continue;
    std::string asked;
    for (const std::string& login : row.login) asked.append(asked.empty() ? "log in by " : " or ").append(login);
    for (const Factors& all : row.require)
      asked.append(asked.empty() ? "prove " : &all == &row.require.front() ? " and prove " : " or ").append(to_text(all));
    lines.push_back("topic " + in_quotes(row.name()) + ": nobody on the list can " + asked + ", as it asks");
  }
  for (const Identity& identity : identities)
    for (const std::string& role : identity.roles)
      if (std::ranges::find(configuration.roles, role, &RoleRow::name) == configuration.roles.end())
        lines.push_back(identity.name + " has the role " + in_quotes(role) + ", which no [[role]] tells of: it gives nothing");
  return lines;
}

Configuration::Configuration()
    : listeners{{.host = "127.0.0.1", .port = 1883}},
      topics{{.filter = std::string(every_topic), .publish = default_schemes(), .subscribe = default_schemes()}} {}

Result<Listener> parse_listener(std::string_view text) {
  const net::Url url = TRY(net::parse_listener_url(text));
  Listener listener{url.host, url.port};
  listener.transport = url.transport;
  if (url.transport == net::Transport::secure_websocket) listener.tls.protocol = net::web_protocol;
  const bool is_web = url.transport == net::Transport::websocket || url.transport == net::Transport::secure_websocket;
  if (url.transport == net::Transport::unix_socket)
    listener.socket_path = url.path;
  else if (is_web && !url.path.empty())
    listener.upgrade.paths = {"/" + url.path};
  else if (!url.path.empty())
    return fail(Blame::caller_misused, in_quotes(text) + " names a topic, which a listener has not");
  listener.upgrade.is_local = is_web && net::is_loopback(url.host);
  if (!url.user.empty()) return fail(Blame::caller_misused, in_quotes(text) + " names a user, which a listener has not");
  return listener;
}

bool shares_port_with(const Listener& listener, const Listener& other) {
  const bool is_v6 = net::with_port(listener.host, 0, AF_INET6).has_value();
  const bool is_v4 = net::with_port(other.host, 0, AF_INET).has_value();
  return is_v6 && is_v4 && other.port == listener.port && listener.port != 0;
}

bool needs_tls(const Listener& listener) {
  return net::uses_tls(listener.transport);
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
  if (!is_local || is_decided) return;
  configuration.topics.push_back({.filter = "$SYS/#", .publish = {}, .subscribe = {plain}});
  configuration.topics.push_back({.filter = std::string(states_of_bridges), .publish = {plain}, .subscribe = {plain}});
}

void add_roles(std::vector<Identity>& identities, const Roles& roles) {
  for (Identity& identity : identities)
    for (const std::string& name : identity.roles) {
      const auto role = std::ranges::find(roles, name, &RoleRow::name);
      if (role == roles.end()) continue;
      identity.publish.insert(identity.publish.end(), role->publish.begin(), role->publish.end());
      identity.subscribe.insert(identity.subscribe.end(), role->subscribe.begin(), role->subscribe.end());
    }
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
    rules.push_back({row.filter, scheme_set(row.publish), scheme_set(row.subscribe), row.multicast, row.pattern, row.own,
                     row.publish_qos, row.subscribe_qos, login_set(row.login), row.require, row.login_age, row.deny_publish,
                     row.deny_subscribe});
  // What everybody has to know of this broker.
  broker::SchemeSet plain;
  plain.add(all_schemes().size() - 1);
  for (const std::string_view filter : {broker::parameters_topic, broker::orders_filter})
    if (find_row(configuration.topics, filter) == nullptr) rules.push_back({std::string(filter), {}, plain});
  // Who may publish there, LogGuard says.
  const std::string log = std::string(key_log::topic_prefix) + "/#";
  if (!configuration.authority.empty() && find_row(configuration.topics, log) == nullptr) rules.push_back({log, {}, plain});
  return std::make_shared<const broker::Policy>(TRY(broker::Policy::make(std::move(rules))));
}

bool is_named(const Configuration& configuration, const SchemeInfo& scheme) {
  const auto names_it = [&](const std::vector<std::string>& list) { return std::ranges::find(list, scheme.name) != list.end(); };
  return std::ranges::any_of(configuration.topics, [&](const TopicRow& row) {
    return names_it(row.publish) || names_it(row.subscribe) || names_it(row.login);
  });
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

Result<> check_bridge_keys(const Configuration& configuration) {
  for (const BridgeSettings& bridge : configuration.bridges) {
    if (bridge.psk_file.empty()) continue;
    const auto lines = TRY(net::read_psk_lines(bridge.psk_file));
    if (lines.size() != 1)
      return fail(Blame::caller_misused, bridge.psk_file + " is to hold one key, of the bridge " + bridge.name);
    for (const Listener& listener : configuration.listeners) {
      if (listener.tls.psk_file.empty()) continue;
      if (net::serves_in(net::derive_all(TRY(net::read_psk_lines(listener.tls.psk_file))), lines.front()))
        return fail(Blame::caller_misused, "the bridge " + bridge.name + " has a pre-shared key of " + listener.tls.psk_file +
                                               "; a key is for one client and one broker, which never change roles\nhint: give "
                                               "the bridge a key of its own: openssl rand -hex 32");
    }
  }
  return {};
}

namespace {

bool has_options(const Configuration& configuration, const SchemeInfo& scheme) {
  const std::string begin = std::string(scheme.name) + ".";
  return std::ranges::any_of(configuration.scheme_options, [&](const auto& option) { return option.first.starts_with(begin); });
}

/// Keys that stand in its own table, as those of the published form do.
bool has_own_keys(const Configuration& configuration, const SchemeInfo& scheme) {
  return std::ranges::any_of(configuration.scheme_options,
                             [&](const auto& option) { return option.first.starts_with(std::string(scheme.name) + ".topic-"); });
}

}  // namespace

std::vector<std::string> warnings(const Configuration& configuration) {
  std::vector<std::string> lines;
  for (const Scheme& scheme : all_schemes()) {
    if (scheme.info->profile != Profile::paper || !is_named(configuration, *scheme.info)) continue;
    std::string line = std::string(scheme.info->name) + " is there for study, not for use";
    for (std::string_view hazard : scheme.info->hazards) line += "; " + std::string(hazard);
    lines.push_back(std::move(line));
  }
  for (const Scheme& scheme : all_schemes()) {
    const SchemeInfo& its = *scheme.info;
    if (its.profile == Profile::paper || !has_options(configuration, its)) continue;
    const Scheme* paper = find_scheme(std::string(its.name) + "@paper");
    const bool is_used = is_named(configuration, its) || (paper != nullptr && is_named(configuration, *paper->info));
    if (!is_used)
      lines.push_back("[scheme." + std::string(its.name) + "] means nothing: no [[topic]] row names " + std::string(its.name));
    else if (its.needs_topic_keys && configuration.topic_keys.empty() && !has_own_keys(configuration, its))
      lines.push_back("[scheme." + std::string(its.name) + "] has no keys to open messages with: topic_keys = \"FOLDER\"");
  }
  for (const TopicRow& row : configuration.topics) {
    const std::string topic = "topic " + in_quotes(row.name());
    for (const std::string& login : row.login)
      if (!can_carry(configuration, login))
        lines.push_back(topic + ": no listener tells by TLS who its clients are (identity), so login = \"" + login +
                        "\" opens it to nobody");
    const Factors most = most_factors(row, configuration);
    if (!row.require.empty() && std::ranges::none_of(row.require, [&](Factors all) { return most.holds(all); }))
      lines.push_back(topic + ": no login here proves " + to_text(row.require.front()) + ", which it requires");
  }
  for (const TopicRow& row : configuration.topics)
    if (std::string line = in_vain(row); !line.empty()) lines.push_back(std::move(line));
  const bool has_passwords = configuration.password_file.empty() && exists(DataFolder{configuration.data}.passwords());
  for (const Listener& listener : configuration.listeners) {
    const std::string at = "the listener on port " + std::to_string(listener.port);
    if (listener.tls.legacy_psk_suites)
      lines.push_back(at + " takes suites of pre-shared keys with CBC or without forward secrecy: psk_suites = \"legacy\"");
    if (listener.anonymous) continue;
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

namespace {

/// `SCHEME.NAME`.
bool changes_live(std::string_view name) {
  return std::ranges::any_of(all_schemes(), [&](const Scheme& scheme) {
    return std::ranges::any_of(scheme.info->options, [&](const SchemeOption& option) {
      return option.changes_live && name == std::string(scheme.info->name) + "." + std::string(option.name);
    });
  });
}

/// And whether the change counts from the next start on. Of what an option holds nothing is told: it may be a secret.
std::map<std::string, bool> changed_names(const SchemeOptions& before, const SchemeOptions& after) {
  std::map<std::string, bool> names;
  const auto compare = [&](const SchemeOptions& these, const SchemeOptions& others) {
    for (const auto& [name, value] : these)
      if (const auto other = others.find(name); other == others.end() || other->second != value)
        names[name] = !changes_live(name);
  };
  compare(before, after);
  compare(after, before);
  return names;
}

}  // namespace

SchemeOptions changed_options(const SchemeOptions& before, const SchemeOptions& after) {
  SchemeOptions options;
  for (const auto& option : before)
    if (!changes_live(option.first)) options.insert(option);
  for (const auto& option : after)
    if (changes_live(option.first)) options.insert(option);
  return options;
}

std::vector<Difference> differences(const Configuration& before, const Configuration& after) {
  std::vector<Difference> found;
  for (const Setting& setting : settings()) {
    const std::string was = setting.value_in(before), is = setting.value_in(after);
    if (was != is) found.push_back({setting.full_name() + ": " + in_quotes(was) + " -> " + in_quotes(is), true});
  }
  for (const auto& [name, needs_restart] : changed_names(before.scheme_options, after.scheme_options))
    found.push_back({"[scheme] " + name, needs_restart});
  if (before.roles != after.roles) found.push_back({"the roles", false});
  if (before.bridges != after.bridges) found.push_back({"the bridges", true});
  if (before.listeners != after.listeners) found.push_back({"the listeners", true});
  for (const TopicRow& row : before.topics)
    if (find_row(after.topics, row.name()) == nullptr) found.push_back({"topic " + in_quotes(row.name()) + ": removed", false});
  for (const TopicRow& row : after.topics) {
    const TopicRow* was = find_row(before.topics, row.name());
    const std::string topic = "topic " + in_quotes(row.name());
    if (was == nullptr)
      found.push_back({topic + ": new", false});
    else if (was->publish != row.publish || was->subscribe != row.subscribe)
      found.push_back({topic + ": other schemes", false});
    else if (was->multicast != row.multicast)
      found.push_back({topic + ": multicast", false});
    else if (was->login != row.login || was->require != row.require || was->login_age != row.login_age)
      found.push_back({topic + ": other logins", false});
    else if (*was != row)
      found.push_back({topic + ": other rights", false});
  }
  return found;
}

}  // namespace sealmq::server
