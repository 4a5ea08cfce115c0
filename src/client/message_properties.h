// The properties of MQTT 5 as callers of the library know them, and as packets carry them.
#pragma once

#include "mqtt/packet.h"
#include "sealmq/client_types.h"

namespace sealmq {

using UserProperties = std::vector<std::pair<std::string, std::string>>;

/// Whether MQTT can carry them. Errors: caller_misused.
Result<> check_properties(const UserProperties& properties);
Result<> check_properties(const MessageProperties& properties);

/// What MQTT 3 has no place for. Errors: caller_misused, unless `version` is 5.
Result<> check_version(mqtt::Version version, const ConnectOptions& options);
Result<> check_version(mqtt::Version version, const PublishOptions& options);
Result<> check_version(mqtt::Version version, const SubscribeOptions& options);

/// `out` has views of what it is given.
void put(const UserProperties& properties, mqtt::Properties& out);
void put(const MessageProperties& properties, mqtt::Properties& out);

MessageProperties copy_of(const mqtt::Properties& properties);

}  // namespace sealmq
