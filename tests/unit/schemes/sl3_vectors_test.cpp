// SL3, join and revocation byte by byte: against published frames (malina.json) and those of an independent script
// (sl3_hardened.json).
#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/schnorr_testing.h"
#include "schemes/malina/join.h"
#include "schemes/malina/revocation.h"
#include "schemes/sl3/group.h"
#include "support/json_arrays.h"
#include "support/sl3_parties.h"

namespace sealmq::testing {
namespace {

using namespace sl3;

// -- as published

struct Paper : ::testing::Test {
  nlohmann::json v = vectors("malina.json");
  nlohmann::json frames = v["SL3"];
  ScriptedRandom chance;
  std::unique_ptr<KeyStore> broker =
      keys_of("broker-1", Kind::broker, {{"schnorr", v["k_Broker"]}, {"agreement", v["k_Broker"]}}, 1, chance);
  Now now{0, 1767225600000};
  malina::KnownKeys keys;
  malina::Id publisher = hex_array<32>(v["ID_P"]);
  std::string topic = v["T"];

  crypto::AesGcm key(const char* name) { return crypto::AesGcm(hex(frames[name])); }
  Buffer body() {
    paper::SignedMessage message{topic, publisher, as_bytes(text), now.wall, hex_array<64>(frames["sig_P"])};
    return paper::encode(message);
  }
  std::string text = v["M"];
};

TEST_F(Paper, TheKeyOfSl31IsWhatItsPointLeadsTo) {
  auto ephemeral = crypto::AgreementKey::from_secret(Secret(hex(frames["eph_d_S"]))).value();
  auto shared = crypto::agree(ephemeral, hex_array<33>(v["K_Broker_sec1c"])).value();
  EXPECT_TRUE(same(malina::paper_key(shared).reveal(), hex(frames["SK_BS"])));
  auto frame = paper::decode_subscribe(hex(frames["SL3_1_frame"]));
  EXPECT_EQ(frame->point, ephemeral.public_key());
}

TEST_F(Paper, Sl31DecodesVerifiesAndEncodesToTheSameBytes) {
  Buffer bytes = hex(frames["SL3_1_frame"]);
  auto frame = paper::decode_subscribe(bytes).value();
  EXPECT_EQ(paper::encode(frame), bytes);
  auto sk = key("SK_BS");
  Buffer plaintext = malina::paper_open(sk, frame.sealed).value();
  EXPECT_EQ(plaintext, hex(frames["SL3_1_plaintext"]));
  EXPECT_EQ(paper::encode(paper::decode_subscribe_body(plaintext).value()), plaintext);

  auto subscribed = paper::BrokerSession::subscribe(bytes, *broker, now).value();
  EXPECT_EQ(subscribed.topic, topic);
  EXPECT_EQ(subscribed.id, hex_array<32>(v["ID_S"]));

  const std::array<Bytes, 2> list{as_bytes("SL3_1"), frame.sealed};
  auto signer = crypto::schnorr::SigningKey::from_secret(Secret(hex(v["a_S"]))).value();
  auto signature = crypto::schnorr::sign_with_nonce(signer, list, hex_array<32>(frames["nonce_d_S"])).value();
  EXPECT_TRUE(std::equal(signature.z.begin(), signature.z.end(), frame.signature.begin()));
  EXPECT_TRUE(std::equal(signature.e.begin(), signature.e.end(), frame.signature.begin() + 32));
}

TEST_F(Paper, Sl32AndSl33OpenAtTheBroker) {
  auto published = paper::BrokerSession::publish(hex(frames["SL3_2_frame"]), *broker, now).value();
  EXPECT_EQ(published.message->body, body());
  EXPECT_EQ(published.session.author(), publisher);
  Buffer bytes = hex(frames["SL3_3_frame"]);
  auto later = published.session.open(bytes, keys, now).value();
  EXPECT_EQ(later->body, body());
  Buffer begun = paper::begin_message_in(published.session.id());
  EXPECT_TRUE(std::equal(begun.begin(), begun.end(), bytes.begin()));
}

/// Puts the frame together again under the IV it carries.
void expect_sealed_alike(Buffer begun, crypto::AesGcm key, Bytes inside, const Buffer& frame) {
  ScriptedRandom iv(to_buffer(Bytes(frame).subspan(begun.size(), 12)));
  malina::paper_seal(key, inside, iv, begun);
  EXPECT_EQ(begun, frame);
}

TEST_F(Paper, EveryFrameSealsToTheSameBytes) {
  auto sl3_2 = paper::decode_publish(hex(frames["SL3_2_frame"]));
  expect_sealed_alike(paper::begin_publish(sl3_2->point), key("SK_PB"), body(), hex(frames["SL3_2_frame"]));
  expect_sealed_alike(paper::begin_message_in(paper::key_id(sl3_2->point)), key("SK_PB"), body(), hex(frames["SL3_3_frame"]));
  expect_sealed_alike(paper::begin_message_out(), key("SK_BS"), body(), hex(frames["SL3_4_frame"]));
  Buffer sl3_6 = hex(frames["SL3_6_frame"]);
  auto group = paper::decode_group_frame(sl3_6).value();
  EXPECT_EQ(group.epoch, 1U);
  expect_sealed_alike(paper::begin_group_frame(group.group, group.epoch), key("group_key"), body(), sl3_6);
  Buffer secret = hex(frames["group_key"]);
  Secret inside = encode(GroupKeyBody{group.group, 1, secret, 1024});
  expect_sealed_alike(paper::begin_group_key_frame(), key("SK_BS"), inside.reveal(), hex(frames["SL3_5_frame"]));
}

TEST_F(Paper, ASubscriberOpensSl34AndAMemberSl36) {
  auto subscriber = keys_of("app", Kind::service, {{"schnorr", v["a_S"]}}, 1, chance);
  ScriptedRandom random;
  random.add_scalar(frames["eph_d_S"]);
  auto made = paper::ClientSession::subscribe(topic, *subscriber, broker_identity(broker->identity()), random, now).value();
  EXPECT_EQ(made.session.open(hex(frames["SL3_4_frame"]), keys, now).value()->body, body());

  paper::GroupMember member(made.session);
  Buffer sl3_6 = hex(frames["SL3_6_frame"]);
  EXPECT_TRUE(std::holds_alternative<AskAgain>(member.open(sl3_6, keys, now).value())) << "the key has not come yet";
  ASSERT_TRUE(member.take_key(hex(frames["SL3_5_frame"]), made.session, now));
  auto opened = member.open(sl3_6, keys, now).value();
  using Taken = Verified<paper::TakenMessage, paper::GroupMember>;
  EXPECT_EQ(as_text(std::get<Taken>(opened)->message.message), text);
}

// -- hardened

struct Hardened : ::testing::Test {
  nlohmann::json v = vectors("sl3_hardened.json");
  nlohmann::json publishing = v["publishing"], subscribing = v["subscribing"];
  ScriptedRandom chance;
  Now now{0, v["time"]};
  malina::KnownKeys keys;
  std::string broker_id = v["broker_id"], topic = v["topic"], filter = v["filter"], text = v["message"];
  std::unique_ptr<KeyStore> broker = keys_of(broker_id, Kind::broker, v["broker"], 1, chance);
  BrokerIdentity pinned = broker_identity(broker->identity());
  std::unique_ptr<KeyStore> publisher = keys_of("boiler-7", Kind::device, v["publisher"], publishing["sequence"], chance);
  std::unique_ptr<KeyStore> subscriber = keys_of("control", Kind::service, v["subscriber"], subscribing["sequence"], chance);

  Now later(std::uint64_t by) const { return {now.steady + by, now.wall + by}; }

  std::pair<ClientSession, BrokerSession> session(const nlohmann::json& s, Role role, KeyStore& key) {
    ScriptedRandom of_client, of_broker;
    of_client.add_scalar(s["e"]);
    of_broker.add_scalar(s["f"]).add(hex(s["sub"]));
    auto request = ClientRequest::make(role, s["topic"].get<std::string>(), key, pinned, of_client, now).value();
    EXPECT_EQ(request.frame(), hex(s["request"]));
    auto read = BrokerSession::read_request(request.frame(), *broker, now).value();
    auto answered = BrokerSession::answer(read, of_broker, later(3)).value();
    EXPECT_EQ(answered.frame, hex(s["answer"]));
    auto client = request.take(answered.frame, later(3)).value();
    EXPECT_EQ(client.broker_time(), later(3).wall);
    return {std::move(client), std::move(answered.session)};
  }
};

TEST_F(Hardened, TheExchangeAndTheMessagesAreTheBytesOfTheVectors) {
  auto [device, takes] = session(publishing, Role::publisher, *publisher);
  auto [application, gives] = session(subscribing, Role::subscriber, *subscriber);

  Buffer body;
  for (const auto& frame : some_of(publishing, "SL3_3")) {
    Buffer bytes = device.protect(topic, as_bytes(text), *publisher, now).value();
    EXPECT_EQ(bytes, hex(frame));
    auto taken = takes.open(bytes, AuthorCheck::signature, broker_id, keys, now).value();
    EXPECT_EQ(as_text(taken->message.message), text);
    if (body.empty()) body = taken->body;
  }
  Buffer sl3_4 = gives.seal(body, now).value();
  EXPECT_EQ(sl3_4, hex(subscribing["SL3_4"]));
  EXPECT_EQ(application.open(sl3_4, keys, now).value()->body, body);

  ScriptedRandom of_group(hex(v["group"]["id"]));
  of_group.add(hex(v["group"]["secret"]));
  Group group(of_group);
  group.join("control");
  Buffer sl3_5 = group.seal_key("control", gives, now).value();
  EXPECT_EQ(sl3_5, hex(subscribing["SL3_5"]));

  auto member = GroupMember::make(application).value();
  ASSERT_TRUE(member.take_key(sl3_5, application, now));
  EXPECT_FALSE(member.open(hex(v["group"]["SL3_6_by_an_insider"]), keys, now)) << "a member is not the broker";
  for (const auto& frame : some_of(v["group"], "SL3_6")) {
    auto opened = member.open(hex(frame), keys, now).value();
    using Received = Verified<ReceivedMessage, GroupMember>;
    EXPECT_EQ(as_text(std::get<Received>(opened)->message.message), text);
    // The signature of ECDSA has chance in it; everything else is the same.
    Buffer ours = group.seal(body, *broker, now).value(), theirs = hex(frame);
    EXPECT_EQ(ours.size(), theirs.size());
    EXPECT_TRUE(std::equal(ours.begin(), ours.begin() + 31, theirs.begin()));
  }
}

TEST_F(Hardened, JoinIsTheBytesOfTheVectors) {
  auto joiner = keys_of("boiler-7", Kind::device, v["publisher"], 1, chance);
  ScriptedRandom random, iv(hex(v["join"]["iv"]));
  random.add_scalar(v["join"]["r"]);
  auto ticket = hex_array<16>(v["join"]["ticket"]);
  const std::vector<std::string> topics{"plant/7/#", "plant/8/+"};
  auto request = malina::first_join_request(ticket, {.publish = topics, .subscribe = {}}, *joiner, pinned, random, now).value();
  EXPECT_EQ(request.frame, hex(v["join"]["request"]));
  auto read = malina::read_join(request.frame, *broker, now).value();
  EXPECT_EQ(read.joining->rights, (malina::JoinRights{topics, {}}));
  EXPECT_EQ(read.joining->ticket, ticket);
  EXPECT_EQ(read.joining->keys, joiner->identity().keys);
  Buffer answer = malina::answer_join(read.answer_key, malina::JoinStatus::accepted, read.joining->keys.schnorr, iv, later(4));
  EXPECT_EQ(answer, hex(v["join"]["answer"]));
  EXPECT_EQ(malina::read_join_answer(answer, request.answer_key, read.joining->keys.schnorr), malina::JoinStatus::accepted);
}

TEST_F(Hardened, RequestsAndOrdersOfTheVectorsVerify) {
  const auto& frames = v["revocation"];
  Buffer sl3 = hex(frames["request_sl3"]), sl2 = hex(frames["request_sl2"]);
  auto request = malina::read_revocation_request(sl3).value();
  EXPECT_EQ(request->number, 4U);
  EXPECT_EQ(request->reason, "nonsense");
  EXPECT_EQ(request->requester, subscriber->identity().keys.ecdsa);
  EXPECT_TRUE(malina::holds(request->evidence));
  EXPECT_EQ(as_text(malina::read_revocation_request(sl2).value()->evidence.escrow), "an escrow");

  auto authority = keys_of("authority", Kind::authority, v["authority"], 1, chance);
  auto key = crypto::ecdsa::VerifyingKey::from_sec1(authority->identity().keys.ecdsa).value();
  const auto order = malina::read_order(hex(frames["order"]), key).value();
  EXPECT_EQ(order->order.action, malina::Action::revoke);
  EXPECT_EQ(order->order.keys, (std::vector<crypto::Digest>{crypto::key_hash(publisher->identity().keys.schnorr)}));
  EXPECT_EQ(order->order.reason, 4);
  EXPECT_EQ(malina::read_order(hex(frames["paper_order"]), key).value()->order.action, malina::Action::restore);
  const malina::OrderById same{order->order.serial, order->order.time, order->order.action, publisher->identity().keys.schnorr,
                               4};
  const Buffer ours = malina::first_revocation_order(same, *authority).value(), theirs = hex(frames["order"]);
  EXPECT_TRUE(ours.size() == theirs.size() && std::equal(ours.begin(), ours.end() - 64, theirs.begin()));
}

}  // namespace
}  // namespace sealmq::testing
