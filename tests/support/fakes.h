// Time, chance, memory and a journal that a test controls.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/shard.h"
#include "sealmq/ports.h"

namespace sealmq::testing {

/// Different at each call, the same in each run.
class CountingRandom : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (auto& octet : out) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      octet = static_cast<std::uint8_t>(state_ >> 56);
    }
  }

 private:
  std::uint64_t state_ = 1;
};

/// As the interface says, without a disk.
class SimpleReplayMemory : public ReplayMemory {
 public:
  Result<Replay> judge(const ReplayMark& mark, Now) override {
    if (broken) return fail(Blame::environment, "no memory today");
    std::string scheme(mark.scheme);
    if (!digests_.insert({scheme, mark.digest}).second) return Replay::repeat;
    if (!mark.ordered) return Replay::fresh;
    auto& used = sequences_[{scheme, mark.author}];
    if (!used.empty() && mark.sequence + 64 <= *used.rbegin()) return Replay::stale;
    return used.insert(mark.sequence).second ? Replay::fresh : Replay::stale;
  }
  bool broken = false;

 private:
  std::set<std::pair<std::string, std::array<std::uint8_t, 32>>> digests_;
  std::map<std::pair<std::string, std::array<std::uint8_t, 32>>, std::set<std::uint64_t>> sequences_;
};

class RecordingJournal : public broker::Journal {
 public:
  void refused(broker::Refusal refusal, std::string_view, std::string_view cause, Now) override {
    refusals.push_back(refusal);
    causes.emplace_back(cause);
  }
  std::vector<broker::Refusal> refusals;
  std::vector<std::string> causes;
};

}  // namespace sealmq::testing
