// SL3: sessions between authenticated parties, and groups of them (README.md).
#pragma once

#include <string_view>

namespace sealmq::sl3 {

inline constexpr std::string_view scheme_name = "sl3";
inline constexpr std::string_view paper_scheme_name = "sl3@paper";

/// A frame from a client that makes a session, subscriber's and publisher's; messages of a session go to the second as well.
inline constexpr std::string_view subscribe_topic = "$sl/sub";
inline constexpr std::string_view publish_topic = "$sl/pub";
/// Everything from the broker: a virtual topic that means "this connection".
inline constexpr std::string_view inbox_topic = "$sl/inbox";

}  // namespace sealmq::sl3
