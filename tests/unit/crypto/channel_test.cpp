#include "crypto/channel.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/kdf.h"
#include "crypto/key_exchange.h"
#include "support.h"
#include "support/in_child.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

Secret secret(std::size_t size) {
  return Secret(Buffer(size, 0x42));
}

TEST(Channel, OpensInAnyOrderOnceAndTellsCopies) {
  for (std::size_t size : {28, 44}) {
    SealingChannel out(secret(size), {.messages = 100});
    OpeningChannel in(secret(size), {.messages = 100});
    std::vector<Buffer> sealed(70);
    for (auto& message : sealed) ASSERT_TRUE(out.seal(as_bytes("header"), as_bytes("text"), message));
    EXPECT_NE(sealed[0], sealed[1]);
    EXPECT_FALSE(in.open(69, as_bytes("another"), sealed[69])) << "refused, and the window stays where it was";
    EXPECT_FALSE(in.open(0, as_bytes("header"), sealed[0])->repeat);
    EXPECT_FALSE(in.open(69, as_bytes("header"), sealed[68]));
    EXPECT_FALSE(in.open(69, as_bytes("header"), sealed[69])->repeat);
    EXPECT_TRUE(in.open(69, as_bytes("header"), sealed[69])->repeat);
    EXPECT_FALSE(in.open(5, as_bytes("header"), sealed[5])) << "64 behind";
    EXPECT_EQ(as_text(in.open(6, as_bytes("header"), sealed[6])->plaintext), "text");
    EXPECT_EQ(in.use().messages(), 3U);
  }
}

TEST(Channel, IsRetiredAtItsLimit) {
  SealingChannel out(secret(28), {.messages = 1}), longer(secret(28), {.messages = 2});
  OpeningChannel in(secret(28), {.messages = 1});
  Buffer first, second;
  ASSERT_TRUE(out.seal({}, {}, first));
  EXPECT_TRUE(out.is_retired());
  EXPECT_FALSE(out.seal({}, {}, second));
  EXPECT_TRUE(second.empty());
  ASSERT_TRUE(longer.seal({}, {}, first) && longer.seal({}, {}, second));
  EXPECT_FALSE(in.open(1, {}, second));
}

TEST(Channel, IsRetiredAfterSoManyBytes) {
  SealingChannel out(secret(28), {.messages = 100, .bytes = 30});
  OpeningChannel in(secret(28), {.messages = 100, .bytes = 30});
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(out.is_retired() || in.is_retired()) << i;
    Buffer sealed;
    ASSERT_TRUE(out.seal({}, Buffer(10), sealed));
    ASSERT_TRUE(in.open(static_cast<std::uint64_t>(i), {}, sealed));
    ASSERT_TRUE(in.open(static_cast<std::uint64_t>(i), {}, sealed)) << "a copy, which does not count";
  }
  EXPECT_TRUE(out.is_retired() && in.is_retired());
  Buffer more;
  EXPECT_FALSE(out.seal({}, {}, more));
}

TEST(Channel, OpensNothingOnceTooManyDidNotOpen) {
  SealingChannel out(secret(28), {.messages = 100});
  OpeningChannel in(secret(28), {.messages = 100, .forgeries = 3});
  Buffer good;
  ASSERT_TRUE(out.seal({}, {}, good));
  ASSERT_TRUE(in.open(0, {}, good));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(in.is_retired());
    EXPECT_FALSE(in.open(1, {}, good));
  }
  EXPECT_TRUE(in.is_retired());
  EXPECT_FALSE(in.open(0, {}, good));
}

TEST(Channel, ItsLimitsAreThoseOfTheSpecification) {
  EXPECT_EQ(ChannelLimits{.messages = 1}.bytes, std::uint64_t{1} << 36);
  EXPECT_EQ(ChannelLimits{.messages = 1}.forgeries, std::uint64_t{1} << 20);
}

TEST(Counter, CountsInItsProcessAlone) {
  Counter counter(5);
  EXPECT_EQ(counter.take().value(), 5U);
  EXPECT_EQ(counter.next(), 6U);
  Counter moved = counter;
  for (Counter* its : {&counter, &moved})
    EXPECT_EQ(sealmq::testing::in_child([&] { return std::string(its->take() ? "counted" : "refused"); }), "refused");
  EXPECT_EQ(counter.take().value(), 6U);
}

TEST(ReplayWindow, BeginsAnywhereAndForgetsBehind64) {
  ReplayWindow window;
  EXPECT_EQ(window.judge(0), Replay::fresh);
  EXPECT_EQ(window.judge(0), Replay::repeat);
  EXPECT_EQ(window.judge(~std::uint64_t{0}), Replay::fresh);
  EXPECT_EQ(window.judge(0), Replay::stale);
  EXPECT_EQ(window.judge(~std::uint64_t{0} - 63), Replay::fresh);
  EXPECT_EQ(window.judge(~std::uint64_t{0} - 64), Replay::stale);
}

TEST(KeyExchange, HashesInStepsAndDerivesFromAllSecrets) {
  KeyExchange exchange;
  Digest first = exchange.see("label").see_lp16(as_bytes("name")).step();
  EXPECT_EQ(first, sha256(as_bytes(std::string_view("label\0\4name", 11))));
  exchange.share(secret(32));
  auto other = exchange.fork();
  exchange.see("more").step();
  EXPECT_EQ(exchange.hash(), Sha256().update(first).update(as_bytes("more")).finish());
  exchange.share(Secret(Buffer(32, 7)));
  Buffer both(64, 7);
  std::fill_n(both.begin(), 32, std::uint8_t{0x42});
  EXPECT_TRUE(same(exchange.derive("key", 28).reveal(), hkdf(both, exchange.hash(), as_bytes("key"), 28).reveal()));
  other.see("more").step();
  EXPECT_EQ(other.hash(), exchange.hash());
  EXPECT_FALSE(same(other.derive("key", 28).reveal(), exchange.derive("key", 28).reveal())) << "it lacks the second secret";
}

}  // namespace
