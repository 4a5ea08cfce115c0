#include "server/broker_topic_keys.h"

#include <gtest/gtest.h>

#include "crypto/random.h"
#include "sealmq/scheme.h"
#include "server/self_check.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

using testing::TemporaryFolder;

struct BrokerTopicKeys : ::testing::Test {
  BrokerTopicKeys() {
    configuration.data = folder / "data";
    configuration.topics.clear();
    for (const Scheme& scheme : all_schemes())
      if (scheme.info->needs_topic_keys)
        configuration.topics.push_back(
            {"plant/#", {std::string(scheme.info->name)}, {std::string(all_schemes().back().info->name)}});
  }
  std::string problem() {
    const auto keys = open_broker_topic_keys(configuration, 2, random);
    const auto found = find_problems(configuration);
    EXPECT_EQ(found.size(), keys ? 0U : 1U);
    if (keys) return {};
    EXPECT_EQ(found.at(0).what, keys.error().what);
    EXPECT_EQ(keys.error().blame, Blame::caller_misused);
    return keys.error().what;
  }
  TemporaryFolder folder;
  crypto::OsRandom random;
  Configuration configuration;
};

TEST_F(BrokerTopicKeys, APolicyThatOpensMessagesNeedsAFolderThatIsThere) {
  EXPECT_NE(problem().find("hint: topic_keys = "), std::string::npos);
  configuration.topic_keys = folder / "keys";
  EXPECT_NE(problem().find("hint: sealmq key new"), std::string::npos);
  (void)open_topic_keys(configuration.topic_keys, random).value();
  EXPECT_EQ(problem(), "");
}

TEST_F(BrokerTopicKeys, AFileThatIsNoKeyIsRefusedAtTheStart) {
  configuration.topic_keys = folder / "keys";
  (void)open_topic_keys(configuration.topic_keys, random).value();
  testing::write_text(folder / "keys/0123456789abcdef.topic-key", "no key");
  EXPECT_NE(problem(), "");
}

TEST_F(BrokerTopicKeys, EachShardHasItsOwnAndNobodyElseAny) {
  configuration.topic_keys = folder / "keys";
  (void)open_topic_keys(configuration.topic_keys, random).value();
  const auto keys = open_broker_topic_keys(configuration, 2, random).value();
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_NE(keys[0], keys[1]);
  configuration.topics.clear();
  EXPECT_TRUE(open_broker_topic_keys(configuration, 2, random)->empty());
}

}  // namespace
}  // namespace sealmq::server
