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
  Result<Replay> judge(const ReplayMark& mark, Now, Keeping keeping = Keeping::at_once) override {
    if (broken) return fail(Blame::environment, "no memory today");
    if (known_.digests.contains({std::string(mark.scheme), mark.digest})) return Replay::repeat;
    if (mark.ordered) {
      const auto& used = known_.sequences[{std::string(mark.scheme), mark.author}];
      if (used.contains(mark.sequence) || (!used.empty() && mark.sequence + 64 <= *used.rbegin())) return Replay::stale;
    }
    known_.add(mark);
    if (keeping == Keeping::at_once) kept_.add(mark);
    return Replay::fresh;
  }
  Result<> keep(std::span<const ReplayMark> marks, Now) override {
    if (broken) return fail(Blame::environment, "no memory today");
    for (const ReplayMark& mark : marks) kept_.add(mark);
    return {};
  }
  /// As the end of the process does.
  void lose_what_is_not_kept() { known_ = kept_; }

  bool broken = false;

 private:
  struct Marks {
    using Name = std::pair<std::string, std::array<std::uint8_t, 32>>;
    std::set<Name> digests;
    std::map<Name, std::set<std::uint64_t>> sequences;

    void add(const ReplayMark& mark) {
      digests.insert({std::string(mark.scheme), mark.digest});
      if (mark.ordered) sequences[{std::string(mark.scheme), mark.author}].insert(mark.sequence);
    }
  };
  Marks known_, kept_;
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
