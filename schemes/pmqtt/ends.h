// Whose topics these are: PREFIX/kx/FROM/TO and PREFIX/e2e/FROM/TO, and what lies below, are published to by FROM and read by TO.
#pragma once

#include <string_view>

#include "schemes/pmqtt/partner_table.h"

namespace sealmq::pmqtt {

/// On other topics everybody may. Empty identity: nobody in particular. FROM and TO may talk to each other by the table.
bool may_send_to(std::string_view prefix, std::string_view identity, std::string_view topic, const PartnerTable& table = {});
/// Of a filter too: one that names another receiver, or any of them, is refused; one that ends in '#' before the receiver is not,
/// because what is delivered by it is asked about again.
bool may_get_from(std::string_view prefix, std::string_view identity, std::string_view filter, const PartnerTable& table = {});

}  // namespace sealmq::pmqtt
