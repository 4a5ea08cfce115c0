// A message of QoS 0 asks the heap for nothing on its way through a busy broker: from the bytes of its publisher to the bytes
// that its subscribers are owed.
#include <gtest/gtest.h>

#include "support/broker_bench.h"
#include "support/counted_new.h"

namespace sealmq::testing {
namespace {

using mqtt::Version;

struct Load {
  Version version;
  std::size_t subscribers;
  std::size_t messages_per_turn;
};

class Allocation : public ::testing::TestWithParam<Load> {
 protected:
  Allocation() {
    for (std::size_t i = 0; i < GetParam().subscribers; ++i) {
      TestClient& subscriber = bench_.connect("subscriber-" + std::to_string(i), GetParam().version);
      bench_.subscribe(subscriber, i % 2 == 0 ? "plant/+/temperature" : "plant/7/#");
    }
    publisher_ = &bench_.connect("publisher", GetParam().version);
    mqtt::Publish message;
    message.topic = "plant/7/temperature";
    message.payload = as_bytes("a payload of some length, longer than any small string");
    for (std::size_t i = 0; i < GetParam().messages_per_turn; ++i) mqtt::encode(message, GetParam().version, bytes_);
  }

  /// What comes is taken in, what is owed is written: as the server does it, once for each turn of its loop.
  void turn() {
    broker::Shard& shard = bench_.shard(0);
    shard.receive(publisher_->connection, bytes_, bench_.now);
    std::swap(writable_, shard.effects().writable);
    for (broker::ConnectionId id : writable_) {
      mqtt::Outbox& outbox = *shard.outbox(id);
      bytes_out_ += outbox.size();
      outbox.consume(outbox.size());
      shard.drained(id, bench_.now);
    }
    writable_.clear();
  }

  BrokerBench bench_;
  TestClient* publisher_;
  Buffer bytes_;
  std::vector<broker::ConnectionId> writable_;
  std::size_t bytes_out_ = 0;
};

TEST_P(Allocation, IsNotNeededForAMessageOfQoS0) {
  ASSERT_EQ(allocations_of([] { ::operator delete(::operator new(1)); }), 1U) << "the counter counts";
  turn();  // the first ones make room
  turn();
  bytes_out_ = 0;
  const std::uint64_t delivered_before = bench_.counters().delivered;
  EXPECT_EQ(allocations_of([&] {
              for (int i = 0; i < 100; ++i) turn();
            }),
            0U);
  EXPECT_EQ(bench_.counters().delivered - delivered_before, 100 * GetParam().subscribers * GetParam().messages_per_turn);
  EXPECT_EQ(bytes_out_, 100 * GetParam().subscribers * bytes_.size());
}

INSTANTIATE_TEST_SUITE_P(QoS0, Allocation,
                         ::testing::Values(Load{Version::v3_1_1, 1, 1}, Load{Version::v3_1_1, 1, 50},
                                           Load{Version::v3_1_1, 100, 1}, Load{Version::v3_1_1, 100, 50},
                                           Load{Version::v5, 1, 50}, Load{Version::v5, 100, 50}),
                         [](const auto& load) {
                           return std::string(load.param.version == Version::v5 ? "Version5" : "Version311") + "To" +
                                  std::to_string(load.param.subscribers) + "By" + std::to_string(load.param.messages_per_turn);
                         });

}  // namespace
}  // namespace sealmq::testing
