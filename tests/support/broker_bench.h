// A broker of one or several shards and any number of clients, without sockets: effects are carried out between calls.
#pragma once

#include <deque>
#include <memory>
#include <variant>

#include "broker/shard.h"
#include "mqtt/packet.h"
#include "sealmq/keystore.h"
#include "sealmq/scheme.h"
#include "support/fakes.h"
#include "support/memory_store.h"

namespace sealmq::testing {

/// What a client got, with its own text.
struct GotPublish {
  std::string topic;
  std::string payload;
  mqtt::QoS qos{};
  bool retain = false;
  bool dup = false;
  std::uint16_t packet_id = 0;
  std::uint16_t alias = 0;
  std::vector<std::pair<std::string, std::string>> user;
  std::vector<std::uint32_t> identifiers;
  std::optional<std::uint32_t> expiry;
};

/// The client's end: encodes what a test sends, decodes what the broker answers.
struct TestClient {
  mqtt::Version version = mqtt::Version::v5;
  std::size_t shard = 0;
  broker::ConnectionId connection;
  bool closed = false;  ///< by the broker
  std::deque<mqtt::Reason> auths;
  std::string login_data;  ///< of the last AUTH or CONNACK
  Buffer incoming;
  Buffer everything;  ///< all that came, as it came
  Buffer sent;        ///< all that went to the broker
  std::optional<mqtt::Reason> connack;
  bool session_present = false;
  std::string assigned_id;
  std::optional<std::uint16_t> server_keep_alive;
  std::optional<mqtt::Reason> disconnect;
  std::deque<GotPublish> publishes;
  struct Answer {
    mqtt::PacketType type;
    std::uint16_t packet_id;
    std::vector<mqtt::Reason> reasons;
    bool operator==(const Answer&) const = default;
  };
  std::deque<Answer> answers;
  std::size_t pings = 0;
  bool acknowledges = true;  ///< answers QoS 1 and 2 by itself
  bool reads = true;         ///< takes what the broker writes
  bool is_read = true;       ///< as the broker wishes; what a test sends is received all the same
  bool opaque = false;       ///< what comes back is not looked at: the test does not know its version
  std::string client_id;     ///< as sent, or as the broker has assigned it
  Buffer channel_binding;    ///< empty: without TLS
  ThisConnection on() const { return {client_id, channel_binding}; }
};

class BrokerBench {
 public:
  /// `memory`: instead of its own; outlives it.
  /// `prepare`: adds to the ports of each shard.
  explicit BrokerBench(std::size_t shards = 1, broker::Settings settings = {}, ReplayMemory* memory = nullptr,
                       std::function<void(broker::Ports&)> prepare = {});

  /// A rule for `#` with these schemes, instead of the rules there are.
  void allow(std::vector<std::string_view> publish, std::vector<std::string_view> subscribe, std::string filter = "#");
  void set_rules(std::vector<broker::TopicRule> rules);
  broker::SchemeSet schemes(std::vector<std::string_view> names) const;
  void enroll(Identity identity);
  void set_identity(Identity identity);
  RevocationReport revoke(const std::string& name);

  TestClient& connect(mqtt::Connect packet, std::size_t at_shard = 0);
  TestClient& connect(std::string_view client_id, mqtt::Version version = mqtt::Version::v5, bool clean_start = true);
  /// A transport without a CONNECT.
  TestClient& dial(std::size_t at_shard = 0);
  /// From now on clients come with this instead of nothing but an address.
  broker::Peer peer{.address = "test"};
  template <class Packet>
  void send(TestClient& client, const Packet& packet) {
    Buffer bytes;
    mqtt::encode(packet, client.version, bytes);
    send_bytes(client, bytes);
  }
  void send_bytes(TestClient& client, Bytes bytes);
  void subscribe(TestClient& client, std::string_view filter, mqtt::SubscriptionOptions options = {},
                 mqtt::Properties properties = {});
  void publish(TestClient& client, std::string_view topic, std::string_view payload, mqtt::QoS qos = mqtt::QoS::at_most_once,
               bool retain = false, std::uint16_t packet_id = 0);
  /// The transport breaks, without DISCONNECT.
  void cut(TestClient& client);
  void advance(std::uint64_t milliseconds);

  /// Instead of plain maps; outlives it. Before the first change.
  void keep_in(ChangeStore& store) { store_ = &store; }
  /// From now on the store takes in nothing; what it was given waits.
  void hold_store() { store_held_ = true; }
  /// It takes in everything that waits, or only so many batches.
  void let_store(std::size_t batches = SIZE_MAX);
  /// The broker ends without a word and starts again with what was stored, perhaps with another number of shards.
  void crash(std::size_t shards = 0);

  broker::Shard& shard(std::size_t i) { return *shards_[i]; }
  broker::Counters counters() const;
  std::size_t refused(broker::Refusal refusal) const;

  /// How the other shards do, as a shard hears after it has handed parcels over.
  broker::HeldBack held_back = broker::HeldBack::nobody;
  Now now{1'000'000, 1'800'000'000'000};
  CountingRandom random;
  SimpleReplayMemory replays;
  RecordingJournal journal;
  std::unique_ptr<KeyStore> key;  ///< the broker's

  /// What schemes are given. The keys may change at any time; the rest counts from the next start, crash() for instance.
  std::shared_ptr<const RabinKeys> rabin;
  std::optional<std::array<std::uint8_t, 33>> authority;
  SchemeOptions scheme_options;
  std::shared_ptr<TopicKeys> topic_keys;
  /// broker.pub as it is now.
  BrokerIdentity identity() const;

 private:
  void start(std::size_t shards);
  void carry_out();
  void take_in(TestClient& client);
  TestClient* find(std::size_t shard, broker::ConnectionId connection);
  void spread_directory();

  std::atomic<std::size_t> lasting_subscriptions_ = 0;
  std::unique_ptr<broker::Interest> interest_;
  struct Waiting {
    std::size_t shard;
    broker::Batch batch;
  };

  broker::Settings settings_;
  ReplayMemory& memory_;
  std::function<void(broker::Ports&)> prepare_;
  std::shared_ptr<const broker::Policy> policy_ = std::make_shared<const broker::Policy>();
  MemoryStore own_store_;
  ChangeStore* store_ = &own_store_;
  std::deque<Waiting> waiting_;
  bool store_held_ = false;
  std::vector<std::unique_ptr<broker::Shard>> shards_;
  std::deque<TestClient> clients_;
  std::vector<Identity> identities_;
};

}  // namespace sealmq::testing
