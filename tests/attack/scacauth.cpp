// What an attacker can do to SCACAuth: each finding about the published form succeeds against scacauth@paper and fails against
// scacauth. schemes/scacauth/README.md counts the findings.
#include "support/scacauth.h"

#include <algorithm>

#include "crypto/agree.h"
#include "crypto/hop.h"
#include "crypto/ratchet.h"
#include "crypto/rsa.h"
#include "schemes/scacauth/login_client.h"
#include "schemes/scacauth/paper_login.h"
#include "schemes/scacauth/paper_messages.h"
#include "schemes/scacauth/paper_payloads.h"

namespace sealmq::testing {
namespace {

using namespace scacauth;
using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;

constexpr std::string_view paper = "scacauth@paper", hardened = "scacauth";
const Method usual = *parse_method("SCACAuth-RSAPKCS1-2048-AES-128");
constexpr std::string_view uid = "CLIENTE1";

/// A packet with other Authentication Data.
template <class Packet, class Decode>
Buffer with_data(const Buffer& packet, Bytes data, Decode decode) {
  const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
  Packet decoded = decode(Bytes(packet).subspan(header.size));
  decoded.properties.authentication_data = data;
  Buffer out;
  if constexpr (std::is_same_v<Packet, mqtt::Connect>)
    mqtt::encode(decoded, out);
  else
    mqtt::encode(decoded, mqtt::Version::v5, out);
  return out;
}
Buffer auth_with(const Buffer& packet, Bytes data) {
  return with_data<mqtt::Auth>(packet, data, [](Bytes body) { return mqtt::decode_auth(body).value(); });
}
Buffer data_of(const Buffer& packet) {
  const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
  const Bytes body = Bytes(packet).subspan(header.size);
  if (header.type == PacketType::connect) return to_buffer(*mqtt::decode_connect(body)->properties.authentication_data);
  return to_buffer(*mqtt::decode_auth(body)->properties.authentication_data);
}
Buffer payload_of(const Buffer& packet) {
  const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
  return to_buffer(mqtt::decode_publish(header.flags, Bytes(packet).subspan(header.size), mqtt::Version::v5)->payload);
}
Buffer with_payload(const Buffer& packet, Bytes payload) {
  const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
  auto publish = mqtt::decode_publish(header.flags, Bytes(packet).subspan(header.size), mqtt::Version::v5).value();
  publish.payload = payload;
  Buffer out;
  mqtt::encode(publish, mqtt::Version::v5, out);
  return out;
}
Buffer joined(std::initializer_list<Bytes> parts) {
  Buffer all;
  for (const Bytes part : parts) append(all, part);
  return all;
}

class Scacauth : public ::testing::Test {
 protected:
  ScacBench bench;
};

// Finding 1: what the broker signs does not hold what it encrypts.

TEST_F(Scacauth, SomebodyInBetweenPassesForTheBrokerOnPaper) {
  const Secret publisher(Buffer(16, 0x11)), subscriber(Buffer(16, 0x22));
  ScacClient victim(bench, paper);
  std::vector<std::string> read;
  bool is_in = false;
  victim.to_client = [&](const Buffer& packet) -> ScacClient::Packets {
    if (!is(PacketType::auth, packet)) return {packet};
    // The first part is the broker's; the second is made with the client's public key alone.
    const Buffer whole = data_of(packet);
    const auto step = decode_step2(whole).value();
    const Buffer keys = joined({as_bytes(uid), publisher.reveal(), subscriber.reveal()});
    const Buffer own = seal_for(usual, bench.keys->identity().keys, keys, bench.random).value();
    return {auth_with(packet, encode(Step2{step.proof, own}))};
  };
  victim.to_broker = [&](const Buffer& packet) -> ScacClient::Packets {
    if (is(PacketType::auth, packet)) is_in = true;
    if (!is_in) return {packet};
    if (is(PacketType::publish, packet)) {
      const auto data = decrypt_message(usual, publisher, uid, payload_of(packet), Form::paper).value();
      read.emplace_back(as_text(data));
    }
    return {};  // the real broker would notice step 3
  };
  victim.connect();
  ASSERT_TRUE(is_in);
  mqtt::Connack connack;
  connack.properties.authentication_method = "SCACAuth-RSAPKCS1-2048-AES-128";
  Buffer accepted;
  mqtt::encode(connack, mqtt::Version::v5, accepted);
  victim.session->receive(accepted, bench.broker.now);
  EXPECT_TRUE(victim.session->is_open());
  victim.publish("ward/7", "the patient's pulse");
  EXPECT_EQ(read, std::vector<std::string>{"the patient's pulse"});
  mqtt::Publish forged;
  forged.topic = "ward/7/dose";
  forged.qos = QoS::exactly_once;
  forged.packet_id = 1;
  const Buffer sealed = encrypt_message(usual, subscriber, uid, as_bytes("ten times as much"));
  forged.payload = sealed;
  Buffer packet;
  mqtt::encode(forged, mqtt::Version::v5, packet);
  victim.session->receive(packet, bench.broker.now);
  victim.move();
  EXPECT_EQ(victim.got(), "ten times as much");
}

TEST_F(Scacauth, NobodyInBetweenPassesForTheBroker) {
  const auto own = crypto::AgreementKey::generate(bench.random);
  ScacClient victim(bench, hardened);
  victim.to_client = [&](const Buffer& packet) -> ScacClient::Packets {
    if (!is(PacketType::auth, packet)) return {packet};
    auto challenge = decode_challenge(data_of(packet)).value();
    challenge.point = own.public_key();
    return {auth_with(packet, encode(challenge))};
  };
  victim.connect();
  EXPECT_FALSE(victim.session->is_open());
  EXPECT_TRUE(ScacClient::last(victim.from_client, PacketType::auth).empty()) << "it has signed nothing";
}

// Finding 2: nothing in step 1 is fresh.

TEST_F(Scacauth, ARecordedFirstStepMakesTheBrokerSignTheSameAgainOnPaper) {
  ScacClient client(bench, paper);
  client.connect();
  const Buffer recorded = client.from_client.front();
  const Buffer answer = data_of(ScacClient::last(client.from_broker, PacketType::auth));
  for (int i = 0; i < 3; ++i) {
    auto& attacker = bench.broker.dial();
    bench.broker.send_bytes(attacker, recorded);
    ASSERT_EQ(attacker.auths.size(), 1U);
    const Buffer again = to_buffer(as_bytes(attacker.login_data));
    EXPECT_EQ(to_buffer(decode_step2(again)->proof), to_buffer(decode_step2(answer)->proof));
    bench.broker.cut(attacker);
  }
}

TEST_F(Scacauth, ARecordedLoginIsAnsweredAnewAndLeadsNowhere) {
  ScacClient client(bench, hardened);
  client.connect();
  ASSERT_TRUE(client.session->is_open());
  const auto answer = decode_challenge(data_of(ScacClient::last(client.from_broker, PacketType::auth))).value();
  auto& attacker = bench.broker.dial();
  bench.broker.send_bytes(attacker, client.from_client[0]);
  const Buffer data = to_buffer(as_bytes(attacker.login_data));
  const auto again = decode_challenge(data).value();
  EXPECT_NE(again.nonce, answer.nonce);
  EXPECT_NE(again.signature, answer.signature);
  bench.broker.send_bytes(attacker, client.from_client[1]);
  EXPECT_EQ(attacker.connack, Reason::not_authorized);
}

// Claim: where each message has a key that the last one brought, nothing of a session goes on under other keys, whatever CONNECT
// asks for.
TEST_F(Scacauth, NoSessionOutlivesKeysThatGoOnWithItsMessages) {
  for (const std::string_view scheme : {paper, hardened}) {
    ScacClient client(bench, scheme);
    client.options.client_id = uid;
    if (scheme == hardened) {
      client.options.clean_start = false;
      client.options.session_expiry = std::chrono::hours(1);
    } else  // its own client does not ask for it
      client.to_broker = [](const Buffer& packet) -> ScacClient::Packets {
        if (!is(PacketType::connect, packet)) return {packet};
        const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
        auto asked = mqtt::decode_connect(Bytes(packet).subspan(header.size)).value();
        asked.clean_start = false;
        asked.properties.session_expiry_interval = 3600;
        Buffer out;
        mqtt::encode(asked, out);
        return {out};
      };
    client.connect();
    if (scheme == paper) {
      EXPECT_NE(client.causes().find("a session that is to outlive the connection"), std::string::npos) << client.causes();
    } else {
      client.subscribe("a");
      ASSERT_EQ(bench.broker.counters().sessions, 1U) << client.causes();
      client.cut();
    }
    EXPECT_EQ(bench.broker.counters().sessions, scheme == paper ? 0U : 1U);
  }
}

// Finding 3: how decryption fails can be seen. The published form says 0x87 whatever is wrong; that it is always the same, after
// the same work, is this implementation's doing (crypto/rsa.h), in the paper profile too.

TEST_F(Scacauth, NoAnswerTellsWhatWasWrongWithACiphertext) {
  const auto broker = crypto::rsa::PublicKey::from_modulus(bench.broker_key->identity().keys.rsa).value();
  const Buffer modulus = broker.modulus();
  Buffer no_padding(modulus.size(), 0x01);
  const Buffer ciphertexts[] = {
      crypto::rsa::encrypt(broker, Buffer(56, 1)).value(),  // well padded, and the right length
      crypto::rsa::encrypt(broker, Buffer(40, 1)).value(),  // another length
      crypto::rsa::encrypt(broker, Buffer(200, 1)).value(),
      no_padding,  // no block at all
  };
  std::vector<std::string> answers;
  for (const Buffer& ciphertext : ciphertexts) {
    ScacClient client(bench, paper);
    std::size_t replaced = 0;
    client.to_broker = [&](const Buffer& packet) -> ScacClient::Packets {
      if (!is(PacketType::auth, packet)) return {packet};
      ++replaced;
      return {auth_with(packet, encode_step3(ciphertext))};
    };
    client.connect();
    EXPECT_EQ(replaced, 1U) << "the third step, and the login came so far";
    ASSERT_EQ(client.from_broker.back().size(), 5U);
    EXPECT_EQ(client.from_broker.back()[3], static_cast<std::uint8_t>(Reason::not_authorized));
    answers.push_back(to_hex(client.from_broker.back()));
  }
  for (const auto& answer : answers) EXPECT_EQ(answer, answers.front());
  EXPECT_EQ(bench.broker.journal.causes.back(), bench.broker.journal.causes.front()) << "not even in the log";
}

// Finding 4: CBC without IV and MAC.

TEST_F(Scacauth, PartsOfAMessageAreChangedUnnoticedOnPaper) {
  ScacClient client(bench, paper);
  client.connect();
  client.subscribe("a");
  client.to_broker = [](const Buffer& packet) -> ScacClient::Packets {
    if (!is(PacketType::publish, packet)) return {packet};
    Buffer payload = payload_of(packet);
    std::swap_ranges(payload.begin() + 16, payload.begin() + 32, payload.begin() + 32);  // its second and third block
    return {with_payload(packet, payload)};
  };
  const std::string said =
      "123456"
      "give to patient:"
      "A 10 mg, please."
      "B 99 mg, please."
      "end";
  client.publish("a", said);
  const std::string got = client.got();
  EXPECT_EQ(got.size(), said.size());
  EXPECT_EQ(got.substr(0, 6), said.substr(0, 6));
  EXPECT_EQ(got.substr(54), said.substr(54));
  EXPECT_NE(got, said);
}

TEST_F(Scacauth, EqualBeginningsAreSeenOnPaper) {
  // A message that the broker refuses and its repetition go out under one key.
  const Secret key(Buffer(16, 7));
  const Buffer one = encrypt_message(usual, key, uid, as_bytes("alarm: none, all is well")),
               two = encrypt_message(usual, key, uid, as_bytes("alarm: none, or is there"));
  EXPECT_TRUE(std::equal(one.begin(), one.begin() + 16, two.begin()));
}

TEST_F(Scacauth, NoPartOfAMessageIsChangedUnnoticed) {
  for (const HopWish hop : {HopWish::hpp1, HopWish::ratchet, HopWish::hrl1}) {
    for (const std::size_t from_the_end : {1U, 17U, 40U}) {
      ScacBench fresh;
      ScacClient client(fresh, hardened);
      client.options.hop = hop;
      client.connect();
      client.subscribe("a");
      client.to_broker = [&](Buffer packet) -> ScacClient::Packets {
        packet[packet.size() - from_the_end] ^= 1;
        return {std::move(packet)};
      };
      (void)client.session->publish("a", as_bytes("123456 give to patient A 10 mg, please. end"), {.qos = QoS::at_least_once},
                                    fresh.broker.now);
      client.move();
      EXPECT_EQ(client.got(), "(nothing)");
    }
  }
}

// Finding 5: each key leads to all behind it.

TEST_F(Scacauth, AStolenKeyOpensWhatWasRecordedOnPaper) {
  ScacClient client(bench, paper);
  client.connect();
  for (const char* text : {"first", "second", "third"}) client.publish("a", text);
  // Years later somebody has the card's key, and the recording.
  const auto step = data_of(ScacClient::last(client.from_broker, PacketType::auth));
  const Secret keys = bench.keys->decrypt_rsa(decode_step2(step)->keys, 40).value();
  Secret key(keys.reveal().subspan(8, 16));
  std::vector<std::string> read;
  for (const Buffer& packet : client.from_client) {
    if (is(PacketType::publish, packet))
      read.emplace_back(as_text(*decrypt_message(usual, key, uid, payload_of(packet), Form::paper)));
    if (is(PacketType::pubrel, packet))
      with_properties<mqtt::Pubrel>(packet, [&](std::vector<mqtt::UserProperty>& user) {
        key = decrypt_next_key(usual, key, uid, from_hex(user[0].value).value(), Form::paper).value();
      });
  }
  EXPECT_EQ(read, (std::vector<std::string>{"first", "second", "third"}));
}

TEST_F(Scacauth, StolenKeysOpenNothingThatWasRecorded) {
  ScacClient client(bench, hardened);
  client.options.hop = HopWish::hpp1;
  client.connect();
  client.publish("a", "first", QoS::at_least_once);
  const Buffer hello = data_of(client.from_client[0]), m2 = data_of(ScacClient::last(client.from_broker, PacketType::auth));
  const auto challenge = decode_challenge(m2).value();
  const Buffer payload = payload_of(ScacClient::last(client.from_client, PacketType::publish));
  // Both ends' keys, and all that passed by: whatever they agree on with, it is not what the ends agreed on.
  LoginFacts facts;
  facts.method = "SCACAuth2-ECC-256-AESGCM-128";
  facts.uid = uid;
  facts.broker_id = bench.broker_key->identity().name;
  facts.hop_offer = "HPP1";
  facts.connect = crypto::sha256(client.from_client[0]);
  for (KeyStore* stolen : {bench.keys.get(), bench.broker_key.get()})
    for (const auto& point : {decode_hello(hello)->point, challenge.point}) {
      auto transcript = begin_transcript(facts, hello, challenge.nonce, challenge.point);
      transcript.see(challenge.signature).step();
      transcript.share(stolen->agree(point).value());
      const LoginKeys keys = derive_keys(transcript);
      crypto::HopPayloads tried(keys.session, uid, crypto::HopEnd::broker);
      EXPECT_FALSE(tried.open("a", payload));
    }
}

TEST(ScacRatchet, WhatIsStolenLaterOpensNothingBefore) {
  const Secret session(Buffer(32, 9));
  crypto::KeyRatchet sender(session, "c2b", 16);
  const Secret first = sender.take();
  // What stands in memory now. A thief can go on from there, and only on.
  crypto::KeyRatchet stolen = sender.fork();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(same(stolen.take().reveal(), first.reveal()));
}

// Finding 6: what is not a payload is not protected.

TEST_F(Scacauth, PacketsAreSlippedInOnPaper) {
  ScacClient client(bench, paper);
  client.connect();
  bench.broker.subscribe(*client.at_broker, "secret/#", {.qos = QoS::exactly_once});
  client.move();
  EXPECT_EQ(bench.broker.counters().subscriptions, 1U);
}

TEST_F(Scacauth, NoPacketIsSlippedIn) {
  ScacClient client(bench, hardened);
  client.connect();
  bench.broker.subscribe(*client.at_broker, "secret/#", {.qos = QoS::exactly_once});
  client.move();
  EXPECT_EQ(bench.broker.counters().subscriptions, 0U);
  EXPECT_TRUE(client.at_broker->closed);
}

// Finding 8.

TEST_F(Scacauth, RsaWithoutPaddingIsNotSpoken) {
  for (const Profile profile : {Profile::paper, Profile::hardened})
    EXPECT_FALSE(AllowList::make(
        {{"scacauth.paper_methods", "SCACAuth-RSANOPAD-2048-AES-128"}, {"scacauth.methods", "SCACAuth-RSANOPAD-2048-AES-128"}},
        profile));
}

// Finding 10: no message says for which broker it is.

class Dishonest : public Scacauth {
 protected:
  /// A broker that the client logs in to, and that would be the client somewhere else.
  std::unique_ptr<KeyStore> evil = scacauth_keys("broker-2", Kind::broker, "", bench.random);
  void SetUp() override {
    auto keys = PrivateKeys::generate(bench.random);
    keys.rsa = crypto::rsa::PrivateKey::generate();
    class NoSequence final : public SequenceCounter {
     public:
      Result<std::uint64_t> next() override { return 1; }
    };
    evil =
        std::make_unique<SoftwareKeys>("broker-2", Kind::broker, std::move(keys), std::make_unique<NoSequence>(), bench.random);
  }
};

TEST_F(Dishonest, ABrokerLogsInElsewhereAsItsClientOnPaper) {
  auto card = bench.keys->open_card(CardForm::paper, 16, bench.random).value();
  ASSERT_TRUE(card->put_broker_key(evil->identity().keys.rsa));
  const Buffer first = card->auth_step_1().value();
  mqtt::Connect connect;
  connect.client_id = uid;
  connect.properties.receive_maximum = 1;
  connect.properties.authentication_method = "SCACAuth-RSAPKCS1-2048-AES-128";
  connect.properties.authentication_data = first;
  auto& elsewhere = bench.broker.connect(connect);
  const Buffer answer = to_buffer(as_bytes(elsewhere.login_data));
  const auto step = decode_step2(answer).value();
  const Buffer proved = recover(usual, bench.broker_key->identity().keys, step.proof, 24).value();
  const Buffer own_proof = evil->seal_rsa(proved).value();
  ASSERT_TRUE(card->auth_step_2(encode(Step2{own_proof, step.keys}))) << "the client sees its own broker";
  const Buffer third = card->auth_step_3().value();
  const Secret all = evil->decrypt_rsa(Bytes(third).subspan(2), 56).value();
  mqtt::Auth auth;
  auth.reason = Reason::continue_authentication;
  auth.properties.authentication_method = "SCACAuth-RSAPKCS1-2048-AES-128";
  const Buffer passed_on = encode_step3(seal_for(usual, bench.broker_key->identity().keys, all.reveal(), bench.random).value());
  auth.properties.authentication_data = passed_on;
  bench.broker.send(elsewhere, auth);
  EXPECT_EQ(elsewhere.connack, Reason::success);
}

TEST_F(Dishonest, ABrokerCannotLogInElsewhereAsItsClient) {
  const ClientPorts ports{bench.keys.get(), broker_identity(evil->identity()), {}, bench.random};
  auto victim = begin_client_login(*parse_method("SCACAuth2-ECC-256-AESGCM-128"), {.client_id = std::string(uid)}, ports);
  const Buffer first = victim->first().value();
  bench.broker.peer.must_be_protected = false;
  mqtt::Connect connect;
  connect.client_id = uid;
  connect.properties.authentication_method = victim->method();
  connect.properties.authentication_data = first;
  auto& elsewhere = bench.broker.connect(connect);
  auto challenge = decode_challenge(as_bytes(elsewhere.login_data)).value();
  LoginFacts facts;
  facts.method = victim->method();
  facts.uid = uid;
  facts.broker_id = evil->identity().name;
  const auto transcript = begin_transcript(facts, first, challenge.nonce, challenge.point);
  challenge.signature = evil->sign_ecdsa(signed_by_broker(transcript.hash())).value();
  const auto proof = victim->answer(encode(challenge));
  ASSERT_TRUE(proof) << "the client sees its own broker";
  mqtt::Auth auth;
  auth.reason = Reason::continue_authentication;
  auth.properties.authentication_method = victim->method();
  auth.properties.authentication_data = *proof;
  bench.broker.send(elsewhere, auth);
  EXPECT_EQ(elsewhere.connack, Reason::not_authorized);
}

}  // namespace
}  // namespace sealmq::testing
