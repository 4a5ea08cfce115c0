// What an attacker can do to the login of PMQTT: each finding about the published form succeeds against pmqtt@paper and fails
// against pmqtt.
#include <gtest/gtest.h>

#include "base/text.h"
#include "crypto/agree.h"
#include "crypto/ecdsa_deterministic.h"
#include "crypto/hash.h"
#include "crypto/sha1.h"
#include "support/broker_bench.h"
#include "support/pmqtt_login.h"

namespace sealmq::testing {
namespace {

using mqtt::Reason;
using mqtt::Version;

constexpr const char* guesses[] = {"123456", "password", "hunter2", "s3cret pass", "letmein"};
constexpr std::string_view password = "s3cret pass";

/// The broker, the patient who logs in, and somebody who has heard it all.
class Eavesdropped : public ::testing::Test {
 protected:
  Eavesdropped() {
    broker.set_rules({{"pmqtt/#", broker.schemes({"pmqtt", "pmqtt@paper"}), broker.schemes({"pmqtt", "pmqtt@paper"})}});
    Identity identity;
    static_cast<PublicIdentity&>(identity) = patient->identity();
    identity.publish = identity.subscribe = {"#"};
    identity.schemes = {"pmqtt", "pmqtt@paper", "plain"};
    broker.enroll(identity);
  }

  Buffer paper_connect() {
    mqtt::Connect packet;
    packet.version = Version::v3_1_1;
    packet.client_id = "PC-0001";
    packet.user_name = "patient1";
    packet.password = as_bytes(password);
    Buffer bytes;
    mqtt::encode(packet, bytes);
    const Secret secret(as_bytes(password));
    const ClientPorts ports = client_ports();
    auto login = pmqtt::begin_paper_client_login({.client_id = "PC-0001", .user_name = "patient1", .password = &secret}, ports);
    return (*login)->send_as(bytes).value();
  }

  ClientPorts client_ports() { return {patient.get(), broker.identity(), {}, broker.random}; }

  struct Conversation {
    std::vector<Buffer> packets;  // CONNECT, then AUTH, of the client
    Buffer challenge, proof;
    std::optional<Reason> connack;
  };
  Conversation hardened_login() {
    const Secret secret{as_bytes(password)};
    const ClientPorts ports = client_ports();
    pmqtt::PasswordHasher hasher;
    auto login =
        pmqtt::begin_client_login({.client_id = "PC-0001", .user_name = "patient1", .password = &secret}, ports, hasher).value();
    Conversation said;
    const Buffer first = login->first().value();
    mqtt::Connect packet;
    packet.client_id = "PC-0001";
    packet.user_name = "patient1";
    packet.properties.authentication_method = login->method();
    packet.properties.authentication_data = first;
    auto& link = broker.connect(packet);
    said.packets.push_back(link.sent);
    said.challenge = to_buffer(as_bytes(link.login_data));
    said.proof = login->answer(said.challenge).value();
    mqtt::Auth auth;
    auth.reason = Reason::continue_authentication;
    auth.properties.authentication_method = login->method();
    auth.properties.authentication_data = said.proof;
    broker.send(link, auth);
    said.connack = link.connack;
    said.packets.push_back(to_buffer(Bytes(link.sent).subspan(said.packets[0].size())));
    return said;
  }

  LoginParties secrets;  // of the broker: what it knows of passwords
  BrokerBench broker{1, {}, nullptr, [this](broker::Ports& ports) {
                       BrokerPorts its{*broker.key, broker.random};
                       its.passwords = secrets.broker_ports().passwords;
                       for (std::size_t i = 0; i < ports.schemes.size(); ++i)
                         if (ports.schemes[i]->info().name.find("pmqtt") != std::string_view::npos)
                           ports.schemes[i] = all_schemes()[i].broker_side(its);
                     }};
  std::unique_ptr<KeyStore> patient = make_memory_keys("patient1", Kind::device, broker.random);
};

// Finding 1: nothing fresh is signed.

TEST_F(Eavesdropped, ACapturedConnectLogsInAgainOnPaper) {
  const Buffer captured = paper_connect();
  for (int i = 0; i < 2; ++i) {
    auto& link = broker.dial();
    link.version = Version::v3_1_1;
    broker.send_bytes(link, captured);
    EXPECT_EQ(link.connack, Reason::success) << i;
  }
}

TEST_F(Eavesdropped, ACapturedConversationDoesNotLogInAgain) {
  const Conversation captured = hardened_login();
  ASSERT_EQ(captured.connack, Reason::success);
  auto& link = broker.dial();
  for (const Buffer& packet : captured.packets) broker.send_bytes(link, packet);
  EXPECT_EQ(link.connack, Reason::not_authorized);
  EXPECT_TRUE(link.closed);
}

// Finding 2: whoever has seen one CONNECT can try passwords on it, without the broker.

TEST_F(Eavesdropped, ACapturedConnectTellsThePasswordOnPaper) {
  const Buffer captured = paper_connect();
  const auto header = mqtt::decode_header(captured, Version::v3_1_1).value().value();
  const auto packet = mqtt::decode_connect(Bytes(captured).subspan(header.size)).value();
  const auto name = pmqtt::split_paper_name(*packet.user_name).value();
  const auto key = crypto::ecdsa::VerifyingKey::from_sec1(patient->identity().keys.ecdsa).value();
  std::string found;
  for (const char* guess : guesses)
    if (crypto::ecdsa::verify_sha1(key, pmqtt::with_password(captured, name.user, as_bytes(guess)).value(), name.signature))
      found = guess;
  EXPECT_EQ(found, password);
}

TEST_F(Eavesdropped, ACapturedConversationHoldsNothingToTryPasswordsOn) {
  const Conversation captured = hardened_login();
  const auto challenge = pmqtt::decode_challenge(captured.challenge).value();
  const auto proof = pmqtt::decode_proof(captured.proof).value();
  pmqtt::LoginFacts facts;
  facts.client_id = "PC-0001";
  facts.user_name = "patient1";
  facts.broker_id = broker.identity().id;
  const auto header = mqtt::decode_header(captured.packets[0], Version::v5).value().value();
  const auto connect = mqtt::decode_connect(Bytes(captured.packets[0]).subspan(header.size)).value();
  const Bytes hello = *connect.properties.authentication_data;
  // All that is public is known to the attacker, and so is every guess; what is missing is the key of the MAC. One of its own
  // making, from a share of its own, is not the one.
  auto transcript = pmqtt::begin_transcript(facts, hello, challenge.signed_part);
  const auto own = crypto::AgreementKey::generate(broker.random);
  const auto client_share = pmqtt::decode_hello(hello)->point;
  for (const crypto::Sec1Compressed& share : {client_share, challenge.challenge.point}) {
    auto tried = transcript.fork();
    tried.share(crypto::agree(own, share).value());
    const auto keys = pmqtt::derive_keys(tried);
    const auto th2 = tried.see(challenge.signature).step();
    for (const char* guess : guesses) {
      const Secret verifier = pmqtt::PasswordHasher().hash(as_bytes(guess), challenge.challenge.cost).value();
      EXPECT_NE(pmqtt::proof_mac(keys, th2, verifier.reveal()), proof.mac) << guess;
    }
  }
}

// Finding 3: the broker keeps passwords that can be read.

TEST_F(Eavesdropped, ThePaperFormHasTheBrokerKnowPasswords) {
  const auto known = secrets.broker_ports().passwords.recoverable("patient1").value();
  ASSERT_TRUE(known);
  EXPECT_EQ(as_text(known->reveal()), password);
  const auto record = secrets.broker_ports().passwords.record("patient1").value();
  ASSERT_TRUE(record);
  EXPECT_EQ(as_text(record->verifier.reveal()).find(password), std::string_view::npos);
  EXPECT_EQ(hardened_login().connack, Reason::success);  // with the record alone
}

// Finding 4: the broker never says who it is.

TEST_F(Eavesdropped, AnybodyCanPlayTheBrokerOnPaper) {
  const Secret secret(as_bytes(password));
  const ClientPorts ports = client_ports();
  auto login = pmqtt::begin_paper_client_login({.client_id = "c", .user_name = "patient1", .password = &secret}, ports).value();
  EXPECT_TRUE(login->finish({}, ""));  // CONNACK, from whoever answered
}

TEST_F(Eavesdropped, NobodyElseCanPlayTheBroker) {
  const auto other = make_memory_keys(broker.identity().id, Kind::broker, broker.random);  // of the same name
  BrokerPorts its{*other, broker.random};
  its.passwords = secrets.broker_ports().passwords;
  const pmqtt::LoginPlace place(its);

  const Secret secret(as_bytes(password));
  const ClientPorts ports = client_ports();
  pmqtt::PasswordHasher hasher;
  auto login = pmqtt::begin_client_login({.client_id = "c", .user_name = "patient1", .password = &secret}, ports, hasher).value();
  LoginRequest request;
  request.method = pmqtt::login_method;
  request.client_id = "c";
  request.user_name = "patient1";
  const auto challenge = place.begin(request)->advance(login->first().value(), {broker.now, *secrets.directory}).value();
  const auto answer = login->answer(challenge.data);
  ASSERT_FALSE(answer);  // and so nothing that the password went into
  EXPECT_FALSE(login->finish(Buffer(32), ""));

  // Nor by a challenge of the real broker that was heard before.
  const Conversation captured = hardened_login();
  auto next =
      pmqtt::begin_client_login({.client_id = "PC-0001", .user_name = "patient1", .password = &secret}, ports, hasher).value();
  EXPECT_FALSE(next->answer(captured.challenge));
}

// Finding 6: two packets with one SHA-1 have one signature.

TEST_F(Eavesdropped, AnythingWithTheSameSha1IsSignedOnPaper) {
  const auto key = crypto::ecdsa::VerifyingKey::from_sec1(patient->identity().keys.ecdsa).value();
  const Buffer packet = to_buffer(as_bytes("the packet that the patient signs"));
  const auto signature = patient->sign_ecdsa_sha1(packet).value();
  EXPECT_TRUE(crypto::ecdsa::verify_digest(key, crypto::sha1(packet), signature));  // 20 bytes are all that is signed
  const auto hardened = patient->sign_ecdsa(packet).value();
  EXPECT_FALSE(crypto::ecdsa::verify_digest(key, crypto::sha1(packet), hardened));
  EXPECT_TRUE(crypto::ecdsa::verify_digest(key, crypto::sha256(packet), hardened));
}

/// What was heard once is good for ever, so it opens what was set up for study and nothing else.
TEST_F(Eavesdropped, ALoginThatCanBeReplayedOpensWhatNamesItAndNoMore) {
  const auto plain = broker.schemes({"plain"});
  broker::TopicRule study{"study/#", broker.schemes({"pmqtt@paper"}), plain}, lab{"lab/#", plain, plain};
  lab.login.add(static_cast<std::size_t>(find_scheme("pmqtt@paper") - all_schemes().data()));
  broker.set_rules({{"plant/#", plain, plain}, study, lab, {"pmqtt/#", broker.schemes({"pmqtt"}), plain}});
  auto& witness = broker.connect("witness");
  broker.subscribe(witness, "plant/#");

  auto& replayed = broker.dial();
  replayed.version = Version::v3_1_1;
  broker.send_bytes(replayed, paper_connect());
  ASSERT_EQ(replayed.connack, Reason::success);
  const auto subscribes = [&](std::string_view filter) {
    broker.subscribe(replayed, filter);
    return !is_error(replayed.answers.back().reasons[0]);
  };
  EXPECT_TRUE(subscribes("study/#"));
  EXPECT_TRUE(subscribes("lab/#"));
  EXPECT_FALSE(subscribes("plant/#"));
  EXPECT_FALSE(subscribes("pmqtt/#"));
  broker.publish(broker.connect("device"), "plant/valve", "shut", mqtt::QoS::at_least_once);
  broker.publish(replayed, "plant/valve", "open", mqtt::QoS::at_least_once);
  ASSERT_EQ(witness.publishes.size(), 1U);
  EXPECT_EQ(witness.publishes[0].payload, "shut");
  broker.publish(replayed, "lab/x", "named", mqtt::QoS::at_least_once);
  ASSERT_EQ(replayed.publishes.size(), 1U);
  EXPECT_EQ(replayed.publishes[0].payload, "named");
}

TEST_F(Eavesdropped, TheListHasToAllowAPublishedLoginByName) {
  Identity identity;
  static_cast<PublicIdentity&>(identity) = patient->identity();
  broker.set_identity(identity);
  auto& replayed = broker.dial();
  replayed.version = Version::v3_1_1;
  broker.send_bytes(replayed, paper_connect());
  EXPECT_NE(replayed.connack, Reason::success);
  EXPECT_EQ(hardened_login().connack, Reason::success);
}

}  // namespace
}  // namespace sealmq::testing
