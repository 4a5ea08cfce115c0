// SenderNames: the name under which one opening of some keys numbers its messages, and the numbers.
//
// No name and number may come twice under a key, whatever is copied: a folder, a process, a machine. So the name is drawn when
// the first number is wanted, lives in memory alone, and gives way to another one as soon as this may be a copy of the process
// that drew it.
#pragma once

#include <map>

#include "keystore/machine.h"
#include "sealmq/topic_keys.h"

namespace sealmq {

/// One thread.
class SenderNames {
 public:
  explicit SenderNames(Random& random, Machine machine = this_machine()) : random_(random), machine_(std::move(machine)) {}

  /// As TopicKeys::next(). `is_new`: the name was never answered before.
  TopicKeys::Numbered next(const std::optional<TopicKeyId>& key, std::size_t size, bool& is_new);
  /// The next number comes under another name.
  void begin_anew() { is_drawn_ = false; }

  // A name ends after so much, whichever comes first.
  static constexpr std::uint64_t most_messages = std::uint64_t{1} << 32;
  static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 36;
  static constexpr std::uint64_t longest = 24ull * 3600 * 1'000'000;  ///< microseconds

 private:
  /// Where and when a name was drawn.
  struct Place {
    std::uint64_t process = 0;
    std::int64_t clock = 0;  // between the two, in microseconds
    std::uint64_t since_boot = 0;
    std::string boot;
  };
  bool is_still_there();
  void draw();

  struct Count {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
  };

  Random& random_;
  Machine machine_;
  bool is_drawn_ = false;
  SenderName name_{};
  Place place_;
  std::uint64_t boot_read_ = 0;  // the second since boot
  std::map<std::optional<TopicKeyId>, Count> counts_;
};

}  // namespace sealmq
