// SL1 of Malina et al.: a signed message. README.md in this folder is its specification.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::sl1 {

Scheme hardened();
Scheme paper();

extern const SchemeInfo hardened_info;
extern const SchemeInfo paper_info;

/// Where a subscription is asked for by a PUBLISH.
inline constexpr std::string_view request_topic = "$sl/sub";
/// The user property of SUBSCRIBE that asks for it.
inline constexpr std::string_view property = "sl";

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports);
Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports);

}  // namespace sealmq::sl1
