// Who a client is by what TLS proves: TLS-EXT, the user name and the client identifier beside it, a certificate that runs out.
#include <gtest/gtest.h>

#include "support/broker_bench.h"
#include "support/identities.h"

namespace sealmq {
namespace {

using mqtt::Reason;
using testing::BrokerBench;
using testing::TestClient;

/// "right" lets in whoever it is said to be.
class PasswordLogin final : public Login {
 public:
  explicit PasswordLogin(LoginRequest& request) : name_(request.user_name), password_(std::move(request.password)) {
    tested_ = Tested::secret;
  }
  Result<Step> advance(Bytes, const Scene&) override {
    if (as_text(password_.reveal()) != "right") return fail(Blame::not_authorised, "wrong password");
    return done(name_, {Factor::password});
  }

 private:
  std::string name_;
  Secret password_;
};

class TlsIdentityTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  TlsIdentityTest() {
    for (const char* name : {"boiler-7", "other"}) {
      Identity identity = testing::identity_named(name);
      identity.status = Status::active;
      identity.publish = identity.subscribe = {"#"};
      broker.enroll(identity);
    }
    broker.peer.identity = "boiler-7";
    broker.peer.binds_client_id = true;
  }
  TestClient& connect(std::string_view client_id, std::optional<std::string_view> user = {},
                      std::optional<std::string_view> password = {}) {
    mqtt::Connect packet;
    packet.client_id = client_id;
    packet.user_name = user;
    if (password) packet.password = as_bytes(*password);
    return broker.connect(packet);
  }
  TestClient& connect_by_tls(std::string_view client_id, std::optional<std::string_view> data = {}) {
    mqtt::Connect packet;
    packet.client_id = client_id;
    packet.properties.authentication_method = "TLS-EXT";
    if (data) packet.properties.authentication_data = as_bytes(*data);
    return broker.connect(packet);
  }
  void prove_again(TestClient& client, std::string_view data = {}) {
    mqtt::Auth packet;
    packet.reason = Reason::reauthenticate;
    packet.properties.authentication_method = "TLS-EXT";
    if (!data.empty()) packet.properties.authentication_data = as_bytes(data);
    broker.send(client, packet);
  }

  BrokerBench broker{GetParam(), {}, nullptr, [](broker::Ports& ports) {
                       ports.password_login = [](LoginRequest& request, Now) { return std::make_unique<PasswordLogin>(request); };
                     }};
};
INSTANTIATE_TEST_SUITE_P(Shards, TlsIdentityTest, ::testing::Values(1, 3));

TEST_P(TlsIdentityTest, TlsExtTakesItFromTls) {
  EXPECT_EQ(connect_by_tls("boiler-7").connack, Reason::success);
  EXPECT_EQ(connect_by_tls("boiler-7", "").connack, Reason::success);
  EXPECT_EQ(connect_by_tls("boiler-7", "boiler-7").connack, Reason::not_authorized);
  broker.peer.identity.clear();
  EXPECT_EQ(connect_by_tls("boiler-7").connack, Reason::not_authorized);
  broker.peer.identity = "unknown";
  EXPECT_EQ(connect_by_tls("unknown").connack, Reason::not_authorized);
}

TEST_P(TlsIdentityTest, ItIsProvedAgainWhileItHolds) {
  TestClient& client = connect_by_tls("boiler-7");
  prove_again(client);
  ASSERT_EQ(client.auths.size(), 1U);
  EXPECT_EQ(client.auths.front(), Reason::success);
  prove_again(client, "data");
  EXPECT_TRUE(client.closed);
}

TEST_P(TlsIdentityTest, ACertificateThatHasRunOutProvesNothingAgain) {
  broker.peer.proof_ends = broker.now.wall + 10'000;
  TestClient& client = connect_by_tls("boiler-7");
  prove_again(client);
  EXPECT_FALSE(client.closed);
  broker.now.wall += 10'000;  // and the second in which it is ended is not over
  prove_again(client);
  EXPECT_TRUE(client.closed);
  EXPECT_EQ(client.auths.size(), 1U);
}

TEST_P(TlsIdentityTest, AConnectionEndsWithItsCertificate) {
  broker.peer.proof_ends = broker.now.wall + 10'000;
  TestClient& client = connect("boiler-7");
  broker.peer.proof_ends = 0;
  TestClient& without = connect("boiler-7:other");
  broker.advance(9000);
  EXPECT_FALSE(client.closed);
  broker.advance(1000);
  EXPECT_EQ(client.disconnect, Reason::not_authorized);
  EXPECT_TRUE(client.closed);
  EXPECT_FALSE(without.closed);
}

TEST_P(TlsIdentityTest, AConnectionWhoseKeysCannotChangeEndsAtAQuietMoment) {
  broker.peer.lasts = 60'000;
  TestClient& client = connect("boiler-7");
  broker.subscribe(client, "t", {.qos = mqtt::QoS::at_least_once});
  client.acknowledges = false;
  broker.peer.lasts = 0;
  TestClient& other = connect("boiler-7:other");
  broker.publish(other, "t", "x", mqtt::QoS::at_least_once);
  ASSERT_EQ(client.publishes.size(), 1U);
  broker.advance(61'000);
  EXPECT_FALSE(client.closed) << "a message is on its way";
  broker.send(client, mqtt::Puback{.packet_id = client.publishes[0].packet_id});
  broker.advance(1000);
  EXPECT_EQ(client.disconnect, Reason::maximum_connect_time);
  EXPECT_TRUE(client.closed);
  EXPECT_FALSE(other.closed);
}

TEST_P(TlsIdentityTest, AConnectionWhoseKeysCannotChangeEndsAfterSoManyBytesEitherWay) {
  broker.peer.most_bytes = 5000;
  TestClient& writer = connect("boiler-7:writer");
  TestClient& reader = connect("boiler-7:reader");
  TestClient& idle = connect("boiler-7:idle");
  broker.peer.most_bytes = 0;
  TestClient& without = connect("boiler-7:without");
  broker.subscribe(reader, "t");
  broker.subscribe(without, "t");
  broker.publish(writer, "t", std::string(4000, 'x'));
  broker.advance(1000);
  EXPECT_FALSE(writer.closed || reader.closed);
  broker.publish(without, "t", std::string(1000, 'x'));
  broker.advance(1000);
  EXPECT_EQ(reader.disconnect, Reason::maximum_connect_time) << "what it was sent";
  EXPECT_FALSE(writer.closed) << "what it sends and what it gets are under different keys";
  broker.publish(writer, "t", std::string(1000, 'x'));
  broker.advance(1000);
  EXPECT_EQ(writer.disconnect, Reason::maximum_connect_time);
  EXPECT_FALSE(idle.closed);
  EXPECT_FALSE(without.closed);
}

TEST_P(TlsIdentityTest, AConnectionEndsWhenItsCertificateIsRevoked) {
  bool is_taken = true;
  broker.peer.still_proved = [&] { return is_taken; };
  mqtt::Connect packet;
  packet.client_id = "boiler-7";
  packet.properties.session_expiry_interval = 3600;
  packet.will = mqtt::Will{"t", as_bytes("gone"), mqtt::QoS::at_most_once, false, {}};
  TestClient& client = broker.connect(packet);
  broker.peer.still_proved = nullptr;
  TestClient& other = connect("boiler-7:other");
  broker.subscribe(other, "t");
  const auto look = [&] {
    for (std::size_t i = 0; i < GetParam(); ++i) broker.shard(i).look_at_proofs(broker.now);
    broker.advance(1);
  };
  look();
  EXPECT_FALSE(client.closed);
  is_taken = false;
  look();
  EXPECT_EQ(client.disconnect, Reason::administrative_action);
  EXPECT_TRUE(client.closed);
  EXPECT_FALSE(other.closed);
  EXPECT_TRUE(other.publishes.empty()) << "a revoked one has no Will";
}

TEST_P(TlsIdentityTest, TheUserNameIsTheSameOrTheClientIsRefused) {
  EXPECT_EQ(connect("boiler-7", "boiler-7").connack, Reason::success);
  EXPECT_EQ(connect("boiler-7", "other").connack, Reason::not_authorized);
  EXPECT_EQ(connect("boiler-7", "other", "right").connack, Reason::not_authorized);
  EXPECT_EQ(connect("boiler-7", "boiler-7", "right").connack, Reason::success);
  EXPECT_EQ(connect("boiler-7", "boiler-7", "wrong").connack, Reason::not_authorized);
  broker.peer.identity.clear();
  EXPECT_EQ(connect("any", "other", "right").connack, Reason::success);
}

TEST_P(TlsIdentityTest, TheClientIdentifierBeginsWithTheIdentity) {
  for (const char* id : {"boiler-7", "boiler-7:", "boiler-7:reader"}) EXPECT_EQ(connect(id).connack, Reason::success) << id;
  for (const char* id : {"boiler-70", "boiler-", "other", "x:boiler-7"})
    EXPECT_EQ(connect(id).connack, Reason::not_authorized) << id;
  EXPECT_TRUE(connect("").assigned_id.starts_with("boiler-7:"));
  broker.peer.binds_client_id = false;
  EXPECT_EQ(connect("other").connack, Reason::success);
  broker.peer = {.address = "test", .binds_client_id = true};  // nobody in particular
  EXPECT_EQ(connect("other").connack, Reason::success);
}

}  // namespace
}  // namespace sealmq
