#include "server/connection_gate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/fakes.h"

namespace sealmq::server {
namespace {

using broker::Refusal;

constexpr Now at(std::uint64_t milliseconds) {
  return {1'000'000 + milliseconds, 1'800'000'000'000 + milliseconds};
}

struct Gated {
  explicit Gated(GateLimits limits, std::size_t memory = 0) : budget(memory), gate(limits, budget, journal) {}
  std::size_t refused(Refusal why) const { return static_cast<std::size_t>(std::ranges::count(journal.refusals, why)); }
  broker::Budget budget;
  testing::RecordingJournal journal;
  ConnectionGate gate;
};

TEST(ConnectionGate, CountsThosePresentFromEachAddress) {
  Gated g({.connections_per_address = 2});
  auto first = g.gate.admit("10.0.0.1:1", at(0)), second = g.gate.admit("10.0.0.1:2", at(0));
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(g.gate.admit("10.0.0.1:3", at(0)));
  EXPECT_TRUE(g.gate.admit("10.0.0.2:3", at(0))) << "others are not concerned";
  EXPECT_EQ(g.refused(Refusal::too_many_connections), 1U);
  first.reset();
  EXPECT_TRUE(g.gate.admit("10.0.0.1:4", at(0)));
}

TEST(ConnectionGate, TakesAnIPv6NetworkForOneAddress) {
  Gated g({.connections_per_address = 1});
  const auto first = g.gate.admit("[2001:db8::1]:1", at(0));
  EXPECT_FALSE(g.gate.admit("[2001:db8::ffff:2]:1", at(0)));
  EXPECT_TRUE(g.gate.admit("[2001:db8:0:1::1]:1", at(0)));
}

TEST(ConnectionGate, CountsThemAll) {
  Gated g({.maximum_connections = 2});
  const auto first = g.gate.admit("10.0.0.1:1", at(0)), second = g.gate.admit("10.0.0.2:1", at(0));
  EXPECT_FALSE(g.gate.may_come("10.0.0.3:1", at(0)));
  EXPECT_FALSE(g.gate.admit("10.0.0.3:1", at(0)));
  EXPECT_EQ(g.refused(Refusal::too_many_connections), 2U);
}

TEST(ConnectionGate, LetsThemComeAtTheirRateWithABurst) {
  Gated g({.connects_per_second_per_address = 5});
  std::size_t admitted = 0;
  for (int i = 0; i < 200; ++i) admitted += g.gate.admit("10.0.0.1:1", at(0)) ? 1 : 0;
  EXPECT_EQ(admitted, 50U);
  EXPECT_TRUE(g.gate.admit("10.0.0.2:1", at(0)));
  for (int i = 0; i < 100; ++i) admitted += g.gate.admit("10.0.0.1:1", at(1000)) ? 1 : 0;
  EXPECT_EQ(admitted, 55U);
  EXPECT_EQ(g.refused(Refusal::connecting_too_fast), 150U + 95U);
}

TEST(ConnectionGate, LetsNobodyInWhenMemoryIsFull) {
  Gated g({}, 16'000);
  {
    const broker::Charge nearly(&g.budget, 14'999);
    EXPECT_TRUE(g.gate.admit("10.0.0.1:1", at(0)));
  }
  {
    const broker::Charge full(&g.budget, 15'000);
    EXPECT_FALSE(g.gate.admit("10.0.0.1:1", at(0)));
    EXPECT_EQ(g.refused(Refusal::memory_full), 1U);
  }
  EXPECT_TRUE(g.gate.admit("10.0.0.1:1", at(0)));
}

TEST(ConnectionGate, RemembersNoMoreAddressesThanItMay) {
  Gated g({.connects_per_second_per_address = 1});
  for (std::size_t i = 0; i < ConnectionGate::most_remembered + 1000; ++i)
    g.gate.admit("10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255) + ":1",
                 at(0));
  EXPECT_EQ(g.gate.addresses(), ConnectionGate::most_remembered);
  EXPECT_GE(g.refused(Refusal::connecting_too_fast), 1000U);
  EXPECT_TRUE(g.gate.admit("192.0.2.1:1", at(20'000))) << "those who have been quiet are forgotten";
  EXPECT_EQ(g.gate.addresses(), 1U);
}

TEST(ConnectionGate, ForgetsAnAddressThatHasGone) {
  Gated g({});
  g.gate.admit("10.0.0.1:1", at(0));
  EXPECT_EQ(g.gate.addresses(), 0U);
}

}  // namespace
}  // namespace sealmq::server
