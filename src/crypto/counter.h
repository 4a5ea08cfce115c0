// Counter: the numbers that IVs under one key are made of. They live in memory alone: what was copied, restored or started anew
// has no key to go on with, and on the other side of a fork(), where there is one, nothing is counted any more.
//
// What has to go on in a second process, and is no IV, is numbered by sequence_file.h; senders of topic keys draw a name for each
// opening, sender_names.h.
#pragma once

#include "crypto/process_mark.h"
#include "sealmq/result.h"

namespace sealmq::crypto {

/// One thread at a time.
class Counter {
 public:
  explicit Counter(std::uint64_t first = 0) : next_(first), process_(process_mark()) {}

  /// What take() answers next.
  std::uint64_t next() const { return next_; }
  /// Each number once. Error: caller_misused, in a process that forked from the one which made it.
  Result<std::uint64_t> take() {
    if (process_mark() != process_) return fail(Blame::caller_misused, "this key belongs to the process that forked");
    return next_++;
  }

 private:
  std::uint64_t next_;
  std::uint64_t process_;
};

}  // namespace sealmq::crypto
