// What an order of the authority does at a broker, and what an old one sent again does not.
#include "server/registrar.h"

#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <map>
#include <thread>

#include "crypto/hash.h"
#include "crypto/scalar.h"
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
                              [&](const KeyHash&, Bytes frame) { told.push_back(to_buffer(frame)); });
  const auto order = [&](std::uint64_t serial, malina::Action action) {
    malina::Order made{.serial = serial, .action = action, .keys = {{7}}};
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
  // Nor after a restart.
  RegistryRegistrar later(*registry, followed, authority->identity().keys.ecdsa, nullptr, log,
                          [&](const KeyHash&, Bytes frame) { told.push_back(to_buffer(frame)); });
  EXPECT_TRUE(later.take_order(restores, {}));
  EXPECT_EQ(told.size(), 2U);
}

/// A broker whose shards have all that is in its list.
class Following : public ::testing::Test {
 protected:
  Following() { followed.reach(std::numeric_limits<std::uint64_t>::max()); }

  Buffer about(std::uint64_t serial, const PublicKeys& keys, malina::Action action = malina::Action::revoke) {
    return malina::revocation_order({.serial = serial, .action = action, .keys = crypto::key_hashes(keys)}, *authority).value();
  }
  PublicIdentity somebody(const char* name) { return make_memory_keys(name, Kind::device, random)->identity(); }
  void enroll(const PublicIdentity& its) {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = its;
    EXPECT_TRUE(registry->add(identity));
  }
  Result<> join(const PublicKeys& keys) {
    const Buffer code(16, 7);
    EXPECT_TRUE(registry->add_ticket(crypto::sha256(code), {.name = "boiler-7", .expires = 100}, 1));
    return registrar.join(code, keys, true, {}, {}, {.steady = 0, .wall = 5});
  }
  Status status(const char* name) { return registry->find(name).value()->status; }

  testing::CountingRandom random;
  Silent log;
  std::unique_ptr<Registry> registry = make_memory_registry();
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  FollowedVersion followed;
  std::map<KeyHash, Buffer> retained;
  RegistryRegistrar registrar{*registry, followed, authority->identity().keys.ecdsa,
                              nullptr,   log,      [this](const KeyHash& key, Bytes frame) { retained[key] = to_buffer(frame); }};
};

/// The same signature with the other s, which verifies as well.
Buffer twin_of(Buffer frame, std::size_t s_at) {
  const auto s = crypto::Scalar::decode(Bytes(frame).subspan(s_at, 32)).value();
  (crypto::Scalar() - s).encode(std::span(frame).subspan(s_at).first<32>());
  return frame;
}

// Whoever reads an order can make its twin, and bring it to a broker that has not got the order yet.
TEST_F(Following, TheTwinOfAnOrderDoesNotKeepTheOrderOut) {
  const auto boiler = somebody("boiler-7");
  enroll(boiler);
  const malina::OrderById former{.serial = 1, .action = malina::Action::revoke, .id = boiler.keys.schnorr};
  for (const bool is_paper : {false, true}) {
    const Buffer order =
        (is_paper ? malina::paper_revocation_order(former, *authority) : malina::first_revocation_order(former, *authority))
            .value();
    const Buffer twin = twin_of(order, order.size() - 32);
    ASSERT_NE(twin, order);
    const auto own = make_memory_registry();
    RegistryRegistrar at_broker(*own, followed, authority->identity().keys.ecdsa, nullptr, log,
                                [this](const KeyHash& key, Bytes frame) { retained[key] = to_buffer(frame); });
    EXPECT_TRUE(at_broker.take_order(twin, {}));
    EXPECT_EQ(retained.begin()->second, order) << "it is passed on with the lower s";
    EXPECT_TRUE(at_broker.take_order(order, {})) << "it is done";
    EXPECT_EQ(own->last_serial(crypto::sha256(authority->identity().keys.ecdsa)).value(), 1U);
  }
  // In the present form there is no twin.
  const Buffer order = about(1, boiler.keys);
  EXPECT_FALSE(registrar.take_order(twin_of(order, order.size() - 2 - 32), {}));
  EXPECT_EQ(status("boiler-7"), Status::active);
  EXPECT_TRUE(registrar.take_order(order, {}));
  EXPECT_EQ(status("boiler-7"), Status::revoked);
}

TEST_F(Following, AnOrderAboutACardRevokesThatCard) {
  for (const char* name : {"card0001", "zard0009"}) {
    PublicIdentity card = somebody(name);
    card.keys.schnorr = {};
    enroll(card);
  }
  EXPECT_TRUE(registrar.take_order(about(1, registry->find("card0001").value()->keys), {}));
  EXPECT_EQ(status("card0001"), Status::revoked);
  EXPECT_EQ(status("zard0009"), Status::active);
  // An order of before with the ID of zeroes means nobody, and those that follow it can come.
  const malina::OrderById nobody{.serial = 2, .action = malina::Action::revoke};
  EXPECT_TRUE(registrar.take_order(malina::first_revocation_order(nobody, *authority).value(), {}));
  EXPECT_EQ(status("zard0009"), Status::active);
  EXPECT_TRUE(registrar.take_order(about(3, registry->find("zard0009").value()->keys), {}));
  EXPECT_EQ(status("zard0009"), Status::revoked);
}

TEST_F(Following, WhoIsUnderAnOrderDoesNotJoin) {
  const auto boiler = somebody("boiler-7");
  EXPECT_TRUE(registrar.take_order(about(1, boiler.keys), {}));
  EXPECT_FALSE(join(boiler.keys));
  PublicKeys one_of_them = somebody("other").keys;
  one_of_them.agreement = boiler.keys.agreement;
  EXPECT_FALSE(join(one_of_them));
  EXPECT_TRUE(registrar.take_order(about(2, boiler.keys, malina::Action::restore), {}));
  EXPECT_TRUE(join(boiler.keys));
}

TEST_F(Following, NobodyJoinsWhileOrdersAreKnownToBeMissing) {
  const auto boiler = somebody("boiler-7");
  EXPECT_FALSE(registrar.take_order(about(2, somebody("other").keys), {})) << "it comes too early";
  const auto refused = join(boiler.keys);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("orders of the authority are missing"), std::string::npos) << refused.error().what;
  EXPECT_EQ(registry->tickets(5)->size(), 1U) << "the ticket is still good";
  EXPECT_EQ(registry->cancel_tickets("boiler-7").value(), 1U);
  EXPECT_TRUE(registrar.take_order(about(1, somebody("third").keys), {}));
  EXPECT_TRUE(registrar.take_order(about(2, somebody("other").keys), {}));
  EXPECT_TRUE(join(boiler.keys));
}

/// A broker that has taken no change of its list to its shards yet, with one identity to revoke.
class NotFollowing : public ::testing::Test {
 protected:
  NotFollowing() {
    Identity boiler;
    boiler.name = "boiler-7";
    boiler.keys = make_memory_keys(boiler.name, Kind::device, random)->identity().keys;
    EXPECT_TRUE(registry->add(boiler));
    const malina::Order order{.serial = 1, .action = malina::Action::revoke, .keys = crypto::key_hashes(boiler.keys)};
    frame = malina::revocation_order(order, *authority).value();
  }

  testing::CountingRandom random;
  Silent log;
  std::unique_ptr<Registry> registry = make_memory_registry();
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  Buffer frame;
  FollowedVersion followed;
  RegistryRegistrar registrar{*registry, followed, authority->identity().keys.ecdsa, nullptr, log, [](const KeyHash&, Bytes) {}};
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
