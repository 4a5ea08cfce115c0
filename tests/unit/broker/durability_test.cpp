#include "broker/durability/durability.h"

#include <gtest/gtest.h>

#include "support/fakes.h"

namespace sealmq::broker {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using namespace sealmq::testing;

struct RecordingSender final : Durability::AckSender {
  void send_deferred(DeferredAck& ack, Now) override { sent.push_back(ack.packet_id); }
  std::vector<std::uint16_t> sent;
};

class DurabilityOfAShard : public ::testing::Test {
 protected:
  static Settings durable(std::uint32_t delay = 0) {
    Settings made;
    made.durable = true;
    made.store_delay = delay;
    return made;
  }
  DurabilityOfAShard() { session.expiry_interval = 100; }
  Delivery delivery(QoS qos = QoS::at_least_once) {
    MessageView view;
    view.topic = "t";
    view.qos = qos;
    Delivery made;
    made.message = std::make_shared<const Message>(view);
    made.qos = qos;
    return made;
  }
  /// True: it is sent at once.
  bool answer(std::uint16_t packet_id, bool relies) {
    if (durability.is_due(waiting, relies)) return true;
    durability.defer(connection, waiting, {.type = PacketType::puback, .packet_id = packet_id});
    return false;
  }
  /// Of a client that is there.
  void is_there() { session.link = reinterpret_cast<Link*>(&session); }  // nobody looks behind it

  Settings settings = durable();
  SimpleReplayMemory replays;
  std::atomic<std::size_t> lasting = 0;
  RecordingSender sender;
  Durability durability{settings, 1, 3, replays, &lasting, sender};
  Session session{"owner", "client", 4};
  WaitingAcks waiting;
  const ConnectionId connection{1, 1};
  Now now{1000, 2000};
};

TEST_F(DurabilityOfAShard, NumbersAreOfThisShardAlone) {
  EXPECT_EQ(durability.next_number(), 4U);
  EXPECT_EQ(durability.next_number(), 7U);
  durability.begin_behind(100);
  EXPECT_EQ(durability.next_number() % 3, 1U);
  EXPECT_GT(durability.next_number(), 100U);
}

TEST_F(DurabilityOfAShard, AnAnswerThatReliesOnAChangeWaitsForItsBatch) {
  durability.save(session);
  EXPECT_FALSE(answer(7, true));
  EXPECT_EQ(waiting.count(), 1U);
  const auto batch = durability.take_changes(now);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->changes.size(), 1U);
  EXPECT_TRUE(sender.sent.empty());
  durability.stored(batch->number, now);
  EXPECT_EQ(sender.sent, std::vector<std::uint16_t>{7});
  EXPECT_FALSE(durability.has_changes());
}

TEST_F(DurabilityOfAShard, AnAnswerThatReliesOnNothingIsDueUnlessAnotherWaits) {
  durability.save(session);
  EXPECT_TRUE(answer(1, false));
  EXPECT_FALSE(answer(2, true));
  EXPECT_FALSE(answer(3, false)) << "answers keep their order";
  durability.stored(durability.take_changes(now)->number, now);
  EXPECT_EQ(sender.sent, (std::vector<std::uint16_t>{2, 3}));
}

TEST_F(DurabilityOfAShard, NothingWaitsWhereNothingIsStored) {
  settings.durable = false;
  durability.save(session);
  Delivery its = delivery();
  durability.save(session, its, 0);
  EXPECT_EQ(durability.collected(), 0U);
  EXPECT_TRUE(answer(1, true));
}

TEST_F(DurabilityOfAShard, AMarkIsKeptWithTheMessageItBelongsTo) {
  durability.save(session);
  EXPECT_TRUE(durability.keep_mark({}, true, now));
  EXPECT_FALSE(answer(7, true));
  replays.broken = true;
  durability.stored(durability.take_changes(now)->number, now);
  EXPECT_TRUE(sender.sent.empty()) << "its mark could not be kept";
  EXPECT_TRUE(durability.has_changes());
  replays.broken = false;
  durability.take_changes(now);
  EXPECT_EQ(sender.sent, std::vector<std::uint16_t>{7});
  replays.broken = true;
  EXPECT_FALSE(durability.keep_mark({}, false, now)) << "of what nobody stores: at once";
}

TEST_F(DurabilityOfAShard, ADeliveryThatEndsInTimeIsNeverWritten) {
  settings.store_delay = 2;
  is_there();
  Delivery its = delivery();
  durability.save(session, its, 5);
  EXPECT_FALSE(durability.has_urgent_changes());
  EXPECT_FALSE(answer(7, true));
  EXPECT_FALSE(durability.take_changes(now)) << "held back";
  durability.finished(session, its);
  EXPECT_FALSE(durability.take_changes(now)) << "withdrawn";
  EXPECT_EQ(sender.sent, std::vector<std::uint16_t>{7});
  EXPECT_FALSE(durability.has_changes());
}

TEST_F(DurabilityOfAShard, AHeldBatchLeavesWhenItsTimeHasComeOrSomethingIsUrgent) {
  settings.store_delay = 2;
  is_there();
  Delivery one = delivery(), two = delivery(), third = delivery(QoS::exactly_once);
  durability.save(session, one, 5);
  EXPECT_FALSE(durability.take_changes(now));
  now.steady += 2;
  const auto first = durability.take_changes(now);
  ASSERT_TRUE(first);
  durability.stored(first->number, now);
  durability.save(session, two, 6);
  EXPECT_FALSE(durability.take_changes(now));
  durability.save(session, third, 7);
  EXPECT_TRUE(durability.has_urgent_changes()) << "of QoS 2";
  const auto both = durability.take_changes(now);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->changes.size(), 2U);
}

TEST_F(DurabilityOfAShard, ADeliveryThatStartsBeforeItIsWrittenIsOneChange) {
  Delivery its = delivery();
  durability.save(session, its, 0);
  durability.save(session, its, 9);
  const auto batch = durability.take_changes(now);
  ASSERT_EQ(batch->changes.size(), 1U);
  EXPECT_EQ(std::get<DeliverySaved>(batch->changes[0]).packet_id, 9);
  durability.received(session, its);
  EXPECT_EQ(its.message, nullptr);
  durability.finished(session, its);
  const auto next = durability.take_changes(now);
  ASSERT_EQ(next->changes.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<DeliveryReceived>(next->changes[0]));
  EXPECT_TRUE(std::holds_alternative<DeliveryEnded>(next->changes[1]));
}

TEST_F(DurabilityOfAShard, CountsSubscriptionsOfSessionsThatLast) {
  EXPECT_FALSE(durability.anybody_lasts());
  session.subscriptions.emplace("t", std::make_unique<Subscription>());
  durability.recount(session);
  EXPECT_EQ(lasting, 1U);
  EXPECT_TRUE(durability.anybody_lasts());
  session.expiry_interval = 0;
  durability.recount(session);
  EXPECT_EQ(lasting, 0U);
}

TEST_F(DurabilityOfAShard, OneShardTellsThatARetainedMessageHasGone) {
  durability.erased(*delivery().message);
  EXPECT_EQ(durability.collected(), 0U);
  Durability first{settings, 0, 3, replays, &lasting, sender};
  first.erased(*delivery().message);
  EXPECT_EQ(first.collected(), 1U);
}

}  // namespace
}  // namespace sealmq::broker
