// What an order of the authority does at a broker, and what an old one sent again does not.
#include "server/registrar.h"

#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <thread>

#include "schemes/malina/revocation.h"
#include "support/fakes.h"

namespace sealmq::server {
namespace {

class Silent final : public Log {
 public:
  void write(Severity, std::string_view) override {}
};

TEST(RegistryRegistrar, AnOldOrderSentAgainDoesNotTakeThePlaceOfALaterOne) {
  testing::CountingRandom random;
  Silent log;
  const auto registry = make_memory_registry();
  const auto authority = make_memory_keys("authority", Kind::authority, random);
  std::vector<Buffer> told;
  FollowedVersion followed;
  followed.reach(std::numeric_limits<std::uint64_t>::max());
  RegistryRegistrar registrar(*registry, followed, authority->identity().keys.ecdsa, nullptr, log,
                              [&](const std::array<std::uint8_t, 32>&, Bytes frame) { told.push_back(to_buffer(frame)); });
  const auto order = [&](std::uint64_t serial, malina::Action action) {
    malina::Order made;
    made.serial = serial;
    made.action = action;
    made.id.fill(7);
    return malina::revocation_order(made, *authority).value();
  };
  const Buffer restores = order(1, malina::Action::restore);
  const Buffer revokes = order(2, malina::Action::revoke);
  EXPECT_TRUE(registrar.take_order(restores, {}));
  EXPECT_TRUE(registrar.take_order(revokes, {}));
  static_cast<void>(registrar.take_order(restores, {}));  // an answer of either kind: it was taken long ago
  EXPECT_TRUE(registrar.take_order(revokes, {}));
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told.back(), revokes);
}

/// A broker that has taken no change of its list to its shards yet, with one identity to revoke.
class NotFollowing : public ::testing::Test {
 protected:
  NotFollowing() {
    Identity boiler;
    boiler.name = "boiler-7";
    boiler.keys = make_memory_keys(boiler.name, Kind::device, random)->identity().keys;
    EXPECT_TRUE(registry->add(boiler));
    malina::Order order{.serial = 1, .action = malina::Action::revoke};
    order.id = boiler.keys.schnorr;
    frame = malina::revocation_order(order, *authority).value();
  }

  testing::CountingRandom random;
  Silent log;
  std::unique_ptr<Registry> registry = make_memory_registry();
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  Buffer frame;
  FollowedVersion followed;
  RegistryRegistrar registrar{*registry, followed, authority->identity().keys.ecdsa,
                              nullptr,   log,      [](const std::array<std::uint8_t, 32>&, Bytes) {}};
};

// Whoever ordered it tells people that it is done.
TEST_F(NotFollowing, AnOrderIsAnsweredWhenTheShardsFollowTheList) {
  auto answer = std::async(std::launch::async, [&] { return registrar.take_order(frame, {}).has_value(); });
  EXPECT_EQ(answer.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  while (registry->find("boiler-7").value()->status != Status::revoked) std::this_thread::yield();
  followed.reach(registry->version().value());
  EXPECT_TRUE(answer.get());
}

// Anybody can record an order and send it again, as often as it likes.
TEST_F(NotFollowing, AnOrderInForceSentAgainAsksNothingOfTheRegistry) {
  followed.reach(std::numeric_limits<std::uint64_t>::max());
  ASSERT_TRUE(registrar.take_order(frame, {}));
  followed.reach(0);
  followed.stop();  // whoever asks for the version is refused now
  EXPECT_TRUE(registrar.take_order(frame, {}));
}

TEST_F(NotFollowing, AnOrderThatIsNotFollowedIsNotAcknowledged) {
  followed.stop();
  const auto refused = registrar.take_order(frame, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::environment);
  followed.reach(registry->version().value());
  EXPECT_TRUE(registrar.take_order(frame, {}));  // it is sent again
}

}  // namespace
}  // namespace sealmq::server
