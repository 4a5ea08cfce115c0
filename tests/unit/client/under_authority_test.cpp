// A subscriber, a partner and a writer that follow a revocation authority's orders about whom they have pinned.
#include "client/under_authority.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/identity_digest.h"
#include "schemes/malina/revocation.h"
#include "support/fakes.h"

namespace sealmq {
namespace {

class UnderAuthorityTest : public ::testing::Test {
 protected:
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
  std::unique_ptr<ClientScheme> subscriber =
      under_authority(find_scheme("sl1@paper")->client_side({nullptr, std::nullopt, pinned, random}).value(),
                      authority->identity(), pinned)
          .value();
};

TEST_F(UnderAuthorityTest, WhomTheAuthorityRevokesIsNotBelievedAnyMore) {
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
  ASSERT_TRUE(bring(order(3, *boiler)));
  ASSERT_TRUE(bring(order(2, *boiler, malina::Action::restore)));
  EXPECT_FALSE(message(*boiler));
}

TEST_F(UnderAuthorityTest, OrdersOfOthersAreNone) {
  authority = make_memory_keys("forger", Kind::authority, random);
  EXPECT_FALSE(bring(order(1, *boiler)));
  EXPECT_FALSE(bring(as_bytes("RVK1")));
  EXPECT_TRUE(message(*boiler));
}

TEST_F(UnderAuthorityTest, OrdersAreSubscribedAndWaitedFor) {
  const auto inboxes = subscriber->key_inboxes();
  ASSERT_EQ(inboxes.size(), 1U);
  EXPECT_EQ(inboxes[0].filter, "$sl/ra/#");
  subscriber->connected(now);
  EXPECT_FALSE(subscriber->may_publish("plant/7", now));
  subscriber->keys_heard({});
  EXPECT_TRUE(subscriber->may_publish("plant/7", now));
  EXPECT_TRUE(message(*boiler));
}

TEST_F(UnderAuthorityTest, ABrokerThatTellsNoOrdersTellsNothingOfThosePinned) {
  subscriber->connected(now);
  subscriber->keys_heard({"$sl/ra/#"});
  EXPECT_FALSE(message(*boiler));
}

TEST_F(UnderAuthorityTest, NothingIsSealedForARevokedPartner) {
  auto partner =
      under_authority(find_scheme("pmqtt")->client_side({boiler.get(), std::nullopt, {pump->identity()}, random}).value(),
                      authority->identity(), {pump->identity()})
          .value();
  const auto inboxes = partner->inboxes();
  EXPECT_EQ(std::count_if(inboxes.begin(), inboxes.end(), [](const auto& inbox) { return inbox.filter == "$sl/ra/#"; }), 1);
  EXPECT_TRUE(partner->key_inboxes().empty());
  partner->connected(now);
  const Buffer frame = order(1, *pump);
  ASSERT_TRUE(partner->unprotect({.topic = "$sl/ra/00", .payload = frame, .retain = true}, now));
  const auto refused = partner->protect(partner->addresses("vitals").at(0), as_bytes("80"), now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "pump-1 is revoked by order 1 of the authority");
}

TEST_F(UnderAuthorityTest, IsRefusedWhereItCouldMeanNobody) {
  const auto scheme = [&] { return find_scheme("sl1@paper")->client_side({nullptr, std::nullopt, {}, random}).value(); };
  EXPECT_FALSE(under_authority(scheme(), authority->identity(), {}));
  EXPECT_FALSE(under_authority(nullptr, authority->identity(), pinned));
  EXPECT_FALSE(under_authority(scheme(), boiler->identity(), pinned)) << "no authority";
}

}  // namespace
}  // namespace sealmq
