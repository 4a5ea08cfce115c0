// What every key store does, wherever its keys live.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "crypto/agree.h"
#include "crypto/ecdsa.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "crypto/schnorr.h"
#include "keystore/card_applet.h"
#include "keystore/card_keys.h"
#include "keystore/sequence_file.h"
#include "sealmq/keystore.h"
#include "support/simulated_card.h"
#include "support/softhsm.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::TemporaryFolder;

constexpr unsigned rsa_bits = 2048;
constexpr const char* who = "boiler07";

/// What a store cannot do it refuses, with a hint.
struct Abilities {
  bool schnorr = true;
  bool agrees = true;
  bool raw_rsa = true;
};

struct Maker {
  const char* name;
  Abilities can;
  std::unique_ptr<KeyStore> (*make)(const TemporaryFolder& folder, Random& random);
};

std::unique_ptr<KeyStore> made_and_opened(const NewKeys& wanted, Random& random) {
  const auto made = create_keys(wanted, random);
  if (!made) throw std::runtime_error(made.error().what);
  auto opened = open_keys(wanted.key_path, random);
  if (!opened) throw std::runtime_error(opened.error().what);
  return *std::move(opened);
}

NewKeys wanted(const TemporaryFolder& folder, std::string keystore) {
  return {who, Kind::service, folder / "boiler07.key", folder / "boiler07.pub", rsa_bits, std::move(keystore)};
}

constexpr Maker memory{
    "Memory", {}, [](const TemporaryFolder&, Random& random) { return make_memory_keys(who, Kind::service, random, rsa_bits); }};
constexpr Maker key_file{
    "File", {}, [](const TemporaryFolder& folder, Random& random) { return made_and_opened(wanted(folder, "file"), random); }};
constexpr Maker token{"Token", {.schnorr = false}, [](const TemporaryFolder& folder, Random& random) {
                        return made_and_opened(wanted(folder, testing::soft_hsm().new_uri()), random);
                      }};
constexpr Maker smart_card{
    "Card", {.schnorr = false, .agrees = false, .raw_rsa = false}, [](const TemporaryFolder& folder, Random& random) {
      auto reader = std::make_shared<testing::Reader>(folder / "card", random);
      const auto open = [reader](bool alone) { return reader->open(alone); };
      const auto made = create_card_keys(open, "the card", who, Kind::service, {});
      if (!made) throw std::runtime_error(made.error().what);
      auto opened = open_card_keys(open, "the card", *made,
                                   [&](const std::string&) { return open_sequence_file(folder / "sequence"); }, {});
      if (!opened) throw std::runtime_error(opened.error().what);
      return *std::move(opened);
    }};

template <class T>
void expect_refused_with_a_hint(const Result<T>& result) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().blame, Blame::caller_misused);
  EXPECT_NE(result.error().what.find("\nhint: "), std::string::npos) << result.error().what;
}

class KeyStoreConformance : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    store_ = GetParam().make(folder_, random_);
    ASSERT_NE(store_, nullptr);
  }

  const PublicKeys& keys() const { return store_->identity().keys; }

  TemporaryFolder folder_;
  crypto::OsRandom random_;
  std::unique_ptr<KeyStore> store_;
};

TEST_P(KeyStoreConformance, KnowsWhoseKeysItHolds) {
  EXPECT_EQ(store_->identity().name, who);
  EXPECT_EQ(store_->identity().kind, Kind::service);
}

TEST_P(KeyStoreConformance, HoldsADifferentKeyForEachPurpose) {
  const auto x = [](const std::array<std::uint8_t, 33>& key) { return to_buffer(Bytes(key).subspan(1)); };
  std::vector<Buffer> coordinates{x(keys().ecdsa), keys().rsa};
  if (GetParam().can.schnorr) coordinates.push_back(to_buffer(keys().schnorr));
  if (GetParam().can.agrees) coordinates.push_back(x(keys().agreement));
  EXPECT_EQ(std::set<Buffer>(coordinates.begin(), coordinates.end()).size(), coordinates.size());
  for (const auto& key : coordinates) EXPECT_TRUE(is_there(key));
  EXPECT_EQ(is_there(keys().schnorr), GetParam().can.schnorr) << "a key that cannot be used is not there";
  EXPECT_EQ(is_there(keys().agreement), GetParam().can.agrees);
}

TEST_P(KeyStoreConformance, SchnorrSignaturesVerifyUnderThePublicKey) {
  const auto tag = as_bytes("a scheme");
  const auto message = as_bytes("21.5");
  const std::array elements{tag, message};
  const auto joined = store_->sign_schnorr(elements);
  if (!GetParam().can.schnorr) return expect_refused_with_a_hint(joined);
  ASSERT_TRUE(joined) << joined.error().what;

  crypto::schnorr::Signature signature;
  std::copy_n(joined->begin(), 32, signature.z.begin());
  std::copy_n(joined->begin() + 32, 32, signature.e.begin());
  const auto key = crypto::schnorr::VerifyingKey::from_id(keys().schnorr).value();
  EXPECT_TRUE(crypto::schnorr::verify(key, elements, signature));
  const std::array other{tag, as_bytes("21.6")};
  EXPECT_FALSE(crypto::schnorr::verify(key, other, signature));
}

TEST_P(KeyStoreConformance, EcdsaSignaturesVerifyUnderThePublicKey) {
  const auto signature = store_->sign_ecdsa(as_bytes("21.5"));
  ASSERT_TRUE(signature) << signature.error().what;
  const auto key = crypto::ecdsa::VerifyingKey::from_sec1(keys().ecdsa).value();
  EXPECT_TRUE(crypto::ecdsa::verify(key, as_bytes("21.5"), *signature));
  EXPECT_FALSE(crypto::ecdsa::verify(key, as_bytes("21.6"), *signature));
}

TEST_P(KeyStoreConformance, AgreesOnTheSecretThatTheOtherSideFinds) {
  const auto peer = crypto::AgreementKey::generate(random_);
  const auto ours = store_->agree(peer.public_key());
  if (!GetParam().can.agrees) return expect_refused_with_a_hint(ours);
  ASSERT_TRUE(ours) << ours.error().what;
  const auto theirs = crypto::agree(peer, keys().agreement).value();
  EXPECT_EQ(ours->size(), 32U);
  EXPECT_TRUE(same(ours->reveal(), theirs.reveal()));
}

TEST_P(KeyStoreConformance, RefusesToAgreeWithWhatIsNoPoint) {
  std::array<std::uint8_t, 33> bad{};
  EXPECT_FALSE(store_->agree(bad));
  bad.fill(0xFF);
  bad[0] = 2;
  EXPECT_FALSE(store_->agree(bad));
}

TEST_P(KeyStoreConformance, RsaPssSignaturesVerifyUnderThePublicKey) {
  const auto signature = store_->sign_rsa_pss(as_bytes("21.5"));
  ASSERT_TRUE(signature) << signature.error().what;
  const auto key = crypto::rsa::PublicKey::from_modulus(keys().rsa).value();
  EXPECT_TRUE(crypto::rsa::verify_pss(key, as_bytes("21.5"), *signature));
  EXPECT_FALSE(crypto::rsa::verify_pss(key, as_bytes("21.6"), *signature));
}

TEST_P(KeyStoreConformance, UsesItsRsaKeyAsThePublishedProtocolWants) {
  const auto key = crypto::rsa::PublicKey::from_modulus(keys().rsa).value();
  const auto sealed = store_->seal_rsa(as_bytes("CLIENTE1 and a number"));
  const auto ciphertext = crypto::rsa::encrypt(key, as_bytes("secret")).value();
  const auto opened = store_->decrypt_rsa(ciphertext, 6);
  if (!GetParam().can.raw_rsa) {
    expect_refused_with_a_hint(sealed);
    return expect_refused_with_a_hint(opened);
  }
  ASSERT_TRUE(sealed) << sealed.error().what;
  EXPECT_EQ(as_text(crypto::rsa::open_with_public(key, *sealed, 21).value()), "CLIENTE1 and a number");
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ(as_text(opened->reveal()), "secret");
  const auto first = store_->decrypt_rsa(ciphertext, 7), second = store_->decrypt_rsa(ciphertext, 7);
  ASSERT_TRUE(first && second) << "a wrong length looks like another message";
  EXPECT_FALSE(same(first->reveal(), second->reveal()));
  EXPECT_FALSE(store_->decrypt_rsa(Buffer(256, 0xFF), 6));
  EXPECT_FALSE(store_->seal_rsa(Buffer(246)));
}

TEST_P(KeyStoreConformance, LogsInAsACard) {
  const auto broker = make_memory_keys("broker", Kind::broker, random_, rsa_bits);
  auto card = store_->open_card(CardForm::paper, 16, random_);
  ASSERT_TRUE(card) << card.error().what;
  ASSERT_TRUE((*card)->put_broker_key(broker->identity().keys.rsa));
  testing::CardBroker other(*broker, keys().rsa, who, random_);
  for (int time = 0; time < 2; ++time) {
    const auto step1 = (*card)->auth_step_1();
    ASSERT_TRUE(step1) << step1.error().what;
    const auto checked = (*card)->auth_step_2(other.answer(*step1));
    ASSERT_TRUE(checked) << checked.error().what;
    const auto step3 = (*card)->auth_step_3();
    ASSERT_TRUE(step3) << step3.error().what;
    EXPECT_TRUE(other.accepts(*step3));
    for (const char* text : {"21.5", "", "a message that takes more than one block"}) {
      const auto payload = (*card)->make_publish(as_bytes(text));
      ASSERT_TRUE(payload) << payload.error().what;
      EXPECT_EQ(other.read(*payload), text);
      other.take_next_key((*card)->make_pubrel().value());
      EXPECT_EQ(as_text((*card)->read_payload(other.publish(text)).value()), text);
      EXPECT_TRUE((*card)->check_pubrel(other.next_key()));
    }
  }
  EXPECT_FALSE((*card)->read_payload(Buffer(32))) << "Crypt Error";
  ASSERT_TRUE((*card)->auth_step_1());
  EXPECT_FALSE((*card)->auth_step_2(Buffer(516))) << "Auth Error";
}

TEST_P(KeyStoreConformance, SaysThatItsKeysCanBeUsed) {
  const auto checked = store_->check();
  EXPECT_TRUE(checked) << checked.error().what;
}

TEST_P(KeyStoreConformance, ThreadsMaySignAtTheSameTime) {
  const auto key = crypto::ecdsa::VerifyingKey::from_sec1(keys().ecdsa).value();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 5; ++n) {
        const auto signature = store_->sign_ecdsa(as_bytes("21.5"));
        good += signature && crypto::ecdsa::verify(key, as_bytes("21.5"), *signature) ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 15);
}

TEST_P(KeyStoreConformance, SequenceNumbersIncreaseByOne) {
  const auto first = store_->sequence().next().value();
  EXPECT_GT(first, 0U);
  EXPECT_EQ(store_->sequence().next().value(), first + 1);
  EXPECT_EQ(store_->sequence().next().value(), first + 2);
}

TEST_P(KeyStoreConformance, ThreadsNeverShareASequenceNumber) {
  std::array<std::vector<std::uint64_t>, 4> taken;
  std::vector<std::thread> threads;
  for (auto& mine : taken) {
    threads.emplace_back([this, &mine] {
      for (int i = 0; i < 50; ++i) mine.push_back(store_->sequence().next().value());
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : taken) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 200U);
  for (const auto& mine : taken) EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
}

INSTANTIATE_TEST_SUITE_P(All, KeyStoreConformance, ::testing::Values(memory, key_file, token, smart_card),
                         [](const auto& chosen) { return std::string(chosen.param.name); });

}  // namespace
}  // namespace sealmq
