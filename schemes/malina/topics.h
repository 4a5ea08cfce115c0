// Topics that mean something to every broker of this framework, beside those of its schemes (specification, section 5 of the
// index).
#pragma once

#include <string_view>

namespace sealmq::malina {

/// Retained: the broker's parameters as parse_parameters() reads them.
inline constexpr std::string_view parameters_topic = "$sl/params";
/// Retained, below it by the ID in hexadecimal: the last order about each, as OrderBook reads it.
inline constexpr std::string_view orders_topic = "$sl/ra";
inline constexpr std::string_view orders_filter = "$sl/ra/#";

}  // namespace sealmq::malina
