// Shards on their threads, with clients that talk to them over sockets.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>

#include "mqtt/packet.h"
#include "sealmq/keystore.h"
#include "server/shard_thread.h"
#include "support/fakes.h"

namespace sealmq::testing {

class ShardThreads : public ::testing::Test {
 protected:
  static constexpr std::size_t shards = 3;
  static constexpr int patience = 20'000;  // milliseconds

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
          const Bytes whole = received_;
          body_ = to_buffer(whole.subspan((*header)->size, (*header)->remaining));
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

    /// Of the last packet that was waited for, without its header.
    const Buffer& body() const { return body_; }

   private:
    Descriptor socket_;
    Buffer received_;
    Buffer body_;
  };

  /// `store`: what outlives the process goes there; null: nothing does. `prepare`: adds to the ports of each shard.
  explicit ShardThreads(std::unique_ptr<server::SessionStore> store = nullptr,
                        const std::function<void(broker::Ports&)>& prepare = {})
      : key(make_memory_keys("broker", Kind::broker, random)) {
    settings.limits.receive_maximum = 1000;
    settings.durable = store != nullptr;
    if (settings.durable)
      storage = std::make_unique<server::StorageThread>(
          std::move(store), nullptr, log, [this](std::size_t shard, std::uint64_t batch) { all[shard]->stored(batch); },
          [](broker::Number) {});
    const auto policy = std::make_shared<const broker::Policy>(broker::Policy::make({rule()}).value());
    const auto directory = std::make_shared<const Directory>(std::vector<Identity>());
    for (std::size_t i = 0; i < shards; ++i) {
      broker::Ports ports{{}, replays, journal, random};
      ports.budget = &budget;
      ports.interest = &interest;
      for (const auto& scheme : all_schemes()) ports.schemes.push_back(scheme.broker_side(BrokerPorts{*key, random}));
      if (prepare) prepare(ports);
      all.push_back(std::make_unique<server::ShardThread>(i, all, settings, std::move(ports), policy, directory, shards,
                                                          storage.get(), workers, gate, key_exchanges));
    }
    if (storage != nullptr) storage->start();
    for (const auto& shard : all) shard->start();
  }
  ~ShardThreads() override {
    for (const auto& shard : all) shard->begin_stop();
    for (const auto& shard : all) shard->join();
    workers.stop();
    if (storage != nullptr) storage->stop();
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
  /// `identity`: what its transport has proved. `expiry`: seconds that its session outlives the connection.
  Client connect(std::size_t shard, std::string identity = {}, std::uint32_t expiry = 0) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    all[shard]->adopt({Descriptor(ends[0]), {}, nullptr, {}}, broker::Peer{.address = "test", .identity = std::move(identity)},
                      {});
    Client client(ends[1]);
    const std::string name = name_at(shard);
    mqtt::Connect packet;
    packet.client_id = name;
    if (expiry != 0) packet.properties.session_expiry_interval = expiry;
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

  CountingRandom random;
  SimpleReplayMemory replays;
  struct Quiet final : broker::Journal {
    void refused(broker::Refusal, std::string_view, std::string_view, Now) override {}
  } journal;
  struct Silent final : server::Log {
    void write(server::Severity, std::string_view) override {}
  } log;
  broker::Budget budget{64 << 20};
  broker::Interest interest;
  std::unique_ptr<KeyStore> key;
  broker::Settings settings;
  server::Workers workers{1};
  server::KeyExchanges key_exchanges;
  server::ConnectionGate gate{{}, budget, journal};
  std::unique_ptr<server::StorageThread> storage;
  std::vector<std::unique_ptr<server::ShardThread>> all;

 private:
  int names_ = 0;
};

}  // namespace sealmq::testing
