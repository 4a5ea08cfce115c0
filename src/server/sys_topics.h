// $SYS/broker/…: figures of the broker as retained messages, under the names that exporters and dashboards of other brokers read.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/bridge_state.h"
#include "server/statistics.h"

namespace sealmq::server {

/// Topic and text of each.
std::vector<std::pair<std::string, std::string>> sys_topics(const Totals& totals, const Loads& loads, std::string_view version);

/// `$SYS/broker/connection/NAME/state`: 1 while the other broker is reached, else 0.
std::vector<std::pair<std::string, std::string>> sys_topics(const std::vector<BridgeState>& bridges);

/// Whether some policy row lets anybody read them; without one there is no need to publish them.
bool sys_topics_are_readable(const broker::Policy& policy);

}  // namespace sealmq::server
