// What every registry does, wherever it keeps its list.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "crypto/identity_digest.h"
#include "registry/postgres.h"
#include "sealmq/registry.h"
#include "support/identities.h"
#include "support/postgres_server.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::identity_named;
using testing::keys_for;
using testing::postgres_server;
using testing::TemporaryFolder;

struct Maker {
  const char* name;
  /// Opens the same one each time for the same folder.
  Result<std::unique_ptr<Registry>> (*open)(const TemporaryFolder& folder);
  void (*clear)() = [] {};
};

std::ostream& operator<<(std::ostream& out, const Maker& maker) {
  return out << maker.name;
}

constexpr Maker memory{"Memory",
                       [](const TemporaryFolder&) { return Result<std::unique_ptr<Registry>>(make_memory_registry()); }};
constexpr Maker sqlite_file{"Sqlite", [](const TemporaryFolder& folder) { return open_sqlite_registry(folder / "registry.db"); }};
constexpr Maker postgres_database{"Postgres",
                                  [](const TemporaryFolder&) { return open_postgres_registry(postgres_server().url()); },
                                  [] {
                                    const auto address = postgres::Address::parse(postgres_server().url()).value();
                                    auto connection = postgres::Connection::open(address).value();
                                    ASSERT_TRUE(connection.execute("DROP SCHEMA IF EXISTS sealmq CASCADE"));
                                  }};

constexpr const char* broker = "broker-1";

class RegistryConformance : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    GetParam().clear();
    auto opened = GetParam().open(folder_);
    ASSERT_TRUE(opened) << opened.error().what;
    registry_ = *std::move(opened);
  }

  void add(const Identity& identity) {
    const auto added = registry_->add(identity);
    ASSERT_TRUE(added) << added.error().what;
  }
  std::uint64_t version() { return registry_->version().value(); }

  TemporaryFolder folder_;
  std::unique_ptr<Registry> registry_;
};

template <class T>
void expect_misuse(const Result<T>& result) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().blame, Blame::caller_misused) << result.error().what;
}

TEST_P(RegistryConformance, AnswersNothingForAnUnknownName) {
  EXPECT_EQ(registry_->find("boiler-7").value(), std::nullopt);
  EXPECT_TRUE(registry_->list().value().empty());
}

TEST_P(RegistryConformance, GivesBackEveryFieldOfWhatWasAdded) {
  Identity identity = identity_named("boiler-7");
  identity.kind = Kind::service;
  identity.status = Status::invited;
  const QosSet few = qos_set_from("0,1").value(), one = qos_set_from("2").value();
  identity.publish = {"plant/7/#", {"alarm", false, few}, "a\nb", {"devices/%u/#", true, one}, {"alarm", true}};
  identity.subscribe = {"orders/+", "", {"devices/%c/#", true}};
  identity.schemes = {"sl3", "sl1"};
  identity.require = {Factor::key, Factor::password};
  identity.roles = {"operator", "auditor"};
  identity.in_card = true;
  identity.changed = 1'700'000'000'123;
  add(identity);
  EXPECT_EQ(registry_->find("boiler-7").value(), identity);
  EXPECT_EQ(registry_->list().value(), std::vector{identity});
}

TEST_P(RegistryConformance, ListsByName) {
  for (const char* name : {"c", "a", "B", "b-1", "b"}) {
    Identity identity = identity_named(name);
    identity.publish = {std::string("of/") + name};
    add(identity);
  }
  std::vector<std::string> rows;
  const auto all = registry_->list().value();
  for (const Identity& identity : all) rows.push_back(identity.name + " " + identity.publish.at(0).filter);
  EXPECT_EQ(rows, (std::vector<std::string>{"B of/B", "a of/a", "b of/b", "b-1 of/b-1", "c of/c"}));
}

TEST_P(RegistryConformance, RefusesANameThatIsTaken) {
  add(identity_named("boiler-7"));
  Identity other = identity_named("boiler-8");
  other.name = "boiler-7";
  expect_misuse(registry_->add(other));
  EXPECT_EQ(registry_->find("boiler-7").value(), identity_named("boiler-7"));
}

TEST_P(RegistryConformance, RefusesANameWithAWildcard) {
  for (const char* name : {"", "+", "#", "a/b", "a b", "a\n", "ä"}) {
    Identity identity = identity_named("good");
    identity.name = name;
    expect_misuse(registry_->add(identity));
  }
}

TEST_P(RegistryConformance, RefusesAnyKeyThatSomebodyElseHas) {
  const Identity first = identity_named("first");
  add(first);
  Identity second = identity_named("second");
  second.keys.schnorr = first.keys.schnorr;
  expect_misuse(registry_->add(second));
  second = identity_named("second");
  second.keys.ecdsa = first.keys.ecdsa;
  expect_misuse(registry_->add(second));
  second = identity_named("second");
  second.keys.agreement = first.keys.agreement;
  expect_misuse(registry_->add(second));
}

TEST_P(RegistryConformance, RefusesSomebodysKeyForAnotherPurposeOrWithTheOtherSign) {
  const Identity first = identity_named("first");
  add(first);
  Identity second = identity_named("second");
  second.keys.agreement = first.keys.ecdsa;
  expect_misuse(registry_->add(second));
  second = identity_named("second");
  second.keys.ecdsa = first.keys.ecdsa;
  second.keys.ecdsa[0] ^= 1;
  expect_misuse(registry_->add(second));
  second = identity_named("second");
  std::copy(first.keys.agreement.begin() + 1, first.keys.agreement.end(), second.keys.schnorr.begin());
  expect_misuse(registry_->add(second));
}

TEST_P(RegistryConformance, RefusesOneKeyForTwoPurposes) {
  Identity identity = identity_named("boiler-7");
  identity.keys.agreement = identity.keys.ecdsa;
  expect_misuse(registry_->add(identity));
}

TEST_P(RegistryConformance, KeysThatThereAreNotAreNobodysAndNotTwice) {
  for (const char* name : {"first", "second"}) {
    Identity identity = identity_named(name);
    identity.keys.ecdsa = {};
    identity.keys.agreement = {};
    add(identity);
    EXPECT_EQ(registry_->find(name).value(), identity);
    EXPECT_TRUE(registry_->change(name, [](Identity& its) -> Result<> {
      its.publish = {"a"};
      return {};
    }));
  }
  add(identity_named("third"));
  EXPECT_EQ(registry_->list().value().size(), 3U);
  Identity fourth = identity_named("fourth");
  fourth.keys.ecdsa = {};
  std::copy_n(identity_named("first").keys.schnorr.begin(), 32, fourth.keys.agreement.begin() + 1);
  expect_misuse(registry_->add(fourth));
  fourth.keys.agreement = identity_named("third").keys.ecdsa;
  expect_misuse(registry_->add(fourth));
}

TEST_P(RegistryConformance, KeepsKeysOfTokensAndCards) {
  Identity token = identity_named("token");
  token.keys.schnorr = {};
  token.keys.rsa = Buffer(256, 0xA5);
  add(token);
  Identity card;
  card.name = "card0001";
  card.keys.rsa = Buffer(256, 0xA7);
  add(card);
  EXPECT_EQ(registry_->find("token").value(), token);
  EXPECT_EQ(registry_->find("card0001").value(), card);
  card.name = "card0002";
  expect_misuse(registry_->add(card));
  Identity other = identity_named("other");
  other.keys.rsa = token.keys.rsa;
  expect_misuse(registry_->add(other));
  other.keys.rsa.clear();
  other.keys.schnorr = {};
  add(other);
}

TEST_P(RegistryConformance, RefusesAnIdentityWithoutAKeyToSignWith) {
  Identity identity = identity_named("boiler-7");
  identity.keys.schnorr = {};
  identity.keys.ecdsa = {};
  expect_misuse(registry_->add(identity));
}

TEST_P(RegistryConformance, KeepsIdentitiesWithoutAnyKey) {
  for (const char* name : {"dashboard", "panel"}) {
    Identity identity;
    identity.name = name;
    identity.subscribe = {"plant/#"};
    add(identity);
    EXPECT_EQ(registry_->find(name).value(), identity);
  }
  Identity second;
  second.name = "panel";
  expect_misuse(registry_->add(second));
  ASSERT_TRUE(registry_->revoke("panel", "lost", 5));
}

TEST_P(RegistryConformance, ARemovedIdentityLeavesNothingButTheOrderAboutIt) {
  ASSERT_TRUE(registry_->heartbeat(broker));
  Identity identity = identity_named("boiler-7");
  identity.publish = {"plant/7/#"};
  add(identity);
  const auto before = version();
  const auto order = registry_->remove("boiler-7", 5).value();
  EXPECT_GT(version(), before);
  EXPECT_EQ(registry_->find("boiler-7").value(), std::nullopt);
  EXPECT_TRUE(registry_->list().value().empty());
  expect_misuse(registry_->remove("boiler-7", 6));
  expect_misuse(registry_->revoke("boiler-7", "", 6));
  expect_misuse(registry_->change("boiler-7", [](Identity&) { return Result<>(); }));
  const auto open = registry_->open_orders(broker).value();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].number, order);
  EXPECT_EQ(open[0].name, "boiler-7");
  ASSERT_TRUE(registry_->report(order, broker, {.sessions = 1}));
  EXPECT_EQ(registry_->progress(order).value().done.size(), 1U);

  // The name and the keys are free again, and no right is left.
  ASSERT_TRUE(registry_->add_ticket({1}, {.name = "boiler-7", .expires = 100}, 5));
  add(identity_named("boiler-7"));
  EXPECT_EQ(registry_->find("boiler-7").value(), identity_named("boiler-7"));
  EXPECT_EQ(registry_->list().value().size(), 1U);
}

TEST_P(RegistryConformance, RevokedKeysNeverComeBack) {
  const Identity identity = identity_named("boiler-7");
  add(identity);
  ASSERT_TRUE(registry_->revoke("boiler-7", "stolen", 5));
  ASSERT_TRUE(registry_->remove("boiler-7", 6));
  expect_misuse(registry_->add(identity));
  Identity other = identity_named("other");
  other.keys.agreement = identity.keys.ecdsa;
  other.keys.agreement[0] ^= 1;
  expect_misuse(registry_->add(other));
  Identity fresh = identity;
  fresh.keys = identity_named("fresh").keys;
  add(fresh);
  EXPECT_EQ(registry_->find("boiler-7").value()->status, Status::active);
}

TEST_P(RegistryConformance, OtherKeysUnderANameThatKeepsItsRights) {
  ASSERT_TRUE(registry_->heartbeat(broker));
  Identity identity = identity_named("boiler-7");
  identity.publish = {"plant/7/#"};
  identity.schemes = {"sl1"};
  identity.roles = {"operator"};
  identity.in_card = true;
  add(identity);
  add(identity_named("other"));
  ASSERT_TRUE(registry_->revoke("boiler-7", "stolen", 5));

  PublicIdentity fresh = identity_named("fresh");
  expect_misuse(registry_->rekey(fresh, "", 6));  // nobody has this name
  fresh.name = "boiler-7";
  fresh.kind = Kind::service;
  PublicIdentity others = fresh;
  others.keys = identity_named("other").keys;
  expect_misuse(registry_->rekey(others, "", 6));
  others.keys = identity.keys;
  expect_misuse(registry_->rekey(others, "", 6));
  others.keys = {};
  expect_misuse(registry_->rekey(others, "", 6));

  const auto before = version();
  const auto order = registry_->rekey(fresh, "", 7).value();
  EXPECT_GT(version(), before);
  EXPECT_EQ(registry_->last_order("boiler-7").value(), order);
  EXPECT_EQ(registry_->open_orders(broker).value().size(), 2U);
  static_cast<PublicIdentity&>(identity) = fresh;
  identity.changed = 7;
  identity.in_card = false;  // nobody has said where the other keys are
  EXPECT_EQ(registry_->find("boiler-7").value(), identity);

  Identity former = identity_named("former");
  former.keys = keys_for("boiler-7");
  expect_misuse(registry_->add(former));
  others.keys = former.keys;
  expect_misuse(registry_->rekey(others, "", 8));
  ASSERT_TRUE(registry_->remove("boiler-7", 9));
  expect_misuse(registry_->add(former));
}

TEST_P(RegistryConformance, TicketsAreListedAndTakenBack) {
  const Ticket first{"boiler-7", Kind::service, {"plant/7/#", "alarm"}, {"orders"}, {"sl3"}, 1000};
  const Ticket second{"boiler-7", Kind::device, {}, {}, {}, 2000};
  const Ticket other{"boiler-8", Kind::device, {}, {}, {}, 1500};
  ASSERT_TRUE(registry_->add_ticket({1}, other, 5));
  ASSERT_TRUE(registry_->add_ticket({2}, second, 5));
  ASSERT_TRUE(registry_->add_ticket({3}, first, 5));
  EXPECT_EQ(registry_->tickets(5).value(), (std::vector<Ticket>{first, second, other}));
  EXPECT_EQ(registry_->tickets(1000).value(), (std::vector<Ticket>{second, other}));
  EXPECT_EQ(registry_->cancel_tickets("boiler-7").value(), 2U);
  EXPECT_EQ(registry_->cancel_tickets("boiler-7").value(), 0U);
  EXPECT_EQ(registry_->burn_ticket({2}, 5).value(), std::nullopt);
  EXPECT_EQ(registry_->tickets(5).value(), (std::vector<Ticket>{other}));
}

TEST_P(RegistryConformance, KeepsNameAndKeysOfARevokedIdentityForEver) {
  const Identity first = identity_named("first");
  add(first);
  ASSERT_TRUE(registry_->revoke("first", "lost", 5));
  expect_misuse(registry_->add(first));
  Identity second = identity_named("second");
  second.keys.ecdsa = first.keys.ecdsa;
  expect_misuse(registry_->add(second));
}

TEST_P(RegistryConformance, ChangesRights) {
  add(identity_named("boiler-7"));
  const auto changed = registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.publish = {"plant/7/#"};
    identity.schemes = {"sl1"};
    identity.changed = 77;
    return {};
  });
  ASSERT_TRUE(changed) << changed.error().what;
  EXPECT_EQ(changed->publish, Rights{"plant/7/#"});
  EXPECT_EQ(changed->changed, 77U);
  EXPECT_EQ(registry_->find("boiler-7").value(), *changed);
}

TEST_P(RegistryConformance, AChangeThatFailsChangesNothing) {
  add(identity_named("boiler-7"));
  const auto before = version();
  const auto changed = registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.publish = {"plant/7/#"};
    return fail(Blame::not_authorised, "no");
  });
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().blame, Blame::not_authorised);
  EXPECT_EQ(registry_->find("boiler-7").value(), identity_named("boiler-7"));
  EXPECT_EQ(version(), before);
}

TEST_P(RegistryConformance, RefusesToChangeNameOrKeys) {
  add(identity_named("boiler-7"));
  expect_misuse(registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.name = "boiler-8";
    return {};
  }));
  expect_misuse(registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.keys.ecdsa[5] ^= 1;
    return {};
  }));
  expect_misuse(registry_->change("nobody", [](Identity&) -> Result<> { return {}; }));
  EXPECT_EQ(registry_->find("boiler-7").value(), identity_named("boiler-7"));
}

TEST_P(RegistryConformance, RefusesToRevokeWithoutAnOrder) {
  add(identity_named("boiler-7"));
  expect_misuse(registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.status = Status::revoked;
    return {};
  }));
  Identity revoked = identity_named("boiler-8");
  revoked.status = Status::revoked;
  expect_misuse(registry_->add(revoked));
}

TEST_P(RegistryConformance, RevokingLeavesAnOrderThatAReportCloses) {
  add(identity_named("boiler-7"));
  add(identity_named("boiler-8"));
  ASSERT_TRUE(registry_->heartbeat(broker));
  const auto order = registry_->revoke("boiler-7", "stolen", 1234).value();
  const auto next = registry_->revoke("boiler-8", "sold", 1235).value();
  EXPECT_LT(order, next);

  const auto identity = registry_->find("boiler-7").value().value();
  EXPECT_EQ(identity.status, Status::revoked);
  EXPECT_EQ(identity.revocation_reason, "stolen");
  EXPECT_EQ(identity.changed, 1234U);

  auto open = registry_->open_orders(broker).value();
  ASSERT_EQ(open.size(), 2U);
  EXPECT_EQ(open[0].number, order);
  EXPECT_EQ(open[0].name, "boiler-7");
  EXPECT_TRUE(registry_->progress(order).value().done.empty());
  EXPECT_TRUE(registry_->progress(order).value().is_awaited());

  const RevocationReport report{1, 2, 3, 4, 5, 12'000};
  ASSERT_TRUE(registry_->report(order, broker, report));
  const auto progress = registry_->progress(order).value();
  EXPECT_EQ(progress.done, (std::vector<Progress::Done>{{broker, report}}));
  EXPECT_TRUE(progress.owed.empty());
  EXPECT_FALSE(progress.is_awaited());
  EXPECT_EQ(progress.total(), report);
  open = registry_->open_orders(broker).value();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].name, "boiler-8");
}

TEST_P(RegistryConformance, EachBrokerCarriesAnOrderOutForItself) {
  add(identity_named("boiler-7"));
  ASSERT_TRUE(registry_->heartbeat("b"));
  ASSERT_TRUE(registry_->heartbeat("a"));
  const auto order = registry_->revoke("boiler-7", "stolen", 1).value();
  ASSERT_TRUE(registry_->report(order, "b", {1, 0, 0, 0, 0, 7}));
  EXPECT_TRUE(registry_->open_orders("b").value().empty());
  EXPECT_EQ(registry_->open_orders("a").value().size(), 1U);
  auto progress = registry_->progress(order).value();
  ASSERT_EQ(progress.owed.size(), 1U);
  EXPECT_EQ(progress.owed[0].broker, "a");
  EXPECT_TRUE(progress.is_awaited());
  ASSERT_TRUE(registry_->report(order, "a", {2, 0, 0, 0, 0, 5}));
  progress = registry_->progress(order).value();
  EXPECT_EQ(progress.done, (std::vector<Progress::Done>{{"a", {2, 0, 0, 0, 0, 5}}, {"b", {1, 0, 0, 0, 0, 7}}}));
  EXPECT_EQ(progress.total(), (RevocationReport{3, 0, 0, 0, 0, 7}));
}

TEST_P(RegistryConformance, ABrokerOwesNothingFromBeforeItWasKnown) {
  add(identity_named("boiler-7"));
  add(identity_named("boiler-8"));
  const auto before = registry_->revoke("boiler-7", "stolen", 1).value();
  ASSERT_TRUE(registry_->heartbeat(broker));
  EXPECT_TRUE(registry_->open_orders(broker).value().empty());
  EXPECT_TRUE(registry_->progress(before).value().owed.empty());
  ASSERT_TRUE(registry_->revoke("boiler-8", "stolen", 1));
  ASSERT_TRUE(registry_->heartbeat(broker));
  EXPECT_EQ(registry_->open_orders(broker).value().size(), 1U) << "a later heartbeat forgives nothing";
}

TEST_P(RegistryConformance, ABrokerThatSaidGoodbyeOwesStillAndIsNotAwaited) {
  add(identity_named("boiler-7"));
  ASSERT_TRUE(registry_->heartbeat(broker));
  ASSERT_TRUE(registry_->goodbye(broker));
  const auto order = registry_->revoke("boiler-7", "stolen", 1).value();
  const auto progress = registry_->progress(order).value();
  ASSERT_EQ(progress.owed.size(), 1U);
  EXPECT_EQ(progress.owed[0].silence, std::nullopt);
  EXPECT_FALSE(progress.is_awaited());
  ASSERT_TRUE(registry_->heartbeat(broker));
  EXPECT_EQ(registry_->open_orders(broker).value().size(), 1U);
  EXPECT_TRUE(registry_->progress(order).value().is_awaited());
}

TEST_P(RegistryConformance, RefusesBrokersThatHaveNotMadeThemselvesKnown) {
  add(identity_named("boiler-7"));
  const auto order = registry_->revoke("boiler-7", "stolen", 1).value();
  expect_misuse(registry_->open_orders("nobody"));
  expect_misuse(registry_->report(order, "nobody", {}));
  expect_misuse(registry_->goodbye("nobody"));
  expect_misuse(registry_->follow("nobody", 1));
  for (const char* name : {"", "a b", "a/b"}) expect_misuse(registry_->heartbeat(name));
}

TEST_P(RegistryConformance, RefusesASecondRevocationAndASecondReport) {
  add(identity_named("boiler-7"));
  ASSERT_TRUE(registry_->heartbeat(broker));
  const auto order = registry_->revoke("boiler-7", "stolen", 1).value();
  expect_misuse(registry_->revoke("boiler-7", "again", 2));
  expect_misuse(registry_->revoke("nobody", "stolen", 2));
  ASSERT_TRUE(registry_->report(order, broker, {}));
  expect_misuse(registry_->report(order, broker, {}));
}

TEST_P(RegistryConformance, RefusesOrdersThatWereNeverGiven) {
  ASSERT_TRUE(registry_->heartbeat(broker));
  expect_misuse(registry_->report(1, broker, {}));
  expect_misuse(registry_->progress(0));
  expect_misuse(registry_->progress(~std::uint64_t{0}));
}

// -- tickets -------------------------------------------------------------------------------------------------------------------

constexpr TicketHash some_hash{1, 2, 3};

Ticket ticket_for(std::string name) {
  Ticket ticket;
  ticket.name = std::move(name);
  ticket.kind = Kind::service;
  ticket.publish = {"plant/7/#", "alarm"};
  ticket.subscribe = {"orders/+"};
  ticket.schemes = {"sl1"};
  ticket.expires = 2000;
  return ticket;
}

TEST_P(RegistryConformance, ATicketIsTakenOnceWithAllThatItGrants) {
  ASSERT_TRUE(registry_->add_ticket(some_hash, ticket_for("boiler-7"), 1000));
  EXPECT_EQ(registry_->burn_ticket({9}, 1000).value(), std::nullopt);
  EXPECT_EQ(registry_->burn_ticket(some_hash, 1999).value(), ticket_for("boiler-7"));
  EXPECT_EQ(registry_->burn_ticket(some_hash, 1999).value(), std::nullopt);
}

TEST_P(RegistryConformance, AnExpiredTicketIsNoneAndIsBurned) {
  ASSERT_TRUE(registry_->add_ticket(some_hash, ticket_for("boiler-7"), 1000));
  EXPECT_EQ(registry_->burn_ticket(some_hash, 2000).value(), std::nullopt);
  EXPECT_EQ(registry_->burn_ticket(some_hash, 1000).value(), std::nullopt) << "a clock set back does not bring it back";
}

TEST_P(RegistryConformance, ExpiredTicketsAreForgottenWhenOneIsAdded) {
  ASSERT_TRUE(registry_->add_ticket(some_hash, ticket_for("boiler-7"), 1000));
  Ticket next = ticket_for("boiler-8");
  next.expires = 9000;
  ASSERT_TRUE(registry_->add_ticket({7}, next, 3000));
  EXPECT_EQ(registry_->burn_ticket(some_hash, 0).value(), std::nullopt);
  EXPECT_EQ(registry_->burn_ticket({7}, 3000).value(), next);
}

TEST_P(RegistryConformance, RefusesTicketsThatCannotBeUsed) {
  add(identity_named("boiler-7"));
  expect_misuse(registry_->add_ticket(some_hash, ticket_for("boiler-7"), 1000));
  expect_misuse(registry_->add_ticket(some_hash, ticket_for("a/b"), 1000));
  for (const Kind kind : {Kind::broker, Kind::authority}) {
    Ticket ticket = ticket_for("boiler-8");
    ticket.kind = kind;
    expect_misuse(registry_->add_ticket(some_hash, ticket, 1000));
  }
  ASSERT_TRUE(registry_->add_ticket(some_hash, ticket_for("boiler-8"), 1000));
  expect_misuse(registry_->add_ticket(some_hash, ticket_for("boiler-9"), 1000));
}

TEST_P(RegistryConformance, OfThreadsThatUseOneTicketOneGetsIt) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(registry_->add_ticket(some_hash, ticket_for("boiler-7"), 1000));
    std::atomic<int> got = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&] { got += registry_->burn_ticket(some_hash, 1000).value() ? 1 : 0; });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(got, 1);
  }
}

TEST_P(RegistryConformance, ARestoredIdentityCanBeRevokedAgain) {
  add(identity_named("boiler-7"));
  const auto first = registry_->revoke("boiler-7", "stolen", 1).value();
  Identity restored = identity_named("boiler-7");
  restored.changed = 2;
  EXPECT_EQ(registry_->restore("boiler-7", false, 2).value(), restored);
  EXPECT_EQ(registry_->find("boiler-7").value(), restored);
  expect_misuse(registry_->restore("boiler-7", true, 3));
  expect_misuse(registry_->restore("nobody", true, 3));
  EXPECT_GT(registry_->revoke("boiler-7", "stolen again", 3).value(), first);
}

// -- orders of a revocation authority ------------------------------------------------------------------------------------------

std::vector<KeyHash> hashes_of(std::string_view name) {
  return crypto::key_hashes(keys_for(name));
}

/// About whoever has the keys of this name.
AuthorityOrder authority_order(std::uint64_t serial, std::string_view name, bool restores = false) {
  AuthorityOrder order;
  order.authority = {7};
  order.serial = serial;
  order.digest = {static_cast<std::uint8_t>(serial), 1};
  order.restores = restores;
  order.keys = hashes_of(name);
  order.wall = 5;
  return order;
}

TEST_P(RegistryConformance, CarriesOutTheOrdersOfAnAuthorityOnceEach) {
  add(identity_named("boiler-7"));
  ASSERT_TRUE(registry_->heartbeat(broker));
  EXPECT_EQ(registry_->last_serial({7}).value(), 0U);
  const auto before = version();
  const auto first = registry_->take_order(authority_order(1, "boiler-7")).value();
  EXPECT_TRUE(first.is_new);
  EXPECT_EQ(first.names, std::vector<std::string>{"boiler-7"});
  EXPECT_NE(version(), before);
  EXPECT_EQ(registry_->find("boiler-7").value()->status, Status::revoked);
  EXPECT_EQ(registry_->find("boiler-7").value()->ordered, 1U);
  EXPECT_EQ(registry_->find("boiler-7").value()->revocation_reason, "ordered by the authority, serial 1");
  EXPECT_EQ(registry_->open_orders(broker).value().size(), 1U);
  EXPECT_TRUE(registry_->take_order(authority_order(2, "boiler-7", true))->is_new);
  EXPECT_EQ(registry_->find("boiler-7").value(), [] {
    Identity restored = identity_named("boiler-7");
    restored.changed = 5;
    return restored;
  }());
  EXPECT_FALSE(registry_->take_order(authority_order(1, "boiler-7"))->is_new) << "another broker has got it too";
  EXPECT_EQ(registry_->find("boiler-7").value()->status, Status::active);
  EXPECT_EQ(registry_->last_serial({7}).value(), 2U);
  EXPECT_EQ(registry_->last_serial({8}).value(), 0U);
}

TEST_P(RegistryConformance, KnowsTheLastOrderAboutAName) {
  add(identity_named("boiler-7"));
  EXPECT_EQ(registry_->last_order("boiler-7").value(), 0U);
  const auto first = registry_->revoke("boiler-7", "stolen", 1).value();
  EXPECT_EQ(registry_->last_order("boiler-7").value(), first);
  ASSERT_TRUE(registry_->restore("boiler-7", false, 2));
  EXPECT_TRUE(registry_->take_order(authority_order(1, "boiler-7", true))->is_new);
  EXPECT_EQ(registry_->last_order("boiler-7").value(), first) << "a restoration has no number";
  EXPECT_TRUE(registry_->take_order(authority_order(2, "boiler-7"))->is_new);
  EXPECT_GT(registry_->last_order("boiler-7").value(), first);
  EXPECT_EQ(registry_->last_order("nobody").value(), 0U);
}

TEST_P(RegistryConformance, RemembersOrdersThatChangeNothing) {
  EXPECT_TRUE(registry_->take_order(authority_order(1, "nobody"))->is_new);
  AuthorityOrder about_nobody = authority_order(2, "nobody");
  about_nobody.keys.clear();
  const auto taken = registry_->take_order(about_nobody).value();
  EXPECT_TRUE(taken.is_new);
  EXPECT_TRUE(taken.names.empty());
  EXPECT_TRUE(taken.latest_for.empty());
  EXPECT_EQ(registry_->last_serial({7}).value(), 2U);
}

// Whoever steals a key before it is on the list has it revoked all the same.
TEST_P(RegistryConformance, AnOrderAboutSomebodyWhoIsNotOnTheListYetStaysInForce) {
  EXPECT_TRUE(registry_->take_order(authority_order(1, "boiler-7"))->names.empty());
  expect_misuse(registry_->add(identity_named("boiler-7")));
  const PublicKeys its = keys_for("boiler-7");
  for (int key = 0; key < 3; ++key) {
    Identity other = identity_named("other");
    if (key == 0) other.keys.schnorr = its.schnorr;
    if (key == 1) other.keys.ecdsa = its.ecdsa;
    if (key == 2) other.keys.agreement = its.ecdsa;
    if (key == 2) other.keys.agreement[0] ^= 1;
    expect_misuse(registry_->add(other));
  }
  add(identity_named("boiler-8"));
  PublicIdentity fresh = identity_named("boiler-7");
  fresh.name = "boiler-8";
  expect_misuse(registry_->rekey(fresh, "", 6));
  EXPECT_TRUE(registry_->take_order(authority_order(2, "boiler-7", true))->is_new);
  add(identity_named("boiler-7"));
}

TEST_P(RegistryConformance, AnOrderAboutSomebodyWhoWasRemovedOrHasOtherKeysStaysInForce) {
  add(identity_named("boiler-7"));
  add(identity_named("boiler-8"));
  ASSERT_TRUE(registry_->remove("boiler-7", 1));
  PublicIdentity fresh = identity_named("fresh");
  fresh.name = "boiler-8";
  ASSERT_TRUE(registry_->rekey(fresh, "", 2));
  EXPECT_TRUE(registry_->take_order(authority_order(1, "boiler-7"))->names.empty());
  EXPECT_TRUE(registry_->take_order(authority_order(2, "boiler-8"))->names.empty()) << "its keys are other ones now";
  EXPECT_EQ(registry_->find("boiler-8").value()->status, Status::active);
  expect_misuse(registry_->add(identity_named("boiler-7")));
}

TEST_P(RegistryConformance, AnyKeyOfAnIdentityIsEnoughForAnOrder) {
  Identity token = identity_named("token");
  token.keys.schnorr = {};
  add(token);
  Identity card;
  card.name = "card0001";
  card.keys.rsa = Buffer(256, 0xA7);
  add(card);
  Identity other_card;
  other_card.name = "zard0009";
  other_card.keys.rsa = Buffer(256, 0xA9);
  add(other_card);
  AuthorityOrder order = authority_order(1, "token");
  order.keys = {crypto::key_hash(token.keys.agreement)};
  EXPECT_EQ(registry_->take_order(order)->names, std::vector<std::string>{"token"});
  order = authority_order(2, "card0001");
  order.keys = {crypto::key_hash(card.keys.rsa)};
  EXPECT_EQ(registry_->take_order(order)->names, std::vector<std::string>{"card0001"});
  EXPECT_EQ(registry_->find("token").value()->status, Status::revoked);
  EXPECT_EQ(registry_->find("card0001").value()->status, Status::revoked);
  EXPECT_EQ(registry_->find("zard0009").value()->status, Status::active);
}

// Absent keys are all alike: an order about "the one of zeroes" would hit whoever comes first.
TEST_P(RegistryConformance, RefusesAnOrderThatNamesTheAbsentKey) {
  AuthorityOrder order = authority_order(1, "boiler-7");
  order.keys.push_back({});
  const auto taken = registry_->take_order(order);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().blame, Blame::peer_misbehaved);
  EXPECT_EQ(registry_->last_serial({7}).value(), 0U);
}

TEST_P(RegistryConformance, NeitherOperatorNorAuthorityTakesBackWhatTheOtherHasRevoked) {
  ASSERT_TRUE(registry_->heartbeat(broker));
  add(identity_named("boiler-7"));
  const auto its = [&] { return *registry_->find("boiler-7").value(); };
  ASSERT_TRUE(registry_->take_order(authority_order(1, "boiler-7")));
  expect_misuse(registry_->restore("boiler-7", false, 2));
  EXPECT_EQ(its().status, Status::revoked);
  ASSERT_TRUE(registry_->revoke("boiler-7", "stolen", 3));
  EXPECT_EQ(its().revocation_reason, "stolen");
  ASSERT_TRUE(registry_->take_order(authority_order(2, "boiler-7", true)));
  EXPECT_EQ(its().status, Status::revoked) << "the operator's revocation stays";
  EXPECT_EQ(its().revocation_reason, "stolen");
  EXPECT_EQ(registry_->restore("boiler-7", false, 4)->status, Status::active);
  expect_misuse(registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.revoked_here = true;
    return {};
  }));
}

TEST_P(RegistryConformance, WhatIsRestoredAgainstTheAuthorityIsActiveUntilItsNextOrder) {
  ASSERT_TRUE(registry_->heartbeat(broker));
  add(identity_named("boiler-7"));
  const auto its = [&] { return *registry_->find("boiler-7").value(); };
  ASSERT_TRUE(registry_->take_order(authority_order(1, "boiler-7")));
  const auto restored = registry_->restore("boiler-7", true, 6).value();
  EXPECT_EQ(restored, its());
  EXPECT_EQ(restored.status, Status::active);
  EXPECT_TRUE(restored.against_order);
  EXPECT_EQ(restored.ordered, 1U);
  EXPECT_EQ(restored.revocation_reason, "");
  EXPECT_FALSE(registry_->take_order(authority_order(1, "boiler-7"))->is_new) << "the same one again changes nothing";
  EXPECT_EQ(its().status, Status::active);
  const auto orders = registry_->open_orders(broker).value().size();
  ASSERT_TRUE(registry_->take_order(authority_order(2, "boiler-7")));
  EXPECT_EQ(its().status, Status::revoked);
  EXPECT_FALSE(its().against_order);
  EXPECT_EQ(registry_->open_orders(broker).value().size(), orders + 1);
  // And its own taking back ends it too.
  ASSERT_TRUE(registry_->restore("boiler-7", true, 7));
  ASSERT_TRUE(registry_->take_order(authority_order(3, "boiler-7", true)));
  EXPECT_FALSE(its().against_order);
  EXPECT_EQ(its().ordered, 0U);
}

TEST_P(RegistryConformance, TellsOfWhichKeysAnOrderIsTheLast) {
  ASSERT_TRUE(registry_->take_order(authority_order(1, "boiler-7")));
  AuthorityOrder second = authority_order(2, "boiler-7", true);
  second.keys.resize(1);
  const auto taken = registry_->take_order(second).value();
  EXPECT_EQ(taken.latest_for, second.keys);
  auto left = hashes_of("boiler-7");
  left.erase(left.begin());
  std::ranges::sort(left);
  EXPECT_EQ(registry_->take_order(authority_order(1, "boiler-7"))->latest_for, left);
}

TEST_P(RegistryConformance, AnOrderOfAnotherAuthorityTakesNothingBack) {
  add(identity_named("boiler-7"));
  ASSERT_TRUE(registry_->take_order(authority_order(1, "boiler-7")));
  AuthorityOrder other = authority_order(1, "boiler-7", true);
  other.authority = {8};
  ASSERT_TRUE(registry_->take_order(other));
  EXPECT_EQ(registry_->find("boiler-7").value()->status, Status::revoked);
}

TEST_P(RegistryConformance, RefusesAuthorityOrdersThatCannotStandTogether) {
  add(identity_named("boiler-7"));
  const auto refused = [&](const AuthorityOrder& order, Blame blame, std::string_view words) {
    const auto taken = registry_->take_order(order);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().blame, blame) << taken.error().what;
    EXPECT_NE(taken.error().what.find(words), std::string::npos) << taken.error().what;
  };
  refused(authority_order(0, "boiler-7"), Blame::peer_misbehaved, "counts from 1");
  refused(authority_order(2, "boiler-7"), Blame::peer_incompatible, "comes too early: those from 1 on are missing");
  ASSERT_TRUE(registry_->take_order(authority_order(1, "nobody")));
  AuthorityOrder other = authority_order(1, "boiler-7");
  other.digest = {99};
  refused(other, Blame::peer_misbehaved, "two authorities work with one key");
  refused(authority_order(3, "boiler-7"), Blame::peer_incompatible, "those from 2 on are missing");
  EXPECT_EQ(registry_->find("boiler-7").value()->status, Status::active);
  EXPECT_EQ(registry_->last_serial({7}).value(), 1U);
}

TEST_P(RegistryConformance, TheVersionDiffersAfterEachChange) {
  std::vector<std::uint64_t> seen{version()};
  const auto expect_new = [&] {
    const auto now = version();
    EXPECT_EQ(std::count(seen.begin(), seen.end(), now), 0) << "step " << seen.size();
    seen.push_back(now);
  };
  add(identity_named("boiler-7"));
  expect_new();
  ASSERT_TRUE(registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.publish = {"a"};
    return {};
  }));
  expect_new();
  const auto order = registry_->revoke("boiler-7", "x", 1).value();
  expect_new();
  EXPECT_EQ(version(), seen.back());
  ASSERT_TRUE(registry_->heartbeat(broker));
  ASSERT_TRUE(registry_->restore("boiler-7", false, 2));
  expect_new();
  EXPECT_GT(registry_->revoke("boiler-7", "x", 1).value(), order);
  expect_new();
}

TEST_P(RegistryConformance, KnowsWhichRunningBrokersAreBehind) {
  using Names = std::vector<std::string>;
  add(identity_named("boiler-7"));
  EXPECT_EQ(registry_->behind(version()).value(), Names{});
  for (const char* name : {"b", "a", "gone"}) ASSERT_TRUE(registry_->heartbeat(name));
  ASSERT_TRUE(registry_->goodbye("gone"));
  EXPECT_EQ(registry_->behind(version()).value(), (Names{"a", "b"}));
  ASSERT_TRUE(registry_->follow("a", version()));
  EXPECT_EQ(registry_->behind(version()).value(), Names{"b"});
  ASSERT_TRUE(registry_->heartbeat("a"));
  EXPECT_EQ(registry_->behind(version()).value(), Names{"b"}) << "a heartbeat takes nothing back";
  add(identity_named("boiler-8"));
  EXPECT_EQ(registry_->behind(version()).value(), (Names{"a", "b"}));
  for (const char* name : {"a", "b"}) ASSERT_TRUE(registry_->follow(name, version()));
  EXPECT_EQ(registry_->behind(version()).value(), Names{});
}

TEST_P(RegistryConformance, SignsOfLifeReportsAndTicketsDoNotChangeTheVersion) {
  add(identity_named("boiler-7"));
  ASSERT_TRUE(registry_->heartbeat(broker));
  const auto order = registry_->revoke("boiler-7", "x", 1).value();
  const auto before = version();
  ASSERT_TRUE(registry_->heartbeat(broker));
  ASSERT_TRUE(registry_->report(order, broker, {}));
  ASSERT_TRUE(registry_->add_ticket(some_hash, ticket_for("boiler-8"), 0));
  ASSERT_TRUE(registry_->burn_ticket(some_hash, 0));
  ASSERT_TRUE(registry_->follow(broker, before));
  ASSERT_TRUE(registry_->goodbye(broker));
  EXPECT_EQ(version(), before);
}

TEST_P(RegistryConformance, WaitsUntilSomethingHasChanged) {
  using namespace std::chrono_literals;
  const auto before = version();
  EXPECT_EQ(registry_->wait_for_change(before, 1ms).value(), before);
  EXPECT_EQ(registry_->wait_for_change(before + 1, 1h).value(), before) << "what it is told is not what it is";
  std::thread other([this] { add(identity_named("boiler-7")); });
  const auto after = registry_->wait_for_change(before, 1h).value();
  EXPECT_NE(after, before);
  other.join();
  EXPECT_EQ(version(), after);
}

TEST_P(RegistryConformance, RefusalsDoNotChangeTheVersion) {
  add(identity_named("boiler-7"));
  const auto before = version();
  expect_misuse(registry_->add(identity_named("boiler-7")));
  expect_misuse(registry_->revoke("nobody", "x", 1));
  EXPECT_EQ(version(), before);
}

TEST_P(RegistryConformance, ThreadsThatChangeAtTheSameTimeLoseNothing) {
  add(identity_named("boiler-7"));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 10; ++i) {
        const auto changed = registry_->change("boiler-7", [](Identity& identity) -> Result<> {
          ++identity.changed;
          return {};
        });
        EXPECT_TRUE(changed);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(registry_->find("boiler-7").value()->changed, 40U);
}

std::string name_of(const ::testing::TestParamInfo<Maker>& chosen) {
  return chosen.param.name;
}

INSTANTIATE_TEST_SUITE_P(All, RegistryConformance, ::testing::Values(memory, sqlite_file, postgres_database), name_of);

/// Two objects on one file or database stand for two processes: the command line and the running broker.
class TwoViews : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    GetParam().clear();
    broker_ = GetParam().open(folder_).value();
    command_line_ = GetParam().open(folder_).value();
  }

  TemporaryFolder folder_;
  std::unique_ptr<Registry> broker_;
  std::unique_ptr<Registry> command_line_;
};

TEST_P(TwoViews, AChangeOfOneIsSeenByTheOther) {
  const auto before = broker_->version().value();
  ASSERT_TRUE(command_line_->add(identity_named("boiler-7")));
  EXPECT_NE(broker_->version().value(), before);
  EXPECT_EQ(broker_->find("boiler-7").value(), identity_named("boiler-7"));
}

TEST_P(TwoViews, TheVersionNeverComesBackWhenBothChange) {
  std::vector<std::uint64_t> seen{broker_->version().value()};
  for (int i = 0; i < 6; ++i) {
    auto& writer = i % 2 == 0 ? *broker_ : *command_line_;
    ASSERT_TRUE(writer.add(identity_named("device-" + std::to_string(i))));
    const auto now = broker_->version().value();
    EXPECT_EQ(std::count(seen.begin(), seen.end(), now), 0);
    seen.push_back(now);
  }
}

TEST_P(TwoViews, AnOrderOfOneIsReportedByTheOther) {
  ASSERT_TRUE(command_line_->add(identity_named("boiler-7")));
  ASSERT_TRUE(broker_->heartbeat(broker));
  const auto order = command_line_->revoke("boiler-7", "stolen", 1).value();
  ASSERT_EQ(broker_->open_orders(broker).value().size(), 1U);
  ASSERT_TRUE(broker_->report(order, broker, {1, 0, 0, 0, 0, 9}));
  EXPECT_EQ(command_line_->progress(order).value().total(), (RevocationReport{1, 0, 0, 0, 0, 9}));
}

TEST_P(TwoViews, AWaitEndsWithAChangeOfTheOther) {
  using namespace std::chrono_literals;
  const auto before = broker_->version().value();
  std::thread other([this] { EXPECT_TRUE(command_line_->add(identity_named("boiler-7"))); });
  EXPECT_NE(broker_->wait_for_change(before, 1h).value(), before);
  other.join();
}

TEST_P(TwoViews, OneTicketIsTakenByOneOfThem) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(command_line_->add_ticket(some_hash, ticket_for("boiler-7"), 0));
    std::atomic<int> got = 0;
    const auto take = [&got](Registry& registry) { got += registry.burn_ticket(some_hash, 0).value() ? 1 : 0; };
    std::thread other(take, std::ref(*command_line_));
    take(*broker_);
    other.join();
    EXPECT_EQ(got, 1);
  }
}

TEST_P(TwoViews, WritersOnBothSidesLoseNothing) {
  ASSERT_TRUE(broker_->add(identity_named("boiler-7")));
  const auto count_up = [](Registry& registry) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(registry.change("boiler-7", [](Identity& identity) -> Result<> {
        ++identity.changed;
        return {};
      }));
    }
  };
  std::thread other(count_up, std::ref(*command_line_));
  count_up(*broker_);
  other.join();
  EXPECT_EQ(broker_->find("boiler-7").value()->changed, 20U);
}

INSTANTIATE_TEST_SUITE_P(All, TwoViews, ::testing::Values(sqlite_file, postgres_database), name_of);

}  // namespace
}  // namespace sealmq
