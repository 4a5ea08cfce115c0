// A subscriber, a partner and a writer that follow a revocation authority's orders about whom they have pinned.
#include "client/under_authority.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/identity_digest.h"
#include "schemes/malina/revocation.h"
#include "support/fakes.h"
#include "support/told_log.h"

namespace sealmq {
namespace {

class UnderAuthorityTest : public ::testing::Test {
 protected:
  std::unique_ptr<ClientScheme> under(std::unique_ptr<ClientScheme> scheme, const std::vector<PublicIdentity>& peers) {
    return under_authority(std::move(scheme), authority->identity(),
                           LogFollower::open(authority->identity(), {}, 600'000).value(), peers);
  }
  /// What the authority has said so far comes.
  void hear(ClientScheme& scheme) {
    for (const auto& [topic, payload] : log.retained(now.wall))
      ASSERT_TRUE(scheme.unprotect({.topic = topic, .payload = payload, .retain = true}, now));
  }
  Buffer order(std::uint64_t serial, const KeyStore& whom, malina::Action action = malina::Action::revoke) {
    return malina::revocation_order({.serial = serial, .action = action, .keys = crypto::key_hashes(whom.identity().keys)},
                                    *authority)
        .value();
  }
  /// As the broker retains it.
  auto bring(Bytes frame, std::string_view topic = "$sl/ra/00") {
    return subscriber->unprotect({.topic = topic, .payload = frame, .retain = true}, now);
  }
  auto message(KeyStore& from) {
    auto publisher = find_scheme("sl1@paper")->client_side({&from, std::nullopt, {}, random}).value();
    now.wall += 10;
    const Buffer sent = publisher->protect("plant/7", as_bytes("4.2"), now).value();
    return subscriber->unprotect({.topic = "plant/7", .payload = sent}, now);
  }

  testing::CountingRandom random;
  Now now{1'000'000, 1'800'000'000'000};
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  std::unique_ptr<KeyStore> boiler = make_memory_keys("boiler-7", Kind::device, random);
  std::unique_ptr<KeyStore> pump = make_memory_keys("pump-1", Kind::device, random);
  std::vector<PublicIdentity> pinned{boiler->identity(), pump->identity()};
  testing::ToldLog log{*authority};
  std::unique_ptr<ClientScheme> subscriber =
      under(find_scheme("sl1@paper")->client_side({nullptr, std::nullopt, pinned, random}).value(), pinned);
};

TEST_F(UnderAuthorityTest, WhomTheAuthorityRevokesIsNotBelievedAnyMore) {
  hear(*subscriber);
  EXPECT_TRUE(message(*boiler));
  const auto taken = bring(order(1, *boiler)).value();
  EXPECT_EQ(taken->what, Received::What::own);
  EXPECT_EQ(taken->notice, "boiler-7 is revoked by order 1 of the authority");
  const auto refused = message(*boiler);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "boiler-7 is revoked by order 1 of the authority");
  EXPECT_TRUE(message(*pump)) << "nobody else";
  EXPECT_EQ(bring(order(1, *boiler)).value()->notice, "") << "it is told once";
  EXPECT_TRUE(bring(order(2, *boiler, malina::Action::restore)));
  EXPECT_TRUE(message(*boiler));
}

// Whoever retains orders may show an old one again.
TEST_F(UnderAuthorityTest, OfTheOrdersAboutAKeyTheLastCounts) {
  hear(*subscriber);
  ASSERT_TRUE(bring(order(3, *boiler)));
  ASSERT_TRUE(bring(order(2, *boiler, malina::Action::restore)));
  EXPECT_FALSE(message(*boiler));
}

TEST_F(UnderAuthorityTest, OrdersOfOthersAreNone) {
  hear(*subscriber);
  const auto forger = make_memory_keys("forger", Kind::authority, random);
  const Buffer forged =
      malina::revocation_order({.serial = 1, .keys = crypto::key_hashes(boiler->identity().keys)}, *forger).value();
  EXPECT_FALSE(bring(forged));
  EXPECT_FALSE(bring(as_bytes("RVK1")));
  EXPECT_TRUE(message(*boiler));
}

TEST_F(UnderAuthorityTest, LogAndOrdersAreSubscribedAndWaitedFor) {
  const auto inboxes = subscriber->key_inboxes();
  ASSERT_EQ(inboxes.size(), 5U);
  EXPECT_EQ(inboxes[0].filter, "sealmq-log/authority/head");
  EXPECT_EQ(inboxes[4].filter, "$sl/ra/#");
  subscriber->connected(now);
  EXPECT_FALSE(subscriber->may_publish("plant/7", now));
  subscriber->keys_heard({});
  EXPECT_FALSE(subscriber->may_publish("plant/7", now)) << "a head may still come";
  hear(*subscriber);
  EXPECT_TRUE(subscriber->may_publish("plant/7", now));
  EXPECT_TRUE(message(*boiler));
}

TEST_F(UnderAuthorityTest, WithoutAHeadNothingIsOpened) {
  const auto refused = message(*boiler);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "stale: revocations not known, the log of authority has not come");
  hear(*subscriber);
  EXPECT_TRUE(message(*boiler));
  now.wall += 600'001;
  EXPECT_FALSE(message(*boiler)) << "nor under one that is too old";
}

TEST_F(UnderAuthorityTest, WithoutAHeadNothingIsSealed) {
  auto partner = under(find_scheme("pmqtt")->client_side({boiler.get(), std::nullopt, {pump->identity()}, random}).value(),
                       {pump->identity()});
  partner->connected(now);
  const auto refused = partner->protect(partner->addresses("vitals").at(0), as_bytes("80"), now);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().what.starts_with("stale: ")) << refused.error().what;
}

// Its sender keeps what is not acknowledged; what came at QoS 0 waits only where a head may be on its way.
TEST_F(UnderAuthorityTest, MessagesWaitForAHead) {
  subscriber->connected(now);
  const Arrived once{.topic = "plant/7", .payload = {}};
  const Arrived kept{.topic = "plant/7", .payload = {}, .at_least_once = true};
  const Arrived own{.topic = "sealmq-log/authority/head", .payload = {}, .at_least_once = true};
  EXPECT_EQ(subscriber->holds(once, now), 10'000U);
  EXPECT_EQ(subscriber->holds(kept, now), 60'000U);
  EXPECT_EQ(subscriber->holds(own, now), 0U);
  now.steady += 10'000;
  EXPECT_EQ(subscriber->holds(once, now), 0U);
  EXPECT_EQ(subscriber->holds(kept, now), 60'000U);
  hear(*subscriber);
  EXPECT_EQ(subscriber->holds(kept, now), 0U);
}

TEST_F(UnderAuthorityTest, TheLogAloneTellsWhoIsRevoked) {
  subscriber->connected(now);
  subscriber->keys_heard({"$sl/ra/#"});
  hear(*subscriber);
  EXPECT_TRUE(message(*boiler));
  log.order(1, false, *boiler, now.wall);
  now.wall += 10;
  hear(*subscriber);
  const auto refused = message(*boiler);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "boiler-7 is revoked by order 1 of the authority");
  EXPECT_TRUE(message(*pump));
}

TEST_F(UnderAuthorityTest, NothingIsSealedForARevokedPartner) {
  auto partner = under(find_scheme("pmqtt")->client_side({boiler.get(), std::nullopt, {pump->identity()}, random}).value(),
                       {pump->identity()});
  const auto inboxes = partner->inboxes();
  EXPECT_EQ(std::count_if(inboxes.begin(), inboxes.end(), [](const auto& inbox) { return inbox.filter == "$sl/ra/#"; }), 1);
  EXPECT_TRUE(partner->key_inboxes().empty());
  partner->connected(now);
  hear(*partner);
  const Buffer frame = order(1, *pump);
  ASSERT_TRUE(partner->unprotect({.topic = "$sl/ra/00", .payload = frame, .retain = true}, now));
  const auto refused = partner->protect(partner->addresses("vitals").at(0), as_bytes("80"), now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "pump-1 is revoked by order 1 of the authority");
}

TEST_F(UnderAuthorityTest, IsRefusedWhereItCouldMeanNobody) {
  EXPECT_FALSE(check_authority("sl1", authority->identity(), {}));
  EXPECT_FALSE(check_authority("", authority->identity(), pinned));
  EXPECT_FALSE(check_authority("sl1", boiler->identity(), pinned)) << "no authority";
  EXPECT_TRUE(check_authority("sl1", authority->identity(), pinned));
  EXPECT_TRUE(check_authority("payload", authority->identity(), {})) << "its topic keys name others";
}

}  // namespace
}  // namespace sealmq
