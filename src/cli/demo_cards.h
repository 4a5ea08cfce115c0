// The part of the guided tour where a smart card logs in.
#pragma once

#include "cli/demo_paper.h"
#include "sealmq/result.h"

namespace sealmq::cli {

/// A simulated card in its reader, a broker, a panel that reads what the card's owner says, and somebody on the wire.
Result<> show_cards(Paper& paper);

}  // namespace sealmq::cli
