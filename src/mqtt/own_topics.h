// Topics on which a broker tells everybody something, retained (index of specifications, section 5).
#pragma once

#include <string_view>

namespace sealmq::mqtt {

/// The broker's parameters, as parse_parameters() reads them.
inline constexpr std::string_view parameters_topic = "$sl/params";
/// Below it, by the key hash in hexadecimal: the last order of the authority about each key. To the topic itself the authority
/// publishes.
inline constexpr std::string_view orders_topic = "$sl/ra";
inline constexpr std::string_view orders_filter = "$sl/ra/#";

}  // namespace sealmq::mqtt
