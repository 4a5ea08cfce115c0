// An attacker on the wire between device and broker: forge, change, move to another topic, replay, and what a revoked device can
// still do. Each claim is tried on every scheme that makes it; the same attacks succeed against unprotected MQTT, which shows
// that they can. Schemes that converse with the broker, whose frames are good on one connection alone, have files of their own,
// and so have those between partners.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/conversing.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;

std::vector<std::string> schemes_that(bool (*claims)(const Claims&)) {
  std::vector<std::string> names;
  for (const auto& scheme : all_schemes())
    // Those with keys of topics, and those that the broker opens, have tests of their own.
    if (its_broker_judges_messages(*scheme.info) && !scheme.info->has_topic_keys && !scheme.info->leaves_hidden &&
        claims(scheme.info->claims) && !converses(scheme))
      names.emplace_back(scheme.info->name);
  return names;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

/// A broker that takes and gives one scheme on plant/#, a device, an application that subscribed, and a stranger's connection.
class Wire : public ::testing::TestWithParam<std::string> {
 protected:
  Wire() {
    broker.allow({GetParam()}, {GetParam()}, "plant/#");
    device_link = &broker.connect("device");
    application_link = &broker.connect("application");
    stranger_link = &broker.connect("stranger");
    subscribe(application, broker, *application_link, "plant/#");
    EXPECT_EQ(application_link->answers.back().reasons[0], Reason::granted_qos_1);
  }

  Reason send(TestClient& link, std::string_view topic, std::string_view payload) {
    broker.publish(link, topic, payload, QoS::at_least_once);
    return link.answers.empty() ? Reason::unspecified_error : link.answers.back().reasons[0];
  }
  std::size_t arrived() const { return application_link->publishes.size(); }

  BrokerBench broker{2};
  Party device{broker, "boiler-7", {"plant/#"}, {}, GetParam()};
  Party application{broker, "control", {}, {"plant/#"}, GetParam(), {device.keys->identity()}};
  TestClient* device_link;
  TestClient* application_link;
  TestClient* stranger_link;
};

class Signed : public Wire {};
INSTANTIATE_TEST_SUITE_P(Schemes, Signed,
                         ::testing::ValuesIn(schemes_that([](const Claims& c) { return c.authorship != Authorship::none; })),
                         test_name);

TEST_P(Signed, AnHonestMessageArrivesVerified) {
  EXPECT_EQ(send(*device_link, "plant/7/temp", protect(device, broker, "plant/7/temp", "21.5")), Reason::success);
  ASSERT_EQ(arrived(), 1U);
  auto received = unprotect(application, broker, application_link->publishes[0]);
  ASSERT_TRUE(received) << received.error().what;
  EXPECT_EQ(as_text((*received)->payload), "21.5");
  EXPECT_EQ((*received)->author, "boiler-7");
  std::vector<std::pair<std::string, std::string>> evidence{{"sealmq-from", "boiler-7"}, {"sealmq-scheme", GetParam()}};
  EXPECT_EQ(application_link->publishes[0].user, evidence);
}

TEST_P(Signed, NoFlippedBitPassesTheBroker) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string changed = frame;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    auto& link = broker.connect("attacker-" + std::to_string(bit));
    Reason answer = send(link, "plant/7/temp", changed);
    EXPECT_TRUE(answer == Reason::not_authorized || answer == Reason::payload_format_invalid) << "bit " << bit;
  }
  EXPECT_EQ(arrived(), 0U);
  EXPECT_EQ(send(*device_link, "plant/7/temp", frame), Reason::success) << "the attempts used nothing up";
}

TEST_P(Signed, NoFlippedBitPassesTheSubscriber) {
  send(*device_link, "plant/7/temp", protect(device, broker, "plant/7/temp", "21.5"));
  GotPublish got = application_link->publishes.at(0);
  for (std::size_t bit = 0; bit < got.payload.size() * 8; ++bit) {
    GotPublish changed = got;
    changed.payload[bit / 8] = static_cast<char>(changed.payload[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(unprotect(application, broker, changed)) << "bit " << bit;
  }
  EXPECT_TRUE(unprotect(application, broker, got));
}

TEST_P(Signed, NoCutFrameIsAccepted) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  for (std::size_t size = 0; size < frame.size(); ++size) {
    auto& link = broker.connect("attacker-" + std::to_string(size));
    Reason answer = send(link, "plant/7/temp", frame.substr(0, size));
    EXPECT_TRUE(answer == Reason::not_authorized || answer == Reason::payload_format_invalid) << size;
  }
  EXPECT_EQ(arrived(), 0U);
}

TEST_P(Signed, AStrangersSignatureIsRefusedByBrokerAndSubscriber) {
  Party stranger(broker, "stranger", {"plant/#"}, {}, GetParam(), {}, false);
  std::string frame = protect(stranger, broker, "plant/7/temp", "99");
  EXPECT_EQ(send(*stranger_link, "plant/7/temp", frame), Reason::not_authorized);
  EXPECT_EQ(broker.refused(broker::Refusal::author_not_listed), 1U);
  EXPECT_EQ(arrived(), 0U);
  GotPublish straight{.topic = "plant/7/temp", .payload = frame};
  EXPECT_FALSE(unprotect(application, broker, straight));
}

TEST_P(Signed, AnIdentityMayPublishOnlyWhereItIsListed) {
  Party other(broker, "pump-1", {"pumps/#"}, {}, GetParam());
  EXPECT_EQ(send(*stranger_link, "plant/7/temp", protect(other, broker, "plant/7/temp", "99")), Reason::not_authorized);
  EXPECT_EQ(arrived(), 0U);
}

TEST_P(Signed, UnsignedMessagesDoNotEnter) {
  EXPECT_EQ(send(*stranger_link, "plant/7/temp", "99"), Reason::not_authorized);
  EXPECT_EQ(arrived(), 0U);
}

TEST_P(Signed, APlainSubscriberSeesNothing) {
  broker.subscribe(*stranger_link, "#");
  EXPECT_EQ(stranger_link->answers.back().reasons[0], Reason::not_authorized);
  send(*device_link, "plant/7/temp", protect(device, broker, "plant/7/temp", "21.5"));
  EXPECT_TRUE(stranger_link->publishes.empty());
}

TEST_P(Signed, ASwitchedOffIdentityIsRefusedAtOnceAndLeavesNothingBehind) {
  broker.publish(*device_link, "plant/7/temp", protect(device, broker, "plant/7/temp", "21.5"), QoS::at_least_once, true);
  EXPECT_EQ(broker.counters().retained, 1U);
  auto report = broker.revoke("boiler-7");
  EXPECT_EQ(report.sessions, 1U);
  EXPECT_EQ(report.retained, 1U);
  EXPECT_EQ(device_link->disconnect, Reason::administrative_action);
  EXPECT_EQ(broker.counters().retained, 0U);
  auto& again = broker.connect("device");
  EXPECT_EQ(send(again, "plant/7/temp", protect(device, broker, "plant/7/temp", "22")), Reason::not_authorized);
  EXPECT_EQ(broker.refused(broker::Refusal::author_revoked), 1U);
  EXPECT_EQ(arrived(), 1U);  // only the first
}

TEST_P(Signed, WhatARevokedIdentityHadQueuedIsNotDelivered) {
  mqtt::Connect packet;
  packet.client_id = "away";
  packet.properties.session_expiry_interval = 1000;
  auto& away = broker.connect(packet);
  Party reader(broker, "reader", {}, {"plant/#"}, GetParam(), {device.keys->identity()});
  subscribe(reader, broker, away, "plant/#");
  broker.cut(away);
  send(*device_link, "plant/7/temp", protect(device, broker, "plant/7/temp", "21.5"));
  EXPECT_EQ(broker.revoke("boiler-7").queued, 1U);
  packet.clean_start = false;
  auto& back = broker.connect(packet);
  EXPECT_TRUE(back.session_present);
  EXPECT_TRUE(back.publishes.empty());
}

TEST_P(Signed, ManyFailuresEndTheConnectionAndNobodyElseNotices) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  std::string forged = frame;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  for (int i = 0; i < 10; ++i) send(*stranger_link, "plant/7/temp", forged);
  EXPECT_TRUE(stranger_link->closed);
  EXPECT_EQ(stranger_link->disconnect, Reason::not_authorized);
  EXPECT_EQ(send(*device_link, "plant/7/temp", frame), Reason::success);
  EXPECT_EQ(arrived(), 1U);
}

TEST_P(Signed, AWillIsSignedLikeAnyMessage) {
  mqtt::Connect packet;
  packet.client_id = "device-2";
  std::string frame = protect(device, broker, "plant/7/status", "gone");
  packet.will = mqtt::Will{"plant/7/status", as_bytes(frame), QoS::at_least_once, false, {}};
  auto& link = broker.connect(packet);
  EXPECT_EQ(link.connack, Reason::success);
  broker.cut(link);
  ASSERT_EQ(arrived(), 1U);
  EXPECT_TRUE(unprotect(application, broker, application_link->publishes[0]));
  packet.will->payload = as_bytes("gone");
  EXPECT_EQ(broker.connect(packet).connack, Reason::not_authorized);
}

class BoundToTopic : public Wire {};
INSTANTIATE_TEST_SUITE_P(Schemes, BoundToTopic,
                         ::testing::ValuesIn(schemes_that([](const Claims& c) { return c.bound_to_topic; })), test_name);

TEST_P(BoundToTopic, AMessageMovedToAnotherTopicIsRefusedByBrokerAndSubscriber) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  EXPECT_EQ(send(*stranger_link, "plant/8/temp", frame), Reason::not_authorized);
  EXPECT_EQ(arrived(), 0U);
  send(*device_link, "plant/7/temp", frame);
  GotPublish moved = application_link->publishes.at(0);
  moved.topic = "plant/8/temp";
  EXPECT_FALSE(unprotect(application, broker, moved));
}

class RefusesReplay : public Wire {};
INSTANTIATE_TEST_SUITE_P(Schemes, RefusesReplay,
                         ::testing::ValuesIn(schemes_that([](const Claims& c) { return c.refuses_replay; })), test_name);

TEST_P(RefusesReplay, ACopyInsideTheWindowIsAcknowledgedAndNotForwarded) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  send(*device_link, "plant/7/temp", frame);
  EXPECT_EQ(send(*stranger_link, "plant/7/temp", frame), Reason::success);  // as a device's own DUP would be
  EXPECT_EQ(broker.refused(broker::Refusal::replay), 1U);
  EXPECT_EQ(arrived(), 1U);
}

TEST_P(RefusesReplay, ACopyThroughAnotherShardIsNotForwardedEither) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  for (int i = 0; i < 8; ++i) send(broker.connect("client-" + std::to_string(i)), "plant/7/temp", frame);
  EXPECT_EQ(arrived(), 1U);
}

TEST_P(RefusesReplay, ACopyOutsideTheWindowIsRefused) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  send(*device_link, "plant/7/temp", frame);
  broker.advance(31'000);
  EXPECT_EQ(send(*stranger_link, "plant/7/temp", frame), Reason::not_authorized);
  EXPECT_EQ(arrived(), 1U);
}

TEST_P(RefusesReplay, AMessageHeldBackIsRefusedWhenItIsTooOld) {
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  broker.advance(31'000);
  EXPECT_EQ(send(*device_link, "plant/7/temp", frame), Reason::not_authorized);
}

TEST_P(RefusesReplay, AMessageFromTheFutureIsRefused) {
  broker.now.wall += 6'000;
  std::string frame = protect(device, broker, "plant/7/temp", "21.5");
  broker.now.wall -= 6'000;
  EXPECT_EQ(send(*device_link, "plant/7/temp", frame), Reason::not_authorized);
}

TEST_P(RefusesReplay, ASubscriberShowsACopyOnce) {
  send(*device_link, "plant/7/temp", protect(device, broker, "plant/7/temp", "21.5"));
  auto first = unprotect(application, broker, application_link->publishes.at(0));
  auto second = unprotect(application, broker, application_link->publishes.at(0));
  ASSERT_TRUE(first && second);
  EXPECT_FALSE((*first)->repeat);
  EXPECT_TRUE((*second)->repeat);
}

TEST_P(RefusesReplay, NothingIsAcceptedWhileTheMemoryIsBroken) {
  broker.replays.broken = true;
  EXPECT_EQ(send(*device_link, "plant/7/temp", protect(device, broker, "plant/7/temp", "21.5")),
            Reason::implementation_specific_error);
  EXPECT_EQ(arrived(), 0U);
}

/// The same attacks where nothing is claimed: they succeed.
class Unprotected : public Wire {};
INSTANTIATE_TEST_SUITE_P(Schemes, Unprotected,
                         ::testing::ValuesIn(schemes_that([](const Claims& c) { return c.authorship == Authorship::none; })),
                         test_name);

TEST_P(Unprotected, ForgedChangedMovedAndRepeatedMessagesAllArrive) {
  send(*stranger_link, "plant/7/temp", "forged");
  send(*stranger_link, "plant/8/temp", "forged");
  send(*stranger_link, "plant/8/temp", "forged");
  EXPECT_EQ(arrived(), 3U);
}

}  // namespace
}  // namespace sealmq::testing
