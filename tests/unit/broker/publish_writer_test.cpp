#include "broker/connections/publish_writer.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using namespace sealmq::testing;

/// As the encoder leaves it.
EncodedPublish encoded(std::string_view topic, std::string_view payload, QoS qos = QoS::at_most_once) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = as_bytes(payload);
  packet.qos = qos;
  packet.packet_id = qos == QoS::at_most_once ? 0 : 1;
  EncodedPublish made{.qos = qos, .bytes = {}, .id_at = 0, .topic_size = topic.size(), .payload_size = payload.size()};
  mqtt::encode(packet, mqtt::Version::v5, made.bytes);
  made.id_at = mqtt::header_size(made.bytes) + 2 + topic.size();
  return made;
}

TEST(PublishWriter, PutsThePacketIdentifierAndDupIn) {
  OpenConnection on;
  PublishWriter writer(on.connection, nullptr);
  EXPECT_TRUE(writer.write(encoded("a/b", "small", QoS::at_least_once), 0x1234, true, on.now));
  const auto written = on.take_publishes();
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].payload, "small");
  EXPECT_EQ(written[0].packet_id, 0x1234);
  EXPECT_TRUE(written[0].dup);
}

TEST(PublishWriter, SharesALargePayloadBetweenConnections) {
  Budget budget;
  OpenConnection one, two;
  const EncodedPublish large = encoded("a/b", std::string(10'000, 'x'), QoS::exactly_once);
  PublishWriter(one.connection, &budget).write(large, 1, false, one.now);
  const std::size_t used = budget.used();
  EXPECT_GE(used, 10'000U);
  PublishWriter(two.connection, &budget).write(large, 2, false, two.now);
  EXPECT_EQ(budget.used(), used);
  EXPECT_EQ(one.take_publishes().at(0).payload.size(), 10'000U);
  EXPECT_EQ(two.take_publishes().at(0).packet_id, 2);
}

TEST(PublishWriter, NamesATopicOnceAndThenByItsAlias) {
  OpenConnection on;
  PublishWriter writer(on.connection, nullptr);
  writer.use_aliases(1);
  const EncodedPublish packet = encoded("plant/oven", "x");
  for (int i = 0; i < 2; ++i) writer.write(packet, 0, false, on.now);
  writer.write(encoded("plant/other", "y"), 0, false, on.now);  // there is one alias only
  const auto written = on.take_publishes();
  ASSERT_EQ(written.size(), 3U);
  EXPECT_EQ(written[0].topic, "plant/oven");
  EXPECT_EQ(written[0].alias, 1);
  EXPECT_EQ(written[1].topic, "");
  EXPECT_EQ(written[1].alias, 1);
  EXPECT_EQ(written[2].topic, "plant/other");
  EXPECT_EQ(written[2].alias, 0);
  EXPECT_EQ(writer.memory(), std::string_view("plant/oven").size());
}

TEST(PublishWriter, GivesNoAliasToAPacketThatWouldNotFitWithIt) {
  const EncodedPublish packet = encoded("plant/oven", "x");
  OpenConnection on(static_cast<std::uint32_t>(packet.bytes.size() + 4));
  PublishWriter writer(on.connection, nullptr);
  writer.use_aliases(1);
  EXPECT_TRUE(writer.fits(packet));
  writer.write(packet, 0, false, on.now);
  EXPECT_EQ(on.take_publishes().at(0).alias, 0);
}

TEST(PublishWriter, SealsPayloadsForItsConnectionWithoutAliases) {
  OpenConnection on;
  PublishWriter writer(on.connection, nullptr);
  writer.use_aliases(10);
  auto made = std::make_unique<FakeGuard>();
  FakeGuard& guard = *made;
  writer.protect_with(std::move(made));
  EXPECT_TRUE(writer.write(encoded("plant/oven", "abc", QoS::at_least_once), 7, false, on.now));
  const auto written = on.take_publishes();
  EXPECT_EQ(written.at(0).payload, "cba!");
  EXPECT_EQ(written.at(0).alias, 0);
  EXPECT_EQ(written.at(0).packet_id, 7);
  EXPECT_EQ(guard.topics, std::vector<std::string>{"plant/oven"});
}

TEST(PublishWriter, CountsWhatSealingAddsAgainstTheClientsLimit) {
  const EncodedPublish packet = encoded("plant/oven", "abc");
  OpenConnection on(static_cast<std::uint32_t>(packet.bytes.size() + 1));
  PublishWriter writer(on.connection, nullptr);
  EXPECT_TRUE(writer.fits(packet));
  writer.protect_with(std::make_unique<FakeGuard>());
  EXPECT_FALSE(writer.fits(packet)) << "a byte of payload, and perhaps one of the remaining length";
}

TEST(PublishWriter, SendsNothingThatItsGuardDoesNotSeal) {
  OpenConnection on;
  PublishWriter writer(on.connection, nullptr);
  auto guard = std::make_unique<FakeGuard>();
  guard->is_used_up = true;
  writer.protect_with(std::move(guard));
  EXPECT_FALSE(writer.write(encoded("plant/oven", "abc"), 0, false, on.now));
  EXPECT_FALSE(writer.write_frame("$it/inbox", as_bytes(std::string_view("key")), on.now));
  EXPECT_EQ(on.take(), "");
}

TEST(PublishWriter, WritesAFrameSealedLikeAMessage) {
  OpenConnection on;
  PublishWriter writer(on.connection, nullptr);
  EXPECT_TRUE(writer.write_frame("$it/inbox", as_bytes(std::string_view("key")), on.now));
  EXPECT_EQ(on.take_publishes().at(0).payload, "key");
  writer.protect_with(std::make_unique<FakeGuard>());
  EXPECT_TRUE(writer.write_frame("$it/inbox", as_bytes(std::string_view("key")), on.now));
  EXPECT_EQ(on.take_publishes().at(0).payload, "yek!");
}

}  // namespace
}  // namespace sealmq::broker
