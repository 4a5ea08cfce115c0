#include "broker/policy/admission.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"
#include "support/fakes.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using namespace sealmq::testing;

class AdmissionTest : public ::testing::Test {
 protected:
  struct Watch : MisuseWatch {
    void saw(const std::string& author, std::string_view, Now, const std::function<Buffer()>&) override {
      authors.push_back(author);
    }
    std::vector<std::string> authors;
  };

  static Admission::Schemes two_schemes() {
    Admission::Schemes made;
    made.push_back(std::make_unique<FakeScheme>("fake"));
    made.push_back(std::make_unique<FakePlain>());
    return made;
  }
  static std::shared_ptr<const Policy> policy() {
    TopicRule signed_only{.filter = "plant/#", .publish = {}, .subscribe = {}},
        both{.filter = "both/#", .publish = {}, .subscribe = {}};
    signed_only.publish.add(0);
    both.publish.add(0);
    both.publish.add(1);
    return std::make_shared<const Policy>(Policy::make({std::move(signed_only), std::move(both)}).value());
  }
  static std::shared_ptr<const Directory> list() {
    std::vector<Identity> all(2);
    all[0].name = "boiler";
    all[0].publish.push_back({"plant/#"});
    all[1].name = "sensor";
    for (Identity& identity : all) identity.status = Status::active;
    return std::make_shared<const Directory>(std::move(all));
  }
  FakeScheme& fake() { return static_cast<FakeScheme&>(*schemes[0]); }
  OrRefused<Admission::Admitted> admit(std::string_view topic, std::string_view payload, QoS qos = QoS::at_most_once) {
    return admission.admit({.caller = caller, .proved_by = proved_by, .states = states}, topic, as_bytes(payload), qos, now);
  }
  Refusal why(std::string_view topic, std::string_view payload) {
    auto admitted = admit(topic, payload);
    return admitted ? Refusal::count_ : admitted.error().kind;
  }

  Settings settings;
  Admission::Schemes schemes = two_schemes();
  std::shared_ptr<const Directory> directory = list();
  Access access{schemes, policy(), directory};
  SimpleReplayMemory replays;
  Watch watch;
  Admission admission{settings, schemes, access, replays, &watch};
  const Proved nothing;
  Caller caller{nothing};
  std::optional<std::size_t> proved_by;
  SchemeStates states;
  const Now now{1000, 2000};
};

TEST_F(AdmissionTest, AMessageComesInByASchemeOfItsTopic) {
  fake().author = directory->find("boiler");
  const auto admitted = admit("plant/oven", "fake(hot)");
  ASSERT_TRUE(admitted);
  EXPECT_EQ(as_text(admitted->opened->payload), "hot");
  EXPECT_EQ(admitted->author->name, "boiler");
  EXPECT_EQ(admitted->scheme, 0U);
  EXPECT_EQ(why("plant/oven", "hot"), Refusal::topic_not_allowed) << "plain";
  EXPECT_EQ(why("elsewhere", "fake(hot)"), Refusal::topic_not_allowed);
}

TEST_F(AdmissionTest, WhatLooksLikeAContainerAndDoesNotVerifyIsNothingElse) {
  fake().fails = true;
  EXPECT_EQ(why("both/oven", "fake(hot)"), Refusal::verification_failed);
  EXPECT_EQ(why("both/oven", "hot"), Refusal::count_);
}

TEST_F(AdmissionTest, ItsAuthorNeedsTheRightAndIsToldOnWithoutIt) {
  fake().author = directory->find("sensor");
  EXPECT_EQ(why("plant/oven", "fake(hot)"), Refusal::topic_not_allowed);
  EXPECT_EQ(watch.authors, std::vector<std::string>{"sensor"});
}

TEST_F(AdmissionTest, WhoHasLoggedInIsTheAuthorWhereTheSchemeNamesNone) {
  caller.names.identity = "stranger";
  EXPECT_EQ(why("both/oven", "hot"), Refusal::author_not_listed);
  std::vector<Identity> all(1);
  all[0].name = "stranger";
  all[0].status = Status::revoked;
  access.set(std::make_shared<const Directory>(std::move(all)));
  EXPECT_EQ(why("both/oven", "hot"), Refusal::author_revoked);
}

TEST_F(AdmissionTest, ACopyIsNamedAndAUsedNumberRefused) {
  fake().author = directory->find("boiler");
  ReplayMark& mark = fake().mark.emplace();
  mark.scheme = "fake";
  mark.ordered = true;
  mark.sequence = 100;
  mark.digest[0] = 1;
  EXPECT_FALSE(admit("plant/oven", "fake(hot)")->repeat);
  EXPECT_TRUE(admit("plant/oven", "fake(hot)")->repeat);
  mark.digest[0] = 2;
  EXPECT_EQ(why("plant/oven", "fake(hot)"), Refusal::replay);
  replays.broken = true;
  EXPECT_EQ(why("plant/oven", "fake(hot)"), Refusal::limit_reached) << "fail closed";
}

TEST_F(AdmissionTest, AMarkOfWhatIsStoredIsKeptWithIt) {
  fake().author = directory->find("boiler");
  fake().mark.emplace().scheme = "fake";
  settings.durable = true;
  EXPECT_TRUE(admit("plant/oven", "fake(hot)", QoS::at_least_once)->unkept);
  fake().mark->digest[0] = 1;
  EXPECT_FALSE(admit("plant/oven", "fake(hot)", QoS::at_most_once)->unkept) << "it is at once, as nobody stores the message";
}

TEST_F(AdmissionTest, OfASchemeOfItsLoginComesOnItsConnectionsAlone) {
  Admission::Schemes own = two_schemes();
  static_cast<FakeScheme&>(*own[0]).its.login_protects = true;
  Access its(own, policy(), directory);
  Admission of_login(settings, own, its, replays, nullptr);
  static_cast<FakeScheme&>(*own[0]).author = directory->find("boiler");
  const auto tried = [&](std::optional<std::size_t> by) {
    return of_login
        .admit({.caller = caller, .proved_by = by, .states = states}, "plant/oven", as_bytes(std::string_view("fake(hot)")),
               QoS::at_most_once, now)
        .has_value();
  };
  EXPECT_FALSE(tried(std::nullopt));
  EXPECT_TRUE(tried(0));
}

TEST_F(AdmissionTest, WhatMustNotComeTwiceIsRefusedTheSecondTime) {
  const std::optional<ReplayMark> mark{ReplayMark{}};
  EXPECT_TRUE(admission.judge_once(mark, "again", now));
  const auto second = admission.judge_once(mark, "again", now);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().cause, "again");
  EXPECT_TRUE(admission.judge_once(std::nullopt, "again", now));
}

TEST_F(AdmissionTest, ASchemeFindsItsStateOfTheConnectionAgain) {
  struct State : ConnectionState {
    std::size_t memory() const override { return 7; }
    void forget(std::string_view) override {}
  };
  const Origin origin{.caller = caller, .proved_by = {}, .states = states};
  *admission.scene(origin, 1, nullptr, now).state = std::make_unique<State>();
  EXPECT_NE(*admission.scene(origin, 1, nullptr, now).state, nullptr);
  EXPECT_EQ(*admission.scene(origin, 0, nullptr, now).state, nullptr);
  EXPECT_EQ(states.memory(), 7U);
}

}  // namespace
}  // namespace sealmq::broker
