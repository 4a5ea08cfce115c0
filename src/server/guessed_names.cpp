#include "server/guessed_names.h"

#include <algorithm>

namespace sealmq::server {
namespace {

constexpr std::uint64_t asks_again_within = 5000;  // milliseconds; who does not has left
constexpr std::size_t most_waiting = 1000;         // networks, for one name

std::string key_of(const std::string& name, const std::string& network) {
  return network + " " + name;
}

}  // namespace

bool GuessedNames::failed(const std::string& name, Now now) {
  Name& its = names_.find_or_make(name);
  if (its.failures == 0 || now.steady > its.since + window) {
    its.since = now.steady;
    its.failures = 0;
  }
  return ++its.failures == most_failures;
}

void GuessedNames::succeeded(const std::string& name, const std::string& network, Now now) {
  known_.find_or_make(key_of(name, network)) = now.steady;
}

void GuessedNames::wait(Name& name, const std::string& network, Now now) {
  const auto same = std::ranges::find(name.waiting, network, &Waiting::network);
  if (same != name.waiting.end())
    same->asked = now.steady;
  else if (name.waiting.size() < most_waiting)
    name.waiting.push_back({network, now.steady});
}

broker::LoginGate::Turn GuessedNames::take_turn(const std::string& name, const std::string& network, Now now) {
  Name* its = names_.find(name);
  if (its == nullptr || its->failures < most_failures || now.steady > its->since + window) return {};
  const auto* known = known_.find(key_of(name, network));
  if (known != nullptr && now.steady <= *known + known_for) return {};
  std::erase_if(its->waiting, [&](const Waiting& one) { return one.asked + asks_again_within < now.steady; });
  const bool is_next = its->waiting.empty() || its->waiting.front().network == network;
  if (now.steady < its->busy_until || !is_next) {
    wait(*its, network, now);
    return {.is_now = false};
  }
  if (!its->waiting.empty()) its->waiting.pop_front();
  its->busy_until = now.steady + between;
  return {.answer_at = its->busy_until};
}

}  // namespace sealmq::server
