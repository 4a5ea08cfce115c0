// A clock on the wall that is set while the broker runs, or between two runs: what is counted by time goes on by the steady
// clock, and of two messages the later one stays the later one.
#include <gtest/gtest.h>

#include "support/broker_bench.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Version;

constexpr std::uint64_t day = 86'400'000;

class ClockTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  static broker::Settings durable() {
    broker::Settings settings;
    settings.durable = true;
    return settings;
  }
  /// What a new subscriber gets of "t".
  std::string retained() {
    auto& reader = broker.connect("reader-" + std::to_string(++readers_));
    broker.subscribe(reader, "t");
    return reader.publishes.empty() ? "" : reader.publishes.back().payload;
  }
  BrokerBench broker{GetParam(), durable()};

 private:
  int readers_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Shards, ClockTest, ::testing::Values(1, 3));

TEST_P(ClockTest, TheLatestRetainedMessageIsKeptWhicheverWayItJumps) {
  std::vector<TestClient*> writers;
  for (int i = 0; i < 8; ++i) writers.push_back(&broker.connect("writer-" + std::to_string(i)));  // on every shard
  int number = 0;
  for (const std::int64_t jump : {std::int64_t{0}, static_cast<std::int64_t>(day), -2 * static_cast<std::int64_t>(day)}) {
    broker.now.wall += static_cast<std::uint64_t>(jump);
    for (TestClient* writer : writers) {
      broker.publish(*writer, "t", std::to_string(++number), QoS::at_least_once, true);
      EXPECT_EQ(retained(), std::to_string(number)) << "after a jump of " << jump;
    }
    broker.publish(*writers.back(), "t", "", QoS::at_least_once, true);
    EXPECT_EQ(retained(), "") << "an erasure is later too";
  }
}

TEST_P(ClockTest, AfterARestartWithAClockBehindALaterMessageIsLater) {
  broker.publish(broker.connect("writer"), "t", "old", QoS::at_least_once, true);
  broker.now.wall -= day;
  broker.crash();
  EXPECT_EQ(retained(), "old");
  for (int i = 0; i < 8; ++i) {
    broker.publish(broker.connect("writer-" + std::to_string(i)), "t", std::to_string(i), QoS::at_least_once, true);
    EXPECT_EQ(retained(), std::to_string(i));
  }
}

TEST_P(ClockTest, SessionsMessagesAndWillsEndByTheSteadyClock) {
  auto& watcher = broker.connect("watcher");
  broker.subscribe(watcher, "last");
  mqtt::Connect packet;
  packet.client_id = "absent";
  packet.properties.session_expiry_interval = 100;
  packet.will = mqtt::Will{"last", as_bytes("words"), QoS::at_most_once, false, {}};
  packet.will->properties.will_delay_interval = 50;
  auto& absent = broker.connect(packet);
  broker.subscribe(absent, "t", {.qos = QoS::at_least_once});
  broker.cut(absent);
  mqtt::Publish expiring;
  expiring.topic = "t";
  expiring.payload = as_bytes("x");
  expiring.qos = QoS::at_least_once;
  expiring.packet_id = 1;
  expiring.properties.message_expiry_interval = 60;
  broker.send(broker.connect("writer"), expiring);
  for (const std::uint64_t jump : {day, 0 - 2 * day, 30 * day}) {
    broker.now.wall += jump;
    broker.advance(5'000);
    EXPECT_TRUE(watcher.publishes.empty());
  }
  auto& back = broker.connect("absent", Version::v5, false);
  EXPECT_TRUE(back.session_present);
  ASSERT_EQ(back.publishes.size(), 1U);
  EXPECT_EQ(back.publishes[0].expiry, 45U);
}

}  // namespace
}  // namespace sealmq::testing
