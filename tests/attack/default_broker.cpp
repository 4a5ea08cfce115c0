// A stranger at a broker without a configuration: nobody who is not on its list gets any message in, not retained and not as a
// Will, whatever scheme the message is made with. Where policy names a scheme whose messages the broker passes on unread, the
// stranger's come in, which shows that the attack can succeed.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/configuration.h"
#include "support/parties.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;

std::vector<std::string_view> views(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

/// Anything that a scheme could take for one of its messages: what the seeds of all fuzz targets hold.
const std::vector<std::string>& well_formed_frames() {
  static const std::vector<std::string> frames = [] {
    std::vector<std::string> all;
    const std::filesystem::path seeds = std::filesystem::path(SEALMQ_SOURCE_DIR) / "tests/fuzz/seeds";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(seeds)) {
      if (!entry.is_regular_file() || entry.file_size() > 20'000) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return all;
  }();
  return frames;
}

struct Stranger {
  explicit Stranger(BrokerBench& its_broker) : broker(its_broker) {}

  bool publishes(std::string_view topic, std::string_view payload, QoS qos, bool retain) {
    auto& link = broker.connect("s-" + std::to_string(++connections));
    const auto before = broker.counters().published;
    broker.publish(link, topic, payload, qos, retain);
    broker.cut(link);
    return broker.counters().published != before;
  }
  bool leaves_a_will(std::string_view topic, std::string_view payload) {
    const auto before = broker.counters().published;
    const std::string id = "s-" + std::to_string(++connections);
    mqtt::Connect packet;
    packet.client_id = id;
    packet.will = mqtt::Will{topic, as_bytes(payload), QoS::at_least_once, true, {}};
    broker.cut(broker.connect(packet));
    return broker.counters().published != before || broker.counters().retained != 0;
  }
  bool gets_in(std::string_view topic, std::string_view payload) {
    return publishes(topic, payload, QoS::at_most_once, false) || publishes(topic, payload, QoS::at_least_once, true) ||
           leaves_a_will(topic, payload);
  }

  BrokerBench& broker;
  std::size_t connections = 0;
};

constexpr std::string_view topics[] = {"plant/7/temp", "pmqtt/boiler-7/control/m", "sealmq-keys/admin/a/readers", "$sl/pub"};

TEST(DefaultBroker, NobodyUnlistedGetsAFrameOfAnyKindIn) {
  const server::Configuration defaults;
  ASSERT_EQ(defaults.topics.size(), 1U);
  BrokerBench broker;
  broker.allow(views(defaults.topics[0].publish), views(defaults.topics[0].subscribe), defaults.topics[0].filter);
  Stranger stranger(broker);
  ASSERT_GT(well_formed_frames().size(), 100U);
  for (const auto& frame : well_formed_frames())
    for (const auto topic : topics) ASSERT_FALSE(stranger.gets_in(topic, frame)) << topic << ", " << frame.size() << " bytes";
  EXPECT_EQ(broker.counters().retained, 0U);
}

TEST(DefaultBroker, NobodyUnlistedGetsInWhatItsOwnClientMade) {
  const server::Configuration defaults;
  std::size_t tried = 0;
  for (const Scheme& scheme : all_schemes()) {
    BrokerBench broker;
    broker.allow(views(defaults.topics[0].publish), views(defaults.topics[0].subscribe), defaults.topics[0].filter);
    const auto keys = make_memory_keys("stranger", Kind::device, broker.random);
    ClientPorts ports{.key = keys.get(), .broker = broker.identity(), .peers = {}, .random = broker.random};
    ports.topic_keys = make_memory_topic_keys(broker.random);
    auto client = scheme.client_side(std::move(ports));
    if (!client) continue;  // it needs partners or a broker's key of another kind, and cannot even begin
    const auto frame = (*client)->protect("plant/7/temp", as_bytes("41.5"), broker.now);
    if (!frame) continue;  // it needs a login, a session or somebody else's key first
    ++tried;
    Stranger stranger(broker);
    const std::string_view topic = (*client)->wire_topic().empty() ? "plant/7/temp" : (*client)->wire_topic();
    EXPECT_FALSE(stranger.gets_in(topic, as_text(*frame))) << scheme.info->name;
  }
  EXPECT_GE(tried, 3U);
}

TEST(DefaultBroker, WherePolicyNamesASchemeThatIsPassedOnUnreadTheStrangerSucceeds) {
  BrokerBench broker;
  broker.allow({"payload"}, {"plain"});
  Stranger stranger(broker);
  std::size_t got_in = 0;
  for (const auto& frame : well_formed_frames()) got_in += stranger.publishes("plant/7/temp", frame, QoS::at_least_once, true);
  EXPECT_GT(got_in, 0U);
}

}  // namespace
}  // namespace sealmq::testing
