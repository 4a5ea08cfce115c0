// Shards on their threads: one that is busy does not stop the others.
#include "server/shard_thread.h"

#include <mutex>
#include <set>

#include "support/shard_threads.h"

namespace sealmq::server {
namespace {

using testing::ShardThreads;

TEST_F(ShardThreads, OneThatIsBusyStopsNobodyElse) {
  Client reader = connect(2), quiet = connect(0), writer = connect(0), promised = connect(0);
  ASSERT_TRUE(reader.send(mqtt::Subscribe{.packet_id = 1, .properties = {}, .entries = {{"t", {}}}}));
  ASSERT_TRUE(reader.got(mqtt::PacketType::suback));
  std::promise<void> release = hold(1);

  // More than its mailbox holds; QoS 0 goes on after a moment, and is lost to that shard.
  const std::string payload(100'000, 'x');
  mqtt::Publish packet;
  packet.topic = "t";
  packet.payload = as_bytes(payload);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(writer.send(packet)) << i;
  ASSERT_TRUE(writer.send(mqtt::Pingreq{}));
  EXPECT_TRUE(writer.got(mqtt::PacketType::pingresp));
  EXPECT_TRUE(reader.got(mqtt::PacketType::publish));

  // Nor does anybody else wait.
  for (Client* client : {&reader, &quiet}) {
    ASSERT_TRUE(client->send(mqtt::Pingreq{}));
    EXPECT_TRUE(client->got(mqtt::PacketType::pingresp));
  }
  Client newcomer = connect(2);
  EXPECT_LE(budget.used(), 24U << 20) << "and it is bounded";

  // Who was promised something waits, and is served in the end.
  packet.qos = mqtt::QoS::at_least_once;
  packet.payload = as_bytes("x");  // the system keeps what is not read
  for (std::uint16_t i = 1; i <= 3; ++i) {
    packet.packet_id = i;
    ASSERT_TRUE(promised.send(packet));
  }
  release.set_value();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(promised.got(mqtt::PacketType::puback));
}

TEST_F(ShardThreads, MessagesReachAllShardsHoweverManyThereAre) {
  Client reader = connect(1);
  Client writers[] = {connect(0), connect(2)};
  ASSERT_TRUE(
      reader.send(mqtt::Subscribe{.packet_id = 1, .properties = {}, .entries = {{"t", {.qos = mqtt::QoS::at_least_once}}}}));
  ASSERT_TRUE(reader.got(mqtt::PacketType::suback));
  constexpr int each = 300;
  const std::string payload(50'000, 'x');
  std::jthread second([&] {
    mqtt::Publish packet;
    packet.topic = "other";
    packet.payload = as_bytes(payload);
    for (int i = 0; i < each; ++i) writers[1].send(packet);
  });
  mqtt::Publish packet;
  packet.topic = "t";
  packet.payload = as_bytes(payload);
  packet.qos = mqtt::QoS::at_least_once;
  for (int i = 0; i < each; ++i) {
    packet.packet_id = static_cast<std::uint16_t>(i + 1);
    ASSERT_TRUE(writers[0].send(packet));
    ASSERT_TRUE(writers[0].got(mqtt::PacketType::puback));
    ASSERT_TRUE(reader.got(mqtt::PacketType::publish));
    ASSERT_TRUE(reader.send(mqtt::Puback{.packet_id = static_cast<std::uint16_t>(i + 1), .properties = {}}));
  }
}

/// Plain MQTT, and beside it messages on a topic of their own whose slow part waits for somebody else.
class SlowPlain final : public BrokerScheme {
 public:
  static constexpr std::string_view topic = "$waits";
  explicit SlowPlain(std::unique_ptr<BrokerScheme> inner) : inner_(std::move(inner)) {}
  const SchemeInfo& info() const override { return inner_->info(); }
  bool recognises(const Incoming& message) const override { return takes(message.topic) || inner_->recognises(message); }
  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override { return inner_->open(message, scene); }
  Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) override { return inner_->seal(message, scene, out); }
  bool takes(std::string_view reserved) const override { return reserved == topic; }
  std::unique_ptr<Preparation> prepare(const Incoming& incoming) override {
    struct Waits final : Preparation {
      void run() override {}
      bool waits() const override { return true; }
    };
    return takes(incoming.topic) ? std::make_unique<Waits>() : nullptr;
  }

 private:
  std::unique_ptr<BrokerScheme> inner_;
};

class SlowShardThreads : public ShardThreads {
 protected:
  SlowShardThreads()
      : ShardThreads(nullptr, [](broker::Ports& ports) {
          ports.schemes.back() = std::make_unique<SlowPlain>(std::move(ports.schemes.back()));
        }) {}
};

// A database that does not answer, and roots that take long, delay nobody who wants the other.
TEST_F(SlowShardThreads, WhatWaitsForOthersHasAThreadOfItsOwn) {
  Client client = connect(0);
  std::promise<void> over;
  const auto is_over = std::make_shared<std::future<void>>(over.get_future());
  ASSERT_TRUE(workers.computing.post([is_over] { is_over->wait(); }));  // its only thread
  mqtt::Publish packet;
  packet.topic = SlowPlain::topic;
  packet.qos = mqtt::QoS::at_least_once;
  packet.packet_id = 1;
  ASSERT_TRUE(client.send(packet));
  EXPECT_TRUE(client.got(mqtt::PacketType::puback));
  over.set_value();
}

/// Writes nothing down but what began and what ended of messages on their way between shards.
class TransitStore final : public SessionStore {
 public:
  struct Seen {
    std::mutex mutex;
    std::set<std::pair<broker::Number, std::uint32_t>> begun;  // and for which shard
    std::size_t ended = 0;
    std::size_t ended_before_they_began = 0;
  };
  explicit TransitStore(std::shared_ptr<Seen> seen) : seen_(std::move(seen)) {}
  Result<Loaded> load(Now) override { return Loaded{}; }
  Result<std::vector<Refused>> write(const std::vector<const broker::Batch*>& group, Now) override {
    const std::lock_guard lock(seen_->mutex);
    for (const broker::Batch* batch : group)
      for (const broker::Change& change : batch->changes) {
        if (const auto* saved = std::get_if<broker::TransitSaved>(&change)) seen_->begun.emplace(saved->transit, saved->shard);
        const auto* over = std::get_if<broker::TransitEnded>(&change);
        if (over == nullptr) continue;
        ++seen_->ended;
        seen_->ended_before_they_began += seen_->begun.erase({over->transit, over->shard}) == 0 ? 1 : 0;
      }
    return std::vector<Refused>();
  }

 private:
  const std::shared_ptr<Seen> seen_;
};

class DurableShardThreads : public ShardThreads {
 protected:
  DurableShardThreads() : DurableShardThreads(std::make_shared<TransitStore::Seen>()) {}
  explicit DurableShardThreads(std::shared_ptr<TransitStore::Seen> its)
      : ShardThreads(std::make_unique<TransitStore>(its)), seen(std::move(its)) {}
  const std::shared_ptr<TransitStore::Seen> seen;
};

// Whoever ends what is on its way must come behind the one that began it, or it would come back after a crash.
TEST_F(DurableShardThreads, AMessageIsWithTheStoreBeforeItIsWithAnotherShard) {
  Client reader = connect(1, {}, 3600), writer = connect(0);
  ASSERT_TRUE(
      reader.send(mqtt::Subscribe{.packet_id = 1, .properties = {}, .entries = {{"t", {.qos = mqtt::QoS::at_least_once}}}}));
  ASSERT_TRUE(reader.got(mqtt::PacketType::suback));
  mqtt::Publish packet;
  packet.topic = "t";
  packet.qos = mqtt::QoS::at_least_once;
  for (packet.packet_id = 1; packet.packet_id <= 200; ++packet.packet_id) {
    ASSERT_TRUE(writer.send(packet));
    ASSERT_TRUE(writer.got(mqtt::PacketType::puback));
    ASSERT_TRUE(reader.got(mqtt::PacketType::publish));
    const Buffer& got = reader.body();  // the topic, which is one letter, and the identifier
    const auto identifier = static_cast<std::uint16_t>(got[3] << 8 | got[4]);
    ASSERT_TRUE(reader.send(mqtt::Puback{.packet_id = identifier, .properties = {}}));
  }
  const std::lock_guard lock(seen->mutex);
  EXPECT_EQ(seen->ended_before_they_began, 0U);
  EXPECT_GE(seen->ended, 100U);
}

}  // namespace
}  // namespace sealmq::server
