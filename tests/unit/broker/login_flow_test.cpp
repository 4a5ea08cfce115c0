#include "broker/connections/login_flow.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"
#include "support/logins_of_tests.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;
using namespace sealmq::testing;

class LoginFlowTest : public ::testing::Test {
 protected:
  struct Client {
    Client(std::uint32_t slot, std::string from) : id{slot, 1}, peer{.address = from, .place = from} {}
    ConnectionId id;
    Peer peer;
    std::string identity;
    std::optional<std::string> client_id;
    QuietEvents events;
    mqtt::Connection connection{mqtt::Role::server, {}, {1'000'000, 1}};
  };
  struct Rooms final : LoginFlow::Connections {
    void make_room(ConnectionId connection, Now now) override {
      left.push_back(connection.slot);
      flow->leave(test->of(*test->clients.at(connection.slot)), false, now);
    }
    LoginFlow* flow = nullptr;
    LoginFlowTest* test = nullptr;
    std::vector<std::uint32_t> left;
  };
  /// Has the method "talk", by which Conversation lets its client identifier in.
  struct Talking : FakePlain {
    std::unique_ptr<Login> begin_login(LoginRequest& request) override {
      return request.method == "talk" ? std::make_unique<Conversation>(request.client_id) : nullptr;
    }
  };

  LoginFlowTest() {
    rooms.flow = &flow;
    rooms.test = this;
  }
  static LoginFlow::Schemes one_scheme() {
    LoginFlow::Schemes made;
    made.push_back(std::make_unique<Talking>());
    return made;
  }
  static std::shared_ptr<const Directory> list() {
    std::vector<Identity> all(2);
    all[0].name = "boiler";
    all[1].name = "sensor";
    return std::make_shared<const Directory>(std::move(all));
  }
  static Settings few_logins() {
    Settings made;
    made.maximum_logins = 2;
    return made;
  }
  Client& client(const std::string& place = "there") {
    clients.push_back(std::make_unique<Client>(static_cast<std::uint32_t>(clients.size()), place));
    return *clients.back();
  }
  LoginFlow::Of of(Client& its) {
    return {its.id, its.peer, its.peer.place, its.connection, its.identity, its.client_id ? &*its.client_id : nullptr};
  }
  /// What CONNECT leads to.
  LoginFlow::Answer connect(Client& its, mqtt::Connect packet) {
    Buffer bytes;
    mqtt::encode(packet, mqtt::Version::v5, bytes);
    return flow.begin(of(its), packet, bytes, now);
  }
  static mqtt::Connect by_password(std::string_view name, const std::string& password) {
    mqtt::Connect packet{.version = mqtt::Version::v5, .client_id = "client"};
    packet.user_name = name;
    packet.password = as_bytes(password);
    return packet;
  }
  static mqtt::Connect by_talking(std::string_view name) {
    mqtt::Connect packet{.version = mqtt::Version::v5, .client_id = name};
    packet.properties.authentication_method = "talk";
    packet.properties.authentication_data = as_bytes(std::string_view("hello"));
    return packet;
  }
  LoginFlow::Answer answer(Client& its, std::string_view data) {
    mqtt::Auth packet;
    packet.reason = Reason::continue_authentication;
    packet.properties.authentication_method = "talk";
    packet.properties.authentication_data = as_bytes(data);
    return flow.on_auth(of(its), packet, now);
  }
  /// A worker does the first job, and its connection goes on.
  LoginFlow::Answer work() {
    const Job job = std::move(effects.jobs.at(0));
    effects.jobs.erase(effects.jobs.begin());
    job.work();
    flow.over(job.name);
    return flow.go_on(of(*clients.at(job.name.connection.slot)), now);
  }

  Settings settings = few_logins();
  LoginFlow::Schemes schemes = one_scheme();
  Access access{schemes, std::make_shared<const Policy>(), list()};
  FakeGate gate;
  BeginLogin password_login = [](LoginRequest& request, Now) { return BegunLogin(std::make_unique<PasswordLogin>(request)); };
  Effects effects;
  Counters counters;
  Rooms rooms;
  LoginFlow flow{{settings, schemes, access, &gate, password_login, effects, counters, rooms}};
  std::vector<std::unique_ptr<Client>> clients;
  Now now{1'000'000, 1};
};

TEST_F(LoginFlowTest, NobodyInParticularComesInWhereThatIsAllowed) {
  Client& its = client();
  const auto decided = connect(its, {.version = mqtt::Version::v5, .client_id = "x"});
  ASSERT_TRUE(decided && *decided);
  EXPECT_EQ((*decided)->identity, "");
  its.peer.may_be_anonymous = false;
  EXPECT_FALSE(connect(its, {.version = mqtt::Version::v5, .client_id = "x"}));
}

TEST_F(LoginFlowTest, WhomTheTransportProvesComesInAsThat) {
  Client& its = client();
  its.peer.identity = "boiler";
  const auto decided = connect(its, {.version = mqtt::Version::v5, .client_id = "x"});
  ASSERT_TRUE(decided && *decided);
  EXPECT_EQ((*decided)->identity, "boiler");
  EXPECT_TRUE((*decided)->proved.by.contains(login_by_transport));
  its.peer.identity = "stranger";
  EXPECT_FALSE(connect(its, {.version = mqtt::Version::v5, .client_id = "x"}));
}

TEST_F(LoginFlowTest, APasswordIsLookedAtElsewhere) {
  Client& its = client();
  const auto waiting = connect(its, by_password("boiler", "secret of boiler"));
  ASSERT_TRUE(waiting);
  EXPECT_FALSE(*waiting);
  EXPECT_TRUE(its.connection.held());
  EXPECT_GT(flow.memory(its.id), 0U);
  const auto decided = work();
  ASSERT_TRUE(decided && *decided);
  EXPECT_EQ((*decided)->identity, "boiler");
  EXPECT_FALSE((*decided)->connect.empty());
  EXPECT_FALSE(flow.is_pending(its.id));
  EXPECT_EQ(gate.outcomes, std::vector<LoginGate::Outcome>{LoginGate::Outcome::succeeded});
}

TEST_F(LoginFlowTest, AWrongPasswordIsOneFailureAndOneAnswer) {
  ASSERT_TRUE(connect(client(), by_password("boiler", "a guess")));
  const auto refused = work();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, static_cast<std::uint8_t>(Reason::not_authorized));
  EXPECT_EQ(gate.outcomes, std::vector<LoginGate::Outcome>{LoginGate::Outcome::failed});
}

TEST_F(LoginFlowTest, AQuickOneIsDecidedAtOnce) {
  password_login = [](LoginRequest& request, Now) { return BegunLogin(std::make_unique<PasswordLogin>(request), true); };
  const auto decided = connect(client(), by_password("boiler", "secret of boiler"));
  ASSERT_TRUE(decided && *decided);
  EXPECT_TRUE(effects.jobs.empty());
}

TEST_F(LoginFlowTest, AConversationTakesItsStepsInOrder) {
  Client& its = client();
  ASSERT_TRUE(connect(its, by_talking("boiler")));
  EXPECT_FALSE(answer(its, "too soon")) << "a step is being worked on";
  EXPECT_FALSE(*work());
  ASSERT_TRUE(answer(its, "one"));
  EXPECT_FALSE(*work());
  ASSERT_TRUE(answer(its, "two"));
  const auto decided = work();
  ASSERT_TRUE(decided && *decided);
  EXPECT_EQ((*decided)->identity, "boiler");
  EXPECT_EQ((*decided)->scheme, 0U);
  EXPECT_EQ((*decided)->method, "talk");
  EXPECT_EQ(as_text((*decided)->data), "welcome");
  EXPECT_FALSE(answer(its, "more"));
}

TEST_F(LoginFlowTest, WhoLetsUsWaitIsOverdueAndHasFailed) {
  Client& its = client();
  ASSERT_TRUE(connect(its, by_talking("boiler")));
  now.steady += 10'000;
  EXPECT_FALSE(flow.is_overdue(its.id, now)) << "it waits for us";
  EXPECT_FALSE(*work());
  now.steady += 5'001;
  EXPECT_TRUE(flow.is_overdue(its.id, now));
  const auto before = gate.outcomes.size();
  flow.leave(of(its), false, now);
  EXPECT_EQ(gate.outcomes.size(), before + 1);
  EXPECT_FALSE(flow.is_pending(its.id));
}

TEST_F(LoginFlowTest, WhoLeavesWhileItWaitsForUsHasNotFailedAndCostsNoWork) {
  Client& its = client();
  ASSERT_TRUE(connect(its, by_talking("boiler")));
  flow.leave(of(its), false, now);
  EXPECT_TRUE(gate.outcomes.empty());
  effects.jobs.at(0).work();
  EXPECT_EQ(gate.begun, 0);
}

TEST_F(LoginFlowTest, AFloodMakesRoomAmongItself) {
  Client& first = client("flood");
  Client& second = client("flood");
  ASSERT_TRUE(connect(first, by_talking("boiler")));
  ASSERT_TRUE(connect(second, by_talking("sensor")));
  EXPECT_FALSE(*work());
  EXPECT_FALSE(*work());  // both let the broker wait
  ASSERT_TRUE(connect(client("elsewhere"), by_talking("boiler")));
  EXPECT_EQ(rooms.left, std::vector<std::uint32_t>{0});
}

TEST_F(LoginFlowTest, WhereTooManyHaveFailedNothingIsBegun) {
  gate.closed = true;
  const auto refused = connect(client(), by_password("boiler", "secret of boiler"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, static_cast<std::uint8_t>(Reason::quota_exceeded));
  EXPECT_TRUE(effects.jobs.empty());
}

TEST_F(LoginFlowTest, NobodyBecomesSomebodyElseByLoggingInAgain) {
  Client& its = client();
  its.identity = "boiler";
  its.client_id = "sensor";  // for whom Conversation speaks
  mqtt::Auth again;
  again.reason = Reason::reauthenticate;
  again.properties.authentication_method = "talk";
  again.properties.authentication_data = as_bytes(std::string_view("hello"));
  ASSERT_TRUE(flow.on_auth(of(its), again, now));
  EXPECT_FALSE(*work());
  ASSERT_TRUE(answer(its, "one"));
  EXPECT_FALSE(*work());
  ASSERT_TRUE(answer(its, "two"));
  EXPECT_FALSE(work());
}

TEST_F(LoginFlowTest, AListenerThatWantsProtectionLetsNobodyInWithout) {
  Client& its = client();
  its.peer.hop = HopRule::hpp1;
  EXPECT_FALSE(connect(its, by_talking("boiler")));
  EXPECT_FALSE(connect(its, by_password("boiler", "secret of boiler")));
}

}  // namespace
}  // namespace sealmq::broker
