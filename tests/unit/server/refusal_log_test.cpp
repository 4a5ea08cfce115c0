#include "server/refusal_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sealmq::server {
namespace {

using broker::Refusal;

class Lines : public Log {
 public:
  void write(Severity, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

class RefusalLogTest : public ::testing::Test {
 protected:
  void refuse(Refusal kind, std::uint64_t at, int times = 1) {
    for (int i = 0; i < times; ++i) log_.refused(kind, "boiler-7", "seen before", {.steady = at, .wall = 0});
  }
  void sum_up(std::uint64_t at) { log_.sum_up({.steady = at, .wall = 0}); }

  Lines lines_;
  RefusalLog log_{lines_};
};

constexpr std::size_t few = RefusalLog::in_full;
using Expected = std::vector<std::string>;

TEST_F(RefusalLogTest, TellsTheFirstOnesOfAKindAtOnceWithWhoAndWhy) {
  refuse(Refusal::replay, 1000);
  refuse(Refusal::protocol_error, 1001);
  EXPECT_EQ(lines_.lines, (Expected{std::string(name(Refusal::replay)) + ": \"boiler-7\": seen before",
                                    std::string(name(Refusal::protocol_error)) + ": \"boiler-7\": seen before"}));
}

TEST_F(RefusalLogTest, EachOfAFewIsToldWithItsOwnCause) {
  log_.refused(Refusal::login_refused, "boiler-7", "wrong password", {.steady = 1000, .wall = 0});
  log_.refused(Refusal::login_refused, "boiler-8", "unknown user", {.steady = 1001, .wall = 0});
  ASSERT_EQ(lines_.lines.size(), 2U);
  EXPECT_NE(lines_.lines[1].find("unknown user"), std::string::npos);
}

TEST_F(RefusalLogTest, AMillionInTenSecondsAreAFewLinesAndTheirSum) {
  refuse(Refusal::replay, 1000, 1'000'000);
  sum_up(10'999);
  EXPECT_EQ(lines_.lines.size(), few);
  sum_up(11'000);
  ASSERT_EQ(lines_.lines.size(), few + 1);
  EXPECT_EQ(lines_.lines.back(), std::string(name(Refusal::replay)) + ": 999992 more in 10 s");
  EXPECT_EQ(log_.counts()[static_cast<std::size_t>(Refusal::replay)], 1'000'000U);
}

TEST_F(RefusalLogTest, AFloodThatGoesOnIsOneLineEachTenSecondsWhoeverAsks) {
  for (std::uint64_t second = 1; second <= 60; ++second) refuse(Refusal::replay, second * 1000, 100);
  EXPECT_EQ(lines_.lines.size(), few + 5);
  sum_up(100'000);
  EXPECT_EQ(lines_.lines.size(), few + 6);
}

TEST_F(RefusalLogTest, AfterAQuietTimeTheNextOneIsToldAtOnceAgain) {
  refuse(Refusal::replay, 1000, 20);
  sum_up(11'000);
  sum_up(21'000);
  EXPECT_EQ(lines_.lines.size(), few + 1);
  refuse(Refusal::replay, 21'500);
  EXPECT_EQ(lines_.lines.size(), few + 2);
  EXPECT_NE(lines_.lines.back().find("seen before"), std::string::npos);
}

TEST_F(RefusalLogTest, HostileNamesAndCausesStayWithinTheirLine) {
  log_.refused(Refusal::login_refused, "x\n2030-01-01 forged", "bad\x1b[2J\r\nline", {.steady = 1, .wall = 0});
  ASSERT_EQ(lines_.lines.size(), 1U);
  EXPECT_EQ(lines_.lines[0].find_first_of("\n\r\x1b"), std::string::npos);
  log_.refused(Refusal::replay, std::string(65535, 'x'), std::string(65535, 'y'), {.steady = 1, .wall = 0});
  EXPECT_LT(lines_.lines[1].size(), 1000U);
}

}  // namespace
}  // namespace sealmq::server
