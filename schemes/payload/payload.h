// Payload encryption and signature stamps, from author to readers through any broker: COSE containers that anybody's library
// opens. README.md in this folder is its specification.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::payload {

Scheme hardened_scheme();
Scheme paper_scheme();

extern const SchemeInfo hardened_info;
extern const SchemeInfo paper_info;

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports);
Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports);

}  // namespace sealmq::payload
