// Pins: where the PIN of a token or card comes from, and care for its last try. In this order: the file that the URI names, the
// variable SEALMQ_PIN, a person.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "sealmq/keystore.h"

namespace sealmq {

/// What the token says of the tries that are left.
enum class TriesLeft : std::uint8_t { some, last, none };

/// One for a store. Any thread.
class Pins {
 public:
  /// `source`: a file for its owner only; empty: none. `what` names the token for people.
  Pins(std::string what, std::string source, PinAsker asker);

  /// A PIN to try. One that was refused is not tried again, and the last try is a person's alone: nobody else knows whether it is
  /// worth it. Errors: caller_misused.
  Result<Secret> next(TriesLeft left);
  /// The one that next() gave.
  void accepted(const Secret& pin);
  void refused(const Secret& pin);

 private:
  Result<Secret> find(bool is_last);

  std::string what_;
  std::string source_;
  PinAsker asker_;
  std::mutex mutex_;
  std::optional<Secret> good_;
  std::optional<Secret> bad_;
};

}  // namespace sealmq
