// Ports: what the sans-IO core is given instead of a system clock, chance, files and a database.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

#pragma GCC visibility push(default)
namespace sealmq {

/// A moment, on both clocks, taken once per turn of an event loop and passed down.
struct Now {
  std::uint64_t steady = 0;  ///< milliseconds of a clock that never steps; for deadlines
  std::uint64_t wall = 0;    ///< milliseconds since 1970-01-01T00:00:00Z; for signed times
};

/// Unpredictable octets. Any thread.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;
};

/// The number an author gives its next signed message: strictly increasing over the life of its key, across restarts and
/// across processes that use the same key. Blocks for a file lock. Any thread.
class SequenceCounter {
 public:
  virtual ~SequenceCounter() = default;
  virtual Result<std::uint64_t> next() = 0;
};

/// What a scheme wants remembered about a message it has verified.
struct ReplayMark {
  std::string_view scheme;              ///< one memory per scheme
  std::array<std::uint8_t, 32> author;  ///< the verified author
  bool ordered = false;                 ///< true: `sequence` counts
  std::uint64_t sequence = 0;           ///< strictly increasing per author
  std::array<std::uint8_t, 32> digest;  ///< names this very message
  std::uint64_t forget_after = 0;       ///< wall milliseconds; afterwards freshness alone refuses it
};

enum class Replay : std::uint8_t {
  fresh,   ///< never seen; it has been remembered by this call
  repeat,  ///< exactly this message was accepted before
  stale,   ///< its number is used up or fell behind the window
};

/// Remembers accepted messages across connections, shards and restarts. Any thread.
class ReplayMemory {
 public:
  /// Whether a mark survives the end of the process by any signal.
  enum class Keeping : std::uint8_t {
    at_once,  ///< it does when judge() answers
    later,    ///< it does when keep() was told of it: with the message, which would be lost if its mark alone survived
  };

  virtual ~ReplayMemory() = default;
  /// An error means nothing was remembered and the message must be refused.
  virtual Result<Replay> judge(const ReplayMark& mark, Now now, Keeping keeping = Keeping::at_once) = 0;
  /// Marks that judge() answered `fresh`, all of them or none. Errors: environment; they can be given again.
  virtual Result<> keep(std::span<const ReplayMark> marks, Now now) = 0;
};

}  // namespace sealmq
#pragma GCC visibility pop
