#include "server/merged_changes.h"

#include <gtest/gtest.h>

namespace sealmq::server {
namespace {

using broker::Batch;
using mqtt::QoS;

const auto message = std::make_shared<const broker::Message>(broker::MessageView{.topic = "t"}, 5);

broker::DeliverySaved owed(broker::Number delivery) {
  return {1, delivery, message, QoS::exactly_once, false, 0, 0, nullptr, {}};
}

TEST(MergedChanges, LeaveOutWhatBeganAndEndedWithinTheGroup) {
  const Batch one{1, {owed(10), broker::TransitSaved{5, message, 1, 2, 0, {}}, broker::IncomingSaved{1, 3}}};
  const Batch two{1, {broker::DeliveryStarted{1, 10, 4}, broker::TransitEnded{5, 1}, broker::IncomingEnded{1, 3}}};
  const Batch three{2, {broker::DeliveryReceived{1, 10}, broker::DeliveryEnded{1, 10}}};
  EXPECT_TRUE(MergedChanges({&one, &two, &three}).left().empty());
}

TEST(MergedChanges, WriteANewDeliveryAsItIsAtTheEnd) {
  const Batch batch{1, {owed(10), broker::DeliveryStarted{1, 10, 4}, broker::DeliveryReceived{1, 10}}};
  const MergedChanges merged({&batch});
  ASSERT_EQ(merged.left().size(), 1U);
  const auto& saved = std::get<broker::DeliverySaved>(*merged.left()[0]);
  EXPECT_EQ(saved.packet_id, 4);
  EXPECT_EQ(saved.message, nullptr);
  EXPECT_NE(std::get<broker::DeliverySaved>(batch.changes[0]).message, nullptr) << "the batch stays as it was";
}

TEST(MergedChanges, KeepTheOrderAndWhatBeganEarlier) {
  const Batch batch{1,
                    {broker::DeliveryEnded{1, 9}, owed(10), broker::IncomingSaved{1, 3}, broker::IncomingEnded{1, 3},
                     broker::IncomingSaved{1, 3}, broker::SessionEnded{2}}};
  const MergedChanges merged({&batch});
  ASSERT_EQ(merged.left().size(), 4U);
  EXPECT_TRUE(std::holds_alternative<broker::DeliveryEnded>(*merged.left()[0]));
  EXPECT_TRUE(std::holds_alternative<broker::DeliverySaved>(*merged.left()[1]));
  EXPECT_EQ(merged.left()[2], &batch.changes[4]);
  EXPECT_TRUE(std::holds_alternative<broker::SessionEnded>(*merged.left()[3]));
}

}  // namespace
}  // namespace sealmq::server
