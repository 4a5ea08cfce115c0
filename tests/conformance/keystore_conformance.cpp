// What every key store does, wherever its keys live.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "crypto/agree.h"
#include "crypto/ecdsa.h"
#include "crypto/random.h"
#include "crypto/schnorr.h"
#include "sealmq/keystore.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::TemporaryFolder;

struct Maker {
  const char* name;
  std::unique_ptr<KeyStore> (*make)(const TemporaryFolder& folder, Random& random);
};

constexpr Maker memory{
    "Memory", [](const TemporaryFolder&, Random& random) { return make_memory_keys("boiler-7", Kind::service, random); }};
constexpr Maker key_file{"File", [](const TemporaryFolder& folder, Random& random) {
                           const auto key = folder / "boiler-7.key";
                           if (!create_key_files("boiler-7", Kind::service, key, folder / "boiler-7.pub", random))
                             return std::unique_ptr<KeyStore>();
                           auto opened = open_key_file(key, random);
                           return opened ? std::move(*opened) : nullptr;
                         }};

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
  EXPECT_EQ(store_->identity().name, "boiler-7");
  EXPECT_EQ(store_->identity().kind, Kind::service);
}

TEST_P(KeyStoreConformance, HoldsADifferentKeyForEachPurpose) {
  const auto x = [](const std::array<std::uint8_t, 33>& key) { return to_buffer(Bytes(key).subspan(1)); };
  const std::set<Buffer> coordinates{to_buffer(keys().schnorr), x(keys().ecdsa), x(keys().agreement)};
  EXPECT_EQ(coordinates.size(), 3U);
}

TEST_P(KeyStoreConformance, SchnorrSignaturesVerifyUnderThePublicKey) {
  const auto tag = as_bytes("a scheme");
  const auto message = as_bytes("21.5");
  const std::array elements{tag, message};
  const auto joined = store_->sign_schnorr(elements);
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

INSTANTIATE_TEST_SUITE_P(All, KeyStoreConformance, ::testing::Values(memory, key_file),
                         [](const auto& chosen) { return std::string(chosen.param.name); });

}  // namespace
}  // namespace sealmq
