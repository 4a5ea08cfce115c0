// CardApplet: a simulated card. It answers the commands of card_commands.h, and keeps what a card keeps in a folder for its owner
// only. One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "keystore/apdu.h"
#include "sealmq/ports.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::card {

inline constexpr std::uint8_t pin_tries = 3;

/// What stays when the power goes.
struct Kept {
  std::string uid;
  Buffer broker_modulus;
  Secret pin;  ///< empty: none
  std::uint8_t tries = pin_tries;
  Secret rsa;    ///< p || q; empty: no pair yet
  Secret ecdsa;  ///< 32 octets; empty: no pair yet
};

/// The body of the file DIR/card, which is in the form of secret_text.h:
///   lp8 uid | lp16 broker | lp8 pin | u8 tries | lp16 rsa | lp8 ecdsa
Secret encode_kept(const Kept& kept);
/// caller_misused if it is no such file or is damaged.
Result<Kept> parse_kept(std::string_view text);

class CardApplet {
 public:
  /// Opens DIR/card, or makes the folder (0700) and a card without keys. `random` outlives it.
  static Result<CardApplet> open(const std::string& folder, Random& random);

  CardApplet(CardApplet&&) noexcept;
  CardApplet& operator=(CardApplet&&) noexcept;
  ~CardApplet();

  /// Any bytes; always answers at least a status.
  Buffer process(Bytes command);
  /// The session ends, and the PIN has to be verified again.
  void power_off();

 private:
  struct State;
  explicit CardApplet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sealmq::card
