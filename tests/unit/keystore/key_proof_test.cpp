// Files of public keys that prove their keys: against the lines of an independent script (keys_and_orders.json), and against who
// puts another's keys into a file of its own.
#include "keystore/key_proof.h"

#include <gtest/gtest.h>

#include "base/writer.h"
#include "crypto/identity_digest.h"
#include "keystore/file_access.h"
#include "support/fakes.h"
#include "support/sl3_parties.h"
#include "support/temporary_folder.h"

namespace sealmq::testing {
namespace {

struct KeyProof : ::testing::Test {
  /// As if somebody had made a file with these keys and signed it with those it holds.
  static SecondLine with_signatures_of(const PublicIdentity& claimed, KeyStore& held) {
    struct Claiming : KeyStore {
      Claiming(PublicIdentity its_claim, KeyStore& its_own) : claim(std::move(its_claim)), own(its_own) {}
      const PublicIdentity& identity() const override { return claim; }
      Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> list) override { return own.sign_schnorr(list); }
      Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes text) override { return own.sign_ecdsa(text); }
      Result<Buffer> sign_rsa_pss(Bytes text) override { return own.sign_rsa_pss(text); }
      Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override { return own.agree(peer); }
      SequenceCounter& sequence() override { return own.sequence(); }
      PublicIdentity claim;
      KeyStore& own;
    } claiming(claimed, held);
    return prove_keys(claiming).value();
  }
  static PublicIdentity named(std::string name, KeyStore& keys) {
    PublicIdentity its = keys.identity();
    its.name = std::move(name);
    return its;
  }

  CountingRandom random;
  std::unique_ptr<KeyStore> owner = make_memory_keys("boiler-7", Kind::device, random, 2048);
  std::unique_ptr<KeyStore> thief = make_memory_keys("mallory", Kind::device, random, 2048);
};

TEST_F(KeyProof, IsTheLineOfTheVectors) {
  const auto v = vectors("keys_and_orders.json")["device"];
  PublicIdentity identity;
  identity.name = v["name"];
  identity.keys.schnorr = hex_array<32>(v["id"]);
  identity.keys.ecdsa = hex_array<33>(v["ecdsa_public"]);
  identity.keys.agreement = hex_array<33>(v["agreement_public"]);
  EXPECT_EQ(to_buffer(crypto::identity_digest(identity.keys)), hex(v["D"]));
  const auto hashes = crypto::key_hashes(identity.keys);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(to_buffer(hashes[i]), hex(v["keyhashes_1"][i]));

  const auto line = parse_second_line(v["line"].get<std::string>()).value();
  EXPECT_EQ(line.keys.mlkem, hex(v["mlkem_public"]));
  EXPECT_EQ(line.proof, hex(v["proof"]));
  EXPECT_EQ(to_line(line), v["line"].get<std::string>());
  const auto verified = verify_keys(identity, line);
  EXPECT_TRUE(verified) << verified.error().what;
  EXPECT_EQ(to_buffer(crypto::key_hash(line.keys.mlkem)), hex(v["keyhashes_2"][0]));

  SecondLine changed = line;
  changed.keys.mlkem[7] ^= 1;
  EXPECT_FALSE(verify_keys(identity, changed)) << "the later keys are signed too";
  changed = line;
  changed.keys.mlkem.clear();
  EXPECT_FALSE(verify_keys(identity, changed));
}

TEST_F(KeyProof, EveryOctetCounts) {
  const auto line = prove_keys(*owner).value();
  EXPECT_TRUE(verify_keys(owner->identity(), line));
  EXPECT_EQ(parse_second_line(to_line(line))->proof, line.proof);
  for (std::size_t at = 0; at < line.proof.size(); ++at) {
    SecondLine changed = line;
    changed.proof[at] ^= 1;
    EXPECT_FALSE(verify_keys(owner->identity(), changed)) << at;
  }
  PublicIdentity other = owner->identity();
  other.kind = Kind::service;
  EXPECT_FALSE(verify_keys(other, line));
  other = named("boiler-8", *owner);
  EXPECT_FALSE(verify_keys(other, line));
  SecondLine renamed = line;
  renamed.name = "boiler-8";
  EXPECT_FALSE(verify_keys(other, renamed)) << "the name is signed";
}

// Whoever enrolled another's key would be shown as the author of what that one signs, and that one could not be enrolled.
TEST_F(KeyProof, NobodyProvesAnothersKey) {
  const auto claim = [&](auto member) {
    PublicIdentity its = thief->identity();
    its.keys.*member = owner->identity().keys.*member;
    const auto refused = verify_keys(its, with_signatures_of(its, *thief));
    EXPECT_FALSE(refused);
  };
  claim(&PublicKeys::schnorr);
  claim(&PublicKeys::ecdsa);
  claim(&PublicKeys::rsa);
  // Leaving the signature of a key away does not help.
  PublicIdentity its = thief->identity();
  its.keys.ecdsa = owner->identity().keys.ecdsa;
  SecondLine line = with_signatures_of(its, *thief);
  Buffer without;
  Writer(without).lp8(Bytes(line.proof).subspan(1, 64)).lp8(Bytes()).bytes(Bytes(line.proof).subspan(130));
  line.proof = without;
  EXPECT_FALSE(verify_keys(its, line));
}

TEST_F(KeyProof, TheTwinOfASignatureIsNoProof) {
  auto line = prove_keys(*owner).value();
  const std::size_t s_at = 65 + 1 + 32;
  const auto s = crypto::Scalar::decode(Bytes(line.proof).subspan(s_at, 32)).value();
  (crypto::Scalar() - s).encode(std::span(line.proof).subspan(s_at).first<32>());
  EXPECT_FALSE(verify_keys(owner->identity(), line));
}

TEST_F(KeyProof, LinesAreReadStrictly) {
  const std::string good = to_line(prove_keys(*owner).value());
  EXPECT_TRUE(parse_second_line(good));
  for (const std::string& bad :
       {std::string(), std::string("sealmq-keys 2 "), std::string("sealmq-keys 2 boiler-7"), good + " ", good + " x=1",
        " " + good, "sealmq-keys 3" + good.substr(13), good + good, std::string("sealmq-keys 2 boiler/7 proof=AA"),
        std::string("sealmq-keys 2 boiler-7 mlkem-768=AA proof=AA"),
        std::string("sealmq-keys 2 boiler-7 proof=AA mlkem-768=ephemeral")})
    EXPECT_FALSE(parse_second_line(bad)) << bad;
  EXPECT_TRUE(parse_second_line("sealmq-keys 2 boiler-7 mlkem-768=ephemeral proof=AA")->keys.mlkem_is_ephemeral);
}

TEST_F(KeyProof, AFileWithoutItIsTakenOnlyByWhoSaysSo) {
  const TemporaryFolder folder;
  const std::string path = folder / "boiler-7.pub";
  ASSERT_TRUE(create_key_files("boiler-7", Kind::device, folder / "boiler-7.key", path, random));
  const auto file = read_identity_file(path).value();
  EXPECT_FALSE(file.proof.empty());
  EXPECT_EQ(read_public_identity(path).value(), file.identity);

  ASSERT_TRUE(replace_file(path, to_line(file.identity) + "\n", Audience::everybody));
  EXPECT_EQ(read_identity_file(path)->proof, "");
  const auto refused = read_public_identity(path);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("hint: sealmq identity upgrade boiler-7.key"), std::string::npos) << refused.error().what;
  EXPECT_EQ(read_public_identity(path, true).value(), file.identity);

  // One that is wrong is not taken by anybody.
  ASSERT_TRUE(replace_file(path, to_line(thief->identity()) + "\n" + file.proof + "\n", Audience::everybody));
  EXPECT_FALSE(read_public_identity(path, true));
  ASSERT_TRUE(replace_file(path, to_line(file.identity) + "\n" + file.proof + "\n\n", Audience::everybody));
  EXPECT_FALSE(read_public_identity(path, true));
}

}  // namespace
}  // namespace sealmq::testing
