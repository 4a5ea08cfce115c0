#include "server/login_throttle.h"

#include <gtest/gtest.h>

namespace sealmq::server {
namespace {

constexpr Now at(std::uint64_t seconds) {
  return {1'000'000 + seconds * 1000, 1'800'000'000'000 + seconds * 1000};
}

TEST(LoginThrottle, ANameIsClosedAfterFiveFailuresAndOpensLaterEachTime) {
  LoginThrottle throttle;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(throttle.may_try("boiler-7", "10.0.0.1:1", at(0)));
    throttle.failed("boiler-7", "10.0.0.1:1", at(0));
  }
  EXPECT_FALSE(throttle.may_try("boiler-7", "10.0.0.2:1", at(0))) << "from anywhere";
  EXPECT_TRUE(throttle.may_try("boiler-8", "10.0.0.1:1", at(0)));
  std::uint64_t now = 0, wait = 0;
  for (int i = 0; i < 14; ++i) {  // whoever goes on failing waits longer and longer
    const std::uint64_t before = wait;
    for (wait = 0; !throttle.may_try("boiler-7", "10.0.0.9:1", at(now)); ++wait) ++now;
    EXPECT_GE(wait, before);
    throttle.failed("boiler-7", "10.0.0.9:1", at(now));
  }
  EXPECT_EQ(wait, 900U);
}

TEST(LoginThrottle, AnAddressIsClosedAfterTwentyWhateverTheNames) {
  LoginThrottle throttle;
  for (int i = 0; i < 20; ++i) throttle.failed("name-" + std::to_string(i), "10.0.0.1:" + std::to_string(i), at(0));
  EXPECT_FALSE(throttle.may_try("another", "10.0.0.1:99", at(0)));
  EXPECT_TRUE(throttle.may_try("another", "10.0.0.2:99", at(0)));
  throttle.succeeded("another");
  EXPECT_FALSE(throttle.may_try("another", "10.0.0.1:99", at(0))) << "one known password opens nothing";
}

TEST(LoginThrottle, WhoHasNoNameIsKnownByItsAddressAlone) {
  LoginThrottle throttle;
  for (int i = 0; i < 19; ++i) {
    EXPECT_TRUE(throttle.may_try("", "one", {.steady = 1000}));
    throttle.failed("", "one", {.steady = 1000});
  }
  throttle.failed("", "one", {.steady = 1000});
  EXPECT_FALSE(throttle.may_try("", "one", {.steady = 1000}));
  EXPECT_TRUE(throttle.may_try("", "two", {.steady = 1000})) << "others without a name are somebody else";
}

TEST(LoginThrottle, FailuresFarApartDoNotCount) {
  LoginThrottle throttle;
  for (std::uint64_t i = 0; i < 20; ++i) throttle.failed("boiler-7", "10.0.0.1:1", at(i * 61));
  EXPECT_TRUE(throttle.may_try("boiler-7", "10.0.0.1:1", at(20 * 61)));
}

TEST(LoginThrottle, SuccessForgets) {
  LoginThrottle throttle;
  for (int i = 0; i < 4; ++i) throttle.failed("boiler-7", "10.0.0.1:1", at(0));
  throttle.succeeded("boiler-7");
  throttle.failed("boiler-7", "10.0.0.1:1", at(0));
  EXPECT_TRUE(throttle.may_try("boiler-7", "10.0.0.1:1", at(0)));
}

TEST(LoginThrottle, RemembersABoundedNumber) {
  LoginThrottle throttle;
  for (std::size_t i = 0; i < LoginThrottle::most_remembered + 1000; ++i)
    throttle.failed("name-" + std::to_string(i), "10.0.0.1:1", at(0));
  EXPECT_FALSE(throttle.may_try("anybody", "10.0.0.1:1", at(0)));
}

TEST(LoginThrottle, UsersOfASocketAreToldApart) {
  LoginThrottle throttle;
  for (int i = 0; i < 20; ++i) throttle.failed("name-" + std::to_string(i), "unix:uid=1000", at(0));
  EXPECT_FALSE(throttle.may_try("another", "unix:uid=1000", at(0)));
  EXPECT_TRUE(throttle.may_try("another", "unix:uid=1001", at(0)));
}

TEST(LoginThrottle, LongNamesAreToldApart) {
  LoginThrottle throttle;
  const std::string name(60'000, 'x');
  for (int i = 0; i < 5; ++i) throttle.failed(name + "1", "10.0.0." + std::to_string(i) + ":1", at(0));
  EXPECT_FALSE(throttle.may_try(name + "1", "10.0.1.1:1", at(0)));
  EXPECT_TRUE(throttle.may_try(name + "2", "10.0.1.1:1", at(0)));
}

}  // namespace
}  // namespace sealmq::server
