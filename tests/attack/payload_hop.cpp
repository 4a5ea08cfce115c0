// What is tried against a broker that opens payloads. The claims under attack: what it passes on was said by an author on its
// list who may say it there, on this topic, lately, and once; and nobody on the way reads it, neither in nor out.
#include <gtest/gtest.h>

#include <filesystem>

#include "crypto/random.h"
#include "crypto/scalar.h"
#include "mqtt/types.h"
#include "schemes/payload/payload.h"
#include "schemes/payload/receiving.h"
#include "schemes/payload/sending.h"
#include "server/replay_memory.h"
#include "support/broker_bench.h"
#include "support/temporary_folder.h"

namespace sealmq::testing {
namespace {

using namespace payload;
using broker::Drop;
using broker::Refusal;
using mqtt::QoS;
using mqtt::Reason;
using Form = TopicKey::Form;

constexpr std::string_view topic = "plant/7/temp";

/// A device or an application, on the broker's list unless it says otherwise.
struct End {
  End(BrokerBench& broker, std::string name, Rights publish, Rights subscribe, bool is_listed = true)
      : keys(make_memory_keys(name, Kind::device, broker.random)), topic_keys(make_memory_topic_keys(broker.random)) {
    static_cast<PublicIdentity&>(identity) = keys->identity();
    identity.publish = std::move(publish);
    identity.subscribe = std::move(subscribe);
    if (is_listed) broker.enroll(identity);
    ClientPorts ports{.key = keys.get(), .broker = broker.identity(), .peers = {}, .random = broker.random};
    ports.topic_keys = topic_keys;
    scheme = find_scheme("payload-hop")->client_side(std::move(ports)).value();
  }
  Identity identity;
  std::unique_ptr<KeyStore> keys;
  std::shared_ptr<TopicKeys> topic_keys;
  std::unique_ptr<ClientScheme> scheme;
};

struct PayloadHop : ::testing::Test {
  PayloadHop() {
    broker.topic_keys = make_memory_topic_keys(broker.random);
    broker.crash();  // from now on the broker has them
    broker.allow({"payload-hop"}, {"payload-hop", "plain"}, "plant/#");
    broker.peer.is_hidden = true;
    hidden = &broker.connect("hidden");
    broker.subscribe(*hidden, "plant/#", {.qos = QoS::at_least_once});
    asking = &broker.connect("asking");
    ask(*asking);
    broker.peer.is_hidden = false;
    open_wire = &broker.connect("open-wire");
    broker.subscribe(*open_wire, "plant/#", {.qos = QoS::at_least_once});
    device_link = &broker.connect("device");
  }

  void ask(TestClient& client) {
    mqtt::Properties properties;
    properties.user.push_back({"pe", "enc"});
    broker.subscribe(client, "plant/#", {.qos = QoS::at_least_once}, properties);
  }
  TopicKey share(Form form, TopicKey::Kind kind = TopicKey::Kind::symmetric, std::string_view filter = topic) {
    TopicKey key = make_topic_key(filter, kind, form, TopicKey::Cipher::aes128_gcm, broker.now, 1000, device.keys->identity(),
                                  broker.random);
    for (TopicKeys* keys : {broker.topic_keys.get(), device.topic_keys.get(), reader.topic_keys.get(), stranger.topic_keys.get(),
                            pump.topic_keys.get()})
      (void)keys->put(key);
    return key;
  }
  std::string seal(End& end, std::string_view text = "21.5", std::string_view to = topic) {
    return std::string(as_text(end.scheme->protect(to, as_bytes(text), broker.now).value()));
  }
  Reason send(TestClient& link, std::string_view payload, std::string_view to = topic) {
    broker.publish(link, to, payload, QoS::at_least_once);
    const Reason answer = link.answers.back().reasons.at(0);  // whether anybody has subscribed is another matter
    return answer == Reason::no_matching_subscribers ? Reason::success : answer;
  }
  auto unseal(const GotPublish& got) { return reader.scheme->unprotect({got.topic, as_bytes(got.payload)}, broker.now); }

  BrokerBench broker{2};
  End device{broker, "boiler-7", {"plant/7/#"}, {}};
  End pump{broker, "pump-1", {"pumps/#"}, {}};
  End reader{broker, "control", {}, {"plant/#"}};
  End stranger{broker, "stranger", {}, {}, false};
  TestClient* hidden = nullptr;
  TestClient* asking = nullptr;
  TestClient* open_wire = nullptr;
  TestClient* device_link = nullptr;
};

TEST_F(PayloadHop, EveryFormIsOpenedAndReachesThoseWhoMayHaveIt) {
  const std::pair<TopicKey::Kind, Form> all[] = {
      {TopicKey::Kind::symmetric, Form::inside}, {TopicKey::Kind::symmetric, Form::outside},
      {TopicKey::Kind::symmetric, Form::bare},   {TopicKey::Kind::symmetric, Form::mac},
      {TopicKey::Kind::symmetric, Form::stamp},  {TopicKey::Kind::pair, Form::inside},
      {TopicKey::Kind::pair, Form::outside}};
  std::size_t count = 0;
  for (const auto& [kind, form] : all) {
    const std::string its = "plant/7/" + std::to_string(count);
    share(form, kind, its);
    const std::string frame = seal(device, "21.5", its);
    ASSERT_EQ(send(*device_link, frame, its), Reason::success) << name(kind) << name(form);
    ASSERT_EQ(hidden->publishes.size(), ++count);
    EXPECT_EQ(hidden->publishes.back().payload, "21.5");
    const bool names_author = form != Form::bare && form != Form::mac;
    EXPECT_EQ(hidden->publishes.back().user.empty(), !names_author);
    if (names_author) {
      EXPECT_EQ(hidden->publishes.back().user[0], std::pair(std::string("sealmq-from"), std::string("boiler-7")));
    }
    // Who asks for it has what the author sealed.
    ASSERT_EQ(asking->publishes.size(), count);
    EXPECT_EQ(asking->publishes.back().payload, frame);
    const auto received = unseal(asking->publishes.back());
    ASSERT_TRUE(received) << received.error().what;
    EXPECT_EQ((*received)->author, names_author ? "boiler-7" : "");
  }
}

TEST_F(PayloadHop, NobodyOnAnOpenWireGetsWhatTheBrokerHasOpened) {
  share(Form::inside);
  EXPECT_EQ(send(*device_link, seal(device)), Reason::success);
  EXPECT_EQ(hidden->publishes.size(), 1u);
  EXPECT_TRUE(open_wire->publishes.empty());
  EXPECT_EQ(broker.counters().dropped[static_cast<std::size_t>(Drop::not_entitled)], 1u);
  // Retained: neither.
  broker.publish(*device_link, topic, seal(device), QoS::at_least_once, true);
  TestClient& late = broker.connect("late", mqtt::Version::v3_1_1);
  broker.subscribe(late, "plant/#");
  EXPECT_TRUE(late.publishes.empty());
}

TEST_F(PayloadHop, WhatWaitedIsJudgedByTheConnectionThatComesForIt) {
  share(Form::inside);
  mqtt::Connect packet;
  packet.client_id = "away";
  packet.properties.session_expiry_interval = 1000;
  broker.peer.is_hidden = true;
  TestClient* away = &broker.connect(packet);
  broker.subscribe(*away, "plant/#", {.qos = QoS::at_least_once});
  packet.clean_start = false;
  for (const bool comes_hidden : {false, true}) {
    broker.cut(*away);
    EXPECT_EQ(send(*device_link, seal(device)), Reason::success);
    broker.peer.is_hidden = comes_hidden;
    away = &broker.connect(packet);
    EXPECT_TRUE(away->session_present);
    EXPECT_EQ(away->publishes.size(), comes_hidden ? 1u : 0u);
  }
}

TEST_F(PayloadHop, ACopyIsNotPassedOnAlsoByAnotherShardOrAfterARestart) {
  for (const Form form : {Form::inside, Form::outside, Form::bare, Form::mac, Form::stamp}) {
    const std::string its = "plant/7/" + std::string(name(form));
    share(form, TopicKey::Kind::symmetric, its);
    const std::string frame = seal(device, "open the valve", its);
    const std::size_t before = broker.refused(Refusal::replay);
    EXPECT_EQ(send(*device_link, frame, its), Reason::success);
    for (int i = 0; i < 4; ++i) send(broker.connect("client-" + std::to_string(i)), frame, its);
    EXPECT_EQ(broker.refused(Refusal::replay), before + 4) << its;
  }
  EXPECT_EQ(hidden->publishes.size(), 5u);
  share(Form::inside, TopicKey::Kind::symmetric, "plant/7/last");
  const std::string frame = seal(device, "x", "plant/7/last");
  EXPECT_EQ(send(*device_link, frame, "plant/7/last"), Reason::success);
  broker.crash();
  const std::size_t before = broker.refused(Refusal::replay);
  send(broker.connect("attacker"), frame, "plant/7/last");
  EXPECT_EQ(broker.refused(Refusal::replay), before + 1);
}

// From (r, s) anybody makes (r, q - s), which verifies as well: another frame, and the same message.
TEST_F(PayloadHop, TheTwinOfAStampIsACopy) {
  for (const Form form : {Form::outside, Form::stamp}) {
    const std::string its = "plant/7/" + std::string(name(form));
    share(form, TopicKey::Kind::symmetric, its);
    const std::string frame = seal(device, "open the valve", its);
    Buffer twin = to_buffer(as_bytes(frame));
    const std::span<std::uint8_t, 32> s(twin.data() + twin.size() - 32, 32);  // the signature ends a Sign1
    const auto value = crypto::Scalar::decode(Bytes(s)).value();
    (crypto::Scalar() - value).encode(s);
    ASSERT_NE(as_text(twin), frame);
    for (const bool comes_first : {true, false}) {
      const std::size_t copies = broker.refused(Refusal::replay), passed_on = hidden->publishes.size();
      EXPECT_EQ(send(*device_link, comes_first ? as_text(twin) : std::string_view(frame), its), Reason::success);
      EXPECT_EQ(hidden->publishes.size(), passed_on + (comes_first ? 1 : 0)) << its;
      EXPECT_EQ(broker.refused(Refusal::replay), copies + (comes_first ? 0 : 1)) << its;
    }
  }
}

TEST_F(PayloadHop, AnOldMessageIsRefusedWithoutAnyMemory) {
  share(Form::inside);
  const std::string frame = seal(device);
  broker.now.wall += 31'000;
  EXPECT_EQ(send(*device_link, frame), Reason::not_authorized);
}

TEST_F(PayloadHop, ARevokedAuthorIsRefusedAtOnce) {
  share(Form::inside);
  EXPECT_EQ(send(*device_link, seal(device)), Reason::success);
  broker.revoke("boiler-7");
  EXPECT_EQ(send(broker.connect("again"), seal(device)), Reason::not_authorized);
  EXPECT_EQ(broker.refused(Refusal::author_revoked), 1u);
  EXPECT_EQ(hidden->publishes.size(), 1u);
}

TEST_F(PayloadHop, WhoHasTheKeyAndNoRightToTheTopicIsRefused) {
  for (const Form form : {Form::inside, Form::outside, Form::stamp}) {
    const std::string its = "plant/7/" + std::string(name(form));
    share(form, TopicKey::Kind::symmetric, its);
    TestClient& link = broker.connect("somebody");
    EXPECT_EQ(send(link, seal(pump, "x", its), its), Reason::not_authorized) << its;
    EXPECT_EQ(send(link, seal(stranger, "x", its), its), Reason::not_authorized) << its;
    EXPECT_EQ(send(link, seal(device, "x", its), its), Reason::success) << its;
  }
  EXPECT_EQ(broker.refused(Refusal::topic_not_allowed), 3u);
  EXPECT_EQ(broker.refused(Refusal::verification_failed), 3u);
  EXPECT_EQ(hidden->publishes.size(), 3u);
}

TEST_F(PayloadHop, AContainerOfAnotherTopicIsRefused) {
  share(Form::inside, TopicKey::Kind::symmetric, "plant/7/#");
  EXPECT_EQ(send(*device_link, seal(device, "x", "plant/7/other")), Reason::not_authorized);
  EXPECT_TRUE(hidden->publishes.empty());
}

TEST_F(PayloadHop, AStampThatWasTakenOffIsMissed) {
  share(Form::outside);
  const std::string frame = seal(device);
  const auto message = decode_message(as_bytes(frame)).value();
  EXPECT_EQ(send(*device_link, as_text(message.body)), Reason::not_authorized);
  // The stamp of another one, who may write there too.
  End helper(broker, "helper", {"plant/7/#"}, {});
  const Stamper its = stamper(*helper.keys);
  const Header inner = decode_message(message.body).value().header;
  const Header header{.content = 16, .number = inner.number, .context = inner.key_id, .issued = broker.now.wall / 1000};
  const Buffer stolen = encode_sign1(its, header, external_aad(topic), message.body).value();
  EXPECT_EQ(send(*device_link, as_text(stolen)), Reason::not_authorized);
  EXPECT_TRUE(hidden->publishes.empty());
}

TEST_F(PayloadHop, WhatIsNoContainerDoesNotEnter) {
  share(Form::inside);
  EXPECT_EQ(send(*device_link, "21.5"), Reason::not_authorized);
  EXPECT_EQ(send(*device_link, ""), Reason::not_authorized);
  EXPECT_EQ(send(*device_link, seal(device) + "x"), Reason::payload_format_invalid);
  EXPECT_EQ(send(*device_link, "\xD0"), Reason::payload_format_invalid);
  EXPECT_TRUE(hidden->publishes.empty());
}

TEST_F(PayloadHop, NoChangedBitPasses) {
  share(Form::bare);
  const std::string frame = seal(device);
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string changed = frame;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(send(broker.connect("attacker-" + std::to_string(bit)), changed), Reason::success) << bit;
  }
  EXPECT_TRUE(hidden->publishes.empty());
}

TEST_F(PayloadHop, ARevokedKeyOpensNothingMore) {
  TopicKey key = share(Form::bare);
  EXPECT_EQ(send(*device_link, seal(device)), Reason::success);
  const std::string frame = seal(device);
  key.state = TopicKey::State::revoked;
  (void)broker.topic_keys->put(key);
  EXPECT_EQ(send(*device_link, frame), Reason::not_authorized);
}

TEST_F(PayloadHop, WhatTheBrokerSealsForSubscribersIsNoMessageToIt) {
  broker.allow({"payload-hop", "plain"}, {"payload-hop", "plain"}, "plant/#");
  for (const Form form : {Form::inside, Form::outside, Form::bare, Form::mac, Form::stamp}) {
    const std::string its = "plant/7/" + std::string(name(form));
    share(form, TopicKey::Kind::symmetric, its);
    asking->publishes.clear();
    EXPECT_EQ(send(*device_link, "21.5", its), Reason::success);
    ASSERT_EQ(asking->publishes.size(), 1u);
    const std::string sealed = asking->publishes.back().payload;
    EXPECT_NE(sealed, "21.5");
    EXPECT_NE(send(broker.connect("attacker"), sealed, its), Reason::success) << its;
    EXPECT_EQ(asking->publishes.size(), 1u);
    const auto received = unseal(asking->publishes.back());
    ASSERT_TRUE(received) << its << ": " << received.error().what;
    EXPECT_EQ(as_text((*received)->payload), "21.5");
    EXPECT_EQ((*received)->author, form == Form::bare || form == Form::mac ? "" : "broker-1");
  }
}

TEST_F(PayloadHop, TheBrokersStampCountsForThoseAloneWhoHavePinnedIt) {
  broker.allow({"plain"}, {"payload-hop"}, "plant/#");
  share(Form::inside);
  send(*device_link, "21.5");
  ASSERT_EQ(asking->publishes.size(), 1u);
  ClientPorts ports{.key = reader.keys.get(), .broker = std::nullopt, .peers = {}, .random = broker.random};
  ports.topic_keys = reader.topic_keys;
  const auto without = find_scheme("payload-hop")->client_side(std::move(ports)).value();
  EXPECT_FALSE(without->unprotect({topic, as_bytes(asking->publishes[0].payload)}, broker.now));
  EXPECT_TRUE(unseal(asking->publishes[0]));
}

TEST_F(PayloadHop, ItIsSealedOnceForAllWhoAsk) {
  broker.allow({"plain"}, {"payload-hop"}, "plant/#");
  share(Form::inside);
  TestClient& second = broker.connect("second");
  ask(second);
  send(*device_link, "21.5");
  ASSERT_EQ(second.publishes.size(), 1u);
  if (second.shard == asking->shard) {
    EXPECT_EQ(second.publishes[0].payload, asking->publishes.at(0).payload);
  }
}

TEST_F(PayloadHop, AskingForSealedMessagesProvesNobody) {
  for (const auto& [identity, reason] : {std::pair("control", Reason::granted_qos_1), std::pair("pump-1", Reason::not_authorized),
                                         std::pair("", Reason::granted_qos_1)}) {
    broker.peer.identity = identity;
    TestClient& link = broker.connect(std::string("as-") + identity);
    ask(link);
    EXPECT_EQ(link.answers.back().reasons[0], reason) << identity;
  }
}

TEST_F(PayloadHop, AWillIsOpenedWhenItIsLeft) {
  share(Form::inside);
  const Buffer will = device.scheme->protect_will(topic, as_bytes("gone"), broker.now).value();
  mqtt::Connect packet;
  packet.client_id = "device-2";
  packet.will = mqtt::Will{topic, will, QoS::at_least_once, false, {}};
  TestClient& link = broker.connect(packet);
  ASSERT_EQ(link.connack, Reason::success);
  broker.advance(60'000);
  broker.cut(link);
  ASSERT_EQ(hidden->publishes.size(), 1u);
  EXPECT_EQ(hidden->publishes[0].payload, "gone");
  EXPECT_NE(broker.connect(packet).connack, Reason::success);  // a copy
}

// Or whoever has the key could have the broker remember as much, and as long, as he likes.
TEST_F(PayloadHop, AMessageThatSaysItIsGoodForLongIsNotTakenForLong) {
  share(Form::inside);
  Sending sending(*device.topic_keys, device.keys.get(), {}, broker.random);
  const std::uint64_t seconds = broker.now.wall / 1000;
  for (const std::uint64_t expires : {seconds + 86'400, std::uint64_t{INT64_MAX}}) {
    const Buffer sent = sending.seal(topic, as_bytes("21.5"), broker.now, expires).value();
    const Buffer kept_back = sending.seal(topic, as_bytes("22.5"), broker.now, expires).value();
    EXPECT_EQ(send(*device_link, as_text(sent)), Reason::success) << expires;
    broker.advance(36'000);
    EXPECT_EQ(send(*device_link, as_text(kept_back)), Reason::not_authorized) << expires;
    broker.advance(600'000);  // the memory has let go of it
    EXPECT_EQ(send(*device_link, as_text(sent)), Reason::not_authorized) << expires;
  }
  EXPECT_EQ(hidden->publishes.size(), 2u);
}

TEST(PayloadHopRestart, ARecordedMessageIsNotForwardedByTheBrokerThatComesBack) {
  TemporaryFolder folder;
  const std::string path = folder / "sessions.db";
  const auto memory = open_replay_memory(path).value();
  BrokerBench before(1, {}, memory.get());
  before.topic_keys = make_memory_topic_keys(before.random);
  before.crash();
  before.allow({"payload-hop"}, {"payload-hop"});
  End device(before, "boiler-7", {"#"}, {});
  const TopicKey key = make_topic_key("t", TopicKey::Kind::symmetric, Form::inside, TopicKey::Cipher::aes128_gcm, before.now,
                                      1000, device.keys->identity(), before.random);
  (void)before.topic_keys->put(key);
  (void)device.topic_keys->put(key);
  const Buffer recorded = device.scheme->protect("t", as_bytes("open the valve"), before.now).value();
  before.publish(before.connect("device"), "t", as_text(recorded), QoS::at_least_once);
  EXPECT_EQ(before.counters().published, 1u);

  const auto memory_after = open_replay_memory(path).value();  // what a new process finds on the disk
  BrokerBench after(1, {}, memory_after.get());
  after.topic_keys = before.topic_keys;
  after.crash();
  after.allow({"payload-hop"}, {"payload-hop"});
  after.now.wall = before.now.wall + 5'000;
  after.enroll(device.identity);
  after.publish(after.connect("attacker"), "t", as_text(recorded), QoS::at_least_once);
  EXPECT_EQ(after.counters().published, 0u);
  EXPECT_EQ(after.refused(Refusal::replay), 1u);
}

// -- the folder of keys, which others change while a broker or a reader runs

TEST(PayloadFolder, AKeyThatAnotherProcessRevokesOpensNothingFromTheNextSecondOn) {
  TemporaryFolder folder;
  crypto::OsRandom random;
  const std::string path = folder / "keys";
  const auto own = make_memory_keys("boiler-7", Kind::device, random);
  Now now{0, 1'800'000'000'000};
  const auto administrator = open_topic_keys(path, random).value();
  TopicKey key = make_topic_key("a", TopicKey::Kind::symmetric, Form::bare, TopicKey::Cipher::aes128_gcm, now, 1000,
                                own->identity(), random);
  ASSERT_TRUE(administrator->put(key));
  const auto keys = open_topic_keys(path, random).value();
  Sending sending(*administrator, own.get(), {}, random);
  Receiving receiving(*keys, {.remembers = false});
  const Buffer sealed = sending.seal("a", as_bytes("x"), now).value();
  EXPECT_TRUE(receiving.open({"a", sealed}, now));

  key.state = TopicKey::State::revoked;
  ASSERT_TRUE(administrator->put(key));
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  now.wall += 1000;
  const auto opened = receiving.open({"a", sealed}, now);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().what, "policy: under a key that is revoked");
}

TEST(PayloadFolder, TwoShardsSendUnderNamesOfTheirOwnAndKnowEachOthers) {
  TemporaryFolder folder;
  crypto::OsRandom random;
  const auto own = make_memory_keys("boiler-7", Kind::device, random);
  const TopicKey key = make_topic_key("a", TopicKey::Kind::symmetric, Form::bare, TopicKey::Cipher::aes128_gcm,
                                      {0, 1'800'000'000'000}, 1000, own->identity(), random);
  const auto first = open_topic_keys(folder / "keys", random).value();
  ASSERT_TRUE(first->put(key));
  const auto second = open_topic_keys(folder / "keys", random).value();
  for (TopicKeys* keys : {first.get(), second.get()}) ASSERT_TRUE(keys->keep_names());
  const auto one = first->next(key.id, 1).value().sender;
  const auto other = second->next(key.id, 1).value().sender;
  EXPECT_NE(one, other);
  for (TopicKeys* keys : {first.get(), second.get()}) {
    EXPECT_TRUE(keys->sends_as(one));
    EXPECT_TRUE(keys->sends_as(other));
    EXPECT_FALSE(keys->sends_as({1, 2, 3, 4, 5, 6}));
  }
}

}  // namespace
}  // namespace sealmq::testing
