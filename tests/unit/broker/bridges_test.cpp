// Other brokers' bridges as clients: what mosquitto's does by its defaults, and what it means by its protocol level.
#include <gtest/gtest.h>

#include "support/broker_bench.h"
#include "support/identities.h"

namespace sealmq::testing {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

constexpr const char* its_state = "$SYS/broker/connection/edge.office/state";

class BridgesTest : public ::testing::TestWithParam<std::tuple<std::size_t, bool>> {
 protected:
  static broker::Settings settings() {
    broker::Settings settings;
    settings.durable = std::get<1>(GetParam());
    return settings;
  }
  static mqtt::Connect bridge(std::string_view topic = its_state, std::string_view payload = "0") {
    mqtt::Connect packet;
    packet.version = Version::v3_1_1;
    packet.bridge = true;
    packet.clean_start = false;
    packet.client_id = "edge.office";
    packet.will = mqtt::Will{topic, as_bytes(payload), QoS::at_least_once, true, {}};
    return packet;
  }
  void pass_on_states() {
    const auto plain = broker.schemes({"plain"});
    broker.set_rules({{"#", plain, plain}, {"$SYS/#", {}, plain}, {"$SYS/broker/connection/+/state", plain, plain}});
  }
  BrokerBench broker{std::get<0>(GetParam()), settings()};
};
INSTANTIATE_TEST_SUITE_P(Shards, BridgesTest, ::testing::Combine(::testing::Values(1, 3), ::testing::Bool()));

TEST_P(BridgesTest, ABridgeMaySayUnderSysWhetherItIsConnected) {
  pass_on_states();
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "$SYS/#");
  auto& client = broker.connect(bridge());
  ASSERT_EQ(client.connack, Reason::success);
  broker.publish(client, its_state, "1", QoS::at_least_once, true);
  EXPECT_EQ(client.answers.back(), (TestClient::Answer{PacketType::puback, 1, {Reason::success}}));
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].payload, "1");
  auto& late = broker.connect("late");
  broker.subscribe(late, its_state);
  ASSERT_EQ(late.publishes.size(), 1U);
  EXPECT_TRUE(late.publishes[0].retain);
  broker.cut(client);
  ASSERT_EQ(reader.publishes.size(), 2U);
  EXPECT_EQ(reader.publishes[1].payload, "0");
}

TEST_P(BridgesTest, WhereNoRowPassesItOnItIsTakenAndForgotten) {
  auto& client = broker.connect(bridge());
  ASSERT_EQ(client.connack, Reason::success);
  broker.publish(client, its_state, "1", QoS::at_least_once, true);
  EXPECT_EQ(client.answers.back().reasons[0], Reason::success);
  broker.cut(client);
  EXPECT_EQ(broker.counters().retained, 0U);
  EXPECT_EQ(broker.refused(broker::Refusal::topic_not_allowed), 0U);
}

TEST_P(BridgesTest, NobodySpeaksForAnotherBridgeNorOfAnythingElse) {
  pass_on_states();
  for (const char* topic : {"$SYS/broker/connection/edge/state", "$SYS/broker/connection/edge.office2/state",
                            "$SYS/broker/connection/edge.office/states", "$SYS/broker/uptime", "$CONTROL/x"}) {
    EXPECT_NE(broker.connect(bridge(topic)).connack, Reason::success) << topic;
    auto& client = broker.connect("edge.office", Version::v5);
    broker.publish(client, topic, "1", QoS::at_least_once);
    EXPECT_EQ(client.answers.back().reasons[0], Reason::not_authorized) << topic;
  }
  EXPECT_NE(broker.connect(bridge(its_state, "whatever else")).connack, Reason::success);
  EXPECT_EQ(broker.counters().retained, 0U);
}

TEST_P(BridgesTest, AStateDoesNotOutliveTheBroker) {
  pass_on_states();
  auto& client = broker.connect(bridge());
  broker.publish(client, its_state, "1", QoS::at_least_once, true);
  EXPECT_EQ(broker.counters().retained, 1U);
  if (!std::get<1>(GetParam())) return;
  broker.crash();
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, its_state);
  EXPECT_TRUE(reader.publishes.empty() || reader.publishes[0].payload == "0");
}

TEST_P(BridgesTest, OfMqtt3GetsNothingBackAndRetainFlagsAsTheyWere) {
  auto& client = broker.connect(bridge());
  broker.subscribe(client, "#", {.qos = QoS::at_least_once});
  broker.publish(client, "a", "1", QoS::at_least_once);
  EXPECT_TRUE(client.publishes.empty()) << "its own message comes back";
  auto& writer = broker.connect("writer");
  broker.publish(writer, "b", "kept", QoS::at_least_once, true);
  broker.publish(writer, "b", "live", QoS::at_least_once);
  ASSERT_EQ(client.publishes.size(), 2U);
  EXPECT_TRUE(client.publishes[0].retain);
  EXPECT_FALSE(client.publishes[1].retain);
}

TEST_P(BridgesTest, AnOrdinaryClientOfMqtt3GetsItsOwnMessagesAsEver) {
  auto& client = broker.connect("client", Version::v3_1_1);
  broker.subscribe(client, "#");
  broker.publish(client, "a", "1", QoS::at_most_once, true);
  ASSERT_EQ(client.publishes.size(), 1U);
  EXPECT_FALSE(client.publishes[0].retain);
}

TEST_P(BridgesTest, MayShareASubscription) {
  auto& client = broker.connect(bridge());
  broker.subscribe(client, "$share/g/a");
  EXPECT_EQ(client.answers.back().reasons[0], Reason::success);
  broker.publish(client, "a", "1");
  EXPECT_EQ(client.publishes.size(), 1U) << "No Local is not for shared subscriptions";
}

}  // namespace
}  // namespace sealmq::testing
