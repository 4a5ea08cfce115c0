#include "server/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "server/admin_listener.h"
#include "server/configuration.h"
#include "server/metrics.h"
#include "server/readiness.h"
#include "server/sys_topics.h"

namespace sealmq::server {
namespace {

TEST(Load, ApproachesASteadyRatePerMinuteTheFasterTheShorterItsWindow) {
  Load load;
  std::uint64_t total = 0;
  for (int second = 0; second < 60; ++second) load.update(total += 10, 1);
  const auto& rates = load.per_minute();
  EXPECT_NEAR(rates[0], 600 * (1 - std::exp(-1.0)), 0.01);
  EXPECT_GT(rates[0], rates[1]);
  EXPECT_GT(rates[1], rates[2]);
  for (int second = 0; second < 36'000; ++second) load.update(total += 10, 1);
  for (double rate : load.per_minute()) EXPECT_NEAR(rate, 600, 0.1);
}

TEST(Statistics, ASumCountsWhatEveryShardHoldsOnlyOnce) {
  broker::Counters sum, shard;
  shard.retained = 7;
  shard.sessions = 2;
  shard.logins = 5;
  shard.ended[static_cast<std::size_t>(broker::Ending::by_client)] = 3;
  shard.dropped[0] = 1;
  add(sum, shard);
  add(sum, shard);
  EXPECT_EQ(sum.retained, 7U);
  EXPECT_EQ(sum.sessions, 4U);
  EXPECT_EQ(clients_of(sum), 4U);
  EXPECT_EQ(sum_of_drops(sum), 2U);
}

TEST(SysTopics, StandUnderTheNamesThatExportersKnow) {
  Totals totals;
  totals.counters.sessions = 5;
  totals.clients = 3;
  totals.uptime = 61;
  const auto topics = sys_topics(totals, Loads(), "1.2.3");
  const auto value = [&](std::string_view topic) {
    const auto at = std::ranges::find(topics, topic, [](const auto& entry) { return std::string_view(entry.first); });
    return at == topics.end() ? std::string("none") : at->second;
  };
  EXPECT_EQ(value("$SYS/broker/version"), "sealmq version 1.2.3");
  EXPECT_EQ(value("$SYS/broker/uptime"), "61 seconds");
  EXPECT_EQ(value("$SYS/broker/clients/total"), "5");
  EXPECT_EQ(value("$SYS/broker/clients/connected"), "3");
  EXPECT_EQ(value("$SYS/broker/clients/disconnected"), "2");
  EXPECT_EQ(value("$SYS/broker/load/messages/received/15min"), "0.00");
  for (const auto& [topic, text] : topics) EXPECT_FALSE(text.empty()) << topic;
}

TEST(SysTopics, TellOfEachBridgeWhetherItIsConnected) {
  const auto topics = sys_topics({BridgeState{.name = "office", .remote_connected = true}, BridgeState{.name = "cloud"}});
  EXPECT_EQ(topics, (std::vector<std::pair<std::string, std::string>>{{"$SYS/broker/connection/office/state", "1"},
                                                                      {"$SYS/broker/connection/cloud/state", "0"}}));
}

TEST(SysTopics, AreReadableOnlyByARowOfTheirOwn) {
  Configuration configuration;
  configuration.listeners = {{"0.0.0.0", 1883}};
  allow_plain(configuration);
  EXPECT_FALSE(sys_topics_are_readable(*make_policy(configuration).value()));
  configuration.listeners = {{"127.0.0.1", 1883}, {"::1", 1883}};
  allow_plain(configuration);
  EXPECT_TRUE(sys_topics_are_readable(*make_policy(configuration).value()));
}

TEST(Readiness, OneComponentThatCannotWorkIsEnough) {
  Readiness readiness;
  readiness.report("registry", true, "works");
  readiness.report("storage", false, "disk \"full\"");
  EXPECT_FALSE(all_ok(readiness.all()));
  EXPECT_EQ(readiness_json(readiness.all()),
            "{\"ready\":false,\"components\":[{\"name\":\"registry\",\"ok\":true,\"text\":\"works\"},"
            "{\"name\":\"storage\",\"ok\":false,\"text\":\"disk \\\"full\\\"\"}]}\n");
  readiness.report("storage", true, "works");
  EXPECT_TRUE(all_ok(readiness.all()));
  EXPECT_EQ(readiness.all().size(), 2U);
}

TEST(Metrics, LabelsCannotBreakOutOfTheirQuotes) {
  const std::string text = metrics_text(Totals(), ProcessFigures(), 1, 1, {}, {{.name = "a\"b\\c\nd"}}, "1");
  EXPECT_NE(text.find("sealmq_bridge_connected{bridge=\"a\\\"b\\\\c\\nd\"} 0\n"), std::string::npos);
}

TEST(AdminUrl, IsReadStrictly) {
  EXPECT_EQ(parse_admin_url("http://127.0.0.1:9464").value().port, 9464);
  EXPECT_EQ(parse_admin_url("http://[::1]:9464/").value().host, "::1");
  for (const char* wrong : {"", "http://", "127.0.0.1:9464", "https://127.0.0.1:9464", "http://127.0.0.1",
                            "http://127.0.0.1:", "http://127.0.0.1:70000", "http://127.0.0.1:9464/metrics", "http://user@host:1",
                            "http://::1:9464", "http://:80", "http://127.0.0.1:-1", "http://127.0.0.1:1x"})
    EXPECT_FALSE(parse_admin_url(wrong)) << wrong;
}

}  // namespace
}  // namespace sealmq::server
