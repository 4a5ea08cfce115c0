// JOIN, REQUEST and ORDER byte by byte, as published and hardened, with each role: against the frames of an independent script
// (joining_and_asking.json).
#include <gtest/gtest.h>

#include "schemes/malina/join.h"
#include "schemes/malina/revocation.h"
#include "support/sl3_parties.h"

namespace sealmq::testing {
namespace {

using malina::JoinStatus;

struct JoinVectors : ::testing::TestWithParam<std::string> {
  malina::JoinRights rights() const {
    malina::JoinRights its;
    if (GetParam() == "publisher" || GetParam() == "both") its.publish = v["publish"].get<std::vector<std::string>>();
    if (GetParam() == "subscriber" || GetParam() == "both") its.subscribe = v["subscribe"].get<std::vector<std::string>>();
    return its;
  }

  nlohmann::json v = vectors("joining_and_asking.json");
  nlohmann::json keys = vectors("sl3_hardened.json");
  ScriptedRandom chance;
  std::unique_ptr<KeyStore> joiner = keys_of("boiler-7", Kind::device, keys["publisher"], 1, chance);
  std::unique_ptr<KeyStore> broker = keys_of(keys["broker_id"].get<std::string>(), Kind::broker, keys["broker"], 1, chance);
  BrokerIdentity pinned = broker_identity(broker->identity());
  Now now{0, keys["time"]};
};
INSTANTIATE_TEST_SUITE_P(Roles, JoinVectors, ::testing::Values("publisher", "subscriber", "both", "all"),
                         [](const auto& its) { return its.param; });

TEST_P(JoinVectors, ThePublishedFormIsTheirBytes) {
  const auto& its = v["paper_join"][GetParam()];
  ScriptedRandom random;
  random.add_scalar(its["r"]).add(hex(its["iv"]));
  const auto ticket = hex_array<16>(its["ticket"]);
  auto request = malina::paper_join_request(ticket, rights(), *joiner, pinned, random, now).value();
  EXPECT_EQ(request.frame, hex(its["request"]));

  auto read = malina::read_paper_join(hex(its["request"]), *broker, now).value();
  EXPECT_EQ(read.joining->ticket, ticket);
  EXPECT_EQ(read.joining->rights, rights());
  EXPECT_EQ(read.joining->keys.schnorr, joiner->identity().keys.schnorr);
  EXPECT_FALSE(is_there(read.joining->keys.ecdsa));
  EXPECT_FALSE(is_there(read.joining->keys.agreement));

  const auto& id = joiner->identity().keys.schnorr;
  const Now later{0, now.wall + 4};
  for (const auto& [status, name] : {std::pair(JoinStatus::accepted, "accepted"), std::pair(JoinStatus::refused, "refused")}) {
    ScriptedRandom iv(hex(its["answer_iv"]));
    EXPECT_EQ(malina::answer_paper_join(read.answer_key, status, id, iv, later), hex(its[name]));
    EXPECT_EQ(malina::read_paper_join_answer(hex(its[name]), request.answer_key, id), status);
  }
}

TEST_P(JoinVectors, TheHardenedFormIsTheirBytes) {
  const auto& its = v["hardened_join"][GetParam()];
  ScriptedRandom random;
  random.add_scalar(its["r"]);
  const auto ticket = hex_array<16>(its["ticket"]);
  EXPECT_EQ(malina::first_join_request(ticket, rights(), *joiner, pinned, random, now).value().frame, hex(its["request"]));
  auto read = malina::read_join(hex(its["request"]), *broker, now).value();
  EXPECT_EQ(read.joining->ticket, ticket);
  EXPECT_EQ(read.joining->rights, rights());
  EXPECT_EQ(read.joining->keys, joiner->identity().keys);
}

TEST(RequestVectors, ThePublishedFormIsTheirBytesAndShowsTheAuthor) {
  const auto v = vectors("joining_and_asking.json");
  const auto keys = vectors("sl3_hardened.json");
  const auto author = hex_array<32>(keys["publisher"]["id"]);
  const auto other = hex_array<32>(keys["subscriber"]["id"]);
  for (const auto& [name, level] :
       {std::pair("sl1", malina::Level::sl1), std::pair("sl2", malina::Level::sl2), std::pair("sl3", malina::Level::sl3)}) {
    const Buffer bytes = hex(v["paper_request"][name]);
    const auto request = malina::decode_paper_request(bytes).value();
    EXPECT_EQ(request.level, level);
    EXPECT_EQ(request.topic, keys["topic"].get<std::string>());
    EXPECT_EQ(as_text(request.message), keys["message"].get<std::string>());
    EXPECT_EQ(request.time, keys["time"].get<std::uint64_t>());
    EXPECT_EQ(request.reason, "nonsense");
    EXPECT_EQ(request.id.has_value(), level != malina::Level::sl2);
    EXPECT_EQ(malina::encode(request), bytes);
    EXPECT_TRUE(malina::signed_by(request, author)) << name;
    EXPECT_FALSE(malina::signed_by(request, other)) << name;
    const std::array<malina::Id, 2> candidates{other, author};
    EXPECT_EQ(malina::author_among(request, candidates), author) << name;

    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      EXPECT_FALSE(malina::decode_paper_request(Bytes(bytes).first(cut))) << name << " " << cut;
    Buffer longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(malina::decode_paper_request(longer));
  }
}

// -- keys that are all proved, and orders that name them (keys_and_orders.json)

struct ProvedVectors : ::testing::Test {
  nlohmann::json v = vectors("keys_and_orders.json");
  ScriptedRandom chance;
  std::unique_ptr<KeyStore> joiner = keys_of(v["device"]["name"].get<std::string>(), Kind::device, v["device"], 1, chance);
  std::unique_ptr<KeyStore> broker = keys_of(v["broker"]["name"].get<std::string>(), Kind::broker, v["broker"], 1, chance);
  Now now{0, 1767225600000};
};

TEST_F(ProvedVectors, AJoinerOfAnotherProgramIsRead) {
  const auto& its = v["classical_join"];
  const auto read = malina::read_join(hex(its["request"]), *broker, now);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_TRUE(read->joining->all_keys_proved);
  EXPECT_EQ(read->joining->keys, joiner->identity().keys);
  EXPECT_EQ(read->joining->ticket, hex_array<16>(its["ticket"]));
  EXPECT_EQ(read->joining->rights, (malina::JoinRights{{"plant/7/#"}, {}}));
}

TEST_F(ProvedVectors, ItsAnswerIsTheirBytesAndIsUnderstood) {
  const auto& its = v["classical_join"];
  auto read = malina::read_join(hex(its["request"]), *broker, now).value();
  const Buffer accepted = hex(its["accepted"]);
  ScriptedRandom iv(to_buffer(Bytes(accepted).subspan(3, 12)));
  const auto& id = joiner->identity().keys.schnorr;
  EXPECT_EQ(malina::answer_join(read.answer_key, JoinStatus::accepted, id, iv, {0, now.wall + 4}), accepted);
  EXPECT_EQ(malina::read_join_answer(accepted, read.answer_key, id), JoinStatus::accepted);
}

TEST_F(ProvedVectors, AnOrderNamesEveryKey) {
  const auto& its = v["order"];
  const auto key = crypto::ecdsa::VerifyingKey::from_sec1(hex(v["authority"]["ecdsa_public"])).value();
  const auto read = malina::read_order(hex(its["frame"]), key);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ((*read)->order.keys, crypto::key_hashes(joiner->identity().keys));
  EXPECT_EQ((*read)->order.second_keys, (std::vector<crypto::Digest>{hex_array<32>(v["device"]["keyhashes_2"][0])}));
  EXPECT_EQ(to_buffer((*read)->name), hex(its["order_id"]));
  Buffer twin = hex(its["frame"]);
  const Buffer s = hex(its["twin_s"]);
  std::ranges::copy(s, twin.begin() + static_cast<std::ptrdiff_t>(hex(its["content"]).size()) + 32);
  EXPECT_FALSE(malina::read_order(twin, key));
}

}  // namespace
}  // namespace sealmq::testing
