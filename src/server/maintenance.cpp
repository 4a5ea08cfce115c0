#include "server/maintenance.h"

#include <algorithm>

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

Result<> Maintenance::spread_list(std::uint64_t version) {
  Roles roles;
  {
    const std::lock_guard lock(roles_mutex_);
    if (version == spread_ && roles_ == spread_roles_) return {};
    roles = roles_;
  }
  if (lists_ == nullptr) lists_ = std::make_shared<Lists>(shards_.size());
  directory_ = TRY(load_directory(registry_, roles, directory_.get()));
  for (const std::size_t shard : lists_->put(directory_))
    shards_[shard]->post([lists = lists_, shard](broker::Shard& its, Now now) {
      lists->take(shard, [&](const auto& list) { its.set_directory(list, now); });
    });
  spread_ = version;
  spread_roles_ = std::move(roles);
  log_.debug("the list of identities has changed: " + std::to_string(directory_->all().size()) + " identities");
  return {};
}

std::vector<std::size_t> Maintenance::Lists::put(std::shared_ptr<const Directory> list) {
  const std::lock_guard lock(mutex_);
  latest_ = std::move(list);
  ++number_;
  std::vector<std::size_t> to_ask;
  for (std::size_t i = 0; i < shards_.size(); ++i)
    if (!std::exchange(shards_[i].is_asked, true)) to_ask.push_back(i);
  return to_ask;
}

void Maintenance::Lists::take(std::size_t shard, const std::function<void(const std::shared_ptr<const Directory>&)>& use) {
  std::unique_lock lock(mutex_);
  const auto list = latest_;
  const std::uint64_t number = number_;
  shards_[shard].is_asked = false;
  lock.unlock();
  use(list);
  lock.lock();
  shards_[shard].has = number;
  changed_.notify_all();
}

bool Maintenance::Lists::has_it(std::size_t shard) {
  const std::lock_guard lock(mutex_);
  return shards_[shard].has == number_;
}

bool Maintenance::Lists::wait_for_all() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, round_time,
                           [this] { return std::ranges::all_of(shards_, [this](const Shard& s) { return s.has == number_; }); });
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
  const bool all_listed = lists_->wait_for_all();
  bool is_done = all_listed;
  for (const RevocationOrder& order : TRY(registry_.open_orders(broker_)))
    is_done = TRY(carry_out(order, all_listed, is_done ? round_time : std::chrono::milliseconds(), seen)) && is_done;
  if (!is_done) return {};  // a shard hangs; it is looked at again in the next round
  reached_.reach(version);
  TRY(registry_.follow(broker_, version));
  followed_ = version;
  const auto now = std::chrono::steady_clock::now();
  follow_due_ = now + std::min<std::chrono::steady_clock::duration>(4 * (now - seen), round_time);
  return {};
}

void Maintenance::Answers::add(const RevocationReport& report) {
  const std::lock_guard lock(mutex_);
  sum_ += report;
  ++count_;
  changed_.notify_all();
}

bool Maintenance::Answers::wait_for(std::size_t count, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return count_ >= count; });
}

RevocationReport Maintenance::Answers::sum() {
  const std::lock_guard lock(mutex_);
  return sum_;
}

void Maintenance::ask(std::size_t shard, const std::string& name, const std::shared_ptr<Answers>& answers) {
  shards_[shard]->post([answers, name](broker::Shard& its, Now now) { answers->add(its.revoke(name, now)); });
}

// Where all have the new list, nothing of the identity's comes in any more, from no shard: then the order is carried out for
// good. As long as one hangs, those that have the list carry it out for themselves.
Result<bool> Maintenance::carry_out(const RevocationOrder& order, bool all_listed, std::chrono::milliseconds patience,
                                    Moment seen) {
  auto& its = running_.try_emplace(order.number, Revocation{seen, std::vector<bool>(shards_.size())}).first->second;
  if (its.answers == nullptr && !all_listed) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (its.begun[i] || !lists_->has_it(i)) continue;
      its.begun[i] = true;
      ask(i, order.name, its.early);
    }
    return false;
  }
  if (its.answers == nullptr) {
    its.answers = std::make_shared<Answers>();
    for (std::size_t i = 0; i < shards_.size(); ++i) ask(i, order.name, its.answers);
  }
  if (!its.answers->wait_for(shards_.size(), patience)) return false;
  RevocationReport sum = its.early->sum();
  sum += its.answers->sum();
  const Moment since = its.seen;
  running_.erase(order.number);
  TRY(report(order, sum, since));
  return true;
}

Result<> Maintenance::report(const RevocationOrder& order, RevocationReport report, Moment seen) {
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
