// Clients and a broker of SCACAuth, over whole connections: what the keys in acknowledgements do, and what protects the rest.
#include <algorithm>

#include "schemes/scacauth/method.h"
#include "support/scacauth.h"

namespace sealmq {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;
using testing::is;
using testing::ScacBench;
using testing::ScacClient;
using testing::with_properties;

constexpr std::string_view paper = "scacauth@paper", hardened = "scacauth";

std::optional<std::string> next_key(const Buffer& packet) {
  std::optional<std::string> value;
  const auto find = [&](std::vector<mqtt::UserProperty>& user) {
    for (const auto& property : user) value = std::string(property.name) + " " + std::string(property.value);
  };
  if (is(PacketType::pubrel, packet)) with_properties<mqtt::Pubrel>(packet, find);
  if (is(PacketType::pubrec, packet)) with_properties<mqtt::Pubrec>(packet, find);
  return value;
}

std::string reason_string(const Buffer& disconnect) {
  const auto header = mqtt::decode_header(disconnect, mqtt::Version::v5).value().value();
  const auto packet = mqtt::decode_disconnect(Bytes(disconnect).subspan(header.size), mqtt::Version::v5).value();
  return std::to_string(static_cast<int>(packet.reason)) + " " + std::string(packet.properties.reason_string.value_or(""));
}

Bytes payload_of(const Buffer& packet) {
  const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
  return mqtt::decode_publish(header.flags, Bytes(packet).subspan(header.size), mqtt::Version::v5).value().payload;
}

// -- as published

class PaperConnection : public ::testing::Test {
 protected:
  void exchange(ScacClient& client, int times) {
    for (int i = 0; i < times; ++i) {
      client.publish("a", "21C " + std::to_string(i));
      EXPECT_EQ(client.got(), "21C " + std::to_string(i)) << client.causes();
      const auto published = client.take<Published>();
      ASSERT_TRUE(published) << client.causes();
      EXPECT_EQ(published->reason, Reason::success);
    }
  }
  ScacBench bench;
};

TEST_F(PaperConnection, GivesEachMessageAKeyOfItsOwn) {
  ScacClient client(bench, paper);
  client.connect();
  ASSERT_TRUE(client.take<Connected>()) << client.causes();
  client.subscribe("a");
  std::vector<std::string> ciphertexts, keys;
  for (int i = 0; i < 20; ++i) {
    client.publish("a", "21C");
    EXPECT_EQ(client.got(), "21C");
    for (const auto* packets : {&client.from_client, &client.from_broker}) {
      ciphertexts.push_back(to_hex(payload_of(ScacClient::last(*packets, PacketType::publish))));
      keys.push_back(next_key(ScacClient::last(*packets, PacketType::pubrel)).value_or("none"));
    }
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(ciphertexts[i].size(), 32U);
    EXPECT_EQ(keys[i].size(), 3 + 64U) << keys[i];
    EXPECT_EQ(keys[i].substr(0, 3), i % 2 == 0 ? "Np " : "Ns ");
  }
  for (auto* list : {&ciphertexts, &keys}) {
    std::ranges::sort(*list);
    EXPECT_EQ(std::unique(list->begin(), list->end()), list->end());
  }
}

TEST_F(PaperConnection, SaysWhatThePublicationWants) {
  ScacClient client(bench, paper);
  client.connect();
  const auto connect_packet = client.from_client.front();
  const auto header = mqtt::decode_header(connect_packet, mqtt::Version::v5).value().value();
  const auto connect = mqtt::decode_connect(Bytes(connect_packet).subspan(header.size)).value();
  EXPECT_EQ(connect.client_id, "CLIENTE1");
  EXPECT_FALSE(connect.user_name || connect.password);
  EXPECT_TRUE(connect.clean_start);
  EXPECT_EQ(connect.properties.receive_maximum, 1);
  EXPECT_EQ(connect.properties.authentication_method, "SCACAuth-RSAPKCS1-2048-AES-128");
  EXPECT_EQ(connect.properties.authentication_data->size(), 266U);
  const auto connack = ScacClient::last(client.from_broker, PacketType::connack);
  const auto its = mqtt::decode_header(connack, mqtt::Version::v5).value().value();
  const auto answer = mqtt::decode_connack(Bytes(connack).subspan(its.size), mqtt::Version::v5).value();
  EXPECT_EQ(answer.properties.receive_maximum, 1);
  EXPECT_EQ(answer.properties.authentication_method, "SCACAuth-RSAPKCS1-2048-AES-128");
  EXPECT_FALSE(answer.properties.authentication_data);
}

TEST_F(PaperConnection, SendsOneMessageAtATime) {
  ScacClient client(bench, paper);
  client.connect();
  client.subscribe("a");
  client.to_client = [](Buffer packet) {
    return is(PacketType::pubcomp, packet) ? ScacClient::Packets{} : ScacClient::Packets{packet};
  };
  for (int i = 0; i < 3; ++i) (void)client.session->publish("a", as_bytes("x"), {.qos = QoS::exactly_once}, bench.broker.now);
  client.move();
  EXPECT_EQ(std::ranges::count_if(client.from_client, [](const Buffer& p) { return is(PacketType::publish, p); }), 1);
}

TEST_F(PaperConnection, LeavesNoSessionBehind) {
  ScacClient client(bench, paper);
  // Our own client refuses to ask for it.
  client.to_broker = [](const Buffer& packet) -> ScacClient::Packets {
    if (!is(PacketType::connect, packet)) return {packet};
    const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
    auto connect = mqtt::decode_connect(Bytes(packet).subspan(header.size)).value();
    connect.clean_start = false;
    connect.properties.session_expiry_interval = 3600;
    Buffer out;
    mqtt::encode(connect, out);
    return {out};
  };
  client.connect();
  const auto closed = client.take<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.code, static_cast<std::uint8_t>(Reason::protocol_error)) << client.causes();
  EXPECT_EQ(bench.broker.counters().sessions, 0U) << "half a message would go on under other keys";
}

TEST_F(PaperConnection, RaisesWhatOthersPublishToQos2) {
  ScacBench open({}, true);
  ScacClient client(open, paper);
  client.connect();
  client.subscribe("a", QoS::at_most_once);  // raised too
  auto& other = open.broker.connect("other");
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    open.broker.publish(other, "a", "hello", qos, false, 5);
    client.move();
    EXPECT_EQ(client.got(), "hello") << client.causes();
    EXPECT_EQ((ScacClient::last(client.from_broker, PacketType::publish)[0] >> 1 & 3), 2);
  }
}

TEST_F(PaperConnection, RefusesOtherQos) {
  ScacClient client(bench, paper);
  client.connect();
  mqtt::Publish publish;
  publish.topic = "a";
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once}) {
    publish.qos = qos;
    publish.packet_id = qos == QoS::at_most_once ? 0 : 9;
    ScacClient again(bench, paper);
    again.connect();
    bench.broker.send(*again.at_broker, publish);
    again.move();
    EXPECT_EQ(reason_string(ScacClient::last(again.from_broker, PacketType::disconnect)), "155 ");
  }
}

TEST_F(PaperConnection, ReleaseWithoutOrWithAWrongKeyEndsIt) {
  using Change = std::function<void(std::vector<mqtt::UserProperty>&)>;
  const std::string other(64, 'a');
  const Change changes[] = {
      [](auto& user) { user.clear(); },
      [&](auto& user) { user[0].value = other; },
      [](auto& user) { user[0].name = "Nq"; },
      [](auto& user) { user[0].value.remove_suffix(1); },
      [](auto& user) { user.push_back(user[0]); },
  };
  for (const auto& change : changes) {
    for (const bool at_broker : {true, false}) {
      ScacBench fresh;
      ScacClient client(fresh, paper);
      client.connect();
      client.subscribe("a");
      const auto meddle = [&](const Buffer& packet) {
        return ScacClient::Packets{with_properties<mqtt::Pubrel>(packet, change)};
      };
      (at_broker ? client.to_broker : client.to_client) = meddle;
      client.publish("a", "x");
      const auto& said_by = at_broker ? client.from_broker : client.from_client;
      const Buffer farewell = ScacClient::last(said_by, PacketType::disconnect);
      ASSERT_FALSE(farewell.empty()) << at_broker << client.causes();
      EXPECT_EQ(reason_string(farewell), "128 Crypt Error");
    }
  }
}

TEST_F(PaperConnection, ARepeatedReleaseChangesNoKey) {
  for (const bool at_broker : {true, false}) {
    ScacBench fresh;
    ScacClient client(fresh, paper);
    client.connect();
    client.subscribe("a");
    const auto twice = [](const Buffer& packet) {
      return is(PacketType::pubrel, packet) ? ScacClient::Packets{packet, packet} : ScacClient::Packets{packet};
    };
    (at_broker ? client.to_broker : client.to_client) = twice;
    exchange(client, 5);
    const auto& answers = at_broker ? client.from_broker : client.from_client;
    EXPECT_EQ(std::ranges::count_if(answers, [](const Buffer& p) { return is(PacketType::pubcomp, p); }), 10);
  }
}

TEST_F(PaperConnection, APublishThatDoesNotDecryptEndsIt) {
  for (const bool at_broker : {true, false}) {
    ScacBench fresh;
    ScacClient client(fresh, paper);
    client.connect();
    client.subscribe("a");
    const auto flip = [](Buffer packet) {
      if (is(PacketType::publish, packet)) packet.back() ^= 1;
      return ScacClient::Packets{std::move(packet)};
    };
    (at_broker ? client.to_broker : client.to_client) = flip;
    client.publish("a", "x");
    const auto& said_by = at_broker ? client.from_broker : client.from_client;
    EXPECT_EQ(reason_string(ScacClient::last(said_by, PacketType::disconnect)), "128 Crypt Error") << client.causes();
    EXPECT_EQ(client.got(), "(nothing)");
  }
}

TEST_F(PaperConnection, AfterALossBetweenPublishAndReleaseItBeginsAnew) {
  // Lost on the way there: PUBLISH, PUBREC, PUBREL, PUBCOMP.
  for (const PacketType lost : {PacketType::publish, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp}) {
    ScacClient client(bench, paper);
    client.connect();
    const auto drop = [lost](const Buffer& packet) {
      return is(lost, packet) ? ScacClient::Packets{} : ScacClient::Packets{packet};
    };
    client.to_broker = client.to_client = drop;
    client.publish("b", "lost");
    client.cut();
    client.to_broker = client.to_client = nullptr;
    client.connect();
    EXPECT_TRUE(client.session->is_open()) << client.causes();
    client.take<Published>();  // what the session tells of the lost one
    client.subscribe("a");
    exchange(client, 3);
  }
}

TEST_F(PaperConnection, TakesWhatTheMethodNames) {
  const SchemeOptions all{{"scacauth.paper_methods",
                           "SCACAuth-RSAPKCS1-2048-AES-128, SCACAuth-RSAPKCS1-2048-AES-192,SCACAuth-RSAPKCS1-2048-AES-256,"
                           "SCACAuth-ECC-256-AES-128,SCACAuth-ECC-256-AES-256,SCACAuth-RSAPKCS1-2048-3DES-192,"
                           "SCACAuth-RSAPKCS1-2048-DES-64,SCACAuth-ECC-256-DES-64"},
                          {"scacauth.legacy_ciphers", "true"}};
  ScacBench wide(all);
  for (const char* method : {"SCACAuth-RSAPKCS1-2048-AES-192", "SCACAuth-RSAPKCS1-2048-AES-256", "SCACAuth-ECC-256-AES-128",
                             "SCACAuth-ECC-256-AES-256", "SCACAuth-RSAPKCS1-2048-3DES-192", "SCACAuth-RSAPKCS1-2048-DES-64",
                             "SCACAuth-ECC-256-DES-64"}) {
    ScacClient client(wide, paper, *wide.keys, {{"scacauth.method", method}});
    client.connect();
    ASSERT_TRUE(client.session->is_open()) << method << client.causes();
    client.subscribe("a");
    exchange(client, 3);
    // Not where it was not asked for.
    ScacClient refused(bench, paper, *bench.keys, {{"scacauth.method", method}});
    refused.connect();
    const auto closed = refused.take<Closed>();
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->error.code, static_cast<std::uint8_t>(Reason::bad_authentication_method)) << method;
  }
}

TEST_F(PaperConnection, SpeaksWithACardOfThePublishedApplet) {
  ScacBench takes_cards(SchemeOptions{{"scacauth.card_v2", "true"}});
  ScacClient card(takes_cards, paper, *takes_cards.keys, {{"scacauth.card_v2", "true"}});
  card.connect();
  ASSERT_TRUE(card.session->is_open()) << card.causes();
  card.subscribe("a");
  exchange(card, 5);
  EXPECT_EQ(next_key(ScacClient::last(card.from_client, PacketType::pubrec)).value_or("").size(), 3 + 96U);
  EXPECT_EQ(next_key(ScacClient::last(card.from_broker, PacketType::pubrec)).value_or("").size(), 3 + 96U);
  EXPECT_FALSE(next_key(ScacClient::last(card.from_client, PacketType::pubrel)));
  card.cut();
  ScacClient other(takes_cards, paper);  // the same broker, as the publication says
  other.connect();
  other.subscribe("a");
  exchange(other, 3);
  // A broker that was not told of such cards.
  ScacClient refused(bench, paper, *bench.keys, {{"scacauth.card_v2", "true"}});
  refused.connect();
  EXPECT_FALSE(refused.session->is_open());
}

TEST_F(PaperConnection, WantsConnectAsPublished) {
  using Change = std::function<void(mqtt::Connect&)>;
  const std::pair<Change, Reason> changes[] = {
      {[](auto& c) { c.user_name = "CLIENTE1"; }, Reason::protocol_error},
      {[](auto& c) { c.clean_start = false; }, Reason::protocol_error},
      {[](auto& c) { c.properties.session_expiry_interval = 1; }, Reason::protocol_error},
      {[](auto& c) { c.properties.receive_maximum = 2; }, Reason::protocol_error},
      {[](auto& c) { c.properties.receive_maximum.reset(); }, Reason::protocol_error},
      {[](auto& c) { c.properties.request_problem_information = false; }, Reason::protocol_error},
      {[](auto& c) {
         c.will = mqtt::Will{"w", {}, QoS::at_least_once, false, {}};
       },
       Reason::protocol_error},
      {[](auto& c) {
         c.will = mqtt::Will{"w", {}, QoS::exactly_once, false, {}};
       },
       Reason::not_authorized},
      {[](auto& c) { c.client_id = "CLIENTE2"; }, Reason::not_authorized},
      {[](auto& c) { c.properties.authentication_data = c.properties.authentication_data->first(265); }, Reason::protocol_error},
      {[](auto& c) { c.properties.authentication_method = "SCACAuth-RSAPKCS1-1024-AES-128"; }, Reason::bad_authentication_method},
      {[](auto& c) { c.properties.authentication_method = "SCACAuth-RSANOPAD-2048-AES-128"; }, Reason::bad_authentication_method},
      {[](auto& c) { c.properties.authentication_method = "SCACAuth-RSAPKCS1-2048-NOEKEON-128"; },
       Reason::bad_authentication_method},
      {[](auto& c) { c.properties.authentication_method = "scacauth-rsapkcs1-2048-aes-128"; }, Reason::bad_authentication_method},
      {[](auto& c) { c.properties.authentication_method = "SCACAuth-RSAPKCS1-2048-AES-128 "; },
       Reason::bad_authentication_method},
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    ScacClient client(bench, paper);
    client.to_broker = [&](const Buffer& packet) -> ScacClient::Packets {
      if (!is(PacketType::connect, packet)) return {packet};
      const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
      auto connect = mqtt::decode_connect(Bytes(packet).subspan(header.size)).value();
      changes[i].first(connect);
      Buffer out;
      mqtt::encode(connect, out);
      return {out};
    };
    client.connect();
    const auto closed = client.take<Closed>();
    ASSERT_TRUE(closed) << i;
    EXPECT_EQ(closed->error.code, static_cast<std::uint8_t>(changes[i].second)) << i << client.causes();
  }
}

TEST_F(PaperConnection, EveryRefusalOfWhoItIsLooksTheSame) {
  const auto stranger = testing::scacauth_keys("NOBODY00", Kind::device, "client", bench.random);
  const auto wrong = testing::scacauth_keys("CLIENTE1", Kind::device, "broker", bench.random);
  auto revoked = testing::scacauth_keys("REVOKED1", Kind::device, "client", bench.random);
  bench.enroll(*revoked);
  bench.broker.revoke("REVOKED1");
  for (KeyStore* keys : {stranger.get(), wrong.get(), revoked.get()}) {
    ScacClient client(bench, paper, *keys);
    client.connect();
    const auto closed = client.take<Closed>();
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->error.code, static_cast<std::uint8_t>(Reason::not_authorized));
    EXPECT_EQ(client.from_broker.size(), 1U) << "refused at its first message";
  }
}

TEST_F(PaperConnection, ABrokerThatDoesNotProveItselfIsLeft) {
  ScacClient client(bench, paper);
  client.to_client = [](Buffer packet) {
    if (is(PacketType::auth, packet)) packet.back() ^= 1;
    return ScacClient::Packets{std::move(packet)};
  };
  client.connect();
  EXPECT_EQ(reason_string(ScacClient::last(client.from_client, PacketType::disconnect)), "128 Auth Error");
}

// -- hardened

class HardenedConnection : public ::testing::TestWithParam<std::tuple<const char*, HopWish>> {};

TEST_P(HardenedConnection, CarriesAnyQosWithManyInFlightAndSurvives) {
  ScacBench bench;
  const auto [method, hop] = GetParam();
  ScacClient client(bench, hardened, *bench.keys, {{"scacauth.method", method}});
  client.options.hop = hop;
  client.options.clean_start = false;
  client.options.session_expiry = std::chrono::seconds(3600);
  client.connect();
  ASSERT_TRUE(client.session->is_open()) << client.causes();
  client.subscribe("a/#");
  for (int i = 0; i < 30; ++i)
    ASSERT_TRUE(client.session->publish("a/b", as_bytes("value " + std::to_string(i)), {.qos = static_cast<QoS>(i % 3)},
                                        bench.broker.now));
  client.move();
  std::vector<std::string> got;
  for (int i = 0; i < 30; ++i) got.push_back(client.got());
  for (int i = 0; i < 30; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], "value " + std::to_string(i));
  client.cut();
  client.connect();
  const auto connected = client.take<Connected>();
  client.publish("a/b", "again", QoS::at_least_once);
  EXPECT_EQ(client.got(), "again") << client.causes();
  for (const auto& packets : {client.from_client, client.from_broker})
    for (const Buffer& packet : packets) EXPECT_EQ(as_text(packet).find("value"), std::string_view::npos) << "in clear";
}

INSTANTIATE_TEST_SUITE_P(Methods, HardenedConnection,
                         ::testing::Combine(::testing::Values("SCACAuth2-ECC-256-AESGCM-128", "SCACAuth2-ECC-256-AESGCM-256",
                                                              "SCACAuth2-RSAPSS-2048-AESGCM-128",
                                                              "SCACAuth2-RSAPSS-2048-AESGCM-256"),
                                            ::testing::Values(HopWish::hpp1, HopWish::ratchet, HopWish::hrl1)));

TEST(ScacTopics, AreForWhoHasLoggedInByTheScheme) {
  ScacBench bench;
  bench.broker.set_rules({{"cards/#", bench.broker.schemes({"scacauth"}), bench.broker.schemes({"scacauth"})},
                          {"open/#", bench.broker.schemes({"plain"}), bench.broker.schemes({"plain"})}});
  ScacClient client(bench, hardened);
  client.connect();
  client.subscribe("cards/#");
  client.subscribe("open/#");
  auto& plain = bench.broker.connect("other");
  bench.broker.publish(plain, "cards/x", "forged", QoS::at_least_once, false, 3);
  EXPECT_EQ(plain.answers.back().reasons.front(), Reason::not_authorized);
  bench.broker.subscribe(plain, "cards/#");
  EXPECT_EQ(plain.answers.back().reasons.front(), Reason::not_authorized);
  bench.broker.publish(plain, "open/x", "for all", QoS::at_least_once, false, 4);
  client.move();
  EXPECT_EQ(client.got(), "for all") << client.causes();
  client.publish("cards/x", "from a card");
  EXPECT_EQ(client.got(), "from a card") << client.causes();
}

TEST(ScacTopics, APaperLoginIsThereOnlyWherePolicyNamesIt) {
  ScacBench bench;
  bench.broker.allow({"scacauth"}, {"scacauth"});
  ScacClient client(bench, paper);
  client.connect();
  const auto closed = client.take<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.code, static_cast<std::uint8_t>(Reason::bad_authentication_method));
}

}  // namespace
}  // namespace sealmq
