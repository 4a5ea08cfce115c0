#include "keystore/pin.h"

#include <cstdlib>

#include "base/try.h"
#include "keystore/file_access.h"

namespace sealmq {

Pins::Pins(std::string what, std::string source, PinAsker asker)
    : what_(std::move(what)), source_(std::move(source)), asker_(std::move(asker)) {}

Result<Secret> Pins::find(bool is_last) {
  if (is_last) {
    if (!asker_)
      return fail(Blame::caller_misused, "one try is left for the PIN of " + what_ +
                                             ", and it is not used up without asking\nhint: a right PIN, typed in by hand, gives "
                                             "all tries back: sealmq identity show NAME.key");
    return asker_("PIN of " + what_ + " (the LAST try before it locks itself)");
  }
  if (!source_.empty()) {
    const Secret text = TRY(read_private_file(source_, wants_pin));
    const auto line = as_text(text.reveal());
    return Secret(as_bytes(line.substr(0, line.find_first_of("\r\n"))));
  }
  const char* given = std::getenv("SEALMQ_PIN");  // NOLINT(concurrency-mt-unsafe): nobody changes it
  if (given != nullptr) return Secret(as_bytes(given));
  if (asker_) return asker_("PIN of " + what_);
  return fail(Blame::caller_misused,
              "no PIN for " + what_ + "\nhint: pin-source=file:PATH in the address of the key, or SEALMQ_PIN");
}

Result<Secret> Pins::next(TriesLeft left) {
  const std::lock_guard lock(mutex_);
  if (left == TriesLeft::none) return fail(Blame::environment, what_ + " has locked itself after wrong PINs");
  if (good_) return Secret(good_->reveal());
  Secret pin = TRY(find(left == TriesLeft::last));
  if (pin.empty()) return fail(Blame::caller_misused, "an empty PIN for " + what_);
  if (bad_ && same(bad_->reveal(), pin.reveal()))
    return fail(Blame::caller_misused, what_ + " has refused this PIN; it is not tried again");
  return pin;
}

void Pins::accepted(const Secret& pin) {
  const std::lock_guard lock(mutex_);
  good_.emplace(pin.reveal());
  bad_.reset();
}

void Pins::refused(const Secret& pin) {
  const std::lock_guard lock(mutex_);
  good_.reset();
  bad_.emplace(pin.reveal());
}

}  // namespace sealmq
