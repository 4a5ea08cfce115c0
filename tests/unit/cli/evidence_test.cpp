// Who wrote a message that somebody complains about: what the authority believes, and what it does not.
#include "cli/evidence.h"
#include "base/try.h"

#include <gtest/gtest.h>

#include "schemes/sl2/escrow.h"
#include "sealmq/complaint.h"
#include "support/fakes.h"

namespace sealmq::cli {
namespace {

using malina::Evidence;
using malina::Level;

constexpr std::string_view broker_id = "broker-1";
constexpr std::string_view topic = "plant/7/pressure";
constexpr Now now{.steady = 1, .wall = 1'700'000'000'000};

class EvidenceTest : public ::testing::Test {
 protected:
  std::unique_ptr<KeyStore> keys(std::string_view name, Kind kind = Kind::device) {
    return make_memory_keys(name, kind, random_);
  }

  malina::Signature signature_of(KeyStore& author, std::uint8_t type) {
    const malina::Statement statement{type, broker_id, topic, author.identity().keys.schnorr, as_bytes("4.2"), now.wall, 9};
    return malina::sign(author, statement).value();
  }

  Evidence open_evidence(KeyStore& author, Level level) {
    Evidence evidence{level, broker_id, topic, as_bytes("4.2"), now.wall};
    evidence.id = author.identity().keys.schnorr;
    evidence.sequence = 9;
    evidence.signature = signature_of(author, level == Level::sl1 ? 0x12 : 0x33);
    return evidence;
  }

  Buffer escrow_of(KeyStore& author, std::string_view sealed_for) {
    const auto key = sl2::EscrowKey::from_sec1(authority_->identity().keys.agreement).value();
    return key.seal(sealed_for, now.wall, {author.identity().keys.schnorr, 9, signature_of(author, 0x22)}, random_);
  }

  malina::PaperRequest paper_evidence(KeyStore& author, Level level) {
    const char* tag = level == Level::sl1 ? "SL1_2" : level == Level::sl2 ? "SL2_2" : "SL3_2";
    malina::PaperRequest evidence{};
    evidence.level = level;
    evidence.topic = topic;
    evidence.message = as_bytes("4.2");
    evidence.time = now.wall;
    evidence.signature =
        malina::sign(author, malina::PaperStatement{tag, topic, author.identity().keys.schnorr, as_bytes("4.2"), now.wall})
            .value();
    if (level != Level::sl2) evidence.id = author.identity().keys.schnorr;
    return evidence;
  }

  Result<malina::Id> author(Bytes file, const std::vector<Identity>& listed = {}) {
    return author_of(TRY(read_shown(file)), *authority_, listed);
  }

  testing::CountingRandom random_;
  std::unique_ptr<KeyStore> authority_ = keys("authority", Kind::authority);
  std::unique_ptr<KeyStore> boiler_ = keys("boiler-7");
  std::unique_ptr<KeyStore> desk_ = keys("desk");
  const malina::Id boiler_id_ = boiler_->identity().keys.schnorr;
};

TEST_F(EvidenceTest, ARequestMadeOfEvidenceNamesAuthorRequesterAndReason) {
  for (const Level level : {Level::sl1, Level::sl3}) {
    const Buffer kept = malina::encode(open_evidence(*boiler_, level));
    EXPECT_EQ(author(kept).value(), boiler_id_);
    const Buffer request = sign_complaint(kept, "lies", *desk_, now).value();
    const Shown shown = read_shown(request).value();
    EXPECT_EQ(shown.reason, "lies");
    EXPECT_EQ(shown.topic(), topic);
    EXPECT_EQ(as_text(shown.message()), "4.2");
    EXPECT_TRUE(shown.has_requester);
    EXPECT_EQ(shown.requester, desk_->identity().keys.ecdsa);
    EXPECT_EQ(author_of(shown, *authority_, {}).value(), boiler_id_);
  }
}

TEST_F(EvidenceTest, WhatWasChangedIsNobodys) {
  const auto changed = [&](auto change) {
    Evidence evidence = open_evidence(*boiler_, Level::sl1);
    change(evidence);
    return author(malina::encode(evidence)).has_value();
  };
  EXPECT_TRUE(changed([](Evidence&) {}));
  EXPECT_FALSE(changed([](Evidence& e) { e.message = as_bytes("9.9"); }));
  EXPECT_FALSE(changed([](Evidence& e) { e.topic = "plant/8/pressure"; }));
  EXPECT_FALSE(changed([](Evidence& e) { e.broker_id = "broker-2"; }));
  EXPECT_FALSE(changed([](Evidence& e) { ++e.time; }));
  EXPECT_FALSE(changed([](Evidence& e) { e.level = Level::sl3; }));
  EXPECT_FALSE(changed([&](Evidence& e) { e.id = desk_->identity().keys.schnorr; })) << "blames somebody else";
}

TEST_F(EvidenceTest, ARequestThatWasChangedIsNotRead) {
  const Buffer request = sign_complaint(malina::encode(open_evidence(*boiler_, Level::sl1)), "lies", *desk_, now).value();
  ASSERT_TRUE(read_shown(request));
  for (std::size_t i = 0; i < request.size(); ++i) {
    Buffer changed = request;
    changed[i] ^= 1;
    EXPECT_FALSE(read_shown(changed)) << i;
  }
}

TEST_F(EvidenceTest, OnlyTheAuthorityOpensAnEscrowAndOnlyForItsMessage) {
  const Buffer escrow = escrow_of(*boiler_, topic);
  Evidence evidence{Level::sl2, broker_id, topic, as_bytes("4.2"), now.wall};
  evidence.escrow = escrow;
  const Buffer kept = malina::encode(evidence);
  EXPECT_EQ(author(kept).value(), boiler_id_);
  EXPECT_FALSE(author_of(read_shown(kept).value(), *desk_, {})) << "another key";
  evidence.message = as_bytes("9.9");
  EXPECT_FALSE(author(malina::encode(evidence))) << "an escrow shown with another message";
  const Buffer elsewhere = escrow_of(*boiler_, "plant/8/pressure");
  evidence.message = as_bytes("4.2");
  evidence.escrow = elsewhere;
  EXPECT_FALSE(author(malina::encode(evidence)));
}

TEST_F(EvidenceTest, ThePublishedSl2IsOpenedByTryingAThousandIdentitiesAlsoRevokedOnes) {
  std::vector<Identity> listed(1000);
  for (Identity& identity : listed) {
    identity.keys = keys("x")->identity().keys;
    identity.publish = {"plant/#"};
  }
  listed[997].keys = boiler_->identity().keys;
  listed[997].status = Status::revoked;
  const Buffer kept = malina::encode_paper_evidence(paper_evidence(*boiler_, Level::sl2));
  EXPECT_EQ(author(kept, listed).value(), boiler_id_);
  listed[997].publish = {"elsewhere"};
  EXPECT_EQ(author(kept, listed).value(), boiler_id_) << "its rights were others when it wrote";
  listed[997].keys = desk_->identity().keys;
  EXPECT_FALSE(author(kept, listed));
}

TEST_F(EvidenceTest, PublishedFormsAreReadAsEvidenceAndAsRequests) {
  for (const Level level : {Level::sl1, Level::sl3}) {
    const Buffer kept = malina::encode_paper_evidence(paper_evidence(*boiler_, level));
    EXPECT_EQ(author(kept).value(), boiler_id_);
    const Buffer request = sign_complaint(kept, "lies", *desk_, now).value();
    EXPECT_EQ(read_shown(request)->reason, "lies");
    EXPECT_FALSE(read_shown(request)->has_requester);
    EXPECT_EQ(author(request).value(), boiler_id_);
  }
}

TEST_F(EvidenceTest, NothingElseIsEvidence) {
  EXPECT_FALSE(sign_complaint(as_bytes("hello"), "lies", *desk_, now));
  EXPECT_FALSE(read_shown(as_bytes("hello")));
  EXPECT_FALSE(read_shown({}));
  const Buffer kept = malina::encode(open_evidence(*boiler_, Level::sl1));
  const Buffer request = sign_complaint(kept, "lies", *desk_, now).value();
  EXPECT_FALSE(sign_complaint(request, "again", *desk_, now)) << "a request is not evidence";
  EXPECT_FALSE(read_shown(Bytes(kept).first(kept.size() - 1)));
  EXPECT_FALSE(sign_complaint(kept, std::string(70'000, 'x'), *desk_, now));
}

}  // namespace
}  // namespace sealmq::cli
