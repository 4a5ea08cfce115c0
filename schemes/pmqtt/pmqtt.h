// PMQTT and SMQTT: two clients, a patient's and a doctor's, that agree on a key through a broker and keep it from everybody else.
// README.md in this folder is its specification.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::pmqtt {

Scheme hardened_scheme();
Scheme paper_scheme();
/// The same engine, whose broker wants both ends to have logged in before it passes on what they agree by.
Scheme smqtt_scheme();

extern const SchemeInfo hardened_info;
extern const SchemeInfo paper_info;
extern const SchemeInfo smqtt_info;

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> smqtt_broker(const BrokerPorts& ports);
Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> smqtt_client(ClientPorts ports);

}  // namespace sealmq::pmqtt
