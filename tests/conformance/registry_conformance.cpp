// What every registry does, wherever it keeps its list.
#include <gtest/gtest.h>

#include <thread>

#include "sealmq/registry.h"
#include "support/identities.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::identity_named;
using testing::TemporaryFolder;

struct Maker {
  const char* name;
  std::unique_ptr<Registry> (*make)(const TemporaryFolder& folder);
};

constexpr Maker memory{"Memory", [](const TemporaryFolder&) { return make_memory_registry(); }};
constexpr Maker sqlite_file{"Sqlite", [](const TemporaryFolder& folder) {
                              auto opened = open_sqlite_registry(folder / "registry.db");
                              return opened ? std::move(*opened) : nullptr;
                            }};

class RegistryConformance : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    registry_ = GetParam().make(folder_);
    ASSERT_NE(registry_, nullptr);
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
  identity.publish = {"plant/7/#", "alarm", "a\nb"};
  identity.subscribe = {"orders/+", ""};
  identity.schemes = {"sl3", "sl1"};
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
  for (const Identity& identity : all) rows.push_back(identity.name + " " + identity.publish.at(0));
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
  EXPECT_EQ(changed->publish, std::vector<std::string>{"plant/7/#"});
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
  const auto order = registry_->revoke("boiler-7", "stolen", 1234).value();
  const auto next = registry_->revoke("boiler-8", "sold", 1235).value();
  EXPECT_NE(order, next);

  const auto identity = registry_->find("boiler-7").value().value();
  EXPECT_EQ(identity.status, Status::revoked);
  EXPECT_EQ(identity.revocation_reason, "stolen");
  EXPECT_EQ(identity.changed, 1234U);

  auto open = registry_->open_orders().value();
  ASSERT_EQ(open.size(), 2U);
  EXPECT_EQ(open[0].number, order);
  EXPECT_EQ(open[0].name, "boiler-7");
  EXPECT_EQ(registry_->report_of(order).value(), std::nullopt);

  const RevocationReport report{1, 2, 3, 4, 5, 12'000};
  ASSERT_TRUE(registry_->report(order, report));
  EXPECT_EQ(registry_->report_of(order).value(), report);
  open = registry_->open_orders().value();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].name, "boiler-8");
}

TEST_P(RegistryConformance, RefusesASecondRevocationAndASecondReport) {
  add(identity_named("boiler-7"));
  const auto order = registry_->revoke("boiler-7", "stolen", 1).value();
  expect_misuse(registry_->revoke("boiler-7", "again", 2));
  expect_misuse(registry_->revoke("nobody", "stolen", 2));
  ASSERT_TRUE(registry_->report(order, {}));
  expect_misuse(registry_->report(order, {}));
}

TEST_P(RegistryConformance, RefusesOrdersThatWereNeverGiven) {
  expect_misuse(registry_->report(1, {}));
  expect_misuse(registry_->report_of(0));
  expect_misuse(registry_->report_of(~std::uint64_t{0}));
}

TEST_P(RegistryConformance, ARestoredIdentityCanBeRevokedAgain) {
  add(identity_named("boiler-7"));
  const auto first = registry_->revoke("boiler-7", "stolen", 1).value();
  ASSERT_TRUE(registry_->change("boiler-7", [](Identity& identity) -> Result<> {
    identity.status = Status::active;
    identity.revocation_reason.clear();
    return {};
  }));
  EXPECT_GT(registry_->revoke("boiler-7", "stolen again", 2).value(), first);
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
  ASSERT_TRUE(registry_->report(order, {}));
  expect_new();
  EXPECT_EQ(version(), seen.back());
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

INSTANTIATE_TEST_SUITE_P(All, RegistryConformance, ::testing::Values(memory, sqlite_file),
                         [](const auto& chosen) { return std::string(chosen.param.name); });

/// Two objects on one file stand for two processes: the command line and the running broker.
class TwoViewsOfOneFile : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  std::unique_ptr<Registry> broker_ = open_sqlite_registry(folder_ / "registry.db").value();
  std::unique_ptr<Registry> command_line_ = open_sqlite_registry(folder_ / "registry.db").value();
};

TEST_F(TwoViewsOfOneFile, AChangeOfOneIsSeenByTheOther) {
  const auto before = broker_->version().value();
  ASSERT_TRUE(command_line_->add(identity_named("boiler-7")));
  EXPECT_NE(broker_->version().value(), before);
  EXPECT_EQ(broker_->find("boiler-7").value(), identity_named("boiler-7"));
}

TEST_F(TwoViewsOfOneFile, TheVersionNeverComesBackWhenBothChange) {
  std::vector<std::uint64_t> seen{broker_->version().value()};
  for (int i = 0; i < 6; ++i) {
    auto& writer = i % 2 == 0 ? *broker_ : *command_line_;
    ASSERT_TRUE(writer.add(identity_named("device-" + std::to_string(i))));
    const auto now = broker_->version().value();
    EXPECT_EQ(std::count(seen.begin(), seen.end(), now), 0);
    seen.push_back(now);
  }
}

TEST_F(TwoViewsOfOneFile, AnOrderOfOneIsReportedByTheOther) {
  ASSERT_TRUE(command_line_->add(identity_named("boiler-7")));
  const auto order = command_line_->revoke("boiler-7", "stolen", 1).value();
  ASSERT_EQ(broker_->open_orders().value().size(), 1U);
  ASSERT_TRUE(broker_->report(order, {1, 0, 0, 0, 0, 9}));
  EXPECT_EQ(command_line_->report_of(order).value(), (RevocationReport{1, 0, 0, 0, 0, 9}));
}

TEST_F(TwoViewsOfOneFile, WritersOnBothSidesLoseNothing) {
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

}  // namespace
}  // namespace sealmq
