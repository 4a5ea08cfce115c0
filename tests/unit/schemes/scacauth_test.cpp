// SCACAuth: methods, the bytes of both logins, vectors, and what the broker answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/agree.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "keystore/software_keys.h"
#include "schemes/scacauth/login_broker.h"
#include "schemes/scacauth/login_client.h"
#include "schemes/scacauth/paper_login.h"
#include "schemes/scacauth/paper_payloads.h"
#include "support/fakes.h"

namespace sealmq {
namespace {

using namespace scacauth;

nlohmann::json vectors_in(const char* name) {
  std::ifstream file(std::string(SEALMQ_SOURCE_DIR "/tests/vectors/") + name);
  return nlohmann::json::parse(file);
}
const nlohmann::json& vectors() {
  static const nlohmann::json all = vectors_in("scacauth.json");
  return all;
}
Buffer octets(const nlohmann::json& from, const char* name) {
  return from_hex(from.at(name).get<std::string>()).value();
}
Buffer octets(const char* name) {
  return octets(vectors(), name);
}

class NoSequence final : public SequenceCounter {
 public:
  Result<std::uint64_t> next() override { return 1; }
};

constexpr std::uint8_t protocol_error = 0x82;
const Method usual = *parse_method("SCACAuth-RSAPKCS1-2048-AES-128");

Buffer longer(Buffer bytes) {
  bytes.push_back(0);
  return bytes;
}

// -- methods

TEST(ScacMethod, IsReadAsItIsWritten) {
  for (const char* text : {"SCACAuth-RSAPKCS1-2048-AES-128", "SCACAuth-RSAPKCS1-4096-3DES-192", "SCACAuth-ECC-256-AES-256",
                           "SCACAuth2-ECC-256-AESGCM-128", "SCACAuth2-RSAPSS-2048-AESGCM-256"}) {
    const auto method = parse_method(text);
    ASSERT_TRUE(method) << text;
    EXPECT_EQ(to_text(*method), text);
  }
  EXPECT_EQ(parse_method("SCACAuth-RSAPKCS1-2048-AES-192")->key_size(), 24U);
}

TEST(ScacMethod, ThatIsNoneIsRefused) {
  for (const char* text : {"",
                           "SCACAuth",
                           "SCACAuth-",
                           "SCACAuth-RSAPKCS1-2048-AES",
                           "SCACAuth-RSAPKCS1-2048-AES-128-",
                           "SCACAuth-RSAPKCS1-2048-AES-128 ",
                           "SCACAuth-RSAPKCS1-02048-AES-128",
                           "SCACAuth-rsapkcs1-2048-aes-128",
                           "SCACAuth-RSAPKCS1-1024-AES-128",
                           "SCACAuth-RSAPKCS1-512-AES-128",
                           "SCACAuth-RSANOPAD-2048-AES-128",
                           "SCACAuth-ECC-2048-AES-128",
                           "SCACAuth-RSAPKCS1-256-AES-128",
                           "SCACAuth-RSAPKCS1-2048-AES-64",
                           "SCACAuth-RSAPKCS1-2048-DES-128",
                           "SCACAuth-RSAPKCS1-2048-NOEKEON-128",
                           "SCACAuth-RSAPKCS1-2048-TEA-128",
                           "SCACAuth-RSAPKCS1-2048-XTEA-128",
                           "SCACAuth2-RSAPKCS1-2048-AES-128",
                           "SCACAuth2-ECC-256-AES-128",
                           "SCACAuth-ECC-256-AESGCM-128",
                           "SCACAuth2-RSAPSS-4096-AESGCM-128",
                           "PMQTT-2"})
    EXPECT_FALSE(parse_method(text)) << text;
}

TEST(ScacMethod, ListsAllowWhatTheyName) {
  const auto plain = AllowList::make({}, Profile::paper).value();
  EXPECT_NE(plain.find("SCACAuth-RSAPKCS1-2048-AES-128"), nullptr);
  EXPECT_EQ(plain.find("SCACAuth-RSAPKCS1-2048-AES-256"), nullptr);
  EXPECT_EQ(plain.find("SCACAuth2-ECC-256-AESGCM-128"), nullptr);
  const auto named = AllowList::make({{"scacauth.paper_methods", "SCACAuth-ECC-256-AES-256"}}, Profile::paper).value();
  EXPECT_NE(named.find("SCACAuth-ECC-256-AES-256"), nullptr);
  EXPECT_EQ(named.find("SCACAuth-RSAPKCS1-2048-AES-128"), nullptr);
  EXPECT_FALSE(AllowList::make({{"scacauth.paper_methods", "SCACAuth-RSAPKCS1-2048-DES-64"}}, Profile::paper));
  EXPECT_TRUE(AllowList::make({{"scacauth.paper_methods", "SCACAuth-RSAPKCS1-2048-DES-64"}, {"scacauth.legacy_ciphers", "true"}},
                              Profile::paper));
  EXPECT_FALSE(AllowList::make({{"scacauth.paper_methods", "SCACAuth2-ECC-256-AESGCM-128"}}, Profile::paper));
  EXPECT_FALSE(AllowList::make({{"scacauth.methods", "SCACAuth-ECC-256-AES-256"}}, Profile::hardened));
  EXPECT_FALSE(AllowList::make({{"scacauth.methods", " "}}, Profile::hardened));
  EXPECT_FALSE(AllowList::make({{"scacauth.methods", ""}}, Profile::hardened));
}

TEST(ScacMethod, AUidHasEightLettersOrDigits) {
  for (const char* uid : {"CLIENTE1", "00000000", "aZ09aZ09"}) EXPECT_TRUE(is_uid(uid));
  for (const char* uid : {"", "CLIENTE", "CLIENTE12", "CLIENT.1", "CLIENT 1", "CLIENT\xC3\xA9"}) EXPECT_FALSE(is_uid(uid));
}

// -- as published

TEST(ScacPaperMessages, AreThoseOfTheVectors) {
  const Buffer m1 = octets("step1_connect_auth_data"), m2 = octets("step2_auth_data"), m3 = octets("step3_auth_data");
  const auto step1 = decode_step1(usual, m1).value();
  EXPECT_EQ(step1.uid, "CLIENTE1");
  EXPECT_EQ(encode(step1), m1);
  EXPECT_EQ(encode(decode_step2(m2).value()), m2);
  EXPECT_EQ(encode_step3(decode_step3(usual, m3).value()), m3);
  // Without the lengths.
  Buffer bare = m1;
  bare.erase(bare.begin() + 8, bare.begin() + 10);
  EXPECT_EQ(encode(decode_step1(usual, bare).value()), m1);
  EXPECT_EQ(encode_step3(decode_step3(usual, Bytes(m3).subspan(2)).value()), m3);
}

TEST(ScacPaperMessages, AreDecodedStrictly) {
  const Buffer m1 = octets("step1_connect_auth_data"), m2 = octets("step2_auth_data"), m3 = octets("step3_auth_data");
  for (std::size_t size = 0; size < m1.size(); ++size)
    if (size != m1.size() - 2) {  // which would be a bare one
      EXPECT_EQ(decode_step1(usual, Bytes(m1).first(size)).error().code, protocol_error) << size;
    }
  for (std::size_t size = 0; size < m2.size(); ++size) EXPECT_FALSE(decode_step2(Bytes(m2).first(size)));
  for (std::size_t size = 0; size < m3.size(); ++size)
    if (size != m3.size() - 2) {
      EXPECT_FALSE(decode_step3(usual, Bytes(m3).first(size))) << size;
    }
  EXPECT_FALSE(decode_step1(usual, longer(m1)));
  EXPECT_FALSE(decode_step2(longer(m2)));
  EXPECT_FALSE(decode_step3(usual, longer(m3)));
  Buffer no_uid = m1;
  no_uid[3] = '.';
  EXPECT_FALSE(decode_step1(usual, no_uid));
}

TEST(ScacPaperMessages, EncryptAsTheVectorsSay) {
  const Secret key(octets("RNp")), next(octets("RNp_next"));
  const auto data = vectors().at("publish_data").get<std::string>();
  const Buffer paper = octets("publish_payload_paper"), card = octets("publish_card_v2_plain_has_RNp");
  EXPECT_EQ(encrypt_message(usual, key, "CLIENTE1", as_bytes(data)), paper);
  EXPECT_EQ(as_text(decrypt_message(usual, key, "CLIENTE1", paper, Form::paper).value()), data);
  EXPECT_EQ(as_text(decrypt_message(usual, key, "CLIENTE1", paper, Form::card_v2).value()), data);
  EXPECT_EQ(as_text(decrypt_message(usual, key, "CLIENTE1", card, Form::card_v2).value()), data);
  EXPECT_FALSE(decrypt_message(usual, key, "CLIENTE1", card, Form::paper));
  EXPECT_FALSE(decrypt_message(usual, key, "CLIENTE2", paper, Form::paper));
  EXPECT_FALSE(decrypt_message(usual, next, "CLIENTE1", paper, Form::paper));
  EXPECT_FALSE(decrypt_message(usual, key, "CLIENTE1", Bytes(paper).first(48), Form::paper));
  EXPECT_FALSE(decrypt_message(usual, key, "CLIENTE1", Bytes(paper).first(63), Form::paper));
  EXPECT_FALSE(decrypt_message(usual, key, "CLIENTE1", {}, Form::paper));

  const Buffer value = octets("pubrel_property_value_paper"), card_value = octets("pubrel_card_v2_value");
  EXPECT_EQ(encrypt_next_key(usual, key, "CLIENTE1", next, Form::paper), value);
  EXPECT_EQ(encrypt_next_key(usual, key, "CLIENTE1", next, Form::card_v2), card_value);
  for (const Form form : {Form::paper, Form::card_v2})
    EXPECT_TRUE(same(decrypt_next_key(usual, key, "CLIENTE1", value, form)->reveal(), next.reveal()));
  EXPECT_TRUE(same(decrypt_next_key(usual, key, "CLIENTE1", card_value, Form::card_v2)->reveal(), next.reveal()));
  EXPECT_FALSE(decrypt_next_key(usual, key, "CLIENTE1", card_value, Form::paper));
  EXPECT_FALSE(decrypt_next_key(usual, next, "CLIENTE1", value, Form::paper));
  EXPECT_FALSE(decrypt_next_key(usual, key, "CLIENTE2", value, Form::paper));
  EXPECT_FALSE(decrypt_next_key(usual, key, "CLIENTE1", Bytes(value).first(16), Form::paper));
}

TEST(ScacPaperMessages, PropertiesAreHexadecimal) {
  using Properties = std::vector<mqtt::UserProperty>;
  EXPECT_EQ(find_property(Properties{{"Np", "aBcD"}}, "Np").value(), (Buffer{0xAB, 0xCD}));
  EXPECT_FALSE(find_property(Properties{{"Ns", "abcd"}}, "Np").value());
  EXPECT_FALSE(find_property(Properties{{"Np", "abc"}}, "Np"));
  EXPECT_FALSE(find_property(Properties{{"Np", "xx"}}, "Np"));
  EXPECT_FALSE(find_property(Properties{{"Np", "ab"}, {"Np", "ab"}}, "Np"));
}

TEST(ScacPaperMessages, EveryLengthOfDataComesBack) {
  for (const char* text : {"SCACAuth-RSAPKCS1-2048-AES-128", "SCACAuth-RSAPKCS1-2048-AES-256", "SCACAuth-RSAPKCS1-2048-3DES-192",
                           "SCACAuth-RSAPKCS1-2048-DES-64"}) {
    const Method method = *parse_method(text);
    const Secret key(Buffer(method.key_size(), 0x5C));
    for (const std::size_t size : {0U, 1U, 5U, 6U, 7U, 22U, 23U, 1000U, 65535U}) {
      const Buffer data(size, 0x21), sealed = encrypt_message(method, key, "CLIENTE1", data);
      EXPECT_EQ(sealed.size() % block_size(method), 0U);
      EXPECT_EQ(decrypt_message(method, key, "CLIENTE1", sealed, Form::paper).value(), data);
    }
  }
}

class ScacLogin : public ::testing::Test {
 protected:
  ScacLogin() {
    enroll(*client);
    enroll(*with_token);
  }

  std::unique_ptr<KeyStore> keys(const char* name, Kind kind, const char* rsa) {
    auto made = PrivateKeys::generate(random);
    made.rsa = crypto::rsa::PrivateKey::from_exponent(octets((std::string(rsa) + "_n").c_str()),
                                                      Secret(octets((std::string(rsa) + "_d").c_str())))
                   .value();
    return std::make_unique<SoftwareKeys>(name, kind, std::move(made), std::make_unique<NoSequence>(), random);
  }
  void enroll(const KeyStore& of) {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = of.identity();
    identities.push_back(identity);
    directory = std::make_shared<const Directory>(identities);
  }
  Scene scene() const { return {{1'000'000, 1'800'000'000'000}, *directory}; }

  static Buffer connect_packet(std::string_view method) {
    mqtt::Connect packet;
    packet.client_id = "CLIENTE1";
    packet.properties.authentication_method = method;
    packet.properties.receive_maximum = 1;
    Buffer out;
    mqtt::encode(packet, out);
    return out;
  }
  static LoginRequest request(std::string_view method) {
    LoginRequest made;
    made.method = method;
    made.client_id = "CLIENTE1";
    made.connect = Secret(connect_packet(method));
    return made;
  }

  crypto::OsRandom random;
  std::unique_ptr<KeyStore> broker = keys("broker-1", Kind::broker, "broker");
  std::unique_ptr<KeyStore> client = keys("CLIENTE1", Kind::device, "client");
  std::unique_ptr<KeyStore> with_token = keys("TOKEN001", Kind::device, "broker");
  std::vector<Identity> identities;
  std::shared_ptr<const Directory> directory;
};

/// RNp and RNs of the vectors come from chance.
class ForeseenKeys final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    const Buffer next = octets(count_++ == 0 ? "RNp" : "RNs");
    ASSERT_EQ(out.size(), next.size());
    std::ranges::copy(next, out.begin());
  }

 private:
  int count_ = 0;
};

TEST_F(ScacLogin, ThePapersIsThatOfTheVectors) {
  ForeseenKeys chance;
  const PaperPlace place(BrokerPorts{*broker, chance});
  auto asked = request("SCACAuth-RSAPKCS1-2048-AES-128");
  auto login = place.begin(asked);
  ASSERT_NE(login, nullptr);
  const auto answer = login->advance(octets("step1_connect_auth_data"), scene());
  ASSERT_TRUE(answer) << answer.error().what;
  const auto ours = decode_step2(answer->data).value();
  const Buffer theirs_whole = octets("step2_auth_data");
  const auto theirs = decode_step2(theirs_whole).value();
  EXPECT_EQ(to_buffer(ours.proof), to_buffer(theirs.proof));
  // The other part is encrypted with chance: what is in it is theirs.
  EXPECT_EQ(to_hex(client->decrypt_rsa(ours.keys, 40)->reveal()), to_hex(client->decrypt_rsa(theirs.keys, 40)->reveal()));
  auto step = login->advance(octets("step3_auth_data"), scene());
  ASSERT_TRUE(step) << step.error().what;
  ASSERT_TRUE(step->done);
  LoggedIn who = std::move(*step->done).release();
  EXPECT_EQ(who.identity, "CLIENTE1");
  EXPECT_TRUE(who.session_key.empty());
  const auto opened = who.guard->open("t", octets("publish_payload_paper"));
  EXPECT_EQ(as_text(opened->plaintext), vectors().at("publish_data").get<std::string>());
}

TEST_F(ScacLogin, ThePapersThirdStepHoldsEverything) {
  for (const std::size_t at : {0U, 2U, 3U, 128U, 257U}) {
    ForeseenKeys chance;
    const PaperPlace place(BrokerPorts{*broker, chance});
    auto asked = request("SCACAuth-RSAPKCS1-2048-AES-128");
    auto login = place.begin(asked);
    ASSERT_TRUE(login->advance(octets("step1_connect_auth_data"), scene()));
    Buffer changed = octets("step3_auth_data");
    changed[at] ^= 1;
    EXPECT_FALSE(login->advance(changed, scene())) << at;
    EXPECT_FALSE(login->advance(octets("step3_auth_data"), scene())) << "one try";
  }
}

// -- hardened

TEST_F(ScacLogin, HardenedMessagesAreDecodedStrictly) {
  const auto v = vectors_in("scacauth2.json").at("ecc");
  const Method method = *parse_method(v.at("method").get<std::string>());
  const Buffer m1 = octets(v, "M1"), m2 = octets(v, "M2"), m3 = octets(v, "M3"), m4 = octets(v, "M4");
  EXPECT_EQ(encode(decode_hello(m1).value()), m1);
  EXPECT_EQ(encode(decode_challenge(m2).value()), m2);
  EXPECT_EQ(encode(decode_proof(method, m3).value()), m3);
  for (std::size_t size = 0; size < m1.size(); ++size)
    EXPECT_EQ(decode_hello(Bytes(m1).first(size)).error().code, protocol_error);
  for (std::size_t size = 0; size < m2.size(); ++size) EXPECT_FALSE(decode_challenge(Bytes(m2).first(size)));
  for (std::size_t size = 0; size < m3.size(); ++size) EXPECT_FALSE(decode_proof(method, Bytes(m3).first(size)));
  for (std::size_t size = 0; size < m4.size(); ++size) EXPECT_FALSE(decode_confirmation(Bytes(m4).first(size)));
  EXPECT_FALSE(decode_hello(longer(m1)));
  EXPECT_FALSE(decode_challenge(longer(m2)));
  EXPECT_FALSE(decode_proof(method, longer(m3)));
  EXPECT_FALSE(decode_confirmation(longer(m4)));
}

TEST_F(ScacLogin, EveryStepOfTheHardenedOneIsThatOfTheVectors) {
  const auto all = vectors_in("scacauth2.json");
  for (const char* part : {"ecc", "rsa"}) {
    const auto& v = all.at(part);
    const auto text = [&](const char* name) { return v.at(name).get<std::string>(); };
    LoginFacts facts;
    facts.method = text("method");
    facts.uid = text("UID");
    facts.broker_id = text("broker_id");
    facts.channel_binding = octets(v, "channel_binding");
    facts.hop_offer = text("hop_offer");
    if (!facts.hop_offer.empty()) facts.connect = crypto::sha256(octets(v, "CONNECT"));
    const Method method = *parse_method(facts.method);
    const Buffer m1 = octets(v, "M1"), m3 = octets(v, "M3"), m2 = octets(v, "M2");
    const auto challenge = decode_challenge(m2).value();
    auto transcript = begin_transcript(facts, m1, challenge.nonce, challenge.point);
    EXPECT_EQ(to_hex(transcript.hash()), text("th1"));
    PublicKeys keys;
    std::ranges::copy(octets(v, "broker_public"), keys.ecdsa.begin());
    EXPECT_TRUE(
        verify(*parse_method("SCACAuth2-ECC-256-AESGCM-128"), keys, signed_by_broker(transcript.hash()), challenge.signature));
    const crypto::Digest th2 = transcript.see(challenge.signature).step();
    EXPECT_EQ(to_hex(th2), text("th2"));
    const auto own = crypto::AgreementKey::from_secret(Secret(octets(v, "x_C"))).value();
    transcript.share(crypto::agree(own, challenge.point).value());
    const LoginKeys derived = derive_keys(transcript);
    EXPECT_EQ(to_hex(derived.session.reveal()), text("session_key"));
    const auto proof = decode_proof(method, m3).value();
    if (method.algorithm == Algorithm::rsa)
      keys.rsa = octets(v, "client_public");
    else
      std::ranges::copy(octets(v, "client_public"), keys.ecdsa.begin());
    EXPECT_TRUE(verify(method, keys, signed_by_client(th2), proof.signature));
    EXPECT_EQ(to_hex(proof.mac), to_hex(client_mac(derived, th2, proof.signature)));
    transcript.see(m3);
    see_choice(transcript, facts, text("hop"));
    EXPECT_EQ(to_hex(crypto::hmac_sha256(derived.broker_mac.reveal(), transcript.step())), text("M4"));
  }
}

class ScacHardened : public ScacLogin {
 protected:
  struct Setting {
    std::string method = "SCACAuth2-ECC-256-AESGCM-128";
    std::string offer_sent{}, offer_received{};
    Hop chosen = Hop::none;
    std::string choice_received{};
    std::string connect_received = "CONNECT";
    std::array<std::uint8_t, 32> client_binding{}, broker_binding{};
    std::string client_id = "CLIENTE1";
  };
  struct Outcome {
    std::string refused_by;
    Error error{};
    Secret client_key, broker_key;
  };
  Outcome run(const Setting& s, KeyStore& key) {
    Outcome outcome;
    const auto failed = [&](const char* who, const Error& error) {
      outcome.refused_by = who;
      outcome.error = error;
      return std::move(outcome);
    };
    const ClientPorts ports{&key, broker_identity(broker->identity()), {}, random};
    auto login =
        begin_client_login(*parse_method(s.method),
                           {.client_id = s.client_id, .channel_binding = s.client_binding, .hop_offer = s.offer_sent}, ports);
    (void)login->send_as(as_bytes("CONNECT"));
    LoginRequest asked;
    asked.method = s.method;
    asked.client_id = s.client_id;
    asked.connect = Secret(as_bytes(s.connect_received));
    asked.channel_binding = s.broker_binding;
    asked.hop_offer = s.offer_received;
    asked.hop = s.chosen;
    const LoginPlace place(BrokerPorts{*broker, random});
    auto side = place.begin(asked);
    auto challenge = side->advance(login->first().value(), scene());
    if (!challenge) return failed("broker", challenge.error());
    auto proof = login->answer(challenge->data);
    if (!proof) return failed("client", proof.error());
    auto step = side->advance(*proof, scene());
    if (!step) return failed("broker", step.error());
    LoggedIn who = std::move(*step->done).release();
    outcome.broker_key = std::move(who.session_key);
    auto finished = login->finish(step->data, s.choice_received);
    if (!finished) return failed("client", finished.error());
    outcome.client_key = std::move(*finished);
    return outcome;
  }
};

TEST_F(ScacHardened, EndsWithOneKeyThatIsNewEachTime) {
  for (const char* method : {"SCACAuth2-ECC-256-AESGCM-128", "SCACAuth2-RSAPSS-2048-AESGCM-128"}) {
    const auto first = run({.method = method}, *client), second = run({.method = method}, *client);
    EXPECT_EQ(first.refused_by, "") << first.error.what;
    EXPECT_EQ(first.client_key.size(), 32U);
    EXPECT_TRUE(same(first.client_key.reveal(), first.broker_key.reveal()));
    EXPECT_FALSE(same(first.client_key.reveal(), second.client_key.reveal()));
  }
}

TEST_F(ScacHardened, EveryRefusalLooksTheSame) {
  const auto stranger = keys("NOBODY00", Kind::device, "client");
  const auto wrong = keys("CLIENTE1", Kind::device, "broker");
  Identity revoked;
  const auto lost = keys("REVOKED1", Kind::device, "client");
  static_cast<PublicIdentity&>(revoked) = lost->identity();
  revoked.status = Status::revoked;
  identities.push_back(revoked);
  directory = std::make_shared<const Directory>(identities);
  for (const char* method : {"SCACAuth2-ECC-256-AESGCM-128", "SCACAuth2-RSAPSS-2048-AESGCM-128"}) {
    const std::pair<KeyStore*, std::string> cases[] = {
        {stranger.get(), "NOBODY00"}, {wrong.get(), "CLIENTE1"}, {lost.get(), "REVOKED1"}, {client.get(), "CLIENTE9"}};
    for (const auto& [key, id] : cases) {
      const auto outcome = run({.method = method, .client_id = id}, *key);
      EXPECT_EQ(outcome.refused_by, "broker") << id;
      EXPECT_EQ(outcome.error.blame, Blame::not_authorised) << outcome.error.what;
      EXPECT_EQ(outcome.error.code, 0);
    }
  }
}

TEST_F(ScacHardened, BindsTheOfferTheChoiceConnectAndTheChannel) {
  const Setting honest{.offer_sent = "HRL1", .offer_received = "HRL1", .chosen = Hop::hrl1, .choice_received = "HRL1"};
  EXPECT_EQ(run(honest, *client).refused_by, "");
  Setting s = honest;
  s.offer_received.clear();
  s.chosen = Hop::none;
  s.choice_received.clear();
  EXPECT_EQ(run(s, *client).refused_by, "client") << "the offer was stripped";
  s = honest;
  s.choice_received.clear();
  EXPECT_EQ(run(s, *client).refused_by, "client") << "the choice was stripped";
  s = honest;
  s.connect_received = "CONNECT with another Will";
  EXPECT_EQ(run(s, *client).refused_by, "client");
  s = honest;
  s.client_binding[0] = 1;
  EXPECT_EQ(run(s, *client).refused_by, "client") << "another channel";
}

TEST_F(ScacHardened, BeforeAnythingIsKnownItIsAProtocolError) {
  const LoginPlace place(BrokerPorts{*broker, random});
  const auto first_error = [&](const Buffer& hello, const char* user) {
    LoginRequest asked = request("SCACAuth2-ECC-256-AESGCM-128");
    asked.user_name = user;
    return place.begin(asked)->advance(hello, scene()).error().code;
  };
  const Buffer m1 = octets(vectors_in("scacauth2.json").at("ecc"), "M1");
  Buffer no_point = m1;
  no_point[41] = 5;
  EXPECT_EQ(first_error(no_point, ""), protocol_error);
  EXPECT_EQ(first_error(Buffer(m1.begin(), m1.end() - 1), ""), protocol_error);
  EXPECT_EQ(first_error(m1, "CLIENTE1"), protocol_error);
  LoginRequest other = request("SCACAuth2-ECC-256-AESCCM-128");
  EXPECT_EQ(place.begin(other), nullptr);
}

}  // namespace
}  // namespace sealmq
