// Asks the person at the terminal for a PIN, also when standard input is something else.
#pragma once

#include "sealmq/keystore.h"

namespace sealmq::cli {

/// An asker for open_keys(): empty if there is no terminal, so that nobody waits for an answer that cannot come.
PinAsker pin_asker();
/// A PIN for a card that shall have one: SEALMQ_NEW_PIN, or asked for twice. caller_misused if there is neither.
Result<Secret> new_pin();

}  // namespace sealmq::cli
