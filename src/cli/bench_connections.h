// Opening many MQTT sessions, several at a time; what traffic, hold and churn begin with.
#pragma once

#include <functional>

#include "cli/bench_load.h"
#include "mqtt/packet.h"

namespace sealmq::load {

/// Given each session as its CONNACK arrives, the `number`-th of them (0, 1, …), and when its connection was started.
using OnSession = std::function<Result<void>(unsigned number, Link link, const mqtt::Connack& connack, std::uint64_t started)>;

/// Opens `count` sessions with the client identifiers `prefix` + number, or as many as `until` (nanoseconds()) leaves time for.
/// The first error ends it: of `on_session`, or environment, not_authorised or peer_misbehaved if a session cannot be had.
Result<void> open_sessions(const Common& options, unsigned count, const std::string& prefix, std::uint64_t until,
                           const OnSession& on_session);

/// A few letters that set this run's topics and client identifiers apart from those of other runs.
std::string name_of_run();

}  // namespace sealmq::load
