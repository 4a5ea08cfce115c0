#include "cli/broker_progress.h"

#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/counted.h"
#include "base/try.h"
#include "cli/command.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

constexpr auto patience = longest_silence + 2s;  // by then one that has died counts as such
constexpr auto look_interval = 5ms;

std::string in_milliseconds(std::uint64_t microseconds) {
  char text[32];
  std::snprintf(text, sizeof text, microseconds < 10'000 ? "%.1f ms" : "%.0f ms", static_cast<double>(microseconds) / 1000);
  return text;
}

Json to_json(const RevocationReport& report) {
  return {{"microseconds", report.microseconds},   {"sessions", report.sessions},
          {"subscriptions", report.subscriptions}, {"queued", report.queued},
          {"retained", report.retained},           {"groups", report.groups}};
}

}  // namespace

void print_ended(std::string_view done, const std::string& name, const Progress& progress, bool in_json) {
  if (in_json) {
    Json json{{std::string(done), name}, {"carried_out", !progress.done.empty() && progress.owed.empty()}};
    if (!progress.done.empty()) json.update(to_json(progress.total()));
    json["brokers"] = Json::array();
    for (const auto& one : progress.done) {
      Json broker{{"broker", one.broker}};
      broker.update(to_json(one.report));
      json["brokers"].push_back(std::move(broker));
    }
    json["missing"] = Json::array();
    for (const auto& one : progress.owed)
      json["missing"].push_back(
          {{"broker", one.broker}, {"silent_milliseconds", one.silence ? Json(one.silence->count()) : Json()}});
    std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    return;
  }
  std::cout << done << " " << name;
  if (!progress.done.empty()) {
    const RevocationReport all = progress.total();
    std::cout << " in " << in_milliseconds(all.microseconds) << ": " << counted(all.sessions, "session") << ", "
              << counted(all.subscriptions, "subscription") << ", " << all.queued << " queued, " << all.retained << " retained, "
              << counted(all.groups, "group");
    if (progress.done.size() > 1) std::cout << " at " << progress.done.size() << " brokers";
  }
  std::cout << '\n';
}

Result<> wait_until_in_force(Registry& registry) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto version = TRY(registry.version());
  while (true) {
    const auto behind = TRY(registry.behind(version));
    if (behind.empty()) return {};
    if (std::chrono::steady_clock::now() > deadline)
      return fail_with_hint(Blame::environment, "the list is changed, but " + behind.front() + " runs and does not go by it yet",
                            "the broker's log says why; a restart helps too");
    std::this_thread::sleep_for(look_interval);
  }
}

Result<Progress> wait_for_brokers(Registry& registry, std::uint64_t order) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto progress = TRY(registry.progress(order));
    if (!progress.is_awaited() || std::chrono::steady_clock::now() > deadline) return progress;
    std::this_thread::sleep_for(look_interval);
  }
}

Result<> tell_missing(const Progress& progress) {
  for (const auto& one : progress.owed) {
    if (one.is_running()) continue;
    if (one.silence)
      notice("warning: " + one.broker + " was last heard of " + std::to_string(one.silence->count() / 1000) +
             " s ago; it carries this out when it reaches the registry again");
    else
      notice(one.broker + " does not run; it carries this out when it starts");
  }
  for (const auto& one : progress.owed) {
    if (one.is_running())
      return fail_with_hint(Blame::environment, "the identity is revoked, but " + one.broker + " runs and has not carried it out",
                            "the broker's log says why; a restart carries it out too");
  }
  return {};
}

}  // namespace sealmq::cli
