// Smart cards in readers, by PC/SC. Calls block.
#pragma once

#include <string>
#include <vector>

#include "keystore/card_channel.h"

namespace sealmq::card {

struct ReaderState {
  std::string name;
  bool has_card = false;
  Buffer atr{};  ///< what the card said of itself at the start
};

/// Errors: environment, if no pcscd answers.
Result<std::vector<ReaderState>> list_readers();

/// `reader`: how its name begins; empty: the first with a card. Not alone: other programs wait until the channel is closed, but
/// each finds the card as the one before left it. Errors: environment, if there is no such reader, no card, or somebody else has
/// the card for itself.
Result<std::unique_ptr<CardChannel>> open_reader(const std::string& reader, bool alone);

}  // namespace sealmq::card
