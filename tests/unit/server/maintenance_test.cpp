// Changes of the registry on their way to the shards, also while it takes nothing in, and while a shard hangs.
#include "server/maintenance.h"

#include "registry/sqlite.h"
#include "support/identities.h"
#include "support/shard_threads.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

class MaintenanceTest : public testing::ShardThreads {
 protected:
  MaintenanceTest() {
    EXPECT_TRUE(registry->heartbeat("broker"));
    add("boiler");
  }

  void add(std::string_view name) {
    Identity identity = testing::identity_named(name);
    identity.status = Status::active;
    identity.publish = identity.subscribe = {"#"};
    EXPECT_TRUE(operators->add(identity));
  }
  void execute(const char* statement) { EXPECT_TRUE(sqlite::Database::open(path).value().execute(statement)); }
  std::uint64_t last_seen() { return sqlite::Database::open(path).value().number("SELECT seen FROM broker").value(); }

  static bool comes_about(const std::function<bool()>& what) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience);
    while (!what()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  /// Which it can when the list says so.
  Client logged_in(std::size_t shard, const std::string& name) {
    std::optional<Client> client;
    EXPECT_TRUE(comes_about([&] {
      client = connect(shard, name);
      return client->body()[1] == 0 && publishes(*client);
    })) << name;
    return *std::move(client);
  }
  static bool publishes(Client& client) {
    mqtt::Publish packet;
    packet.topic = "t";
    packet.qos = mqtt::QoS::at_least_once;
    packet.packet_id = 1;
    return client.send(packet) && client.got(mqtt::PacketType::puback) && (client.body().size() < 3 || client.body()[2] < 0x80);
  }

  testing::TemporaryFolder folder;
  const std::string path = folder / "registry.db";
  std::unique_ptr<Registry> registry = open_sqlite_registry(path).value();
  std::unique_ptr<Registry> operators = open_sqlite_registry(path).value();
  FollowedVersion reached;
  RefusalLog refusals{log};
  Readiness readiness;
  Maintenance maintenance{*registry, reached, "broker", nullptr, refusals, readiness, log, all};
};

TEST_F(MaintenanceTest, AnOrderIsCarriedOutOnAllShardsAndReported) {
  maintenance.start();
  Client clients[] = {logged_in(0, "boiler"), logged_in(1, "boiler"), logged_in(2, "boiler")};
  const std::uint64_t order = operators->revoke("boiler", "lost", 1).value();
  for (Client& client : clients) EXPECT_TRUE(client.got(mqtt::PacketType::disconnect));
  ASSERT_TRUE(comes_about([&] { return !operators->progress(order).value().done.empty(); }));
  EXPECT_EQ(operators->progress(order).value().total().sessions, 3U);
  EXPECT_TRUE(reached.wait_for(operators->version().value()));
}

TEST_F(MaintenanceTest, AListThatCanBeReadAndNotWrittenIsFollowed) {
  execute("CREATE TRIGGER full_1 BEFORE UPDATE ON broker BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
  execute("CREATE TRIGGER full_2 BEFORE INSERT ON broker BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
  maintenance.start();
  Client client = logged_in(0, "boiler");
  EXPECT_TRUE(comes_about([&] {
    const auto parts = readiness.all();
    return !parts.empty() && !parts.front().ok;
  })) << "it is told";
  ASSERT_TRUE(operators->revoke("boiler", "lost", 1));
  EXPECT_TRUE(comes_about([&] { return !publishes(client); }));
}

TEST_F(MaintenanceTest, AShardThatHangsHoldsUpNothingOfTheOthers) {
  maintenance.start();
  Client first = logged_in(0, "boiler"), held = logged_in(1, "boiler");
  std::promise<void> release = hold(1);
  const std::uint64_t order = operators->revoke("boiler", "lost", 1).value();
  EXPECT_TRUE(first.got(mqtt::PacketType::disconnect)) << "its sessions on the others end";
  add("pump");
  Client pump = logged_in(2, "pump");  // and the list goes on
  const std::uint64_t seen = last_seen();
  EXPECT_TRUE(comes_about([&] { return last_seen() > seen; })) << "the registry hears that the broker lives";
  EXPECT_TRUE(operators->progress(order).value().done.empty()) << "it is not done yet";
  release.set_value();
  EXPECT_TRUE(held.got(mqtt::PacketType::disconnect));
  ASSERT_TRUE(comes_about([&] { return !operators->progress(order).value().done.empty(); }));
  EXPECT_EQ(operators->progress(order).value().total().sessions, 2U) << "each is told once";
  EXPECT_TRUE(publishes(pump));
}

TEST_F(MaintenanceTest, EndsThoughAShardHangs) {
  maintenance.start();
  Client client = logged_in(0, "boiler");
  std::promise<void> release = hold(1);
  ASSERT_TRUE(operators->revoke("boiler", "lost", 1));
  EXPECT_TRUE(client.got(mqtt::PacketType::disconnect));
  maintenance.stop();
  release.set_value();
}

}  // namespace
}  // namespace sealmq::server
