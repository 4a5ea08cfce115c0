// The broker's own topics, under the names that the server uses.
#pragma once

#include "mqtt/own_topics.h"

namespace sealmq::broker {

using mqtt::orders_filter;
using mqtt::orders_topic;
using mqtt::parameters_topic;

}  // namespace sealmq::broker
