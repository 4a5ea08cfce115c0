#include "cli/rights_options.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/try.h"
#include "broker/policy/logins.h"
#include "cli/audit.h"
#include "mqtt/topic.h"
#include "mqtt/topic_pattern.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr std::string_view logins[] = {broker::password_login, broker::transport_login};

/// Those of an identity without a list of its own (broker/policy/access.cpp).
std::vector<std::string> hardened_schemes() {
  std::vector<std::string> names;
  for (const Scheme& scheme : all_schemes())
    if (scheme.info->profile == Profile::hardened) names.emplace_back(scheme.info->name);
  names.insert(names.end(), std::begin(logins), std::end(logins));
  return names;
}

bool is_hardened(const std::string& scheme) {
  const auto all = hardened_schemes();
  return std::ranges::find(all, scheme) != all.end();
}

std::string check_filter(const std::string& filter) {
  return mqtt::is_topic_filter(filter) ? "" : printable(filter) + " is not a topic filter";
}

std::string check_pattern(const std::string& pattern) {
  return mqtt::is_topic_pattern(pattern)
             ? ""
             : printable(pattern) + " is not a topic pattern: % stands as a whole level, %u or %c, or doubled";
}

std::string check_qos(const std::string& text) {
  return qos_set_from(text) ? "" : printable(text) + " is not a list of 0, 1 and 2 such as 0,1, or all";
}

std::string check_factors(const std::string& text) {
  return text == "nothing" || factors_from(text) ? ""
                                                 : printable(text) +
                                                       " is not of password, key, card and token, with + between "
                                                       "them, or nothing";
}

std::string check_role(const std::string& role) {
  return is_identity_name(role) ? "" : printable(role) + " is not the name of a role: 1 to 64 of A-Z a-z 0-9 . _ -";
}

std::string check_scheme(const std::string& scheme) {
  const bool is_known = find_scheme(scheme) != nullptr || std::ranges::find(logins, scheme) != std::end(logins);
  return is_known ? "" : "no scheme is called " + printable(scheme);
}

Rights rights_of(const std::vector<std::string>& filters, const std::vector<std::string>& patterns, const std::string& qos) {
  Rights rights;
  const QosSet set = qos_set_from(qos).value_or(QosSet::all());
  for (const auto& filter : filters) rights.emplace_back(filter, false, set);
  for (const auto& pattern : patterns) rights.emplace_back(pattern, true, set);
  return rights;
}

auto find(Rights& in, const Right& right) {
  return std::ranges::find_if(
      in, [&](const Right& other) { return other.filter == right.filter && other.is_pattern == right.is_pattern; });
}

void add(Rights& to, const Rights& rights) {
  for (const Right& right : rights) {
    const auto same = find(to, right);
    if (same == to.end())
      to.push_back(right);
    else
      same->qos = right.qos;
  }
}

Failure no_such_right(std::string_view what, std::string_view word) {
  return fail_with_hint(Blame::caller_misused, "there is no right to " + std::string(what) + " " + printable(word),
                        "sealmq identity list shows the rights as they were given");
}

Result<> take_away(Rights& from, const Rights& rights, std::string_view what) {
  for (const Right& right : rights) {
    const auto same = find(from, right);
    if (same == from.end()) return no_such_right(what, right.filter);
    from.erase(same);
  }
  return {};
}

}  // namespace

Rights RightsOptions::to_publish() const {
  return rights_of(publish, publish_patterns, publish_qos);
}
Rights RightsOptions::to_subscribe() const {
  return rights_of(subscribe, subscribe_patterns, subscribe_qos);
}
Factors RightsOptions::factors() const {
  return factors_from(require).value_or(Factors());
}
bool RightsOptions::are_empty() const {
  return publish.empty() && publish_patterns.empty() && subscribe.empty() && subscribe_patterns.empty() && schemes.empty() &&
         require.empty() && roles.empty() && !card;
}
std::string RightsOptions::in_words() const {
  std::string words = rights_in_words(to_publish(), to_subscribe(), schemes, factors());
  std::string its_roles;
  for (const std::string& role : roles) its_roles.append(its_roles.empty() ? "roles " : ",").append(role);
  for (const std::string& part : {its_roles, std::string(card ? "card" : "")})
    if (!part.empty()) words.append(words.empty() ? "" : "; ").append(part);
  return words;
}

void add_rights_options(Command& command, RightsOptions& options, bool of_identity, bool denies) {
  command.heading("Rights");
  command.option("--publish", options.publish, "FILTER", "topics it may publish to, such as plant/7/#")->check(check_filter);
  command.option("--subscribe", options.subscribe, "FILTER", "topics it may subscribe to")->check(check_filter);
  command
      .option("--publish-pattern", options.publish_patterns, "PATTERN",
              "likewise, with whole levels %u, the name it has logged in under, and %c, its client identifier where its login "
              "binds that: devices/%u/#")
      ->check(check_pattern);
  command.option("--subscribe-pattern", options.subscribe_patterns, "PATTERN", "likewise")->check(check_pattern);
  command.option("--publish-qos", options.publish_qos, "0,1,2", "QoS it may publish to these with (all)")->check(check_qos);
  command.option("--subscribe-qos", options.subscribe_qos, "0,1,2", "QoS it may subscribe to these with (all)")->check(check_qos);
  command
      .option(
          "--scheme", options.schemes, "SCHEME",
          "schemes it may use, for messages and logins; password and tls are logins too; none: all but those that end in @paper")
      ->check(check_scheme);
  if (!of_identity) return;
  command.option("--role", options.roles, "ROLE", "[[role]] of the broker's configuration, whose rights it has besides")
      ->check(check_role);
  command.flag("--card", options.card, "the key that it logs in by is in a card: such a login proves card, too");
  if (!denies)
    command
        .option("--require", options.require, "FACTORS", "what each of its logins must prove: key+password, or key; or nothing")
        ->check(check_factors);
}

void allow(Identity& identity, const RightsOptions& options) {
  if (identity.schemes.empty() && !std::ranges::all_of(options.schemes, is_hardened)) identity.schemes = hardened_schemes();
  if (identity.schemes.empty() && !options.schemes.empty())
    notice(identity.name + " may use all schemes already, but those as published\nhint: sealmq identity deny " + identity.name +
           " --scheme NAME takes one away");
  add(identity.publish, options.to_publish());
  add(identity.subscribe, options.to_subscribe());
  if (!options.require.empty()) identity.require = options.factors();
  identity.in_card = identity.in_card || options.card;
  for (const auto& role : options.roles)
    if (std::ranges::find(identity.roles, role) == identity.roles.end()) identity.roles.push_back(role);
  if (identity.schemes.empty()) return;
  for (const auto& scheme : options.schemes)
    if (std::ranges::find(identity.schemes, scheme) == identity.schemes.end()) identity.schemes.push_back(scheme);
}

Result<> deny(Identity& identity, const RightsOptions& options) {
  TRY(take_away(identity.publish, options.to_publish(), "publish to"));
  TRY(take_away(identity.subscribe, options.to_subscribe(), "subscribe to"));
  for (const auto& role : options.roles)
    if (std::erase(identity.roles, role) == 0) return no_such_right("what the role gives:", role);
  if (options.card && !std::exchange(identity.in_card, false)) return no_such_right("log in by", "a card");
  if (options.schemes.empty()) return {};
  if (identity.schemes.empty()) identity.schemes = hardened_schemes();
  for (const auto& scheme : options.schemes)
    if (std::erase(identity.schemes, scheme) == 0) return no_such_right("use", scheme);
  // An empty list would mean all of them.
  if (identity.schemes.empty())
    return fail_with_hint(Blame::caller_misused, "these are all schemes that " + identity.name + " may use",
                          "sealmq identity revoke " + identity.name + " takes everything away");
  return {};
}

}  // namespace sealmq::cli
