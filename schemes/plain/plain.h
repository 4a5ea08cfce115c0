// Unprotected MQTT: the baseline every claim is measured against.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::plain {

Scheme scheme();

}  // namespace sealmq::plain
