#include "server/login_throttle.h"

#include <gtest/gtest.h>

namespace sealmq::server {
namespace {

using Outcome = broker::LoginGate::Outcome;
constexpr auto secret = Login::Tested::secret, key = Login::Tested::key;

constexpr Now at(std::uint64_t seconds) {
  return {1'000'000 + seconds * 1000, 1'800'000'000'000 + seconds * 1000};
}

class LoginThrottleTest : public ::testing::Test {
 protected:
  bool may_try(std::string_view name, std::string_view address, Now now, Login::Tested by = secret) {
    return throttle.may_try(by, name, address, now);
  }
  bool attempt(std::string_view name, std::string_view address, Now now, Outcome outcome = Outcome::failed,
               Login::Tested by = secret) {
    if (!throttle.begin(by, name, address, now)) return false;
    throttle.end(by, name, address, outcome, now);
    return true;
  }
  /// Fails at the name from everywhere, until that is noticed.
  void guess(std::string_view name, Now now, int tries = 100) {
    for (int i = 0; i < tries; ++i)
      EXPECT_TRUE(attempt(name, "198.51." + std::to_string(i / 200) + "." + std::to_string(i % 200) + ":1", now));
  }
  std::vector<std::string> told;
  LoginThrottle throttle{[this](const std::string& name) { told.push_back(name); }};
};

TEST_F(LoginThrottleTest, ANameIsClosedToANetworkAfterFiveFailuresAndOpensLaterEachTime) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(attempt("boiler-7", "10.0.0.1:" + std::to_string(i), at(0)));
  EXPECT_FALSE(may_try("boiler-7", "10.0.0.1:1", at(0)));
  EXPECT_TRUE(may_try("boiler-7", "10.0.0.2:1", at(0))) << "nobody is locked out from elsewhere";
  EXPECT_TRUE(may_try("boiler-8", "10.0.0.1:1", at(0)));
  std::uint64_t now = 0, wait = 0;
  for (int i = 0; i < 14; ++i) {  // whoever goes on failing waits longer and longer
    const std::uint64_t before = wait;
    for (wait = 0; !may_try("boiler-7", "10.0.0.1:1", at(now)); ++wait) ++now;
    EXPECT_GE(wait, before);
    EXPECT_TRUE(attempt("boiler-7", "10.0.0.1:1", at(now)));
  }
  EXPECT_EQ(wait, 900U);
}

TEST_F(LoginThrottleTest, ANetworkIsClosedAfterTwentyWhateverTheNames) {
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(attempt("name-" + std::to_string(i), "[2001:db8::" + std::to_string(i) + "]:1", at(0)));
  EXPECT_FALSE(may_try("another", "[2001:db8::99]:1", at(0)));
  EXPECT_TRUE(may_try("another", "[2001:db8:0:1::1]:1", at(0))) << "another /64";
  EXPECT_TRUE(attempt("another", "[2001:db8::99]:1", at(1), Outcome::succeeded));
  EXPECT_TRUE(attempt("name-3", "[2001:db8::99]:1", at(2))) << "the wait is over, for one";
  EXPECT_FALSE(may_try("another", "[2001:db8::99]:1", at(2))) << "one known password opens nothing";
}

TEST_F(LoginThrottleTest, WhatHasBegunCountsAsAFailure) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(throttle.begin(secret, "boiler-7", "10.0.0.1:1", at(0)));
  EXPECT_FALSE(throttle.begin(secret, "boiler-7", "10.0.0.1:1", at(0)));
  throttle.end(secret, "boiler-7", "10.0.0.1:1", Outcome::untried, at(0));
  EXPECT_TRUE(throttle.begin(secret, "boiler-7", "10.0.0.1:1", at(0)));
  for (int i = 0; i < 5; ++i) throttle.end(secret, "boiler-7", "10.0.0.1:1", Outcome::untried, at(0));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(attempt("boiler-7", "10.0.0.1:1", at(0)));
  EXPECT_TRUE(throttle.begin(secret, "boiler-7", "10.0.0.1:1", at(0)));
  EXPECT_FALSE(throttle.begin(secret, "boiler-7", "10.0.0.1:1", at(0)));
}

TEST_F(LoginThrottleTest, AfterAWaitOneTryAtATime) {
  for (int i = 0; i < 5; ++i) attempt("boiler-7", "10.0.0.1:1", at(0));
  EXPECT_TRUE(throttle.begin(secret, "boiler-7", "10.0.0.1:1", at(1)));
  EXPECT_FALSE(throttle.begin(secret, "boiler-7", "10.0.0.1:1", at(1)));
}

TEST_F(LoginThrottleTest, FailedSecretsCloseNoProofByKey) {
  for (int i = 0; i < 20; ++i) attempt("name-" + std::to_string(i % 4), "10.0.0.1:1", at(0));
  EXPECT_FALSE(may_try("name-1", "10.0.0.1:1", at(0)));
  EXPECT_TRUE(may_try("name-1", "10.0.0.1:1", at(0), key));
  for (int i = 0; i < 20; ++i) attempt("card-" + std::to_string(i), "10.0.0.2:1", at(0), Outcome::failed, key);
  EXPECT_FALSE(may_try("card-99", "10.0.0.2:1", at(0), key));
}

TEST_F(LoginThrottleTest, APublishedProofIsHeldOffAfterEachFailureWhereItFailed) {
  const auto held_off = Login::Tested::held_off;
  EXPECT_TRUE(attempt("CARD0001", "10.0.0.1:1", at(0), Outcome::failed, held_off));
  EXPECT_FALSE(may_try("CARD0001", "10.0.0.1:1", at(0), held_off));
  EXPECT_TRUE(may_try("CARD0001", "10.0.0.2:1", at(0), held_off)) << "nobody holds off another's card";
  EXPECT_TRUE(may_try("CARD0002", "10.0.0.1:1", at(0), held_off));
  EXPECT_TRUE(may_try("CARD0001", "10.0.0.1:1", at(0), key)) << "nor one that proves itself otherwise";
  EXPECT_TRUE(attempt("CARD0001", "10.0.0.1:1", at(1), Outcome::failed, held_off));
  EXPECT_FALSE(may_try("CARD0001", "10.0.0.1:1", at(2), held_off)) << "each wait is twice as long";
  EXPECT_TRUE(attempt("CARD0001", "10.0.0.1:1", at(3), Outcome::succeeded, held_off));
  EXPECT_TRUE(attempt("CARD0001", "10.0.0.1:1", at(3), Outcome::succeeded, held_off));
}

TEST_F(LoginThrottleTest, ANameAtWhichManyFailIsClosedToNobody) {
  EXPECT_TRUE(attempt("alice", "10.0.0.1:1", at(0), Outcome::succeeded));
  guess("alice", at(0), 99);
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(throttle.take_turn("alice", "10.0.0.9:1", at(0)).answer_at, 0U);
  attempt("alice", "203.0.113.1:1", at(0));
  EXPECT_EQ(told, std::vector<std::string>{"alice"}) << "once";
  EXPECT_TRUE(may_try("alice", "10.0.0.9:1", at(0)));
  const auto known = throttle.take_turn("alice", "10.0.0.1:2", at(0));
  EXPECT_TRUE(known.is_now);
  EXPECT_EQ(known.answer_at, 0U) << "it has logged in from there";
  EXPECT_EQ(throttle.take_turn("bob", "10.0.0.9:1", at(0)).answer_at, 0U);
}

TEST_F(LoginThrottleTest, FromNetworksThatDoNotKnowItOneTryAtATimeIsWorkedOn) {
  guess("alice", at(0));
  const auto first = throttle.take_turn("alice", "10.0.0.9:1", at(1));
  EXPECT_TRUE(first.is_now);
  EXPECT_EQ(first.answer_at, at(3).steady);
  EXPECT_FALSE(throttle.take_turn("alice", "10.0.0.8:1", at(2)).is_now);
  EXPECT_FALSE(throttle.take_turn("alice", "10.0.0.9:2", at(2)).is_now);
  EXPECT_FALSE(throttle.take_turn("alice", "10.0.0.9:2", at(3)).is_now) << "networks take turns";
  EXPECT_TRUE(throttle.take_turn("alice", "10.0.0.8:1", at(3)).is_now);
  EXPECT_TRUE(throttle.take_turn("alice", "10.0.0.9:2", at(5)).is_now);
  throttle.take_turn("alice", "10.0.0.7:1", at(6));
  EXPECT_TRUE(throttle.take_turn("alice", "10.0.0.6:1", at(20)).is_now) << "who has gone keeps nobody waiting";
  const auto after = throttle.take_turn("alice", "10.0.0.5:1", at(3601));
  EXPECT_TRUE(after.is_now);
  EXPECT_EQ(after.answer_at, 0U) << "an hour is over";
}

TEST_F(LoginThrottleTest, AfterAMonthANetworkDoesNotKnowAName) {
  const std::uint64_t month = 30 * 86'400;
  attempt("alice", "10.0.0.1:1", at(0), Outcome::succeeded);
  guess("alice", at(month));
  EXPECT_EQ(throttle.take_turn("alice", "10.0.0.1:1", at(month)).answer_at, 0U);
  EXPECT_NE(throttle.take_turn("alice", "10.0.0.1:1", at(month + 1)).answer_at, 0U);
}

TEST_F(LoginThrottleTest, ProofsByKeyAreNotSlowed) {
  for (int i = 0; i < 200; ++i) attempt("card", "198.51.100." + std::to_string(i) + ":1", at(0), Outcome::failed, key);
  EXPECT_EQ(throttle.take_turn("card", "10.0.0.9:1", at(0)).answer_at, 0U);
  EXPECT_TRUE(told.empty());
}

TEST_F(LoginThrottleTest, WhoHasNoNameIsKnownByItsNetworkAlone) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(attempt("", "one", at(0)));
  EXPECT_FALSE(may_try("", "one", at(0)));
  EXPECT_TRUE(may_try("", "two", at(0))) << "others without a name are somebody else";
}

TEST_F(LoginThrottleTest, FailuresFarApartDoNotCount) {
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_TRUE(attempt("boiler-7", "10.0.0.1:1", at(i * 61)));
  EXPECT_TRUE(may_try("boiler-7", "10.0.0.1:1", at(20 * 61)));
}

TEST_F(LoginThrottleTest, SuccessForgetsTheNameInThisNetwork) {
  for (const char* address : {"10.0.0.1:1", "10.0.0.2:1"})
    for (int i = 0; i < 4; ++i) attempt("boiler-7", address, at(0));
  attempt("boiler-7", "10.0.0.1:1", at(0), Outcome::succeeded);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(attempt("boiler-7", "10.0.0.1:1", at(0)));
  EXPECT_TRUE(attempt("boiler-7", "10.0.0.2:1", at(0)));
  EXPECT_FALSE(may_try("boiler-7", "10.0.0.2:1", at(0)));
}

TEST_F(LoginThrottleTest, WhatIsUntriedIsNoFailure) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(attempt("boiler-7", "10.0.0.1:1", at(0), Outcome::untried));
}

TEST_F(LoginThrottleTest, RemembersABoundedNumberAndForgetsTheOldest) {
  const auto address = [](std::size_t i) {
    return "10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255) + ":1";
  };
  for (int i = 0; i < 5; ++i) attempt("boiler-7", "192.0.2.1:1", at(0));
  for (std::size_t i = 0; i < LoginThrottle::most_remembered - 1; ++i) attempt("boiler-7", address(i), at(0));
  EXPECT_FALSE(may_try("boiler-7", "192.0.2.1:1", at(0)));  // which is a touch
  attempt("boiler-7", address(LoginThrottle::most_remembered), at(0));
  EXPECT_FALSE(may_try("boiler-7", "192.0.2.1:1", at(0))) << "the oldest was another one";
  for (std::size_t i = 0; i < LoginThrottle::most_remembered; ++i) attempt("boiler-8", address(i), at(0));
  EXPECT_TRUE(may_try("boiler-7", "192.0.2.1:1", at(0)));
}

TEST_F(LoginThrottleTest, UsersOfASocketAreToldApart) {
  for (int i = 0; i < 20; ++i) attempt("name-" + std::to_string(i), "unix:uid=1000", at(0));
  EXPECT_FALSE(may_try("another", "unix:uid=1000", at(0)));
  EXPECT_TRUE(may_try("another", "unix:uid=1001", at(0)));
}

TEST_F(LoginThrottleTest, LongNamesAreToldApart) {
  const std::string name(60'000, 'x');
  for (int i = 0; i < 5; ++i) attempt(name + "1", "10.0.0.1:1", at(0));
  EXPECT_FALSE(may_try(name + "1", "10.0.0.1:1", at(0)));
  EXPECT_TRUE(may_try(name + "2", "10.0.0.1:1", at(0)));
}

}  // namespace
}  // namespace sealmq::server
