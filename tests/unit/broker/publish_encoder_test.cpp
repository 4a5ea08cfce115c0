#include "broker/routing/publish_encoder.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using namespace sealmq::testing;

class PublishEncoderTest : public ::testing::Test {
 protected:
  PublishEncoderTest() {
    view.topic = "plant/oven";
    view.payload = view.wire = as_bytes(std::string_view("hot"));
    view.scheme = 1;
    encoder.begin_message();
  }
  static PublishEncoder::Schemes two_schemes() {
    PublishEncoder::Schemes made;
    made.push_back(std::make_unique<FakeScheme>("fake"));
    made.push_back(std::make_unique<FakePlain>());
    return made;
  }
  FakeScheme& fake() { return static_cast<FakeScheme&>(*schemes[0]); }
  const EncodedPublish* encode(std::uint8_t scheme, bool v5 = false, QoS qos = QoS::at_most_once, Receiver* keyed = nullptr,
                               const std::vector<std::uint32_t>& identifiers = {}) {
    return encoder.encode(view, {scheme, v5, qos, false, identifiers, keyed}, now);
  }
  static mqtt::Publish decoded(const EncodedPublish& encoded, mqtt::Version version = mqtt::Version::v5) {
    const Bytes bytes = encoded.bytes;
    const auto header = mqtt::decode_header(bytes, version).value().value();
    return mqtt::decode_publish(header.flags, bytes.subspan(header.size), version).value();
  }

  const Now now{1000, 2000};
  PublishEncoder::Schemes schemes = two_schemes();
  Access access{schemes, std::make_shared<const Policy>(), std::make_shared<const Directory>()};
  StepCounter steps;
  PublishEncoder encoder{schemes, access, steps};
  MessageView view;
};

TEST_F(PublishEncoderTest, SealsOncePerSchemeAndEncodesOncePerForm) {
  const EncodedPublish* first = encode(0);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(as_text(first->payload()), "fake(hot)");
  EXPECT_EQ(first->topic(), "plant/oven");
  EXPECT_EQ(encode(0), first);
  encode(0, true);
  encode(0, false, QoS::at_least_once);
  EXPECT_EQ(as_text(encode(1)->payload()), "hot");
  EXPECT_EQ(fake().sealed, 1);
}

TEST_F(PublishEncoderTest, SealsTheNextMessageAnew) {
  encode(0);
  encoder.begin_message();
  view.payload = view.wire = as_bytes(std::string_view("cold"));
  EXPECT_EQ(as_text(encode(0)->payload()), "fake(cold)");
  EXPECT_EQ(fake().sealed, 2);
}

TEST_F(PublishEncoderTest, AMessageThatComesBackKeepsItsBytes) {
  const auto message = std::make_shared<const Message>(view);
  encoder.begin_message(message);
  encode(0);
  encoder.begin_message(message);
  encode(0);
  EXPECT_EQ(fake().sealed, 1);
  encoder.begin_message(std::make_shared<const Message>(view));  // equal, and another one
  encode(0);
  EXPECT_EQ(fake().sealed, 2);
  encoder.begin_message(nullptr);
  encoder.begin_message(nullptr);
  encode(0);
  EXPECT_EQ(fake().sealed, 3);
}

TEST_F(PublishEncoderTest, AMessageKeptOnlyLaterComesBackToo) {
  encode(0);
  const auto message = std::make_shared<const Message>(view);
  encoder.is_kept_as(message);
  const auto count = encoder.count();
  encoder.begin_message(message);
  EXPECT_EQ(encoder.count(), count);
  encode(0);
  EXPECT_EQ(fake().sealed, 1);
}

TEST_F(PublishEncoderTest, AnswersNothingWhereTheSchemeCannotSeal) {
  fake().fails = true;
  EXPECT_EQ(encode(0), nullptr);
  EXPECT_EQ(encode(0, true), nullptr);
  EXPECT_EQ(fake().sealed, 1) << "asked once";
}

TEST_F(PublishEncoderTest, MembersOfAGroupShareWhatOthersDoNot) {
  const int group = 0;
  FakeKeyed one("one", &group), two("two", &group), alone("alone");
  EXPECT_EQ(as_text(encode(0, true, QoS::at_most_once, &one)->payload()), "one:plant/oven:hot");
  EXPECT_EQ(as_text(encode(0, true, QoS::at_most_once, &two)->payload()), "one:plant/oven:hot");
  EXPECT_EQ(two.sealed, 0);
  EXPECT_EQ(as_text(encode(0, true, QoS::at_most_once, &alone)->payload()), "alone:plant/oven:hot");
  EXPECT_EQ(encode(0, true, QoS::at_most_once, &alone)->topic(), "$it/inbox");
  EXPECT_EQ(alone.sealed, 2) << "nobody else may get its bytes";
}

TEST_F(PublishEncoderTest, SubscriptionIdentifiersAreOneSubscribersOwn) {
  const EncodedPublish* shared = encode(1, true);
  EXPECT_EQ(decoded(*encode(1, true, QoS::at_most_once, nullptr, {7})).properties.subscription_identifiers,
            std::vector<std::uint32_t>{7});
  EXPECT_EQ(decoded(*encode(1, true, QoS::at_most_once, nullptr, {8})).properties.subscription_identifiers,
            std::vector<std::uint32_t>{8});
  shared = encode(1, true);
  EXPECT_TRUE(decoded(*shared).properties.subscription_identifiers.empty());
}

TEST_F(PublishEncoderTest, TellsTheAuthorAndWhatIsLeftOfTheMessagesLife) {
  view.author = "boiler-7";
  view.scheme = 0;
  view.expires = now.steady + 1500;
  const auto packet = decoded(*encode(1, true));
  EXPECT_EQ(packet.properties.message_expiry_interval, 2U);
  ASSERT_EQ(packet.properties.user.size(), 2U);
  EXPECT_EQ(packet.properties.user[0].name, "sealmq-from");
  EXPECT_EQ(packet.properties.user[0].value, "boiler-7");
  EXPECT_EQ(packet.properties.user[1].value, "fake");
  fake().its.claims.hides_publisher = true;
  encoder.begin_message();
  EXPECT_TRUE(decoded(*encode(1, true)).properties.user.empty());
  FakeKeyed keyed("k");
  EXPECT_FALSE(decoded(*encode(0, true, QoS::at_most_once, &keyed)).properties.message_expiry_interval);
}

TEST_F(PublishEncoderTest, CountsALargePacketAsWork) {
  const std::string large(10'240, 'x');
  view.payload = view.wire = as_bytes(large);
  encode(1);
  EXPECT_EQ(steps.total(), 10U);
  encode(1);
  EXPECT_EQ(steps.total(), 10U);
}

}  // namespace
}  // namespace sealmq::broker
