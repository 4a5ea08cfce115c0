// The broker's ReplayMemory: on disk, or for a broker without one.
#pragma once

#include <memory>
#include <string>

#include "broker/limits/budget.h"
#include "sealmq/ports.h"

namespace sealmq {

struct ReplayLimits {
  /// More messages than this are not remembered at the same time, and authors have Shares of them; further ones are refused.
  /// About 160 bytes each.
  std::size_t digests = 4'000'000;
};

/// A mark that is kept is in a journal beside the database, at the price of one write to a file, so that the end of the process
/// does not lose it. maintain() brings it into the database and to the disk; a loss of power may lose what came since, and
/// freshness alone refuses those.
class StoredReplayMemory : public ReplayMemory {
 public:
  /// Writes what is new, removes what may be forgotten. For a thread of its own, several times a second: it waits for the disk,
  /// while judge() goes on. Errors: environment; nothing is lost and the next call tries again.
  virtual Result<> maintain(Now now) = 0;
  /// Counts what it keeps there, from then on an eighth of it at most. Once; `budget` outlives it.
  virtual void count_in(broker::Budget& budget) = 0;
};

/// Makes the file (0600) if it is missing. Errors: environment.
Result<std::unique_ptr<StoredReplayMemory>> open_replay_memory(const std::string& path, ReplayLimits limits = {});

/// Forgets everything at the end of the process.
std::unique_ptr<ReplayMemory> make_volatile_replay_memory(ReplayLimits limits = {});

}  // namespace sealmq
