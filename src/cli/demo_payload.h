// The scene of the tour in which an author and readers share a topic's key, and the broker is anybody's.
#pragma once

#include "cli/demo_paper.h"
#include "sealmq/result.h"

namespace sealmq::cli {

Result<> show_payload(Paper& paper);

}  // namespace sealmq::cli
