// The part of the guided tour where two ends trust each other alone.
#pragma once

#include "cli/demo_paper.h"
#include "sealmq/result.h"

namespace sealmq::cli {

/// A patient and a doctor, a broker that knows nothing of their scheme, and somebody on the wire who means no good.
Result<> show_partners(Paper& paper);

}  // namespace sealmq::cli
