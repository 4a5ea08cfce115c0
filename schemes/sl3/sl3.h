// SL3: sessions between authenticated parties, and groups of them. README.md in this folder is its specification.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::sl3 {

Scheme hardened_scheme();
Scheme paper_scheme();

extern const SchemeInfo hardened_info;
extern const SchemeInfo paper_info;

inline constexpr std::string_view scheme_name = "sl3";
inline constexpr std::string_view paper_scheme_name = "sl3@paper";

/// A frame from a client that makes a session, subscriber's and publisher's; messages of a session go to the second as well.
inline constexpr std::string_view subscribe_topic = "$sl/sub";
inline constexpr std::string_view publish_topic = "$sl/pub";
/// Everything from the broker: a virtual topic that means "this connection".
inline constexpr std::string_view inbox_topic = "$sl/inbox";

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports);
Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports);

}  // namespace sealmq::sl3
