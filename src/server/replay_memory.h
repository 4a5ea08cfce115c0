// The broker's ReplayMemory: on disk, or for a broker without one.
#pragma once

#include <memory>
#include <string>

#include "sealmq/ports.h"

namespace sealmq {

struct ReplayLimits {
  /// More messages than this are not remembered at the same time; further ones are refused. About 120 bytes each.
  std::size_t digests = 4'000'000;
};

/// Every mark is in the file before judge() answers `fresh`, so that the end of the process loses none; the file reaches the disk
/// with maintain(), so that a loss of power may lose what came since, and freshness alone refuses those.
class StoredReplayMemory : public ReplayMemory {
 public:
  /// Removes what may be forgotten and brings the file to the disk. For a thread of its own, every few seconds: it waits for the
  /// disk, while judge() goes on. Errors: environment; nothing is lost and the next call tries again.
  virtual Result<> maintain(Now now) = 0;
};

/// Makes the file (0600) if it is missing. Errors: environment.
Result<std::unique_ptr<StoredReplayMemory>> open_replay_memory(const std::string& path, ReplayLimits limits = {});

/// Forgets everything at the end of the process.
std::unique_ptr<ReplayMemory> make_volatile_replay_memory(ReplayLimits limits = {});

}  // namespace sealmq
