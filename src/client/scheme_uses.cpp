// Options that a scheme would ignore are refused: who names them believes in a protection that is not there.
#include <algorithm>

#include "base/text.h"
#include "client/open_scheme.h"

namespace sealmq {
namespace {

struct Option {
  const char* name;     ///< on the command line
  const char* lacking;  ///< what is said of a scheme that has no use for it
  bool (*is_used)(const SchemeInfo&);
};

const Option& option_of(Named named) {
  static constexpr Option key{"--key", "signs with no key of yours", [](const SchemeInfo& s) { return s.uses.key; }};
  static constexpr Option broker{"--broker-key", "checks nothing of the broker",
                                 [](const SchemeInfo& s) { return s.uses.broker_key; }};
  static constexpr Option readers{"--to", "does not encrypt for anybody", [](const SchemeInfo& s) { return s.uses.readers; }};
  static constexpr Option authors{"--from", "cannot tell authors", [](const SchemeInfo& s) { return s.uses.authors; }};
  static constexpr Option peers{"--to and --from", "does not know other ends",
                                [](const SchemeInfo& s) { return s.uses.readers || s.uses.authors; }};
  static constexpr Option keys{"--topic-keys", "has no keys of topics", [](const SchemeInfo& s) { return s.has_topic_keys; }};
  static constexpr Option evidence{"--evidence", "leaves no evidence", [](const SchemeInfo& s) { return s.uses.evidence; }};
  switch (named) {
    case Named::key:
      return key;
    case Named::broker_key:
      return broker;
    case Named::readers:
      return readers;
    case Named::authors:
      return authors;
    case Named::peers:
      return peers;
    case Named::topic_keys:
      return keys;
    case Named::evidence:
      break;
  }
  return evidence;
}

/// "a, b and c"
std::string enumerated(const std::vector<std::string>& words) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i)
    all.append(i == 0 ? "" : i + 1 == words.size() ? " and " : ", ").append(words[i]);
  return all;
}

Failure needs_a_scheme(const std::vector<Named>& named, const SchemeOptions& options) {
  std::vector<std::string> names;
  for (const Named one : named) names.emplace_back(option_of(one).name);
  for (const auto& [name, value] : options) names.push_back("--scheme-option " + printable(name));
  return fail(Blame::caller_misused, enumerated(names) + (names.size() == 1 ? " needs" : " need") +
                                         " --scheme: without it every message goes in clear\n"
                                         "hint: --scheme NAME; sealmq version lists them");
}

Failure no_use(const SchemeInfo& scheme, const Option& option) {
  std::vector<std::string> others;
  for (const Scheme& other : all_schemes())
    if (other.info->profile == Profile::hardened && option.is_used(*other.info)) others.emplace_back(other.info->name);
  const std::string its(scheme.name);
  return fail(Blame::caller_misused, its + " " + option.lacking + "; " + enumerated(others) +
                                         (others.size() == 1 ? " does" : " do") + "\nhint: another --scheme, or leave out " +
                                         option.name);
}

}  // namespace

Result<> check_uses(const std::string& scheme, const std::vector<Named>& named, const SchemeOptions& options) {
  if (scheme.empty() || scheme == "plain") return named.empty() && options.empty() ? Result<>() : needs_a_scheme(named, options);
  const Scheme* found = find_scheme(scheme);
  if (found == nullptr) return fail(Blame::caller_misused, "no scheme is called " + printable(scheme));
  for (const Named one : named)
    if (!option_of(one).is_used(*found->info)) return no_use(*found->info, option_of(one));
  for (const auto& [name, value] : options)
    if (std::ranges::find(found->info->uses.options, name) == found->info->uses.options.end()) {
      const auto known = found->info->uses.options;
      return fail(Blame::caller_misused, scheme + " has no option " + printable(name) +
                                             (known.empty() ? "" : "\nhint: it has " + enumerated({known.begin(), known.end()})));
    }
  return {};
}

}  // namespace sealmq
