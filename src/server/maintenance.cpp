#include "server/maintenance.h"

#include <condition_variable>
#include <future>
#include <mutex>

namespace sealmq::server {
namespace {

constexpr std::chrono::milliseconds round_time{200};
constexpr std::uint64_t refusals_every = 1000;  // steady milliseconds

}  // namespace

Result<std::shared_ptr<const Directory>> load_directory(Registry& registry) {
  return std::make_shared<const Directory>(TRY(registry.list()));
}

Maintenance::Maintenance(Registry& registry, RefusalLog& refusals, Readiness& readiness, Log& log,
                         const std::vector<std::unique_ptr<ShardThread>>& shards)
    : registry_(registry), refusals_(refusals), readiness_(readiness), log_(log), shards_(shards) {}

void Maintenance::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Maintenance::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Maintenance::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake_up;
  std::uint64_t refusals_due = 0;
  while (!stop.stop_requested()) {
    const Now now = system_now();
    tell("registry", registry_trouble_, follow_registry(), "the list of identities stays as it was");
    if (now.steady >= refusals_due) {
      refusals_.sum_up(now);
      refusals_due = now.steady + refusals_every;
    }
    std::unique_lock lock(mutex);
    wake_up.wait_for(lock, stop, round_time, [] { return false; });
  }
}

// The version is read first: a change that comes in between is seen again in the next round.
Result<> Maintenance::follow_registry() {
  const auto seen = std::chrono::steady_clock::now();
  const std::uint64_t version = TRY(registry_.version());
  if (version == followed_) return {};

  const auto directory = TRY(load_directory(registry_));
  for (const auto& shard : shards_) shard->post([directory](broker::Shard& its, Now now) { its.set_directory(directory, now); });
  log_.debug("the list of identities has changed: " + std::to_string(directory->all().size()) + " identities");

  for (const RevocationOrder& order : TRY(registry_.open_orders())) TRY(carry_out(order, seen));
  followed_ = version;
  return {};
}

// Each shard has got the new list before this order, so nothing of the identity's comes in any more.
Result<> Maintenance::carry_out(const RevocationOrder& order, std::chrono::steady_clock::time_point seen) {
  std::vector<std::future<RevocationReport>> answers;
  for (const auto& shard : shards_) {
    std::promise<RevocationReport> answer;
    answers.push_back(answer.get_future());
    shard->post([answer = std::move(answer), name = order.name](broker::Shard& its, Now now) mutable {
      answer.set_value(its.revoke(name, now));
    });
  }
  RevocationReport report;
  for (auto& answer : answers) report += answer.get();
  const auto taken = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - seen);
  report.microseconds = static_cast<std::uint64_t>(taken.count());
  const LogField fields[] = {{"identity", order.name},
                             {"microseconds", std::to_string(report.microseconds)},
                             {"sessions", std::to_string(report.sessions)},
                             {"subscriptions", std::to_string(report.subscriptions)},
                             {"queued", std::to_string(report.queued)},
                             {"retained", std::to_string(report.retained)}};
  log_.event(Severity::warning, "revoked", fields,
             "revoked " + order.name + " in " + std::to_string(report.microseconds) + " us: ended " +
                 std::to_string(report.sessions) + " sessions, " + std::to_string(report.subscriptions) + " subscriptions, " +
                 std::to_string(report.queued) + " queued and " + std::to_string(report.retained) + " retained messages");
  return registry_.report(order.number, report);
}

// Once when it begins and once when it is over.
void Maintenance::tell(std::string_view component, std::optional<Error>& last, const Result<>& result,
                       const std::string& consequence) {
  readiness_.report(component, result.has_value(), result ? std::string("works") : result.error().what + "; " + consequence);
  const LogField fields[] = {{"component", std::string(component)}};
  if (!result && !last) log_.event(Severity::error, "trouble", fields, result.error().what + "; " + consequence);
  if (result && last) log_.event(Severity::info, "trouble over", fields, "over: " + last->what);
  last = result ? std::nullopt : std::optional(result.error());
}

}  // namespace sealmq::server
