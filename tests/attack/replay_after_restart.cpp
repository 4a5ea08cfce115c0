// An attacker keeps what it recorded, waits until the broker has been restarted, and sends it again while its time is still good.
// Claim: refuses replay, also after a restart.
#include <gtest/gtest.h>

#include <algorithm>

#include "server/replay_memory.h"
#include "support/parties.h"
#include "support/temporary_folder.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;

class ReplayAfterRestart : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Schemes, ReplayAfterRestart, ::testing::Values("sl1", "sl1@paper"), [](const auto& named) {
  std::string word(named.param);
  std::ranges::replace(word, '@', '_');
  return word;
});

TEST_P(ReplayAfterRestart, ARecordedMessageIsNotForwardedByTheBrokerThatComesBack) {
  TemporaryFolder folder;
  std::string path = folder / "sessions.db";
  std::string recorded;
  auto memory = open_replay_memory(path).value();
  BrokerBench before(1, {}, memory.get());
  before.allow({GetParam()}, {GetParam()});
  Party device(before, "boiler-7", {"#"}, {}, GetParam());
  auto& link = before.connect("device");
  recorded = protect(device, before, "t", "open the valve");
  before.publish(link, "t", recorded, QoS::at_least_once);
  EXPECT_EQ(before.counters().published, 1U);

  auto memory_after = open_replay_memory(path).value();  // what a new process finds on the disk
  BrokerBench after(1, {}, memory_after.get());
  after.allow({GetParam()}, {GetParam()});
  after.now.wall += 5'000;
  after.enroll(device.identity);
  auto& attacker = after.connect("attacker");
  after.publish(attacker, "t", recorded, QoS::at_least_once);
  EXPECT_EQ(after.counters().published, 0U);
  EXPECT_EQ(after.refused(broker::Refusal::replay), 1U);
}

TEST(ReplayAfterRestartControl, WithoutAMemoryTheSameCopyIsForwarded) {
  BrokerBench before, after;
  Party device(before, "boiler-7", {"#"}, {}, "sl1");
  std::string recorded = protect(device, before, "t", "open the valve");
  after.allow({"sl1"}, {"sl1"});
  after.enroll(device.identity);
  auto& attacker = after.connect("attacker");
  after.publish(attacker, "t", recorded, QoS::at_least_once);
  EXPECT_EQ(after.counters().published, 1U);
}

}  // namespace
}  // namespace sealmq::testing
