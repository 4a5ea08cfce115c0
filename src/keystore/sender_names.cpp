#include "keystore/sender_names.h"

#include <cstdlib>

#include "crypto/process_mark.h"

namespace sealmq {
namespace {

constexpr std::int64_t moved = 1'000'000;  // microseconds that a clock may be set by without anybody having frozen the machine

}  // namespace

/// Both clocks run on in a copy; where one is taken up later, the clock of the day is set, and the other one goes on from where
/// it was. The boot id is a file, and read once a second.
bool SenderNames::is_still_there() {
  if (crypto::process_mark() != place_.process) return false;
  const std::uint64_t since_boot = machine_.microseconds_since_boot();
  const auto clock = static_cast<std::int64_t>(machine_.wall_microseconds() - since_boot);
  if (std::abs(clock - place_.clock) > moved) return false;
  if (since_boot < place_.since_boot || since_boot - place_.since_boot > longest) return false;
  if (std::exchange(boot_read_, since_boot / 1'000'000) == since_boot / 1'000'000) return true;
  return machine_.boot() == place_.boot;
}

void SenderNames::draw() {
  random_.fill(name_);
  counts_.clear();
  place_.process = crypto::process_mark();
  place_.since_boot = machine_.microseconds_since_boot();
  place_.clock = static_cast<std::int64_t>(machine_.wall_microseconds() - place_.since_boot);
  place_.boot = machine_.boot();
  boot_read_ = place_.since_boot / 1'000'000;
  is_drawn_ = true;
}

TopicKeys::Numbered SenderNames::next(const std::optional<TopicKeyId>& key, std::size_t size, bool& is_new) {
  is_new = !is_drawn_ || !is_still_there();
  if (!is_new) {
    const Count& count = counts_[key];
    is_new = count.messages >= most_messages || count.bytes + size > most_bytes;
  }
  if (is_new) draw();
  Count& count = counts_[key];
  count.bytes += size;
  return {name_, count.messages++};
}

}  // namespace sealmq
