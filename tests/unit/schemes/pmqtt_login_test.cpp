// The login PMQTT-2 and its paper form: vectors, and conversations of both sides.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/agree.h"
#include "crypto/ecdsa_deterministic.h"
#include "crypto/hash.h"
#include "crypto/operations.h"
#include "mqtt/packet.h"
#include "schemes/pmqtt/ends.h"
#include "schemes/pmqtt/partner_table.h"
#include "support/pmqtt_login.h"

namespace sealmq {
namespace {

using namespace pmqtt;
using testing::LoginParties;

nlohmann::json vectors(const char* part) {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/pmqtt.json");
  return nlohmann::json::parse(file).at(part);
}
std::string text_of(const nlohmann::json& object, const char* key) {
  return object.at(key).get<std::string>();
}
Buffer hex_of(const nlohmann::json& object, const char* key) {
  return from_hex(text_of(object, key)).value();
}

constexpr std::uint8_t protocol_error = 0x82;

// -- vectors

TEST(PmqttLoginVectors, EveryStepIsTheirs) {
  const auto v = vectors("hardened");
  LoginFacts facts;
  facts.client_id = text_of(v, "client_id");
  facts.user_name = text_of(v, "username");
  facts.broker_id = text_of(v, "broker_id");
  const Buffer m1 = hex_of(v, "M1"), m2 = hex_of(v, "M2"), m3 = hex_of(v, "M3");
  EXPECT_EQ(encode(decode_hello(m1).value()), m1);
  const auto challenge = decode_challenge(m2).value();
  EXPECT_EQ(challenge.challenge.cost.log2_n, 15);
  EXPECT_EQ(encode(challenge.challenge), to_buffer(challenge.signed_part));
  auto transcript = begin_transcript(facts, m1, challenge.signed_part);
  EXPECT_EQ(to_hex(transcript.hash()), text_of(v, "th1"));
  const auto broker = crypto::ecdsa::VerifyingKey::from_sec1(hex_of(v, "broker_sign_public_sec1c")).value();
  EXPECT_TRUE(crypto::ecdsa::verify(broker, signed_by_broker(transcript.hash()), challenge.signature));

  const auto own = crypto::AgreementKey::from_secret(Secret(hex_of(v, "x_C"))).value();
  const Secret shared = crypto::agree(own, challenge.challenge.point).value();
  EXPECT_EQ(to_hex(shared.reveal()), text_of(v, "Z"));
  transcript.share(shared);
  const LoginKeys keys = derive_keys(transcript);
  EXPECT_EQ(to_hex(keys.session.reveal()), text_of(v, "K_session"));
  const auto th2 = transcript.see(challenge.signature).step();
  EXPECT_EQ(to_hex(th2), text_of(v, "th2"));

  const Proof proof = decode_proof(m3).value();
  const auto client = crypto::ecdsa::SigningKey::from_secret(Secret(hex_of(v, "client_sign_private"))).value();
  const auto verifier = crypto::ecdsa::VerifyingKey::from_sec1(client.public_key()).value();
  EXPECT_TRUE(crypto::ecdsa::verify(verifier, signed_by_client(th2), proof.signature));
  const Secret pv = PasswordHasher().hash(as_bytes(text_of(v, "password")), challenge.challenge.cost).value();
  EXPECT_EQ(to_hex(pv.reveal()), text_of(v, "pv"));
  EXPECT_EQ(proof_mac(keys, th2, pv.reveal()), proof.mac);
  transcript.see(m3);
  see_choice(transcript, facts, "");
  EXPECT_EQ(to_hex(crypto::hmac_sha256(keys.broker_mac.reveal(), transcript.step())), text_of(v, "M4"));
}

TEST(PmqttLoginVectors, ThePaperConnectIsTheirs) {
  const auto v = vectors("paper_auth");
  const Buffer full = hex_of(v, "MQTT_Connect_Packet"), sent = hex_of(v, "Modified_MQTT_Connect_Packet");
  const auto key = crypto::ecdsa::SigningKey::from_secret(Secret(hex_of(v, "client_private_key"))).value();
  const auto signature = crypto::ecdsa::sign_sha1(key, full);
  EXPECT_EQ(to_hex(signature), text_of(v, "signature_r_s"));
  EXPECT_EQ(to_hex(with_signature(full, signature).value()), to_hex(sent));
  const PaperName name = split_paper_name(text_of(v, "username_field")).value();
  EXPECT_EQ(name.user, text_of(v, "username"));
  EXPECT_EQ(name.signature, signature);
  EXPECT_EQ(with_password(sent, name.user, as_bytes(text_of(v, "password"))).value(), full);
}

// -- messages

TEST(PmqttLoginMessages, AreDecodedStrictly) {
  const auto v = vectors("hardened");
  const Buffer m1 = hex_of(v, "M1"), m2 = hex_of(v, "M2"), m3 = hex_of(v, "M3"), m4 = hex_of(v, "M4");
  for (std::size_t size = 0; size < m1.size(); ++size)
    EXPECT_EQ(decode_hello(Bytes(m1).first(size)).error().code, protocol_error);
  for (std::size_t size = 0; size < m2.size(); ++size) EXPECT_FALSE(decode_challenge(Bytes(m2).first(size)));
  for (std::size_t size = 0; size < m3.size(); ++size) EXPECT_FALSE(decode_proof(Bytes(m3).first(size)));
  for (std::size_t size = 0; size < m4.size(); ++size) EXPECT_FALSE(decode_confirmation(Bytes(m4).first(size)));
  const auto longer = [](Buffer bytes) {
    bytes.push_back(0);
    return bytes;
  };
  EXPECT_FALSE(decode_hello(longer(m1)));
  EXPECT_FALSE(decode_challenge(longer(m2)));
  EXPECT_FALSE(decode_proof(longer(m3)));
  EXPECT_FALSE(decode_confirmation(longer(m4)));
  Buffer other_version = m1;
  other_version[0] = 1;
  EXPECT_FALSE(decode_hello(other_version));
}

TEST(PmqttLoginMessages, RefuseACostThatIsOutOfRange) {
  const Buffer good = hex_of(vectors("hardened"), "M2");
  constexpr std::size_t log2_n = 81, r = 82, p = 83;
  const std::pair<std::size_t, std::uint8_t> wrong[] = {{log2_n, 13}, {log2_n, 21}, {r, 7}, {r, 9}, {p, 0}, {p, 5}};
  for (const auto& [at, value] : wrong) {
    Buffer m2 = good;
    m2[at] = value;
    EXPECT_FALSE(decode_challenge(m2)) << at << " " << int(value);
  }
}

// -- conversations

class PmqttLoginTest : public ::testing::Test {
 protected:
  struct Outcome {
    std::string refused_by;  // "client", "broker" or empty
    Error error{};
    Secret client_key, broker_key;
    std::vector<Buffer> messages;
    std::vector<crypto::Operations> operations;  // of the broker's steps
  };
  struct Setting {
    std::string user = "patient1";
    std::string password = "s3cret pass";
    std::string offer_sent{}, offer_received{};
    Hop chosen = Hop::none;
    std::string choice_received{};
    std::string connect_received = "CONNECT";
    std::array<std::uint8_t, 32> client_binding{}, broker_binding{};
    std::string client_id_received = "PC-0001";
  };

  Outcome run(const Setting& s, KeyStore& key) {
    Outcome outcome;
    const auto failed = [&](const char* who, const Error& error) {
      outcome.refused_by = who;
      outcome.error = error;
      return std::move(outcome);
    };
    const Secret password(as_bytes(s.password));
    const ClientPorts ports = parties.client_ports(key);
    PasswordHasher hasher;
    auto client = begin_client_login({.client_id = "PC-0001",
                                      .user_name = s.user,
                                      .password = &password,
                                      .channel_binding = s.client_binding,
                                      .hop_offer = s.offer_sent},
                                     ports, hasher);
    if (!client) return failed("client", client.error());
    (void)(*client)->send_as(as_bytes("CONNECT"));
    LoginRequest request;
    request.method = login_method;
    request.client_id = s.client_id_received;
    request.user_name = s.user;
    request.connect = Secret(as_bytes(s.connect_received));
    request.channel_binding = s.broker_binding;
    request.hop_offer = s.offer_received;
    request.hop = s.chosen;
    const LoginPlace place(parties.broker_ports());
    auto broker = place.begin(request);
    const auto advance = [&](Bytes in) {
      const crypto::CountOperations counter;
      auto step = broker->advance(in, parties.scene());
      outcome.operations.push_back(counter.so_far());
      return step;
    };
    outcome.messages.push_back((*client)->first().value());
    auto challenge = advance(outcome.messages.back());
    if (!challenge) return failed("broker", challenge.error());
    outcome.messages.push_back(challenge->data);
    auto proof = (*client)->answer(challenge->data);
    if (!proof) return failed("client", proof.error());
    outcome.messages.push_back(*proof);
    auto step = advance(*proof);
    if (!step) return failed("broker", step.error());
    outcome.messages.push_back(step->data);
    LoggedIn logged_in = std::move(*step->done).release();
    EXPECT_EQ(logged_in.identity, s.user);
    outcome.broker_key = std::move(logged_in.session_key);
    auto key_of_client = (*client)->finish(step->data, s.choice_received);
    if (!key_of_client) return failed("client", key_of_client.error());
    outcome.client_key = std::move(*key_of_client);
    return outcome;
  }
  Outcome run(const Setting& s) { return run(s, *parties.patient); }

  LoginParties parties;
};

TEST_F(PmqttLoginTest, EndsWithOneKeyThatIsNewEachTime) {
  const auto first = run({}), second = run({});
  EXPECT_EQ(first.refused_by, "");
  EXPECT_EQ(first.client_key.size(), 32U);
  EXPECT_TRUE(same(first.client_key.reveal(), first.broker_key.reveal()));
  EXPECT_FALSE(same(first.client_key.reveal(), second.client_key.reveal()));
}

TEST_F(PmqttLoginTest, EveryRefusalLooksTheSame) {
  const auto stranger = make_memory_keys("stranger", Kind::device, parties.random);
  const auto gone = make_memory_keys("gone", Kind::device, parties.random);
  parties.enroll(*gone, Status::revoked);
  parties.set_password("gone", "s3cret pass");
  const auto wrong_password = run({.password = "wrong"});
  const auto wrong_key = run({}, *stranger);
  const auto unknown = run({.user = "stranger"}, *stranger);
  const auto revoked = run({.user = "gone"}, *gone);
  for (const Outcome* outcome : {&wrong_password, &wrong_key, &unknown, &revoked}) {
    EXPECT_EQ(outcome->refused_by, "broker");
    EXPECT_EQ(outcome->error.code, 0);  // "not authorised", and no more
    ASSERT_EQ(outcome->messages.size(), 3U);
    EXPECT_EQ(outcome->messages[1].size(), 148U);
    EXPECT_TRUE(outcome->operations == wrong_password.operations) << "or the time would tell them apart";
    EXPECT_GT(outcome->operations.at(1).sm, 0U) << "it was verified";
  }
  // The log tells them apart.
  EXPECT_EQ(wrong_password.error.what, "patient1: wrong password");
  EXPECT_EQ(wrong_key.error.what, "patient1: not signed by its key");
  EXPECT_EQ(unknown.error.what, "stranger: not on the list");
  EXPECT_EQ(revoked.error.what, "gone: not active");
}

TEST_F(PmqttLoginTest, AnUnknownNameHasTheSameSaltAlways) {
  const auto salt = [&](const std::string& user) {
    const auto outcome = run({.user = user});
    return to_hex(Bytes(outcome.messages.at(1)).subspan(65, 16));
  };
  EXPECT_EQ(salt("nobody"), salt("nobody"));  // by two places, as after a restart
  EXPECT_NE(salt("nobody"), salt("somebody"));
}

TEST_F(PmqttLoginTest, AnUnknownNameCostsWhatThoseOnTheListCost) {
  const auto cost = [&](const std::string& user) {
    const auto outcome = run({.user = user});
    return to_hex(Bytes(outcome.messages.at(1)).subspan(81, 3));
  };
  EXPECT_EQ(cost("patient1"), "0e0801");
  EXPECT_EQ(cost("nobody"), "0e0801");
}

TEST_F(PmqttLoginTest, WhoHasNoPasswordLogsInWithItsKeyAlone) {
  parties.passwords.clear();
  EXPECT_EQ(run({.password = ""}).refused_by, "");
  EXPECT_EQ(run({.password = "any"}).refused_by, "broker");
  const auto stranger = make_memory_keys("patient1", Kind::device, parties.random);
  EXPECT_EQ(run({.password = ""}, *stranger).refused_by, "broker");
}

TEST_F(PmqttLoginTest, WhoHasAPasswordNeedsIt) {
  EXPECT_EQ(run({.password = ""}).refused_by, "broker");
}

TEST_F(PmqttLoginTest, TheClientRefusesAnotherBrokerBeforeThePasswordIsUsed) {
  const auto other = make_memory_keys("broker-1", Kind::broker, parties.random);  // of the same name
  BrokerPorts fake{*other, parties.random};
  fake.passwords = parties.broker_ports().passwords;
  const Secret password(as_bytes("s3cret pass"));
  const ClientPorts client_ports = parties.client_ports(*parties.patient);
  PasswordHasher hasher;
  auto client =
      begin_client_login({.client_id = "c", .user_name = "patient1", .password = &password}, client_ports, hasher).value();
  LoginRequest request;
  request.method = login_method;
  request.client_id = "c";
  request.user_name = "patient1";
  const LoginPlace place(fake);
  const auto challenge = place.begin(request)->advance(client->first().value(), parties.scene()).value();
  const auto answer = client->answer(challenge.data);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().blame, Blame::peer_misbehaved);
  EXPECT_FALSE(client->finish(Buffer(32), ""));
}

TEST_F(PmqttLoginTest, BindsTheTransportTheClientAndTheOffer) {
  std::array<std::uint8_t, 32> one{1}, two{2};
  EXPECT_EQ(run({.client_binding = one, .broker_binding = one}).refused_by, "");
  EXPECT_EQ(run({.client_binding = one, .broker_binding = two}).refused_by, "client");
  EXPECT_EQ(run({.client_binding = one}).refused_by, "client");
  EXPECT_EQ(run({.client_id_received = "PC-0002"}).refused_by, "client");
}

TEST_F(PmqttLoginTest, AnOfferAndItsAnswerCannotBeStripped) {
  const Setting honest{.offer_sent = "HRL1", .offer_received = "HRL1", .chosen = Hop::hrl1, .choice_received = "HRL1"};
  EXPECT_EQ(run(honest).refused_by, "");
  Setting stripped = honest;
  stripped.offer_received = "";
  stripped.chosen = Hop::none;
  EXPECT_EQ(run(stripped).refused_by, "client");
  Setting changed = honest;
  changed.offer_received = "HPP1";
  EXPECT_EQ(run(changed).refused_by, "client");
  Setting hidden = honest;
  hidden.choice_received = "";
  const auto outcome = run(hidden);
  EXPECT_EQ(outcome.refused_by, "client");
  EXPECT_EQ(outcome.messages.size(), 4U);
  Setting other_connect = honest;  // another Will, for instance
  other_connect.connect_received = "CONNECT with another Will";
  EXPECT_EQ(run(other_connect).refused_by, "client");
}

TEST_F(PmqttLoginTest, TheBrokerRefusesWhatIsNoFirstMessage) {
  const LoginPlace place(parties.broker_ports());
  const auto code_of = [&](Bytes m1, const std::string& user = "patient1") {
    LoginRequest request;
    request.method = login_method;
    request.user_name = user;
    return place.begin(request)->advance(m1, parties.scene()).error().code;
  };
  Buffer m1 = hex_of(vectors("hardened"), "M1");
  EXPECT_EQ(code_of({}), protocol_error);
  EXPECT_EQ(code_of(Bytes(m1).first(65)), protocol_error);
  EXPECT_EQ(code_of(m1, text_of(vectors("paper_auth"), "username_field")), protocol_error);
  Buffer no_point = m1;
  std::fill(no_point.begin() + 34, no_point.end(), std::uint8_t{0xFF});
  EXPECT_EQ(code_of(no_point), protocol_error);
  LoginRequest other;
  other.method = "PMQTT-3";
  EXPECT_EQ(place.begin(other), nullptr);
}

TEST_F(PmqttLoginTest, ALoginThatHasFailedGoesNoFurther) {
  const LoginPlace place(parties.broker_ports());
  LoginRequest request;
  request.method = login_method;
  request.user_name = "patient1";
  auto login = place.begin(request);
  EXPECT_FALSE(login->advance({}, parties.scene()));
  EXPECT_FALSE(login->advance(hex_of(vectors("hardened"), "M1"), parties.scene()));
}

TEST_F(PmqttLoginTest, TheClientSaysWhatItLacks) {
  PasswordHasher hasher;
  const ClientPorts none{nullptr, std::nullopt, {}, parties.random};
  EXPECT_EQ(begin_client_login({.user_name = "patient1"}, none, hasher).error().blame, Blame::caller_misused);
  const ClientPorts ports = parties.client_ports(*parties.patient);
  EXPECT_EQ(begin_client_login({.user_name = "no/name"}, ports, hasher).error().blame, Blame::caller_misused);
  EXPECT_EQ(begin_client_login({.user_name = "patient1", .is_v5 = false}, ports, hasher).error().blame, Blame::caller_misused);
}

// -- the paper form

class PmqttPaperLoginTest : public ::testing::TestWithParam<mqtt::Version> {
 protected:
  Buffer connect_of(std::string_view user, std::string_view password) {
    mqtt::Connect packet;
    packet.version = GetParam();
    packet.client_id = "PC-0001";
    packet.user_name = user;
    packet.password = as_bytes(password);
    packet.will = mqtt::Will{"w", as_bytes("gone without a word"), mqtt::QoS::at_least_once, false, {}};
    if (GetParam() == mqtt::Version::v5) packet.properties.session_expiry_interval = 60;
    Buffer bytes;
    mqtt::encode(packet, bytes);
    return bytes;
  }
  Buffer sent_by(KeyStore& key, std::string_view user, std::string_view password) {
    const Secret secret(as_bytes(password));
    const ClientPorts ports = parties.client_ports(key);
    auto login = begin_paper_client_login({.client_id = "PC-0001", .user_name = std::string(user), .password = &secret}, ports);
    return (*login)->send_as(connect_of(user, password)).value();
  }
  Result<Login::Step> received(const Buffer& bytes) {
    const auto header = mqtt::decode_header(bytes, GetParam()).value().value();
    const auto packet = mqtt::decode_connect(Bytes(bytes).subspan(header.size)).value();
    LoginRequest request;
    request.user_name = packet.user_name.value();
    request.connect = Secret(Bytes(bytes));
    if (packet.password) request.password = Secret(*packet.password);
    auto login = begin_paper_login(request, parties.broker_ports().passwords);
    if (login == nullptr) return fail(Blame::caller_misused, "none of its names");
    return login->advance({}, parties.scene());
  }
  LoginParties parties;
};
INSTANTIATE_TEST_SUITE_P(Versions, PmqttPaperLoginTest, ::testing::Values(mqtt::Version::v3_1_1, mqtt::Version::v5));

TEST_P(PmqttPaperLoginTest, LogsIn) {
  const auto step = received(sent_by(*parties.patient, "patient1", "s3cret pass"));
  ASSERT_TRUE(step) << step.error().what;
  EXPECT_EQ((*step->done)->identity, "patient1");
  EXPECT_TRUE((*step->done)->session_key.empty());
}

TEST_P(PmqttPaperLoginTest, RefusesWhatIsNotRight) {
  const auto stranger = make_memory_keys("stranger", Kind::device, parties.random);
  EXPECT_FALSE(received(sent_by(*parties.patient, "patient1", "wrong")));
  EXPECT_FALSE(received(sent_by(*stranger, "patient1", "s3cret pass")));
  EXPECT_FALSE(received(sent_by(*stranger, "stranger", "s3cret pass")));
  Buffer changed = sent_by(*parties.patient, "patient1", "s3cret pass");
  changed[changed.size() - 1] ^= 4;
  EXPECT_FALSE(received(changed));
  parties.recoverable.clear();
  EXPECT_FALSE(received(sent_by(*parties.patient, "patient1", "s3cret pass")));
}

TEST_P(PmqttPaperLoginTest, RefusesWhatIsNoSignature) {
  EXPECT_FALSE(received(connect_of("patient1", "s3cret pass")));
  for (const char* user : {"patient1~", "patient1~AAAA", "~", "patient1~====", "a~b~c"}) {
    mqtt::Connect packet;
    packet.version = GetParam();
    packet.client_id = "c";
    packet.user_name = user;
    Buffer bytes;
    mqtt::encode(packet, bytes);
    EXPECT_EQ(received(bytes).error().blame, Blame::peer_misbehaved) << user;
  }
}

TEST_P(PmqttPaperLoginTest, SplitsAtTheLastMark) {
  const auto name = split_paper_name("a~b~" + to_base64url(Buffer(64)));
  ASSERT_TRUE(name);
  EXPECT_EQ(name->user, "a~b");
}

TEST_P(PmqttPaperLoginTest, RefusesALengthThatIsNotInItsShortestForm) {
  Buffer bytes = sent_by(*parties.patient, "patient1", "s3cret pass");
  const std::size_t length = bytes.size() - mqtt::decode_header(bytes, GetParam())->value().size;
  ASSERT_GE(length, 128U);
  Buffer longer{bytes[0], bytes[1], static_cast<std::uint8_t>(bytes[2] | 0x80), 0};
  append(longer, Bytes(bytes).subspan(3));
  EXPECT_FALSE(with_password(longer, "patient1", as_bytes("x")));
  // MQTT 5 forbids such a length itself; before, it reads like any other, and the login is refused.
  EXPECT_EQ(mqtt::decode_header(longer, GetParam()).has_value(), GetParam() != mqtt::Version::v5);
}

TEST_P(PmqttPaperLoginTest, SaysWhenTheNameGetsTooLong) {
  const std::string user(65535 - 86, 'a');
  EXPECT_FALSE(with_signature(connect_of(user, "p"), {}));
  EXPECT_TRUE(with_signature(connect_of(user.substr(1), "p"), {}));
}

// -- whose topics

TEST(PmqttEnds, TheTableSaysWhoMayTalkToWhom) {
  const auto table = PartnerTable::parse(
      "# ward 7\n"
      "patient1  dr.house dr.wilson   # on call\n"
      "\n"
      "patient2\tdr.house\r\n");
  ASSERT_TRUE(table);
  for (const auto& [one, other, may] : {std::tuple("patient1", "dr.house", true), std::tuple("patient1", "dr.wilson", true),
                                        std::tuple("patient2", "dr.house", true), std::tuple("patient2", "dr.wilson", false),
                                        std::tuple("patient1", "patient2", false), std::tuple("dr.house", "dr.wilson", false),
                                        std::tuple("patient3", "dr.house", false)}) {
    EXPECT_EQ(table->allows(one, other), may) << one << " " << other;
    EXPECT_EQ(table->allows(other, one), may) << other << " " << one;
    const std::string topic = std::string("pmqtt/kx/") + one + "/" + other;
    EXPECT_EQ(may_send_to("pmqtt", one, topic, *table), may);
    EXPECT_EQ(may_get_from("pmqtt", other, topic, *table), may);
    EXPECT_FALSE(may_send_to("pmqtt", other, topic, *table));
  }
  // By a wildcard nobody is named; what is delivered by it is asked about again.
  EXPECT_TRUE(may_get_from("pmqtt", "dr.house", "pmqtt/kx/+/dr.house", *table));
  EXPECT_TRUE(may_send_to("pmqtt", "", "ward/vitals", *table));
  EXPECT_TRUE(PartnerTable().allows("anybody", "anybody-else"));
  EXPECT_FALSE(PartnerTable::parse("")->allows("patient1", "dr.house")) << "a table without lines has no partners";

  EXPECT_NE(PartnerTable::parse("a b\n\npatient1\n").error().what.find("line 3"), std::string::npos);
  EXPECT_FALSE(PartnerTable::parse("patient1 dr/house"));
  EXPECT_FALSE(PartnerTable::parse("+ dr.house"));
  EXPECT_FALSE(PartnerTable::make({{"pmqtt.partners", "+ a"}}, "pmqtt@paper"));
  EXPECT_TRUE(PartnerTable::make({{"pmqtt.partners", "+ a"}}, "smqtt")) << "each scheme has its own";
}

TEST(PmqttEnds, OnlyTheNamedMaySendAndGet) {
  for (const char* topic : {"pmqtt/kx/pc/dr", "pmqtt/e2e/pc/dr", "pmqtt/e2e/pc/dr/vitals"}) {
    EXPECT_TRUE(may_send_to("pmqtt", "pc", topic));
    EXPECT_FALSE(may_send_to("pmqtt", "dr", topic));
    EXPECT_FALSE(may_send_to("pmqtt", "", topic));
    EXPECT_TRUE(may_get_from("pmqtt", "dr", topic));
    EXPECT_FALSE(may_get_from("pmqtt", "pc", topic));
    EXPECT_FALSE(may_get_from("pmqtt", "", topic));
  }
  EXPECT_TRUE(may_get_from("pmqtt", "dr", "pmqtt/kx/+/dr"));
  EXPECT_TRUE(may_get_from("pmqtt", "dr", "pmqtt/+/+/dr/#"));
  EXPECT_FALSE(may_get_from("pmqtt", "dr", "pmqtt/kx/+/+"));
  EXPECT_FALSE(may_get_from("pmqtt", "dr", "pmqtt/+/pc/other"));
  EXPECT_TRUE(may_get_from("pmqtt", "dr", "pmqtt/kx/pc/#"));  // what is delivered is asked about again
  EXPECT_TRUE(may_get_from("pmqtt", "dr", "#"));
  EXPECT_TRUE(may_send_to("pmqtt", "", "ward/vitals"));
  EXPECT_TRUE(may_send_to("other", "", "pmqtt/kx/pc/dr"));
  EXPECT_FALSE(may_send_to("a/b", "dr", "a/b/kx/pc/dr"));
}

}  // namespace
}  // namespace sealmq
