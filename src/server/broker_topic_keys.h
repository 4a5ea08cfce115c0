// The keys of topics with which a broker opens messages, where its policy wants that.
#pragma once

#include <vector>

#include "sealmq/topic_keys.h"
#include "server/configuration.h"

namespace sealmq::server {

/// One for each shard, on the same folder; none, if no row names a scheme that needs them. Makes no folder. Errors:
/// caller_misused with a hint (no folder is named, or it is not there), environment. `random` outlives them.
Result<std::vector<std::shared_ptr<TopicKeys>>> open_broker_topic_keys(const Configuration& configuration, std::size_t shards,
                                                                       Random& random);

}  // namespace sealmq::server
