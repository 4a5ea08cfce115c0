// What MQTT promises holds under every scheme: every QoS, retained messages, Wills, payloads of any size and octets, topics in
// any language, several readers, other connections, and time that passes.
#include "conformance/scheme_cases.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using Texts = std::vector<std::string>;

class SchemeDelivery : public SchemeTest {
 protected:
  static PublishOptions with(QoS qos, bool retain = false) {
    PublishOptions options;
    options.qos = qos;
    options.retain = retain;
    return options;
  }
  /// Each octet there is, again and again.
  static std::string text_of(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i + size);
    return text;
  }
};
INSTANTIATE_TEST_SUITE_P(Schemes, SchemeDelivery, ::testing::ValuesIn(all_cases()), name_of);

TEST_P(SchemeDelivery, EveryQosArrivesOnce) {
  Meeting world;
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    const std::string text = "by QoS " + std::to_string(static_cast<int>(qos));
    EXPECT_TRUE(world.publish(world.author, World::topic, text, with(qos)).is_good()) << text << world.author.causes();
    EXPECT_EQ(world.reader.count(text), 1U) << text << world.reader.causes();
    EXPECT_EQ(world.reader.messages.back().topic, World::topic);
    EXPECT_EQ(world.reader.messages.back().verified, world.reader.scheme != nullptr);
  }
}

TEST_P(SchemeDelivery, MessagesKeepTheirOrder) {
  Meeting world;
  Texts sent{"first"};
  for (int i = 0; i < 40; ++i) {
    sent.push_back(std::to_string(i));
    ASSERT_TRUE(world.author.session->publish(World::topic, as_bytes(sent.back()), with(QoS::at_least_once), world.broker.now));
  }
  world.run();
  EXPECT_EQ(world.reader.texts(), sent);
}

/// Or nothing at all comes, where the scheme says that it retains nothing.
TEST_P(SchemeDelivery, WhoComesLaterGetsWhatIsRetained) {
  Meeting world;
  const auto answer = world.publish(world.author, World::topic, "retained", with(QoS::at_least_once, true));
  if (world.fixture->retains()) {
    EXPECT_TRUE(answer.is_good()) << answer.why;
  }
  if (info().between_partners) {
    EXPECT_FALSE(answer.is_good()) << "nobody else could open it";
    return;
  }
  Party& newcomer = world.add_reader("NEWCOMER");
  newcomer.connect();
  ASSERT_TRUE(world.subscribe(newcomer, World::topic).is_good()) << newcomer.causes();
  ASSERT_EQ(newcomer.texts(), world.fixture->retains() ? Texts{"retained"} : Texts{}) << newcomer.causes();
  if (world.fixture->retains()) {
    EXPECT_TRUE(newcomer.messages[0].retain);
  }
}

TEST_P(SchemeDelivery, AnyPayloadArrivesAsItWas) {
  Meeting world;
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 31U, 32U, 33U, 255U, 256U, 4096U}) {
    const std::string text = text_of(size);
    const auto answer = world.publish(world.author, World::topic, text);
    ASSERT_EQ(world.reader.count(text), answer.is_good() ? 1U : 0U) << size << world.reader.causes();
    if (answer.is_good()) continue;
    EXPECT_EQ(answer.reason, mqtt::Reason::packet_too_large) << size << answer.why;
    EXPECT_GT(size, 33U) << "some room there is";
  }
}

/// If it cannot, its author is told so.
TEST_P(SchemeDelivery, ALargePayloadArrivesWholeOrIsRefused) {
  Meeting world;
  for (const std::size_t size : {60'000U, 70'000U, 1'000'000U}) {
    const std::string text = text_of(size);
    const auto answer = world.publish(world.author, World::topic, text);
    EXPECT_EQ(world.reader.count(text), answer.is_good() ? 1U : 0U) << size << " " << answer.why;
    EXPECT_FALSE(answer.why.starts_with("no answer")) << size << " " << answer.why;
  }
  EXPECT_TRUE(world.publish(world.author, World::topic, "small again").is_good()) << world.author.causes();
  EXPECT_EQ(world.reader.count("small again"), 1U);
}

TEST_P(SchemeDelivery, ATopicMayBeInAnyLanguage) {
  Meeting world;
  constexpr std::string_view topic = "anlage/kühlung 溫度/\xF0\x9F\x8C\xA1";
  ASSERT_TRUE(world.subscribe(world.reader, topic).is_good()) << world.reader.causes();
  EXPECT_TRUE(world.publish(world.author, topic, "21.5").is_good()) << world.author.causes();
  ASSERT_EQ(world.reader.count("21.5"), 1U);
  EXPECT_EQ(world.reader.messages.back().topic, topic);
}

TEST_P(SchemeDelivery, AFilterMatchesManyTopics) {
  World world(GetParam().scheme, GetParam().version);
  world.author.connect();
  world.reader.connect();
  const auto granted = world.subscribe(world.reader, "plant/+/temp");
  EXPECT_EQ(granted.is_good(), world.fixture->has_wildcards(world)) << granted.why;
  if (!granted.is_good()) return;
  for (const char* topic : {World::topic, World::other_topic, "plant/7/level"}) (void)world.publish(world.author, topic, topic);
  EXPECT_EQ(world.reader.texts(), (Texts{World::topic, World::other_topic})) << world.author.causes();
}

/// Or it is refused: where keys end with the connection nobody could open it.
TEST_P(SchemeDelivery, AWillIsReadByReaders) {
  Meeting world;
  world.author.cut();
  world.author.session.reset();
  world.author.options.will =
      WillMessage{.topic = World::other_topic, .payload = to_buffer(as_bytes("gone")), .qos = QoS::at_least_once};
  if (!world.fixture->has_wills()) {
    world.author.session.emplace(world.author.options, world.author.scheme.get());
    if (!world.author.session->start(world.broker.now)) return;  // its own client says so
    world.author.connect();
    EXPECT_FALSE(world.author.session->is_open());
    EXPECT_EQ(world.reader.count("gone"), 0U);
    return;
  }
  world.author.connect();
  ASSERT_TRUE(world.author.session->is_open()) << world.author.causes();
  EXPECT_EQ(world.reader.count("gone"), 0U);
  world.author.cut();
  world.run();
  ASSERT_EQ(world.reader.count("gone"), 1U) << world.reader.causes();
  if (verifies_authors()) {
    EXPECT_EQ(world.reader.messages.back().author, World::author_name);
  }
}

TEST_P(SchemeDelivery, EveryReaderGetsItOnce) {
  if (info().between_partners) GTEST_SKIP() << "its messages are for the partners alone that it was given";
  Meeting world;
  Party& second = world.add_reader("SECOND01");
  second.connect();
  ASSERT_TRUE(world.subscribe(second, World::topic).is_good()) << second.causes();
  EXPECT_TRUE(world.publish(world.author, World::topic, "for both").is_good());
  EXPECT_EQ(world.reader.count("for both"), 1U);
  EXPECT_EQ(second.texts(), Texts{"for both"});
}

TEST_P(SchemeDelivery, ItGoesOnOverOtherConnectionsAndAnotherBrokerProcess) {
  Meeting world;
  std::size_t number = 0;
  const auto expect_one = [&](const std::string& after) {
    const std::string text = after + std::to_string(++number);
    EXPECT_TRUE(world.publish(world.author, World::topic, text).is_good()) << text << world.author.causes();
    EXPECT_EQ(world.reader.count(text), 1U) << text << world.reader.causes();
  };
  world.author.reconnect();
  expect_one("after the author's reconnection ");
  world.reader.reconnect();
  world.subscribe_again(world.reader);
  expect_one("after the reader's reconnection ");
  world.restart_broker();
  world.subscribe_again(world.reader);
  expect_one("after the broker's restart ");
}

TEST_P(SchemeDelivery, ItGoesOnAfterAnHour) {
  Meeting world;
  world.advance(3'700'000);
  if (!world.author.session->is_open()) world.author.reconnect();
  EXPECT_TRUE(world.publish(world.author, World::topic, "an hour later").is_good()) << world.author.causes();
  EXPECT_EQ(world.reader.count("an hour later"), 1U) << world.reader.causes();
}

/// Nothing that happens at one broker, or to its clients, matters to another one's.
TEST_P(SchemeDelivery, TwoWorldsShareNothing) {
  Meeting one, other;
  EXPECT_TRUE(one.publish(one.author, World::topic, "of one").is_good());
  EXPECT_EQ(other.reader.count("of one"), 0U);
  one.broker.replays.broken = true;
  one.broker.revoke(World::author_name);
  one.broker.revoke(World::reader_name);
  EXPECT_TRUE(other.publish(other.author, World::topic, "of another").is_good()) << other.author.causes();
  EXPECT_EQ(other.reader.count("of another"), 1U);
  EXPECT_EQ(one.reader.count("of another"), 0U);
}

/// What does not work in an older version says so before anything is sent.
TEST(SchemeDeliveryInMqtt3, WhatDoesNotWorkThereSaysSo) {
  for (const Scheme& scheme : all_schemes()) {
    const FixtureLine* line = fixture_line(scheme.info->name);
    if (line == nullptr || line->make()->works_in_mqtt_3()) continue;
    World world(scheme.info->name, mqtt::Version::v3_1_1);
    world.author.session.emplace(world.author.options, world.author.scheme.get());
    const auto started = world.author.session->start(world.broker.now);
    ASSERT_FALSE(started) << scheme.info->name;
    EXPECT_EQ(started.error().blame, Blame::caller_misused) << scheme.info->name;
    EXPECT_NE(started.error().what.find("MQTT 5"), std::string::npos) << scheme.info->name << ": " << started.error().what;
  }
}

}  // namespace
}  // namespace sealmq::testing
