#include "keystore/software_card.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/writer.h"
#include "crypto/aes_cbc.h"
#include "crypto/random.h"
#include "keystore/software_keys.h"

namespace sealmq {
namespace {

constexpr std::size_t key_size = 16;

/// What the vectors say comes from chance.
class Foreseen final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    ASSERT_EQ(out.size(), next.size());
    std::copy(next.begin(), next.end(), out.begin());
  }
  Buffer next;
};

class NoSequence final : public SequenceCounter {
 public:
  Result<std::uint64_t> next() override { return 1; }
};

class SoftwareCardTest : public ::testing::Test {
 protected:
  SoftwareCardTest() {
    std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/scacauth.json");
    vector_ = nlohmann::json::parse(file);
    auto keys = PrivateKeys::generate(random_);
    keys.rsa = crypto::rsa::PrivateKey::from_exponent(octets("client_n"), Secret(octets("client_d"))).value();
    keys_ = std::make_unique<SoftwareKeys>("CLIENTE1", Kind::device, std::move(keys), std::make_unique<NoSequence>(), random_);
  }

  Buffer octets(const char* name) const { return from_hex(vector_.at(name).get<std::string>()).value(); }

  SoftwareCard card(CardForm form) {
    SoftwareCard made(*keys_, form, key_size, chance_);
    EXPECT_TRUE(made.put_broker_key(octets("broker_n")));
    return made;
  }
  /// Logged in, with the keys of the vectors.
  SoftwareCard logged_in(CardForm form) {
    SoftwareCard made = card(form);
    chance_.next = octets("RN1");
    EXPECT_TRUE(made.auth_step_1());
    EXPECT_TRUE(made.auth_step_2(octets("step2_auth_data")));
    return made;
  }
  static Buffer joined(std::initializer_list<Bytes> parts) {
    Buffer all;
    for (const Bytes part : parts) append(all, part);
    all.resize((all.size() + 15) / 16 * 16);
    return all;
  }
  Buffer under(const char* key, std::initializer_list<Bytes> parts) const {
    return crypto::encrypt_blocks(Secret(octets(key)), joined(parts));
  }

  crypto::OsRandom random_;
  nlohmann::json vector_;
  Foreseen chance_;
  std::unique_ptr<KeyStore> keys_;
};

TEST_F(SoftwareCardTest, LogsInAsTheVectorsSay) {
  SoftwareCard made = card(CardForm::paper);
  chance_.next = octets("RN1");
  EXPECT_EQ(made.auth_step_1().value(), octets("step1_connect_auth_data"));
  EXPECT_TRUE(made.auth_step_2(octets("step2_auth_data")));
  const auto step3 = made.auth_step_3().value();
  const auto broker = crypto::rsa::PrivateKey::from_exponent(octets("broker_n"), Secret(octets("broker_d"))).value();
  ASSERT_EQ(step3.size(), 258U);
  const auto told = crypto::rsa::decrypt(broker, Bytes(step3).subspan(2), 56, random_).value();
  const auto meant = crypto::rsa::decrypt(broker, Bytes(octets("step3_auth_data")).subspan(2), 56, random_).value();
  EXPECT_TRUE(same(told.reveal(), meant.reveal()));
}

TEST_F(SoftwareCardTest, PublishesAsTheVectorsSay) {
  const auto data = vector_.at("publish_data").get<std::string>();
  SoftwareCard paper = logged_in(CardForm::paper);
  EXPECT_EQ(paper.make_publish(as_bytes(data)).value(), octets("publish_payload_paper"));
  chance_.next = octets("RNp_next");
  EXPECT_EQ(paper.make_pubrel().value(), octets("pubrel_property_value_paper"));
  EXPECT_EQ(paper.make_publish(as_bytes("x")).value(), under("RNp_next", {as_bytes("CLIENTE1"), Buffer{0, 1}, as_bytes("x")}));
  SoftwareCard applet = logged_in(CardForm::applet);
  EXPECT_EQ(applet.make_publish(as_bytes(data)).value(), octets("publish_card_v2_plain_has_RNp"));
  EXPECT_TRUE(applet.check_pubrel(octets("pubrel_card_v2_value")));
  EXPECT_EQ(applet.make_publish({}).value(), under("RNp_next", {as_bytes("CLIENTE1"), Buffer{0, 0}, octets("RNp_next")}));
}

TEST_F(SoftwareCardTest, ReadsAndTakesTheNextKey) {
  SoftwareCard made = logged_in(CardForm::paper);
  const Buffer length{0, 3};
  EXPECT_EQ(as_text(made.read_payload(under("RNs", {as_bytes("CLIENTE1"), length, as_bytes("21C")})).value()), "21C");
  EXPECT_FALSE(made.read_payload(under("RNs", {as_bytes("CLIENTE2"), length, as_bytes("21C")})));
  EXPECT_FALSE(made.read_payload(under("RNs", {as_bytes("CLIENTE1"), length, as_bytes("21C!")}))) << "padding is zeroes";
  EXPECT_FALSE(made.read_payload(under("RNs", {as_bytes("CLIENTE1"), length, as_bytes("21C"), Buffer(16)}))) << "a block more";
  EXPECT_FALSE(made.read_payload(under("RNs", {as_bytes("CLIENTE1"), Buffer{0, 99}, as_bytes("21C")})));
  EXPECT_FALSE(made.read_payload(under("RNp", {as_bytes("CLIENTE1"), length, as_bytes("21C")})));
  EXPECT_FALSE(made.read_payload({}));
  EXPECT_FALSE(made.read_payload(Buffer(17)));

  EXPECT_FALSE(made.check_pubrel(under("RNs", {as_bytes("CLIENTE1")})));
  EXPECT_FALSE(made.check_pubrel(under("RNs", {as_bytes("CLIENTE1"), octets("RNp_next"), as_bytes("!")})));
  EXPECT_TRUE(made.check_pubrel(under("RNs", {as_bytes("CLIENTE1"), octets("RNp_next")})));
  EXPECT_EQ(as_text(made.read_payload(under("RNp_next", {as_bytes("CLIENTE1"), length, as_bytes("21C")})).value()), "21C");
}

TEST_F(SoftwareCardTest, RefusesAnAnswerThatIsNotTheBrokers) {
  for (const std::size_t at : {0, 1, 2, 100, 257, 258, 259, 300, 515}) {
    SoftwareCard made = card(CardForm::paper);
    chance_.next = octets("RN1");
    ASSERT_TRUE(made.auth_step_1());
    Buffer changed = octets("step2_auth_data");
    changed[at] ^= 1;
    const auto checked = made.auth_step_2(changed);
    ASSERT_FALSE(checked) << at;
    EXPECT_EQ(checked.error().blame, Blame::peer_misbehaved);
    EXPECT_FALSE(made.auth_step_3()) << "the session is over";
    EXPECT_FALSE(made.auth_step_2(octets("step2_auth_data"))) << "the session is over";
  }
  SoftwareCard made = card(CardForm::paper);
  chance_.next = octets("RNp_next");
  ASSERT_TRUE(made.auth_step_1());
  EXPECT_FALSE(made.auth_step_2(octets("step2_auth_data"))) << "an answer to another RN1";
}

TEST_F(SoftwareCardTest, DoesNothingOutOfTurn) {
  SoftwareCard made(*keys_, CardForm::paper, key_size, chance_);
  EXPECT_FALSE(made.auth_step_2(octets("step2_auth_data")));
  EXPECT_FALSE(made.auth_step_3());
  EXPECT_FALSE(made.make_publish({}));
  EXPECT_FALSE(made.make_pubrel());
  EXPECT_FALSE(made.read_payload(Buffer(16)));
  EXPECT_FALSE(made.check_pubrel(Buffer(32)));
  EXPECT_FALSE(made.put_uid("boiler-7"));
  EXPECT_FALSE(made.put_uid("short"));
  chance_.next = octets("RN1");
  ASSERT_TRUE(made.auth_step_1());
  EXPECT_FALSE(made.auth_step_2(octets("step2_auth_data"))) << "it has no key of the broker";
}

TEST_F(SoftwareCardTest, AStoreWithoutAnRsaKeyHasNoCard) {
  const auto plain = make_memory_keys("CLIENTE1", Kind::device, random_);
  const auto none = plain->open_card(CardForm::paper, key_size, random_);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().blame, Blame::caller_misused);
  EXPECT_NE(none.error().what.find("hint:"), std::string::npos);
  EXPECT_FALSE(plain->sign_rsa_pss({}));
}

}  // namespace
}  // namespace sealmq
