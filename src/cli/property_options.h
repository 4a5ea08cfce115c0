// `-D COMMAND PROPERTY VALUE`: properties of MQTT 5, spelled as mosquitto_pub and mosquitto_sub spell them.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "sealmq/client_types.h"

namespace sealmq::cli {

/// One -D each: what followed it.
using PropertyOptions = std::vector<std::vector<std::string>>;

/// `description`: what packets the subcommand sends, and which properties these take.
void add_property_option(Command& command, PropertyOptions& options, const char* description);

/// Where the properties of each packet go; null where the subcommand sends no such packet.
struct PropertyTargets {
  ConnectOptions* connect;  ///< never null; also for those of the Will, which must be there by then
  PublishOptions* publish = nullptr;
  SubscribeOptions* subscribe = nullptr;
};

/// Errors are of the caller: a packet or a property that is not known there, a value that cannot be one of it.
Result<> apply(const PropertyOptions& options, const PropertyTargets& targets);

}  // namespace sealmq::cli
