// SL1 as its specification says, beyond what every signing scheme must withstand (tests/attack).
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/schnorr.h"
#include "schemes/sl1/messages.h"
#include "schemes/sl1/sl1.h"
#include "support/parties.h"
#include "support/sl3_parties.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;

malina::Id id_of(const nlohmann::json& value) {
  malina::Id id;
  auto bytes = hex(value);
  std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

TEST(Sl1Vectors, ThePaperFrameDecodesVerifiesAndEncodesToTheSameBytes) {
  auto v = vectors("malina.json");
  auto bytes = hex(v["SL1"]["SL1_2_frame"]);
  auto frame = sl1::decode_paper_message(bytes).value();
  EXPECT_EQ(frame.topic, v["T"].get<std::string>());
  EXPECT_EQ(as_text(frame.message), v["M"].get<std::string>());
  EXPECT_EQ(frame.id, id_of(v["ID_P"]));
  auto key = crypto::schnorr::VerifyingKey::from_id(frame.id).value();
  EXPECT_TRUE(malina::verify(key, {"SL1_2", frame.topic, frame.id, frame.message, frame.time}, frame.signature));
  EXPECT_FALSE(malina::verify(key, {"SL2_2", frame.topic, frame.id, frame.message, frame.time}, frame.signature));
  EXPECT_EQ(sl1::encode(frame), bytes);
  EXPECT_EQ(sl1::encode_paper_subscribe(frame.topic), hex(v["SL1"]["SL1_1_frame"]));
}

TEST(Sl1Vectors, TheHardenedFrameDecodesVerifiesAndEncodesToTheSameBytes) {
  auto v = vectors("malina.json");
  auto bytes = hex(v["hardened"]["SL1_2_frame"]);
  auto frame = sl1::decode_message(bytes).value();
  std::string broker_id = v["hardened"]["broker_id"];
  EXPECT_EQ(frame.sequence, 0x29U);
  auto key = crypto::schnorr::VerifyingKey::from_id(frame.id).value();
  malina::Statement statement{sl1::type_sl1_2, broker_id, frame.topic, frame.id, frame.message, frame.time, frame.sequence};
  EXPECT_TRUE(malina::verify(key, statement, frame.signature));
  statement.broker_id = "broker-2";
  EXPECT_FALSE(malina::verify(key, statement, frame.signature)) << "a message belongs to one broker";
  EXPECT_EQ(sl1::encode(frame), bytes);
}

TEST(Sl1Vectors, ASubscriptionIsTheirBytesAndIsSignedForItsConnection) {
  const auto keys = vectors("sl3_hardened.json"), made = vectors("sl1_subscribe.json");
  ScriptedRandom chance;
  const auto broker = keys_of("broker-1", Kind::broker, keys["broker"], 1, chance);
  const auto subscriber = keys_of("desk", Kind::service, keys["subscriber"], 1, chance);
  const auto scheme =
      find_scheme("sl1")->client_side({subscriber.get(), broker_identity(broker->identity()), {}, chance}).value();
  const auto broker_side = find_scheme("sl1")->broker_side({*broker, chance});
  const Directory directory({Identity{subscriber->identity()}});
  const Now now{0, keys["time"]};
  const std::string filter = keys["filter"];
  for (const char* name : {"with_tls", "without_tls", "without_name"}) {
    const std::string client_id = made[name]["client_id"];
    const Buffer binding = hex(made[name]["channel_binding"]), frame = hex(made[name]["frame"]);
    const auto asked = scheme->subscribe_property(filter, {client_id, binding}, now).value().value();
    EXPECT_EQ(asked.second, to_base64url(frame)) << name;
    const auto reads = [&](const ThisConnection& connection) {
      const auto read = broker_side->read_subscribe(asked.second, filter, {now, directory, nullptr, nullptr, connection});
      return read && *read;
    };
    EXPECT_TRUE(reads({client_id, binding})) << name;
    EXPECT_FALSE(reads({client_id + "2", binding})) << name;
    EXPECT_FALSE(reads({client_id, Buffer(32, 9)})) << name;
    EXPECT_EQ(reads({client_id, {}}), binding.empty()) << name;
  }
}

/// Broker, a device and an application under hardened SL1.
class Sl1 : public ::testing::Test {
 protected:
  Sl1() {
    broker.allow({"sl1"}, {"sl1"}, "plant/#");
    device_link = &broker.connect("device");
    application_link = &broker.connect("application");
  }
  GotPublish exchange(std::string_view topic = "plant/7") {
    broker.publish(*device_link, topic, protect(device, broker, topic, "21.5"), QoS::at_least_once);
    return application_link->publishes.back();
  }
  Reason last_answer(TestClient& link) { return link.answers.back().reasons[0]; }

  BrokerBench broker{1};
  Party device{broker, "boiler-7", {"plant/#"}, {}, "sl1"};
  Party application{broker, "control", {}, {"plant/#"}, "sl1"};
  TestClient* device_link;
  TestClient* application_link;
};

TEST_F(Sl1, TheListingIsMadeOnceForManyMessagesAndRenewedInTime) {
  subscribe(application, broker, *application_link, "plant/#");
  auto listing = [&] { return to_buffer(sl1::decode_listed(as_bytes(exchange().payload)).value().signature); };
  Buffer first = listing();
  EXPECT_EQ(listing(), first);
  broker.advance(29'000);
  EXPECT_EQ(listing(), first);
  broker.advance(2'000);
  EXPECT_NE(listing(), first);
}

TEST_F(Sl1, ASubscriberRefusesAnEndedListing) {
  subscribe(application, broker, *application_link, "plant/#");
  GotPublish got = exchange();
  broker.advance(61'000);
  EXPECT_FALSE(unprotect(application, broker, got));
}

TEST_F(Sl1, ASubscriberRefusesAnotherBrokersListing) {
  subscribe(application, broker, *application_link, "plant/#");
  GotPublish got = exchange();
  BrokerBench other;
  other.random = broker.random;
  auto other_key = make_memory_keys("broker-1", Kind::broker, broker.random);
  auto deceived = find_scheme("sl1")->client_side({nullptr, broker_identity(other_key->identity()), {}, broker.random}).value();
  EXPECT_FALSE(deceived->unprotect({got.topic, as_bytes(got.payload), false, false}, broker.now));
}

TEST_F(Sl1, APinnedSubscriberHearsOnlyWhomItPinned) {
  Party picky(broker, "picky", {}, {"plant/#"}, "sl1", {application.keys->identity()});
  subscribe(picky, broker, *application_link, "plant/#");
  EXPECT_FALSE(unprotect(picky, broker, exchange()));
}

TEST_F(Sl1, AnUnpinnedAuthorIsShownByItsKey) {
  subscribe(application, broker, *application_link, "plant/#");
  auto received = unprotect(application, broker, exchange());
  ASSERT_TRUE(received);
  EXPECT_EQ((*received)->author, "id:" + to_hex(Bytes(device.identity.keys.schnorr).first(8)));
}

TEST_F(Sl1, ASubscriptionIsSignedForItsFilterByAListedIdentity) {
  Party stranger(broker, "stranger", {}, {"plant/#"}, "sl1", {}, false);
  subscribe(stranger, broker, *application_link, "plant/#");
  EXPECT_EQ(last_answer(*application_link), Reason::not_authorized);

  auto asked = application.scheme->subscribe_property("plant/7", application_link->on(), broker.now).value().value();
  mqtt::Properties properties;
  properties.user.push_back({asked.first, asked.second});
  broker.subscribe(*application_link, "plant/#", {}, properties);  // signed for another filter: taken for an ordinary one
  EXPECT_EQ(last_answer(*application_link), Reason::not_authorized);

  broker.subscribe(*application_link, "plant/7", {}, properties);
  EXPECT_EQ(last_answer(*application_link), Reason::success);
  auto& thief = broker.connect("thief");
  broker.subscribe(thief, "plant/7", {}, properties);
  EXPECT_EQ(last_answer(thief), Reason::not_authorized) << "a copied subscription";
}

TEST_F(Sl1, ASubscriberGetsOnlyTopicsItMayReceive) {
  Party limited(broker, "limited", {}, {"plant/7"}, "sl1");
  subscribe(limited, broker, *application_link, "plant/+");
  EXPECT_EQ(last_answer(*application_link), Reason::granted_qos_1);
  broker.publish(*device_link, "plant/8", protect(device, broker, "plant/8", "secret"), QoS::at_least_once);
  EXPECT_TRUE(application_link->publishes.empty());
  exchange("plant/7");
  EXPECT_EQ(application_link->publishes.size(), 1U);
}

TEST_F(Sl1, ASubscriptionCanBeAskedForByPublish) {  // what an MQTT 3.1.1 client does
  auto& old = broker.connect("old", mqtt::Version::v3_1_1);
  auto request = application.scheme->subscribe_request("plant/#", old.on(), broker.now).value().value();
  broker.publish(old, request.topic, as_text(request.payload), QoS::at_least_once);
  broker.publish(*device_link, "plant/7", protect(device, broker, "plant/7", "21.5"), QoS::at_least_once);
  ASSERT_EQ(old.publishes.size(), 1U);
  EXPECT_TRUE(unprotect(application, broker, old.publishes[0]));
}

TEST_F(Sl1, ARetainedMessageComesWithAFreshListing) {
  broker.publish(*device_link, "plant/7", protect(device, broker, "plant/7", "21.5"), QoS::at_least_once, true);
  broker.advance(3'600'000);
  auto& late = broker.connect("late");
  subscribe(application, broker, late, "plant/#");
  ASSERT_EQ(late.publishes.size(), 1U);
  auto received = unprotect(application, broker, late.publishes[0]);
  ASSERT_TRUE(received) << received.error().what;
  EXPECT_EQ(as_text((*received)->payload), "21.5");
}

TEST_F(Sl1, APlainSubscriberThatPolicyAdmitsGetsTheBarePayload) {
  broker.allow({"sl1"}, {"sl1", "plain"}, "plant/#");
  broker.subscribe(*application_link, "plant/#");
  GotPublish got = exchange();
  EXPECT_EQ(got.payload, "21.5");
  EXPECT_EQ(got.user[0], (std::pair<std::string, std::string>{"sealmq-from", "boiler-7"}));
}

TEST_F(Sl1, BytesThatOnlyBeginLikeAFrameArePlainWherePlainIsAllowed) {
  broker.allow({"sl1", "plain"}, {"plain"}, "plant/#");
  broker.subscribe(*application_link, "plant/#");
  broker.publish(*device_link, "plant/7", "\x02\x12 just bytes", QoS::at_least_once);
  EXPECT_EQ(last_answer(*device_link), Reason::success);
  std::string forged = protect(device, broker, "plant/7", "21.5");
  forged.back() = static_cast<char>(forged.back() ^ 1);
  broker.publish(*device_link, "plant/7", forged, QoS::at_least_once);
  EXPECT_EQ(last_answer(*device_link), Reason::not_authorized) << "a whole frame is never taken for plain bytes";
  EXPECT_EQ(application_link->publishes.size(), 1U);
}

TEST_F(Sl1, AWithdrawnRightStopsTheNextMessage) {
  subscribe(application, broker, *application_link, "plant/#");
  exchange();
  Identity changed = device.identity;
  changed.publish = {"elsewhere/#"};
  broker.set_identity(changed);
  broker.publish(*device_link, "plant/7", protect(device, broker, "plant/7", "22"), QoS::at_least_once);
  EXPECT_EQ(last_answer(*device_link), Reason::not_authorized);
  EXPECT_EQ(application_link->publishes.size(), 1U);
}

TEST_F(Sl1, NeedsTheBrokersKeyAndTheOwn) {
  EXPECT_EQ(find_scheme("sl1")->client_side({nullptr, std::nullopt, {}, broker.random}).error().blame, Blame::caller_misused);
  auto keyless = find_scheme("sl1")->client_side({nullptr, broker_identity(broker.key->identity()), {}, broker.random}).value();
  EXPECT_EQ(keyless->protect("plant/7", {}, broker.now).error().blame, Blame::caller_misused);
}

}  // namespace
}  // namespace sealmq::testing
