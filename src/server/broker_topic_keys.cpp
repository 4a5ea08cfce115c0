#include "server/broker_topic_keys.h"

#include <filesystem>

#include "base/try.h"

namespace sealmq::server {

Result<std::vector<std::shared_ptr<TopicKeys>>> open_broker_topic_keys(const Configuration& configuration, std::size_t shards,
                                                                       Random& random) {
  std::vector<std::shared_ptr<TopicKeys>> keys;
  if (!needs_topic_keys(configuration)) return keys;
  const std::string& folder = configuration.topic_keys;
  if (folder.empty())
    return fail(Blame::caller_misused,
                "a [[topic]] of the configuration is for messages that the broker opens, and it has no keys for that\nhint: "
                "topic_keys = \"FOLDER\" names the folder in which `sealmq key new` has made them");
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    return fail(Blame::caller_misused,
                "topic_keys: there is no folder " + folder + "\nhint: sealmq key new FILTER --topic-keys " + folder);
  for (std::size_t i = 0; i < shards; ++i) keys.push_back(TRY(open_topic_keys(folder, random)));
  return keys;
}

}  // namespace sealmq::server
