// A broker on the real store: what its sudden end leaves is what plain maps would have kept, and what clients were promised.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

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
    EXPECT_EQ(testing::lines(loaded->restored), testing::lines(model_.restored(now)));
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

TEST_P(StoredBrokerTest, AWillIsPublishedAlsoIfItsClientIsBackAtOnce) {
  watch();
  connect_with_will("device", 3600);
  broker.crash();
  auto& watcher = watch();
  connect_with_will("device", 3600);
  EXPECT_EQ(payloads(watcher), "device is gone ");
}

TEST_P(StoredBrokerTest, ASessionEndsInTimeHoweverOftenTheBrokerIsKilled) {
  watch();
  connect_with_will("device", 3, 60);
  broker.crash();
  for (int kill = 0; kill < 3; ++kill) {
    broker.advance(1000);
    broker.crash();
  }
  auto& watcher = watch();
  broker.advance(1000);
  EXPECT_EQ(payloads(watcher), "device is gone ") << "the end of its session is the last moment for its Will";
  EXPECT_FALSE(broker.connect("device", mqtt::Version::v5, false).session_present);
}

// -- histories by chance
//
// A publisher that sends again what was not acknowledged, two readers that come, go and are taken over, and devices with Wills.
// The broker is killed with the store at any point in between. A plain model says what has to have come in the end: of QoS 2 each
// message once, of QoS 1 at least once, each Will that became due once and no other, and the last retained message of each topic.

/// What a client remembers of QoS 2, and what it has handed on.
class Reader {
 public:
  Reader(std::string id, QoS qos) : id_(std::move(id)), qos_(qos) {}

  void come(BrokerBench& broker) {
    look();
    client_ = &broker.connect(id_, mqtt::Version::v5, false);
    looked_at_ = 0;
    if (!client_->session_present) {
      unreleased_.clear();
      for (const char* filter : {"q/#", "last/#"}) broker.subscribe(*client_, filter, {.qos = qos_});
    }
    look();
  }
  void go(BrokerBench& broker) {
    if (client_ != nullptr && !client_->closed) broker.cut(*client_);
    look();
  }
  /// Takes in what has come.
  void look() {
    if (client_ == nullptr) return;
    const Bytes all = client_->everything;
    while (looked_at_ < all.size()) {
      const Bytes rest = all.subspan(looked_at_);
      const auto header = mqtt::decode_header(rest, client_->version).value().value();
      const auto packet = mqtt::decode(header, rest.subspan(header.size, header.remaining), client_->version).value();
      looked_at_ += header.size + header.remaining;
      if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
        const bool is_known = publish->qos == QoS::exactly_once && !unreleased_.insert(publish->packet_id).second;
        if (!is_known) ++got[std::string(as_text(publish->payload))];
      } else if (const auto* pubrel = std::get_if<mqtt::Pubrel>(&packet)) {
        unreleased_.erase(pubrel->packet_id);
      }
    }
  }
  std::map<std::string, std::size_t> got;

 private:
  const std::string id_;
  const QoS qos_;
  TestClient* client_ = nullptr;
  std::size_t looked_at_ = 0;
  std::set<std::uint16_t> unreleased_;
};

class Publisher {
 public:
  struct Message {
    std::string topic, payload;
    QoS qos;
    bool retain;
    bool is_received = false, is_done = false;  // PUBREC came; nothing more is to come
  };

  void come(BrokerBench& broker) {
    client_ = &broker.connect("publisher", mqtt::Version::v5, false);
    answered_ = 0;
    for (std::size_t i = 0; i < messages.size(); ++i)
      if (!messages[i].is_done) send(broker, i, true);
    go_on(broker);
  }
  void publish(BrokerBench& broker, Message message) {
    if (client_->closed) return;
    messages.push_back(std::move(message));
    send(broker, messages.size() - 1, false);
    go_on(broker);
  }
  /// The next step of whatever was answered.
  void go_on(BrokerBench& broker) {
    for (; answered_ < client_->answers.size(); ++answered_) {
      const auto answer = client_->answers[answered_];
      Message& message = messages.at(answer.packet_id - 1U);
      if (answer.type == mqtt::PacketType::pubrec) {
        message.is_received = true;
        broker.send(*client_, mqtt::Pubrel{.packet_id = answer.packet_id, .properties = {}});
      } else {
        message.is_done = true;
      }
    }
  }
  std::vector<Message> messages;

 private:
  void send(BrokerBench& broker, std::size_t number, bool again) {
    const Message& message = messages[number];
    const auto id = static_cast<std::uint16_t>(number + 1);
    if (message.is_received) return broker.send(*client_, mqtt::Pubrel{.packet_id = id, .properties = {}});
    mqtt::Publish packet;
    packet.topic = message.topic;
    packet.payload = as_bytes(message.payload);
    packet.qos = message.qos;
    packet.retain = message.retain;
    packet.packet_id = id;
    packet.dup = again;
    broker.send(*client_, packet);
  }

  TestClient* client_ = nullptr;
  std::size_t answered_ = 0;
};

/// Devices with Wills, and which of those have to have been published.
class Devices {
 public:
  void connect(BrokerBench& broker, std::size_t number, bool clean_start, std::uint32_t expiry, std::uint32_t delay) {
    Device& device = devices_[number];
    lost(device, broker.now.steady);
    if (!device.will.empty()) {
      if (device.due <= broker.now.steady || clean_start) ++expected[device.will];
      device.will.clear();
    }
    device.will = "will " + std::to_string(++last_will_);
    device.expiry = expiry;
    device.delay = delay;
    const std::string id = "device-" + std::to_string(number);
    mqtt::Connect packet;
    packet.client_id = id;
    packet.clean_start = clean_start;
    packet.properties.session_expiry_interval = expiry;
    packet.will = mqtt::Will{"last/words", as_bytes(device.will), QoS::exactly_once, false, {}};
    packet.will->properties.will_delay_interval = delay;
    device.client = &broker.connect(packet);
  }
  void cut(BrokerBench& broker, std::size_t number) {
    Device& device = devices_[number];
    if (device.client == nullptr) return;
    TestClient* client = device.client;
    lost(device, broker.now.steady);
    broker.cut(*client);
  }
  void leave(BrokerBench& broker, std::size_t number) {
    Device& device = devices_[number];
    if (device.client == nullptr) return;
    broker.send(*std::exchange(device.client, nullptr), mqtt::Disconnect{});
    device.will.clear();
  }
  /// The broker was killed, and has come back.
  void all_lost(std::uint64_t now) {
    for (auto& [number, device] : devices_) {
      if (device.client != nullptr) {
        device.client = nullptr;
        device.expires = now + 1000U * device.expiry;
      }
      if (!device.will.empty()) device.due = std::min(now + 1000U * device.delay, device.expires);
    }
  }
  void pass(std::uint64_t now) {
    for (auto& [number, device] : devices_)
      if (device.client == nullptr && !device.will.empty() && device.due <= now) {
        ++expected[device.will];
        device.will.clear();
      }
  }
  std::map<std::string, std::size_t> expected;

 private:
  struct Device {
    TestClient* client = nullptr;
    std::string will;  // not published yet
    std::uint32_t expiry = 0, delay = 0;
    std::uint64_t due = 0, expires = 0;
  };
  void lost(Device& device, std::uint64_t now) {
    if (std::exchange(device.client, nullptr) == nullptr) return;
    device.expires = now + 1000U * device.expiry;
    device.due = std::min(now + 1000U * device.delay, device.expires);
    if (device.due > now) return;
    ++expected[device.will];
    device.will.clear();
  }

  std::map<std::size_t, Device> devices_;
  std::size_t last_will_ = 0;
};

// RC_PARAMS="max_success=100000" tries more of them.
RC_GTEST_PROP(StoredBroker, KeepsItsPromisesInEveryHistory,
              (const std::vector<std::tuple<std::uint8_t, std::uint8_t>>& history)) {
  BrokerBench broker{1 + history.size() % 3, durable()};
  RealStore store{broker};
  broker.keep_in(store);
  Reader exact("exact", QoS::exactly_once), careless("careless", QoS::at_least_once);
  Publisher publisher;
  Devices devices;
  exact.come(broker);
  careless.come(broker);
  publisher.come(broker);
  const auto settle = [&] {
    broker.let_store();
    publisher.go_on(broker);
  };
  for (const auto& [what, how] : history) {
    switch (what % 13) {
      case 0:
      case 1:
      case 2:
        publisher.publish(broker, {"q/" + std::to_string(how % 3), "message " + std::to_string(publisher.messages.size()),
                                   how % 2 == 0 ? QoS::at_least_once : QoS::exactly_once, false});
        break;
      case 3:
        publisher.publish(
            broker, {"state/" + std::to_string(how % 4), how % 5 == 0 ? "" : "state " + std::to_string(publisher.messages.size()),
                     how % 2 == 0 ? QoS::at_least_once : QoS::exactly_once, true});
        break;
      case 4:
        (how % 2 == 0 ? exact : careless).go(broker);
        break;
      case 5:
        (how % 2 == 0 ? exact : careless).come(broker);
        break;
      case 6:
        broker.hold_store();
        break;
      case 7:
        broker.let_store(1 + how % 4);
        publisher.go_on(broker);
        break;
      case 8: {
        constexpr std::uint32_t expiries[] = {0, 3, 3600}, delays[] = {0, 5};
        settle();  // whether a connection's beginning and end are stored is not what a device is told
        devices.connect(broker, how % 3, how % 7 == 0, expiries[how / 3 % 3], delays[how / 9 % 2]);
        break;
      }
      case 9:
        settle();
        devices.cut(broker, how % 3);
        break;
      case 10:
        settle();
        devices.leave(broker, how % 3);
        break;
      case 11: {
        const std::uint64_t milliseconds = 500U * (how % 16);
        settle();
        broker.advance(milliseconds);
        devices.pass(broker.now.steady);
        break;
      }
      default:
        exact.look();
        careless.look();
        broker.crash(1 + how % 3);
        devices.all_lost(broker.now.steady);
        publisher.come(broker);
    }
    exact.look();
    careless.look();
  }
  settle();
  broker.crash();
  devices.all_lost(broker.now.steady);
  publisher.come(broker);
  broker.advance(10'000);
  devices.pass(broker.now.steady);
  exact.come(broker);
  careless.come(broker);

  std::map<std::string, std::string> states;
  std::map<std::string, std::size_t> once = devices.expected;
  for (const auto& message : publisher.messages) {
    RC_ASSERT(message.is_done);
    if (message.retain && message.payload.empty())
      states.erase(message.topic);
    else if (message.retain)
      states[message.topic] = message.payload;
    if (message.retain) continue;
    if (message.qos == QoS::exactly_once) once[message.payload] = 1;
    RC_ASSERT(exact.got[message.payload] >= 1U);
    RC_ASSERT(careless.got[message.payload] >= 1U);
    if (message.qos == QoS::at_least_once) exact.got.erase(message.payload);
  }
  RC_ASSERT(exact.got == once);
  auto& late = broker.connect("late");
  broker.subscribe(late, "state/#");
  std::map<std::string, std::string> got;
  for (const auto& publish : late.publishes) got[publish.topic] = publish.payload;
  RC_ASSERT(got == states);
}

}  // namespace
}  // namespace sealmq::server
