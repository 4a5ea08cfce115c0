#include "broker/schemes/background_jobs.h"

namespace sealmq::broker {

void BackgroundJobs::begin(const Of& of, std::size_t scheme, std::unique_ptr<Preparation> work, bool tries_a_secret,
                           Buffer packet, Now now) {
  Waiting waiting{.packet = std::move(packet),
                  .work = std::make_shared<Work>(),
                  .place = of.place,
                  .address = of.address,
                  .scheme = scheme,
                  .tries_a_secret = tries_a_secret};
  waiting.work->preparation = std::move(work);
  waiting.ticket = lines_[scheme].wait(of.place, of.connection);
  waiting_.insert_or_assign(of.connection.slot, std::move(waiting));
  begin_next(scheme, now);
}

// A client that has left costs no more work: who ends leaves the line, and what it was about.
void BackgroundJobs::begin_next(std::size_t scheme, Now now) {
  while (const auto next = lines_[scheme].next()) {
    const Waiting& its = waiting_.at(next->slot);
    effects_.jobs.push_back(
        {{Job::Kind::message, *next, its.place, scheme},
         [pending = std::weak_ptr(its.work), gate = gate_, tries = its.tries_a_secret, now, address = its.address] {
           auto work = pending.lock();
           if (work == nullptr) return;
           if (tries) work->attempt.emplace(gate, LoginGate::Tested::secret, "", address, now);
           if (!tries || work->attempt->is_open()) work->preparation->run();
           work->done = true;
         },
         its.work->preparation->waits()});
  }
}

void BackgroundJobs::over(const Job::Name& job, Now now) {
  lines_[job.scheme].over(job.address);
  begin_next(job.scheme, now);
}

void BackgroundJobs::leave(ConnectionId connection) {
  const auto at = waiting_.find(connection.slot);
  if (at == waiting_.end()) return;
  lines_[at->second.scheme].leave(at->second.place, at->second.ticket);
  waiting_.erase(at);
}

BackgroundJobs::Finished BackgroundJobs::take(ConnectionId connection) {
  Waiting its = std::move(waiting_.extract(connection.slot).mapped());
  return {std::move(its.packet), std::move(its.work->preparation), std::move(its.work->attempt), its.work->done};
}

std::size_t BackgroundJobs::memory(ConnectionId connection) const {
  const auto at = waiting_.find(connection.slot);
  return at == waiting_.end() ? 0 : 2 * at->second.packet.capacity();  // the job has a part of it
}

}  // namespace sealmq::broker
