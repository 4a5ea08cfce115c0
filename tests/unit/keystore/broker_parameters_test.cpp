#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/random.h"
#include "sealmq/keystore.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::read_text;
using testing::write_text;

nlohmann::json vectors(const std::string& name) {
  return nlohmann::json::parse(read_text(SEALMQ_SOURCE_DIR "/tests/vectors/" + name));
}

Buffer hex(const nlohmann::json& value) {
  return from_hex(value.get<std::string>()).value();
}

std::array<std::uint8_t, 33> key_of(const nlohmann::json& value) {
  std::array<std::uint8_t, 33> key{};
  const auto bytes = hex(value);
  std::copy_n(bytes.begin(), key.size(), key.begin());
  return key;
}

class Parameters : public ::testing::Test {
 protected:
  const nlohmann::json made = vectors("sl2.json");
  const Buffer modulus = hex(vectors("malina.json")["rabin_kem_3072"]["n"]);
  const BrokerIdentity broker{made["broker_id"], key_of(made["broker_ecdsa"]), key_of(made["broker_agreement"])};
  const Buffer alone = from_base64url(made["parameters"]["alone"].get<std::string>()).value();
  const Buffer with_authority = from_base64url(made["parameters"]["with_authority"].get<std::string>()).value();
  crypto::OsRandom random;
};

TEST_F(Parameters, OfTheVectorsAreReadAndWrittenAgain) {
  const auto short_ones = parse_parameters(alone, broker);
  ASSERT_TRUE(short_ones) << short_ones.error().what;
  EXPECT_EQ(short_ones->rabin_modulus, modulus);
  EXPECT_EQ(short_ones->rabin_not_after, made["not_after"].get<std::uint64_t>());
  EXPECT_FALSE(short_ones->authority);
  EXPECT_EQ(encode(*short_ones, broker), alone);

  const auto full = parse_parameters(with_authority, broker);
  ASSERT_TRUE(full) << full.error().what;
  EXPECT_EQ(full->authority.value().ecdsa, key_of(made["authority_ecdsa"]));
  EXPECT_EQ(full->authority.value().agreement, key_of(made["authority_agreement"]));
  EXPECT_EQ(encode(*full, broker), with_authority);
}

TEST_F(Parameters, NoOctetMayChangeAndNoneMayBeMissing) {
  for (std::size_t i = 0; i < with_authority.size(); ++i) {
    auto changed = with_authority;
    changed[i] ^= 1;
    EXPECT_FALSE(parse_parameters(changed, broker)) << i;
    EXPECT_FALSE(parse_parameters(Bytes(with_authority).first(i), broker)) << i;
  }
  auto longer = with_authority;
  longer.push_back(0);
  EXPECT_FALSE(parse_parameters(longer, broker));
}

TEST_F(Parameters, AreOfOneBroker) {
  auto other = broker;
  other.id = "broker-2";
  EXPECT_EQ(parse_parameters(alone, other).error().blame, Blame::peer_misbehaved);
  other = broker;
  other.agreement = broker.ecdsa;
  EXPECT_FALSE(parse_parameters(alone, other));
  other = broker;
  other.ecdsa = broker.agreement;
  EXPECT_FALSE(parse_parameters(alone, other));
}

TEST_F(Parameters, AreRefusedIfSignedButUnfit) {
  const auto keys = make_memory_keys("broker-1", Kind::broker, random);
  const auto identity = broker_identity(keys->identity());
  const auto accepted = [&](BrokerParameters wanted) {
    return parse_parameters(encode(sign_parameters(*keys, std::move(wanted)).value(), identity), identity).has_value();
  };
  BrokerParameters wanted{modulus, 1, {}, {}};
  EXPECT_TRUE(accepted(wanted));
  wanted.rabin_modulus.resize(128);
  EXPECT_FALSE(accepted(wanted)) << "a modulus for tests";
  wanted.rabin_modulus = modulus;
  wanted.authority = {identity.ecdsa, identity.agreement};
  EXPECT_TRUE(accepted(wanted));
  wanted.authority->agreement = {};
  EXPECT_FALSE(accepted(wanted)) << "no point of the curve";
}

TEST_F(Parameters, StandInBrokerPub) {
  auto identity = broker;
  identity.parameters = parse_parameters(with_authority, broker).value();
  const auto text = to_text(identity);
  EXPECT_NE(text.find("\nmalina-parameters " + made["parameters"]["with_authority"].get<std::string>() + "\n"),
            std::string::npos);
  const auto parsed = parse_broker_identity(text);
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_EQ(*parsed, identity);

  const auto line = "malina-parameters " + to_base64url(alone) + "\n";
  EXPECT_FALSE(parse_broker_identity(text + line)) << "twice";
  EXPECT_TRUE(parse_broker_identity(line + to_text(broker))) << "lines may come in any order";
  EXPECT_FALSE(parse_broker_identity(to_text(broker) + "malina-parameters !\n"));
  EXPECT_FALSE(parse_broker_identity(to_text(broker) + "malina-parameters\n"));
  EXPECT_FALSE(parse_broker_identity(to_text(broker) + "malina-parameters AAAA\n"));
}

TEST_F(Parameters, ArePublishedOnceAndSurviveARestart) {
  const testing::TemporaryFolder folder;
  const std::string data = folder / "data";
  const auto keys = open_or_create_broker_key(data, random).value();
  const auto published = publish_parameters(data, *keys, {modulus, 7, {}, {}});
  ASSERT_TRUE(published) << published.error().what;
  EXPECT_EQ(read_broker_identity(data + "/broker.pub").value(), *published);
  const auto unproved = to_text([its = *published]() mutable {
    its.proof.clear();
    return its;
  }());
  write_text(data + "/broker.pub", unproved);
  ASSERT_TRUE(open_or_create_broker_key(data, random));
  EXPECT_EQ(read_broker_identity(data + "/broker.pub").value().parameters, published->parameters) << "the proof is added to them";

  const auto text = read_text(data + "/broker.pub");
  const auto again = open_or_create_broker_key(data, random).value();
  EXPECT_EQ(read_text(data + "/broker.pub"), text) << "a restart keeps them";
  ASSERT_TRUE(publish_parameters(data, *again, {modulus, 7, {}, {}}));
  EXPECT_EQ(read_text(data + "/broker.pub"), text) << "the same are not signed again";
  EXPECT_EQ(publish_parameters(data, *again, {modulus, 8, {}, {}}).value().parameters.value().rabin_not_after, 8U);
  EXPECT_EQ(read_broker_identity(data + "/broker.pub").value().parameters.value().rabin_not_after, 8U);
}

}  // namespace
}  // namespace sealmq
