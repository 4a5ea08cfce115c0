// Payload encryption and signature stamps: COSE containers that anybody's library opens, from author to readers through any
// broker, or up to a broker that opens them. README.md in this folder is the specification.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::payload {

Scheme hardened_scheme();
/// Sealed up to the broker, which opens them.
Scheme hop_scheme();
Scheme paper_scheme();
/// As published, up to the broker.
Scheme paper_hop_scheme();

/// Asks the broker, in SUBSCRIBE, for messages that are sealed.
inline constexpr std::pair<std::string_view, std::string_view> sealed_property{"pe", "enc"};

extern const SchemeInfo hardened_info;
extern const SchemeInfo hop_info;
extern const SchemeInfo paper_info;
extern const SchemeInfo paper_hop_info;

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> hop_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> paper_hop_broker(const BrokerPorts& ports);
Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> hop_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> paper_hop_client(ClientPorts ports);

Result<> check_paper_hop_options(const SchemeOptions& options);

}  // namespace sealmq::payload
