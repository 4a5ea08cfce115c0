#include "server/storage_thread.h"

#include <map>

#include "server/clock.h"

namespace sealmq::server {
namespace {

constexpr std::chrono::seconds pause_after_failure{1};
constexpr std::chrono::seconds replays_every{1};
constexpr std::size_t cost_of_change = sizeof(broker::Change) + 64;

std::size_t most_changes(const broker::Budget* budget) {
  if (budget == nullptr || budget->most() == 0) return StorageThread::many;
  return std::min(StorageThread::many, budget->most() / 8 / cost_of_change);
}

}  // namespace

StorageThread::StorageThread(std::unique_ptr<SessionStore> store, StoredReplayMemory* replays, Log& log, Stored stored, Lost lost,
                             broker::Budget* budget)
    : store_(std::move(store)),
      replays_(replays),
      log_(log),
      many_(most_changes(budget)),
      stored_(std::move(stored)),
      lost_(std::move(lost)),
      charge_(budget) {}

void StorageThread::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void StorageThread::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

bool StorageThread::put(std::size_t shard, broker::Batch batch) {
  const std::lock_guard lock(mutex_);
  const bool wake = waiting_.empty();
  changes_ += batch.changes.size();
  waiting_.push_back({shard, std::move(batch)});
  if (wake) wake_.notify_one();
  charge_.set(changes_ * cost_of_change / broker::Charge::step * broker::Charge::step);
  return changes_ < many_;
}

void StorageThread::run(const std::stop_token& stop) {
  for (;;) {
    std::vector<Waiting> group;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, replays_every, [this] { return !waiting_.empty(); });
      group = std::exchange(waiting_, {});
      changes_ = 0;
      charge_.set(0);
    }
    if (!group.empty()) write(group, stop);
    maintain_replays();
    if (group.empty() && stop.stop_requested()) return;  // nothing is left
  }
}

void StorageThread::maintain_replays() {
  const auto now = std::chrono::steady_clock::now();
  if (replays_ == nullptr || now < replays_due_) return;
  replays_due_ = now + replays_every;
  const auto done = replays_->maintain(system_now());
  if (!done && !replays_in_trouble_)
    log_.error(done.error().what + "; replays are remembered, but not safe from a loss of power");
  if (done && replays_in_trouble_) log_.info("the memory of replays is safe again");
  replays_in_trouble_ = !done;
}

void StorageThread::tell_refused(const std::vector<SessionStore::Refused>& refused) {
  constexpr std::size_t most_told = 10;  // of one group
  for (std::size_t i = 0; i < refused.size(); ++i) {
    if (i < most_told)
      log_.error(refused[i].cause + "; a change that cannot be stored is left out" +
                 (refused[i].session != 0 ? ", and its session ends" : ""));
    if (refused[i].session != 0) lost_(refused[i].session);
  }
  if (refused.size() > most_told) log_.error(std::to_string(refused.size() - most_told) + " more changes cannot be stored");
}

// Clients wait for what could not be written; it is tried again until it can, or until the broker ends.
void StorageThread::write(const std::vector<Waiting>& group, const std::stop_token& stop) {
  std::vector<const broker::Batch*> batches;
  std::map<std::size_t, std::uint64_t> last;
  for (const Waiting& waiting : group) {
    batches.push_back(&waiting.batch);
    last[waiting.shard] = waiting.batch.number;
  }
  for (;;) {
    const auto written = store_->write(batches, system_now());
    if (written) {
      tell_refused(*written);
      break;
    }
    if (!in_trouble_.exchange(true))
      log_.error(written.error().what + "; nothing is acknowledged that would have to be stored, until it can be");
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, pause_after_failure, [] { return false; });
    if (stop.stop_requested()) return;
  }
  if (in_trouble_.exchange(false)) log_.info("sessions are stored again");
  for (const auto& [shard, batch] : last) stored_(shard, batch);
}

}  // namespace sealmq::server
