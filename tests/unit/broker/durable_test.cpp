// What survives the broker's sudden end, and what waits until it does: with one shard and with three.
#include <gtest/gtest.h>

#include "support/identities.h"
#include "support/parties.h"

namespace sealmq::testing {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;
using Answer = TestClient::Answer;

class DurableTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  static broker::Settings settings() {
    broker::Settings settings;
    settings.durable = true;
    return settings;
  }
  BrokerBench broker{GetParam(), settings()};

  TestClient& returning(std::string_view id) { return broker.connect(id, Version::v5, false); }
  static std::string payloads(const TestClient& client) {
    std::string all;
    for (const auto& got : client.publishes) all += got.payload + " ";
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, DurableTest, ::testing::Values(1, 3));

TEST_P(DurableTest, AcknowledgesOnlyWhatIsStored) {
  auto& reader = returning("reader");
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  broker.cut(reader);
  auto& writer = returning("writer");
  broker.hold_store();
  broker.publish(writer, "t", "one", QoS::at_least_once, false, 1);
  mqtt::Publish packet;
  packet.topic = "t";
  packet.qos = QoS::exactly_once;
  packet.packet_id = 2;
  broker.send(writer, packet);
  EXPECT_TRUE(writer.answers.empty());
  broker.let_store();
  ASSERT_EQ(writer.answers.size(), 2U);
  EXPECT_EQ(writer.answers[0], (Answer{PacketType::puback, 1, {Reason::success}}));
  EXPECT_EQ(writer.answers[1], (Answer{PacketType::pubrec, 2, {Reason::success}}));
  broker.hold_store();
  broker.send(writer, mqtt::Pubrel{.packet_id = 2, .properties = {}});
  EXPECT_EQ(writer.answers.size(), 2U);  // a new message under 2 would be taken for the old one after a crash now
  broker.let_store();
  EXPECT_EQ(writer.answers.size(), 3U);
}

TEST_P(DurableTest, ACopyIsAcknowledgedWhenTheFirstIsStored) {
  broker.allow({"sl1"}, {"sl1", "plain"});
  Party device(broker, "boiler", {"t"}, {}, "sl1");
  auto& reader = returning("reader");
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  broker.cut(reader);
  std::string frame = protect(device, broker, "t", "one");
  auto& writer = returning("writer");
  broker.hold_store();
  broker.publish(writer, "t", frame, QoS::at_least_once, false, 1);
  broker.cut(writer);
  auto& again = returning("writer");
  broker.publish(again, "t", frame, QoS::at_least_once, false, 1);
  EXPECT_TRUE(again.answers.empty());
  broker.let_store();
  EXPECT_EQ(again.answers.size(), 1U);
}

TEST_P(DurableTest, ASignedMessageIsNotLostWithItsMarkRemembered) {
  // The broker ends after so many batches have reached the disk; the author hears nothing, and sends it again.
  broker.allow({"sl1"}, {"sl1", "plain"});
  Party device(broker, "boiler", {"t"}, {}, "sl1");
  for (std::size_t stored = 0; stored < 8; ++stored) {
    const std::string id = "reader-" + std::to_string(stored), text = "one-" + std::to_string(stored) + " ";
    auto& reader = returning(id);
    broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
    broker.cut(reader);
    const std::string frame = protect(device, broker, "t", "one-" + std::to_string(stored));
    auto& writer = returning("writer");
    broker.hold_store();
    broker.publish(writer, "t", frame, QoS::at_least_once, false, 1);
    broker.let_store(stored);
    const bool acknowledged = !writer.answers.empty();
    broker.crash();
    auto& again = returning("writer");
    broker.publish(again, "t", frame, QoS::at_least_once, false, 1);
    ASSERT_EQ(again.answers.size(), 1U) << stored;
    const std::string got = payloads(returning(id));
    if (acknowledged)
      EXPECT_EQ(got, text) << "a copy of what was acknowledged went through; stored " << stored;
    else
      EXPECT_TRUE(got == text || got == text + text) << got << "; stored " << stored;
  }
}

TEST_P(DurableTest, ASignedMessageIsAcknowledgedWhenItsMarkIsKept) {
  broker.allow({"sl1"}, {"sl1", "plain"});
  Party device(broker, "boiler", {"t"}, {}, "sl1");
  auto& reader = returning("reader");
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  broker.cut(reader);
  auto& writer = returning("writer");
  broker.hold_store();
  broker.publish(writer, "t", protect(device, broker, "t", "one"), QoS::at_least_once, false, 1);
  broker.replays.broken = true;
  broker.let_store();
  EXPECT_TRUE(writer.answers.empty());
  broker.replays.broken = false;
  broker.send(writer, mqtt::Pingreq{});
  EXPECT_EQ(writer.answers.size(), 1U);
}

TEST_P(DurableTest, WhatNobodyHasToStoreIsMarkedBeforeItIsAcknowledged) {
  broker.allow({"sl1"}, {"sl1", "plain"});
  Party device(broker, "boiler", {"t"}, {}, "sl1");
  broker.hold_store();
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once}) {
    const std::string frame = protect(device, broker, "t", "one");
    broker.publish(returning("writer"), "t", frame, qos, false, 1);
    broker.crash();
    broker.publish(returning("writer"), "t", frame, qos, false, 1);
  }
  EXPECT_EQ(broker.refused(broker::Refusal::replay), 2U);
}

TEST_P(DurableTest, DoesNotWaitWhenNobodyHasToBeRemembered) {
  for (int i = 0; i < 3; ++i) {  // they came and went
    auto& lasting = returning("lasting-" + std::to_string(i));
    broker.subscribe(lasting, "t", {.qos = QoS::at_least_once});
    if (i == 0) broker.send(lasting, mqtt::Unsubscribe{.packet_id = 3, .properties = {}, .filters = {"t"}});
    mqtt::Disconnect packet;
    packet.properties.session_expiry_interval = 0;
    broker.send(lasting, packet);
  }
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  broker.hold_store();
  broker.publish(writer, "t", "one", QoS::at_least_once, false, 1);
  EXPECT_EQ(writer.answers.size(), 1U);
  EXPECT_EQ(reader.publishes.size(), 1U);
}

TEST_P(DurableTest, KeepsTheOrderOfAcknowledgements) {  // [MQTT-4.6.0-2]
  auto& reader = returning("reader");
  broker.subscribe(reader, "kept", {.qos = QoS::at_least_once});
  broker.cut(reader);
  auto& writer = broker.connect("writer");
  broker.hold_store();
  broker.publish(writer, "kept", "one", QoS::at_least_once, false, 1);
  broker.publish(writer, "nobody", "two", QoS::at_least_once, false, 2);
  broker.let_store();
  ASSERT_EQ(writer.answers.size(), 2U);
  EXPECT_EQ(writer.answers[0].packet_id, 1);
  EXPECT_EQ(writer.answers[1].packet_id, 2);
}

TEST_P(DurableTest, AnAcknowledgedMessageSurvives) {
  auto& reader = returning("reader");
  broker.subscribe(reader, "t/#", {.qos = QoS::exactly_once});
  broker.cut(reader);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t/1", "one", QoS::at_least_once);
  broker.publish(writer, "t/2", "two", QoS::exactly_once);
  broker.crash();
  auto& again = returning("reader");
  EXPECT_TRUE(again.session_present);
  EXPECT_EQ(payloads(again), "one two ");
  broker.crash();
  EXPECT_EQ(payloads(returning("reader")), "");
}

TEST_P(DurableTest, SurvivesWithAnotherNumberOfShards) {
  auto& reader = returning("reader");
  broker.subscribe(reader, "t/#", {.qos = QoS::at_least_once});
  broker.subscribe(reader, "$share/group/s", {.qos = QoS::at_least_once});
  broker.cut(reader);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t/1", "one", QoS::at_least_once);
  broker.crash(2);
  auto& writer_again = broker.connect("writer");
  broker.publish(writer_again, "t/2", "two", QoS::at_least_once);
  broker.publish(writer_again, "s", "three", QoS::at_least_once);
  broker.crash(5);
  EXPECT_EQ(payloads(returning("reader")), "one two three ");
}

TEST_P(DurableTest, AMessageOnItsWayToAnotherShardSurvivesEveryMoment) {
  // However many batches reached the disk before the end: what was acknowledged is there once, what was not may be missing.
  for (std::size_t stored = 0; stored < 12; ++stored) {
    BrokerBench bench{GetParam(), settings()};
    for (int i = 0; i < 4; ++i) {
      auto& reader = bench.connect("reader-" + std::to_string(i), Version::v5, false);
      bench.subscribe(reader, "t", {.qos = QoS::exactly_once});
      bench.cut(reader);
    }
    auto& writer = bench.connect("writer", Version::v5, false);
    bench.hold_store();
    bench.publish(writer, "t", "one", QoS::at_least_once, false, 1);
    bench.publish(writer, "t", "two", QoS::at_least_once, false, 2);
    bench.let_store(stored);
    std::size_t acknowledged = writer.answers.size();
    bench.crash();
    std::size_t least = 9;
    for (int i = 0; i < 4; ++i) {
      auto& reader = bench.connect("reader-" + std::to_string(i), Version::v5, false);
      EXPECT_LE(reader.publishes.size(), 2U);
      least = std::min(least, reader.publishes.size());
    }
    EXPECT_GE(least, acknowledged) << stored << " batches stored";
  }
}

TEST_P(DurableTest, AQoS2MessageReachesAClientOnceWhereverTheBrokerEnds) {  // [MQTT-4.3.3-1]
  for (std::size_t stored = 0; stored < 16; ++stored) {
    BrokerBench bench{GetParam(), settings()};
    auto* reader = &bench.connect("reader", Version::v5, false);
    bench.subscribe(*reader, "t", {.qos = QoS::exactly_once});
    auto* writer = &bench.connect("writer", Version::v5, false);
    bench.hold_store();
    mqtt::Publish packet;
    packet.topic = "t";
    packet.payload = as_bytes("once");
    packet.qos = QoS::exactly_once;
    packet.packet_id = 1;
    bench.send(*writer, packet);
    for (std::size_t i = 0; i < stored; ++i) {
      bench.let_store(1);
      // The writer goes on as soon as it is answered.
      if (!writer->answers.empty() && writer->answers.back().type == PacketType::pubrec)
        bench.send(*writer, mqtt::Pubrel{.packet_id = 1, .properties = {}});
    }
    std::vector<std::uint16_t> seen;  // the reader's own memory: identifiers it has answered with PUBREC and not seen released
    std::size_t handed_on = reader->publishes.size();
    bool released = false;
    for (const auto& answer : reader->answers) released = released || answer.type == PacketType::pubrel;
    bool pending = handed_on == 1 && !released;
    std::uint16_t pending_id = handed_on == 1 ? reader->publishes[0].packet_id : std::uint16_t{0};
    bool got_pubrec = !writer->answers.empty();
    bool done = got_pubrec && writer->answers.back().type == PacketType::pubcomp;

    bench.crash();
    reader = &bench.connect("reader", Version::v5, false);
    writer = &bench.connect("writer", Version::v5, false);
    if (!done) {
      packet.dup = true;
      if (!got_pubrec) bench.send(*writer, packet);
      bench.send(*writer, mqtt::Pubrel{.packet_id = 1, .properties = {}});
    }
    for (const auto& got : reader->publishes)
      if (!(pending && got.dup && got.packet_id == pending_id)) ++handed_on;
    EXPECT_EQ(handed_on, 1U) << stored << " batches stored";
  }
}

TEST_P(DurableTest, KeepsTheIdentifiersOfMessagesInFlight) {  // [MQTT-4.4.0-1]
  auto& reader = returning("reader");
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 3; ++i) broker.publish(writer, "t", std::to_string(i), QoS::at_least_once);
  broker.send(reader, mqtt::Puback{.packet_id = reader.publishes[1].packet_id, .properties = {}});
  std::uint16_t first = reader.publishes[0].packet_id, last = reader.publishes[2].packet_id;
  broker.crash();
  auto& again = returning("reader");
  ASSERT_EQ(again.publishes.size(), 2U);
  EXPECT_EQ(again.publishes[0].packet_id, first);
  EXPECT_EQ(again.publishes[1].packet_id, last);
  EXPECT_TRUE(again.publishes[0].dup);
}

TEST_P(DurableTest, RepeatsAtOnceWhatTheStoreHasNotWritten) {  // [MQTT-4.4.0-1] [MQTT-4.6.0-5]
  auto& reader = returning("reader");
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  broker.hold_store();
  for (std::uint16_t i = 1; i <= 8; ++i) broker.publish(writer, "t", std::to_string(i), QoS::at_least_once, false, i);
  EXPECT_EQ(payloads(reader), "1 2 3 4 5 6 7 8 ");
  broker.cut(reader);
  auto& again = returning("reader");
  broker.publish(writer, "t", "9", QoS::at_least_once, false, 9);
  broker.let_store();
  EXPECT_EQ(payloads(again), "1 2 3 4 5 6 7 8 9 ");
  for (std::size_t i = 0; i < again.publishes.size(); ++i) EXPECT_EQ(again.publishes[i].dup, i < 8);
  broker.publish(writer, "t", "10", QoS::at_least_once, false, 10);
  EXPECT_EQ(again.publishes.size(), 10U) << "nothing that was acknowledged holds a place in the window";
}

TEST_P(DurableTest, RepeatsInTheOrderInWhichItSentFirstAcrossQoS) {  // 3.1.1 [MQTT-4.6.0-1]
  for (const bool crashes : {false, true}) {
    BrokerBench bench{GetParam(), settings()};
    auto& reader = bench.connect("reader", Version::v5, false);
    reader.acknowledges = false;
    bench.subscribe(reader, "t", {.qos = QoS::exactly_once});
    auto& writer = bench.connect("writer");
    bench.hold_store();
    for (std::uint16_t i = 1; i <= 9; ++i)
      bench.publish(writer, "t", std::to_string(i), i % 2 == 0 ? QoS::exactly_once : QoS::at_least_once, false, i);
    bench.let_store();
    EXPECT_EQ(payloads(reader), "1 2 3 4 5 6 7 8 9 ");
    if (crashes)
      bench.crash();
    else
      bench.cut(reader);
    EXPECT_EQ(payloads(bench.connect("reader", Version::v5, false)), payloads(reader));
  }
}

TEST_P(DurableTest, AfterARestartASessionIsStillItsOwners) {
  Identity device = identity_named("device");
  device.status = Status::active;
  device.publish = device.subscribe = {"own/#"};
  broker.enroll(device);
  broker.peer.identity = "device";
  auto& mine = returning("shared");
  broker.subscribe(mine, "own/#", {.qos = QoS::at_least_once});
  broker.cut(mine);
  broker.peer.identity = "";
  broker.publish(broker.connect("writer"), "own/x", "secret", QoS::at_least_once);
  broker.crash();
  auto& thief = returning("shared");
  EXPECT_FALSE(thief.session_present);
  EXPECT_EQ(payloads(thief), "");
  broker.peer.identity = "device";
  EXPECT_EQ(payloads(returning("shared")), "secret ");
}

TEST_P(DurableTest, AfterARestartASubscriptionHasNoMoreRightsThanBefore) {
  Identity device = identity_named("device");
  device.status = Status::active;
  device.subscribe = {"own/a"};
  broker.enroll(device);
  broker.peer.identity = "device";
  auto& mine = returning("mine");
  broker.subscribe(mine, "own/#", {.qos = QoS::at_least_once});
  broker.cut(mine);
  broker.crash();
  broker.peer.identity = "";
  auto& writer = broker.connect("writer");
  broker.publish(writer, "own/b", "not for it", QoS::at_least_once);
  broker.publish(writer, "own/a", "for it", QoS::at_least_once);
  broker.peer.identity = "device";
  EXPECT_EQ(payloads(returning("mine")), "for it ");
}

TEST_P(DurableTest, AJobOfAMemberThatLeftSurvivesUntilAnotherHasIt) {
  auto& present = returning("present");
  auto& leaver = returning("leaver");
  leaver.acknowledges = false;
  broker.subscribe(leaver, "$share/group/t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (std::uint16_t i = 1; i <= 3; ++i) broker.publish(writer, "t", std::to_string(i), QoS::at_least_once, false, i);
  broker.cut(leaver);
  broker.subscribe(present, "$share/group/t", {.qos = QoS::at_least_once});
  broker.cut(present);
  broker.crash();
  broker.connect("leaver", Version::v5, true);  // clean start: its session is over
  broker.crash();
  EXPECT_EQ(payloads(returning("present")), "1 2 3 ");
}

TEST_P(DurableTest, RetainedMessagesSurviveAndSoDoesTheirErasure) {
  auto& writer = broker.connect("writer");
  broker.publish(writer, "kept", "one", QoS::at_most_once, true);
  broker.publish(writer, "kept", "two", QoS::at_least_once, true);
  broker.publish(writer, "gone", "x", QoS::at_most_once, true);
  broker.publish(writer, "gone", "", QoS::at_most_once, true);
  broker.crash();
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#");
  EXPECT_EQ(payloads(reader), "two ");
  auto& writer_again = broker.connect("writer");
  broker.publish(writer_again, "kept", "three", QoS::at_most_once, true);
  broker.crash();
  auto& late = broker.connect("late");
  broker.subscribe(late, "#");
  EXPECT_EQ(payloads(late), "three ");
}

// Nobody is told that a DISCONNECT has come. Until it is with the store it may as well have been lost on the way.
TEST_P(DurableTest, ADisconnectCountsFromWhenItIsStored) {
  for (const bool is_stored : {false, true}) {
    auto& watcher = returning("watcher");
    broker.subscribe(watcher, "gone", {.qos = QoS::at_least_once});
    mqtt::Connect packet;
    packet.client_id = "device";
    packet.clean_start = false;
    packet.properties.session_expiry_interval = 3600;
    packet.will = mqtt::Will{"gone", as_bytes("x"), QoS::at_least_once, false, {}};
    auto& device = broker.connect(packet);
    if (!is_stored) broker.hold_store();
    broker.send(device, mqtt::Disconnect{});
    EXPECT_TRUE(device.closed);
    broker.crash();
    broker.advance(1000);
    EXPECT_EQ(returning("watcher").publishes.size(), is_stored ? 0U : 1U);
  }
}

TEST_P(DurableTest, PublishesTheWillOfAClientThatWasThere) {
  auto& reader = returning("reader");
  broker.subscribe(reader, "last/#", {.qos = QoS::at_least_once});
  for (std::uint32_t expiry : {0U, 3600U}) {
    mqtt::Connect packet;
    packet.version = Version::v5;
    std::string id = "device-" + std::to_string(expiry);
    packet.client_id = id;
    packet.properties.session_expiry_interval = expiry;
    packet.will = mqtt::Will{};
    packet.will->topic = "last/words";
    packet.will->payload = as_bytes("gone");
    packet.will->qos = QoS::at_least_once;
    broker.connect(packet);
  }
  broker.crash();
  broker.advance(1000);
  EXPECT_EQ(payloads(returning("reader")), "gone gone ");
}

TEST_P(DurableTest, ASessionThatEndedDoesNotComeBack) {
  auto& reader = returning("reader");
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  broker.connect("reader", Version::v5, true);  // clean start
  broker.crash();
  EXPECT_FALSE(returning("reader").session_present);
  broker.subscribe(returning("short"), "t");
  broker.crash();
  broker.advance(3'601'000);
  broker.crash();
  EXPECT_FALSE(returning("short").session_present);
}

TEST_P(DurableTest, ASubscriptionThatEndedDoesNotComeBack) {
  auto& reader = returning("reader");
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  broker.crash();
  auto& again = returning("reader");
  broker.send(again, mqtt::Unsubscribe{.packet_id = 3, .properties = {}, .filters = {"t"}});
  broker.crash();
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "x", QoS::at_least_once);
  EXPECT_EQ(payloads(returning("reader")), "");
}

TEST_P(DurableTest, RevocationEndsSessionsByWhatWasSaidInThemBeforeTheCrash) {
  broker.allow({"sl1"}, {"plain"});
  Party boiler(broker, "boiler", {"t"}, {}, "sl1");
  Party other(broker, "other", {"t"}, {}, "sl1");
  auto& its_own = returning("its-own");
  auto& gateway = returning("gateway");
  broker.publish(its_own, "t", protect(boiler, broker, "t", "one"), QoS::at_least_once, false, 1);
  broker.publish(gateway, "t", protect(boiler, broker, "t", "two"), QoS::at_least_once, false, 1);
  broker.publish(gateway, "t", protect(other, broker, "t", "three"), QoS::at_least_once, false, 2);
  broker.crash();
  EXPECT_EQ(broker.revoke("boiler").sessions, 1U);
  EXPECT_FALSE(returning("its-own").session_present);
  EXPECT_TRUE(returning("gateway").session_present);
}

// -- what is acknowledged before it is written
// ------------------------------------------------------------------------------------

class DelayedStoreTest : public DurableTest {
 protected:
  DelayedStoreTest() {
    broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
    broker.hold_store();
  }
  static broker::Settings delayed() {
    broker::Settings settings = DurableTest::settings();
    settings.store_delay = 2;
    return settings;
  }
  BrokerBench broker{1, delayed()};
  TestClient& reader = broker.connect("reader", Version::v5, false);
  TestClient& writer = broker.connect("writer");

  void publish(std::string_view payload, std::uint16_t packet_id, QoS qos = QoS::at_least_once) {
    broker.publish(writer, "t", payload, qos, false, packet_id);
  }
  TestClient& returning_reader() { return broker.connect("reader", Version::v5, false); }
  void acknowledge(std::size_t which) {
    broker.send(reader, mqtt::Puback{.packet_id = reader.publishes.at(which).packet_id, .properties = {}});
  }
};
INSTANTIATE_TEST_SUITE_P(OneShard, DelayedStoreTest, ::testing::Values(1));

TEST_P(DelayedStoreTest, DoesNotWriteWhatTheSubscriberHasAcknowledged) {
  publish("one", 1);
  EXPECT_EQ(payloads(reader), "one ");
  EXPECT_EQ(writer.answers.size(), 1U) << "the store takes nothing, and nothing needs it";
  broker.advance(1000);
  broker.crash();
  reader.publishes.clear();
  auto& again = returning_reader();
  EXPECT_EQ(payloads(again), "");
}

TEST_P(DelayedStoreTest, WritesWhatIsNotAcknowledgedInTime) {
  reader.acknowledges = false;
  publish("one", 1);
  EXPECT_EQ(payloads(reader), "one ");
  broker.let_store();
  EXPECT_TRUE(writer.answers.empty()) << "it is held back for a moment";
  broker.advance(500);
  EXPECT_EQ(writer.answers.size(), 1U);
  broker.crash();
  EXPECT_EQ(payloads(returning_reader()), "one ");
}

TEST_P(DelayedStoreTest, ForgetsNothingThatWasPromisedWhenItEndsInBetween) {
  reader.acknowledges = false;
  publish("one", 1);
  EXPECT_TRUE(writer.answers.empty());
  broker.crash();
  EXPECT_EQ(payloads(returning_reader()), "") << "nobody was told that it is safe";
}

TEST_P(DelayedStoreTest, KeepsTheOrderOfItsAnswers) {
  reader.acknowledges = false;
  publish("one", 1);
  publish("two", 2);
  acknowledge(1);
  EXPECT_TRUE(writer.answers.empty()) << "the first one is neither stored nor acknowledged";
  acknowledge(0);
  ASSERT_EQ(writer.answers.size(), 2U);
  EXPECT_EQ(writer.answers[0].packet_id, 1);
  EXPECT_EQ(writer.answers[1].packet_id, 2);
}

TEST_P(DelayedStoreTest, WritesTheRestOfABatchWithoutWhatWasWithdrawn) {
  reader.acknowledges = false;
  publish("one", 1);
  publish("two", 2);
  publish("three", 3);
  acknowledge(1);
  broker.advance(500);
  EXPECT_TRUE(writer.answers.empty()) << "given to the store, which has not written it";
  broker.let_store();
  EXPECT_EQ(writer.answers.size(), 3U);
  broker.crash();
  EXPECT_EQ(payloads(returning_reader()), "one three ");
}

TEST_P(DelayedStoreTest, WritesTheEndOfWhatItHasWritten) {
  reader.acknowledges = false;
  publish("one", 1);
  broker.let_store();
  broker.advance(500);
  ASSERT_EQ(writer.answers.size(), 1U);
  acknowledge(0);
  broker.advance(500);
  broker.crash();
  EXPECT_EQ(payloads(returning_reader()), "");
}

TEST_P(DelayedStoreTest, CountsWhatWaitsBehindAStoreThatDoesNotWrite) {
  reader.acknowledges = false;
  publish("one", 1);
  broker.advance(500);  // it is given to the store
  reader.acknowledges = true;
  for (std::uint16_t id = 2; id <= 11; ++id) publish("another", id);
  EXPECT_TRUE(writer.answers.empty()) << "their turn comes after the first one's";
  EXPECT_EQ(broker.shard(0).count_changes(), 10U);
  broker.let_store();
  EXPECT_EQ(writer.answers.size(), 11U);
  EXPECT_FALSE(broker.shard(0).has_changes());
}

TEST_P(DelayedStoreTest, DoesNotHoldBackWhatAnAbsentSubscriberIsOwed) {
  broker.let_store();
  broker.cut(reader);
  publish("one", 1);
  EXPECT_EQ(writer.answers.size(), 1U);
  broker.crash();
  EXPECT_EQ(payloads(returning_reader()), "one ");
}

TEST_P(DelayedStoreTest, WritesEverythingWhenItsClientGoes) {
  reader.acknowledges = false;
  publish("one", 1);
  broker.let_store();
  broker.cut(reader);
  EXPECT_EQ(writer.answers.size(), 1U);
  broker.crash();
  EXPECT_EQ(payloads(returning_reader()), "one ");
}

TEST_P(DelayedStoreTest, StoresAMessageOfQoS2BeforeItIsSent) {
  broker.let_store();
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  broker.hold_store();
  publish("one", 1, QoS::exactly_once);
  EXPECT_EQ(payloads(reader), "");
  broker.let_store();
  EXPECT_EQ(payloads(reader), "one ");
}

TEST_P(DelayedStoreTest, RemembersMoreThanTheWindowOfASlowSubscriber) {
  reader.acknowledges = false;
  for (std::uint16_t id = 1; id <= 150; ++id) publish(std::to_string(id), id);
  EXPECT_EQ(reader.publishes.size(), 100U);
  for (std::size_t i = 0; i < 30; ++i) acknowledge(i);
  EXPECT_EQ(reader.publishes.size(), 130U);
  EXPECT_EQ(writer.answers.size(), 30U);
  broker.let_store();
  broker.advance(500);
  EXPECT_EQ(writer.answers.size(), 150U);
  broker.crash();
  auto& again = returning_reader();
  ASSERT_EQ(again.publishes.size(), 120U);
  EXPECT_EQ(again.publishes.front().payload, "31");
  EXPECT_EQ(again.publishes.back().payload, "150");
}

}  // namespace
}  // namespace sealmq::testing
