// What others' subscriptions make of the cost of a message.
#include "broker/routing/filter_kinds.h"

#include <gtest/gtest.h>

#include "support/broker_bench.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;
using testing::BrokerBench;
using testing::TestClient;

TEST(FilterKinds, AreToldApartByLevelsAndWildcardsAlone) {
  FilterKinds kinds;
  FilterKinds::OfSession its;
  std::vector<KindInUse> used;
  for (auto filter : {"a/b", "c/d", "a/b/#"}) used.push_back(kinds.use(filter, "p", its));
  EXPECT_EQ(kinds.size(), 2U) << "a level, and two";
  EXPECT_EQ(its.uses.size(), 2U) << "with and without #";
  for (auto filter : {"a/+", "b/+/#", "+/b"}) used.push_back(kinds.use(filter, "p", its));
  EXPECT_EQ(kinds.size(), 5U);
  used.clear();
  EXPECT_EQ(kinds.size(), 0U);
  EXPECT_TRUE(its.uses.empty());
}

TEST(FilterKinds, ThereIsAlwaysRoomForThoseThatPeopleNeed) {
  FilterKinds kinds;
  std::vector<std::unique_ptr<FilterKinds::OfSession>> sessions;
  std::vector<KindInUse> used;
  // All that sixteen levels allow, from many places.
  for (unsigned bits = 0; bits < 1U << 16; ++bits) {
    std::string filter;
    for (unsigned level = 0; level < 16; ++level) filter += (bits >> level & 1U) != 0 ? "+/" : "a/";
    filter += "a";
    const std::string party = "10.0.0." + std::to_string(bits % 20);
    if (sessions.empty() || sessions.back()->uses.size() >= FilterKinds::most_of_session)
      sessions.push_back(std::make_unique<FilterKinds::OfSession>());
    if (kinds.lacks_room_for(filter, party, *sessions.back()) == nullptr)
      used.push_back(kinds.use(filter, party, *sessions.back()));
  }
  EXPECT_LE(kinds.rare(), FilterKinds::most_rare);
  EXPECT_GT(kinds.rare(), FilterKinds::most_rare / 2);
  FilterKinds::OfSession fresh;
  EXPECT_NE(kinds.lacks_room_for("x/x/x/x/x/x/x/x/+/+/+/+/+/+/+/+", "10.0.0.99", fresh), nullptr);
  for (auto filter : {"#", "plant/+/state", "+/+/x", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s"})
    EXPECT_EQ(kinds.lacks_room_for(filter, "10.0.0.99", fresh), nullptr) << filter;
}

TEST(FilterKinds, OnePartyLeavesRoomForOthers) {
  FilterKinds kinds;
  std::vector<std::unique_ptr<FilterKinds::OfSession>> sessions;
  std::vector<KindInUse> used;
  std::string filter = "+/+/+";
  for (int i = 0; i < 2000; ++i) {
    sessions.push_back(std::make_unique<FilterKinds::OfSession>());
    filter += "/a";
    if (kinds.lacks_room_for(filter, "one", *sessions.back()) != nullptr) break;
    used.push_back(kinds.use(filter, "one", *sessions.back()));
  }
  EXPECT_EQ(kinds.rare(), FilterKinds::most_of_one);
  FilterKinds::OfSession its;
  EXPECT_EQ(kinds.lacks_room_for("a/+/+/+/b", "another", its), nullptr);
}

/// Each of its 16 levels is a name or '+', as many filters as all limits let in.
TEST(FilterKinds, OneMessageVisitsFewNodesWhoeverSubscribesToWhat) {
  Settings settings;
  settings.maximum_wildcards = 16;
  BrokerBench broker(1, settings);
  std::size_t granted = 0;
  TestClient* client = nullptr;
  for (unsigned bits = 0; bits < 1U << 16; ++bits) {
    if (bits % 64 == 0) client = &broker.connect("attacker-" + std::to_string(bits));
    std::string filter;
    for (unsigned level = 0; level < 16; ++level)
      filter += std::string(level > 0 ? "/" : "") + ((bits >> level & 1U) != 0 ? "+" : "a");
    broker.subscribe(*client, filter);
    granted += client->answers.back().reasons.front() == Reason::success ? 1 : 0;
    client->answers.clear();
  }
  EXPECT_GT(granted, 100U);
  EXPECT_LT(granted, 5000U);
  auto& writer = broker.connect("writer");
  std::string topic = "a";
  for (int level = 1; level < 16; ++level) topic += "/a";
  const std::uint64_t before = broker.shard(0).steps();
  broker.publish(writer, topic, "x");
  EXPECT_LE(broker.shard(0).steps() - before, 6000U);
  auto& modest = broker.connect("modest");
  broker.subscribe(modest, "plant/+/state");
  EXPECT_EQ(modest.answers.back().reasons, std::vector{Reason::success});
}

}  // namespace
}  // namespace sealmq::broker
