// The figures of the broker in the text format of Prometheus, version 0.0.4.
#pragma once

#include <string>
#include <vector>

#include "server/bridge_state.h"
#include "server/readiness.h"
#include "server/statistics.h"

namespace sealmq::server {

std::string metrics_text(const Totals& totals, const ProcessFigures& process, std::size_t shards, std::size_t answering,
                         const std::vector<ComponentState>& components, const std::vector<BridgeState>& bridges,
                         std::string_view version);

}  // namespace sealmq::server
