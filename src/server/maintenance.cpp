#include "server/maintenance.h"

#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>

#include "base/counted.h"
#include "base/try.h"

namespace sealmq::server {
namespace {

constexpr std::chrono::milliseconds round_time{200};  // bounds how long stop() takes
constexpr std::uint64_t refusals_every = 1000;        // steady milliseconds

}  // namespace

Result<std::shared_ptr<const Directory>> load_directory(Registry& registry, const Roles& roles, const Directory* former) {
  std::vector<Identity> identities = TRY(registry.list());
  add_roles(identities, roles);
  return std::make_shared<const Directory>(std::move(identities), former);
}

Maintenance::Maintenance(Registry& registry, FollowedVersion& reached, std::string broker, const authority::AuditLog* audit,
                         RefusalLog& refusals, Readiness& readiness, Log& log,
                         const std::vector<std::unique_ptr<ShardThread>>& shards)
    : registry_(registry),
      reached_(reached),
      broker_(std::move(broker)),
      audit_(audit),
      refusals_(refusals),
      readiness_(readiness),
      log_(log),
      shards_(shards) {}

void Maintenance::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Maintenance::set_roles(Roles roles) {
  const std::lock_guard lock(roles_mutex_);
  roles_ = std::move(roles);
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
    const auto followed = follow_registry();
    tell("registry", registry_trouble_, followed, "the list of identities stays as it was");
    if (now.steady >= refusals_due) {
      refusals_.sum_up(now);
      refusals_due = now.steady + refusals_every;
    }
    if (followed) continue;
    std::unique_lock lock(mutex);
    wake_up.wait_for(lock, stop, round_time, [] { return false; });
  }
  // Without it others wait for this broker a little longer.
  if (!registry_trouble_) static_cast<void>(registry_.goodbye(broker_));
}

Result<> Maintenance::show_life() {
  const auto now = std::chrono::steady_clock::now();
  if (now < heartbeat_due_) return {};
  TRY(registry_.heartbeat(broker_));
  heartbeat_due_ = now + heartbeat_interval;
  return {};
}

/// To all shards.
Result<> Maintenance::spread_list(std::uint64_t version) {
  Roles roles;
  {
    const std::lock_guard lock(roles_mutex_);
    if (version == spread_ && roles_ == spread_roles_) return {};
    roles = roles_;
  }
  const auto directory = directory_ = TRY(load_directory(registry_, roles, directory_.get()));
  std::latch everywhere(static_cast<std::ptrdiff_t>(shards_.size()));
  for (const auto& shard : shards_)
    shard->post([directory, &everywhere](broker::Shard& its, Now now) {
      its.set_directory(directory, now);
      everywhere.count_down();
    });
  everywhere.wait();
  spread_ = version;
  spread_roles_ = std::move(roles);
  log_.debug("the list of identities has changed: " + std::to_string(directory->all().size()) + " identities");
  return {};
}

// The version is read first: a change that comes in between is seen again in the next round.
Result<> Maintenance::follow_registry() {
  // A registry that can be read and not written is followed as far as that goes: who was revoked may do nothing any more.
  if (const auto shown = show_life(); !shown) {
    const std::uint64_t version = TRY(registry_.version());
    TRY(spread_list(version));
    return shown;
  }
  const std::uint64_t version = followed_ ? TRY(registry_.wait_for_change(*followed_, round_time)) : TRY(registry_.version());
  if (version == followed_) return spread_list(version);  // with other roles, perhaps
  // Many changes one after the other, of a long list, are taken together: following them is to leave the processor to others.
  const auto seen = std::chrono::steady_clock::now();
  if (seen < follow_due_) {
    std::this_thread::sleep_for(follow_due_ - seen);
    return {};
  }

  TRY(spread_list(version));
  for (const RevocationOrder& order : TRY(registry_.open_orders(broker_))) TRY(carry_out(order, seen));
  reached_.reach(version);
  TRY(registry_.follow(broker_, version));
  followed_ = version;
  const auto now = std::chrono::steady_clock::now();
  follow_due_ = now + std::min<std::chrono::steady_clock::duration>(4 * (now - seen), round_time);
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
                 counted(report.sessions, "session") + ", " + counted(report.subscriptions, "subscription") + ", " +
                 std::to_string(report.queued) + " queued and " + counted(report.retained, "retained message"));
  if (audit_ != nullptr) {
    const auto recorded =
        audit_->add("carried-out", order.name,
                    counted(report.sessions, "session") + ", " + counted(report.subscriptions, "subscription") + ", " +
                        std::to_string(report.queued) + " queued, " + std::to_string(report.retained) + " retained",
                    system_now().wall);
    if (!recorded) log_.error("not in the audit log: " + recorded.error().what);
  }
  auto reported = registry_.report(order.number, broker_, report);
  if (reported || reported.error().blame != Blame::caller_misused) return reported;
  log_.error(reported.error().what + ": another broker works with a copy of this one's key");
  return {};
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
