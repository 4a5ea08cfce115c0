// Shards on their threads: one that is busy does not stop the others.
#include "server/shard_thread.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>
#include <future>

#include "mqtt/packet.h"
#include "sealmq/keystore.h"
#include "support/fakes.h"

namespace sealmq::server {
namespace {

constexpr std::size_t shards = 3;
constexpr int patience = 20'000;  // milliseconds

/// A client's end of a socket.
class Client {
 public:
  explicit Client(int socket) : socket_(socket) {}

  template <class Packet>
  bool send(const Packet& packet) {
    Buffer bytes;
    if constexpr (std::is_same_v<Packet, mqtt::Connect>)
      mqtt::encode(packet, bytes);
    else
      mqtt::encode(packet, mqtt::Version::v5, bytes);
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t count = ::send(socket_.number(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) {
        at += static_cast<std::size_t>(count);
        continue;
      }
      pollfd writable{socket_.number(), POLLOUT, 0};
      if (::poll(&writable, 1, patience) != 1) return false;
    }
    return true;
  }
  /// Waits for a packet of this type; others are thrown away.
  bool got(mqtt::PacketType type, int milliseconds = patience) {
    for (;;) {
      const auto header = mqtt::decode_header(received_, mqtt::Version::v5);
      if (header && *header && received_.size() >= (*header)->size + (*header)->remaining) {
        const auto found = (*header)->type;
        received_.erase(received_.begin(),
                        received_.begin() + static_cast<std::ptrdiff_t>((*header)->size + (*header)->remaining));
        if (found == type) return true;
        continue;
      }
      pollfd readable{socket_.number(), POLLIN, 0};
      if (::poll(&readable, 1, milliseconds) != 1) return false;
      std::uint8_t part[65536];
      const ssize_t count = ::recv(socket_.number(), part, sizeof part, MSG_DONTWAIT);
      if (count <= 0) return false;
      append(received_, Bytes(part, static_cast<std::size_t>(count)));
    }
  }

 private:
  Descriptor socket_;
  Buffer received_;
};

class ShardThreads : public ::testing::Test {
 protected:
  ShardThreads() : key(make_memory_keys("broker", Kind::broker, random)) {
    settings.limits.receive_maximum = 1000;
    const auto policy = std::make_shared<const broker::Policy>(broker::Policy::make({rule()}).value());
    const auto directory = std::make_shared<const Directory>(std::vector<Identity>());
    for (std::size_t i = 0; i < shards; ++i) {
      broker::Ports ports{{}, replays, journal, random};
      ports.budget = &budget;
      ports.interest = &interest;
      for (const auto& scheme : all_schemes()) ports.schemes.push_back(scheme.broker_side(BrokerPorts{*key, random}));
      all.push_back(std::make_unique<ShardThread>(i, all, settings, std::move(ports), policy, directory, shards, nullptr, workers,
                                                  gate, key_exchanges));
    }
    for (const auto& shard : all) shard->start();
  }
  ~ShardThreads() override {
    for (const auto& shard : all) shard->begin_stop();
    for (const auto& shard : all) shard->join();
    workers.stop();
  }

  static broker::TopicRule rule() {
    broker::SchemeSet plain;
    plain.add(all_schemes().size() - 1);
    return {"#", plain, plain};
  }
  /// A name that this shard owns.
  std::string name_at(std::size_t shard) {
    for (;;) {
      std::string name = "client-" + std::to_string(++names_);
      if (broker::Shard::shard_of(name, shards, settings.shard_key) == shard) return name;
    }
  }
  Client connect(std::size_t shard) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    all[shard]->adopt({Descriptor(ends[0]), {}, nullptr, {}}, broker::Peer{.address = "test"}, {});
    Client client(ends[1]);
    const std::string name = name_at(shard);
    mqtt::Connect packet;
    packet.client_id = name;
    client.send(packet);
    EXPECT_TRUE(client.got(mqtt::PacketType::connack));
    return client;
  }
  /// Nothing is done there until the answer is set.
  std::promise<void> hold(std::size_t shard) {
    std::promise<void> release;
    std::promise<void> begun;
    all[shard]->post([&begun, wait = std::make_shared<std::future<void>>(release.get_future())](broker::Shard&, Now) {
      begun.set_value();
      wait->wait();
    });
    begun.get_future().wait();
    return release;
  }

  testing::CountingRandom random;
  testing::SimpleReplayMemory replays;
  struct Quiet final : broker::Journal {
    void refused(broker::Refusal, std::string_view, std::string_view, Now) override {}
  } journal;
  broker::Budget budget{64 << 20};
  broker::Interest interest;
  std::unique_ptr<KeyStore> key;
  broker::Settings settings;
  Workers workers{1};
  KeyExchanges key_exchanges;
  ConnectionGate gate{{}, budget, journal};
  std::vector<std::unique_ptr<ShardThread>> all;

 private:
  int names_ = 0;
};

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

}  // namespace
}  // namespace sealmq::server
