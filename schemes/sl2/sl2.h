// SL2 of Malina et al.: messages sealed for the broker, and by it for each anonymous subscriber. README.md in this folder is its
// specification.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::sl2 {

Scheme hardened();
Scheme paper();

extern const SchemeInfo hardened_info;
extern const SchemeInfo paper_info;

inline constexpr std::string_view request_topic = "$sl/sub";
inline constexpr std::string_view message_topic = "$sl/pub";
inline constexpr std::string_view inbox_topic = "$sl/inbox";

/// A subscription's key serves for so long, in milliseconds, and so many frames; its owner asks for the next one before that.
inline constexpr std::uint64_t key_life = 3'600'000;
inline constexpr std::uint64_t key_frames = std::uint64_t{1} << 20;

std::unique_ptr<BrokerScheme> hardened_broker(const BrokerPorts& ports);
std::unique_ptr<BrokerScheme> paper_broker(const BrokerPorts& ports);
Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports);
Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports);

}  // namespace sealmq::sl2
