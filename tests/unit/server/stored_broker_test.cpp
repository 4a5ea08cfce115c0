// A broker on the real store: what its sudden end leaves is what plain maps would have kept, and what clients were promised.
#include <gtest/gtest.h>

#include "server/session_store.h"
#include "support/broker_bench.h"
#include "support/restored_lines.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

using mqtt::QoS;
using testing::BrokerBench;
using testing::TestClient;

/// sessions.db, opened anew after each end of the broker, beside plain maps.
class RealStore : public testing::ChangeStore {
 public:
  explicit RealStore(BrokerBench& broker) : broker_(broker) { open(); }

  void apply(const std::vector<const broker::Batch*>& group, Now now) override {
    model_.apply(group, now);
    const auto written = store_->write(group, now);
    ASSERT_TRUE(written) << written.error().what;
    EXPECT_TRUE(written->empty()) << written->front().cause;
  }
  broker::Restored restored(Now now) override {
    open();
    auto loaded = store_->load(now);
    EXPECT_TRUE(loaded) << loaded.error().what;
    EXPECT_EQ(loaded->unreadable, 0U);
    EXPECT_EQ(testing::lines(loaded->restored), testing::lines(model_.restored()));
    return std::move(loaded->restored);
  }

 private:
  void open() {
    store_.reset();
    store_ = open_session_store(folder_ / "sessions.db", *broker_.key, broker_.random).value();
  }

  BrokerBench& broker_;
  testing::TemporaryFolder folder_;
  testing::MemoryStore model_;
  std::unique_ptr<SessionStore> store_;
};

broker::Settings durable() {
  broker::Settings settings;
  settings.durable = true;
  return settings;
}

std::string payloads(const TestClient& client) {
  std::string all;
  for (const auto& got : client.publishes) all += got.payload + " ";
  return all;
}

class StoredBrokerTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  StoredBrokerTest() { broker.keep_in(store); }
  BrokerBench broker{GetParam(), durable()};
  RealStore store{broker};

  TestClient& connect_with_will(const std::string& id, std::uint32_t expiry, std::uint32_t delay = 0) {
    const std::string topic = "last/" + id, payload = id + " is gone";
    mqtt::Connect packet;
    packet.client_id = id;
    packet.clean_start = false;
    packet.properties.session_expiry_interval = expiry;
    packet.will = mqtt::Will{topic, as_bytes(payload), QoS::at_least_once, false, {}};
    if (delay != 0) packet.will->properties.will_delay_interval = delay;
    return broker.connect(packet);
  }
  TestClient& watch() {
    auto& watcher = broker.connect("watcher", mqtt::Version::v5, false);
    broker.subscribe(watcher, "last/#", {.qos = QoS::at_least_once});
    return watcher;
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, StoredBrokerTest, ::testing::Values(1, 3));

TEST_P(StoredBrokerTest, EachClientHasItsOwnWill) {
  broker.cut(watch());
  connect_with_will("alice", 3600);
  connect_with_will("bob", 0);
  broker.send(connect_with_will("carol", 3600), mqtt::Disconnect{});
  broker.crash();
  broker.advance(1000);
  auto& watcher = watch();
  ASSERT_EQ(watcher.publishes.size(), 2U) << payloads(watcher);
  std::set<std::string> gone;
  for (const auto& got : watcher.publishes) {
    EXPECT_EQ(got.payload, got.topic.substr(5) + " is gone");
    gone.insert(got.topic);
  }
  EXPECT_EQ(gone, (std::set<std::string>{"last/alice", "last/bob"}));
}

TEST_P(StoredBrokerTest, AWillStopsNobodyAfterARestart) {
  watch();
  for (int round = 0; round < 3; ++round) {
    connect_with_will("device-" + std::to_string(round), 0);
    auto& writer = broker.connect("writer");
    broker.publish(writer, "last/x", "x", QoS::at_least_once);
    EXPECT_EQ(writer.answers.size(), 1U);
    broker.crash();
  }
}

TEST_P(StoredBrokerTest, AWillThatIsDueLaterWaitsForItAcrossARestart) {
  watch();
  broker.cut(connect_with_will("device", 3600, 60));
  broker.crash();
  auto& watcher = watch();
  broker.advance(30'000);
  EXPECT_EQ(payloads(watcher), "");
  broker.advance(31'000);
  EXPECT_EQ(payloads(watcher), "device is gone ");
  broker.crash();
  auto& again = watch();
  broker.advance(61'000);
  EXPECT_EQ(payloads(again), "") << "it is published once";
}

}  // namespace
}  // namespace sealmq::server
