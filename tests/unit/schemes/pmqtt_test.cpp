// Stages 2 and 3 of PMQTT: byte by byte against vectors, and as conversations between two ends.
#include <gtest/gtest.h>

#include "schemes/pmqtt/exchange.h"
#include "schemes/pmqtt/paper_frames.h"
#include "schemes/pmqtt/partner.h"
#include "support/partners.h"
#include "support/sl3_parties.h"

namespace sealmq::testing {
namespace {

using namespace pmqtt;
using Texts = std::vector<std::string>;
using Outcome = Delivered::Outcome;

// -- against an independent script (tests/vectors/pmqtt_e2e.py)

struct Vectors : ::testing::Test {
  nlohmann::json v = vectors("pmqtt_e2e.json");
  Now now{1000, v["time"].get<std::uint64_t>() + 50};
  Buffer offer = hex(v["KX1"]);
  Buffer answer = hex(v["KX2"]);
  Pinned patient{v["patient"], crypto::ecdsa::VerifyingKey::from_sec1(hex(v["patient_public"])).value()};
  Pinned doctor{v["doctor"], crypto::ecdsa::VerifyingKey::from_sec1(hex(v["doctor_public"])).value()};

  Session session(Side side) {
    const bool offers = side == Side::offering;
    auto own = crypto::AgreementKey::from_secret(Secret(hex(offers ? v["x_P"] : v["x_D"]))).value();
    auto other = decode_exchange(offers ? answer : offer, offers ? type_answer : type_offer).value().point;
    crypto::KeyExchange exchange;
    exchange.see(offer).see(answer).step();
    exchange.share(crypto::agree(own, other).value());
    return Session(side, {patient.name, doctor.name}, exchange, now, limits);
  }
  SessionLimits limits;
  std::string topic = v["topic"];
  std::string back = v["back"];
  std::string bare = "pmqtt/e2e/patient1/dr.house";
  std::string text = v["plaintext"];
};

TEST_F(Vectors, BothSidesSealTheBytesOfTheVectorsAndOpenThem) {
  Session pc = session(Side::offering);
  Session dr = session(Side::answering);
  EXPECT_EQ(to_hex(pc.id()), v["sid"].get<std::string>());
  Buffer greeting, message, receipt;
  EXPECT_EQ(pc.seal(type_message, bare, {}, now, greeting), 0U);
  EXPECT_EQ(pc.seal(type_message, topic, as_bytes(text), now, message), 1U);
  EXPECT_EQ(to_hex(greeting), v["greeting"].get<std::string>());
  EXPECT_EQ(to_hex(message), v["message"].get<std::string>());

  EXPECT_FALSE(dr.seal(type_receipt, back, {}, now, receipt)) << "nothing leaves before the other side has shown its key";
  EXPECT_TRUE(dr.open(type_message, bare, greeting, now)->plaintext.empty());
  EXPECT_EQ(as_text(dr.open(type_message, topic, message, now)->plaintext), text);
  receipt.clear();
  const std::vector<Receipt> receipts{{1, Verdict::taken}, {2, Verdict::unwanted}};
  ASSERT_TRUE(dr.seal(type_receipt, back, encode(receipts), now, receipt));
  EXPECT_EQ(to_hex(receipt), v["receipt"].get<std::string>());
  EXPECT_EQ(decode_receipts(pc.open(type_receipt, back, receipt, now)->plaintext), receipts);
}

TEST_F(Vectors, ASessionEndsByItsBytesToo) {
  limits.bytes = 1600;
  Session pc = session(Side::offering), dr = session(Side::answering);
  for (int i = 0; i < 16; ++i) {
    EXPECT_FALSE(pc.is_over(now) || pc.must_be_renewed(now) != (i == 15)) << i;
    Buffer frame;
    ASSERT_TRUE(pc.seal(type_message, topic, Buffer(100), now, frame));
    EXPECT_TRUE(dr.open(type_message, topic, frame, now));
  }
  EXPECT_TRUE(pc.is_over(now));
  Buffer frame;
  EXPECT_FALSE(pc.seal(type_message, topic, {}, now, frame));
  EXPECT_EQ(SessionLimits{}.bytes, std::uint64_t{1} << 36);
  EXPECT_EQ(SessionLimits{}.forgeries, std::uint64_t{1} << 20);
}

TEST_F(Vectors, TheSignaturesOfTheVectorsVerifyAndNoOtherReading) {
  EXPECT_TRUE(Invitation::read(offer, patient, doctor.name, now));
  EXPECT_FALSE(Invitation::read(offer, patient, "dr.who", now)) << "for somebody else";
  EXPECT_FALSE(Invitation::read(offer, doctor, doctor.name, now)) << "by somebody else";
  EXPECT_FALSE(Invitation::read(offer, patient, doctor.name, {1000, now.wall + 30'000})) << "old";
  EXPECT_FALSE(Invitation::read(offer, patient, doctor.name, {1000, now.wall - 5'100})) << "early";
  const auto request = read_request(hex(v["request"]), doctor, patient.name, now).value();
  EXPECT_EQ(to_hex(request.unknown), v["sid"].get<std::string>());
  EXPECT_FALSE(read_request(hex(v["request"]), patient, patient.name, now));
}

TEST(PaperVectors, TheKeyAndTheMessageAreThoseOfTheVectors) {
  const auto v = vectors("pmqtt.json")["paper_kx_e2e"];
  auto pc = crypto::AgreementKey::from_secret(Secret(hex(v["pc_private"]))).value();
  auto dr = crypto::AgreementKey::from_secret(Secret(hex(v["dr_private"]))).value();
  EXPECT_EQ(to_hex(paper::exchange_frame(pc)), v["pc_public_sec1u"].get<std::string>());
  EXPECT_EQ(to_hex(paper::exchange_frame(dr)), v["dr_public_sec1u"].get<std::string>());
  const Secret key = paper::session_key(pc, hex(v["dr_public_sec1u"])).value();
  EXPECT_EQ(to_hex(key.reveal()), v["aes128_key"].get<std::string>());
  EXPECT_EQ(to_hex(paper::session_key(dr, hex(v["pc_public_sec1u"]))->reveal()), v["aes128_key"].get<std::string>());
  ScriptedRandom iv(hex(v["iv"]));
  const std::string text = v["plaintext"];
  EXPECT_EQ(to_hex(paper::seal(key, as_bytes(text), iv)), v["payload_iv_ct"].get<std::string>());
  EXPECT_EQ(as_text(paper::open(key, hex(v["payload_iv_ct"])).value()), text);
}

TEST(PmqttTopics, AreReadStrictly) {
  const Topics topics;
  const auto read = topics.read("pmqtt/e2e/patient1/dr.house/ward/3/vitals");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->from, "patient1");
  EXPECT_EQ(read->to, "dr.house");
  EXPECT_EQ(read->topic, "ward/3/vitals");
  EXPECT_TRUE(topics.read("pmqtt/kx/a/b")->is_exchange);
  EXPECT_EQ(topics.read("pmqtt/e2e/a/b")->topic, "");
  for (const char* wrong : {"pmqtt/kx/a", "pmqtt/kx/a/b/c", "pmqtt/e2e/a/b/", "pmqtt/e2e//b", "pmqtt/e2e/a b/c", "pmqtt/x/a/b",
                            "pmqttx/kx/a/b", "pmqtt", "pmqtt/", "", "pmqtt/e2e/a/+/c"})
    EXPECT_FALSE(topics.read(wrong)) << wrong;
  EXPECT_FALSE(topics.read("pmqtt/kx/a/" + std::string(65, 'b')));
  EXPECT_EQ(Topics::make({{"pmqtt.prefix", "clinic/x"}}, "pmqtt@paper")->exchange("a", "b"), "clinic/x/kx/a/b");
  EXPECT_FALSE(Topics::make({{"pmqtt.prefix", "$SYS"}}, "pmqtt"));
  EXPECT_FALSE(Topics::make({{"pmqtt.prefix", "a/#"}}, "pmqtt"));
  const SchemeOptions both{{"pmqtt.prefix", "ward"}, {"smqtt.prefix", "clinic"}};
  EXPECT_EQ(Topics::make(both, "smqtt")->prefix(), "clinic") << "each scheme has its own";
}

// -- conversations

struct Conversation : ::testing::Test {
  Conversation() {
    wire.start(patient, {&doctor});
    wire.start(doctor, {&patient});
  }
  /// The doctor's program ends and starts again, knowing nothing.
  void restart_doctor() {
    wire.start(doctor, {&patient});
    wire.listen(doctor);
  }
  Wire wire{"pmqtt"};
  End patient{"patient1", wire.random};
  End doctor{"dr.house", wire.random};
};

TEST_F(Conversation, AMessageArrivesAndItsAuthorLearnsIt) {
  wire.listen(doctor);
  EXPECT_TRUE(wire.send(patient, "vitals", "72"));
  EXPECT_EQ(doctor.texts, Texts{"72"});
  EXPECT_EQ(doctor.authors, Texts{"patient1"});
  EXPECT_EQ(doctor.notices, Texts{""});
  EXPECT_TRUE(patient.was_told_that(Outcome::taken));
  EXPECT_TRUE(patient.refusals.empty());
  EXPECT_TRUE(doctor.refusals.empty());
}

TEST_F(Conversation, ALateAnswerToAFormerOfferIsNoAlarm) {
  wire.listen(doctor);
  std::vector<Passing> held_back;
  wire.meddle = [&](Passing& passing) {
    const bool is_answer = passing.topic == "pmqtt/kx/dr.house/patient1" && passing.payload[1] == 2;
    if (is_answer) held_back.push_back(passing);
    return !is_answer;
  };
  EXPECT_FALSE(wire.send(patient, "vitals", "72"));
  wire.advance(11'000);
  ASSERT_EQ(held_back.size(), 2U) << "the patient has offered twice";
  wire.meddle = {};
  wire.bring(held_back[0]);
  EXPECT_FALSE(patient.scheme->may_publish("pmqtt/e2e/patient1/dr.house/vitals", wire.now));
  wire.bring(held_back[1]);
  wire.bring(held_back[0]);
  EXPECT_TRUE(wire.send(patient, "vitals", "72"));
  EXPECT_EQ(doctor.texts, Texts{"72"});
  EXPECT_TRUE(patient.refusals.empty());
}

TEST_F(Conversation, WhatNobodyHasTakenIsNotConfirmed) {
  doctor.takes = false;
  wire.listen(doctor);
  wire.send(patient, "vitals", "72");
  EXPECT_EQ(doctor.texts, Texts{"72"});
  EXPECT_TRUE(patient.deliveries.empty());
}

TEST_F(Conversation, ACopyOfWhatTheApplicationHasNotTakenYetIsNoNews) {
  doctor.takes = false;
  wire.listen(doctor);
  wire.send(patient, "vitals", "72");
  wire.bring(wire.last("pmqtt/e2e/patient1/dr.house/vitals"));
  EXPECT_EQ(doctor.texts, Texts{"72"});
  EXPECT_TRUE(doctor.refusals.empty());
  EXPECT_TRUE(patient.deliveries.empty());
}

TEST_F(Conversation, AReceiptThatWasLostIsGivenOnceMoreForTheCopy) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  wire.meddle = [](Passing& passing) { return !passing.topic.starts_with("pmqtt/e2e/dr.house"); };
  patient.deliveries.clear();
  wire.send(patient, "vitals", "2");
  EXPECT_TRUE(patient.deliveries.empty());
  wire.meddle = {};
  wire.bring(wire.last("pmqtt/e2e/patient1/dr.house/vitals"));
  wire.go_on();
  EXPECT_TRUE(patient.was_told_that(Outcome::taken));
  EXPECT_EQ(doctor.texts, (Texts{"1", "2"}));
}

TEST_F(Conversation, TheAuthorLearnsThatNobodyAskedForATopic) {
  wire.listen(doctor, "ecg");
  wire.send(patient, "vitals", "72");
  EXPECT_TRUE(doctor.texts.empty());
  EXPECT_TRUE(patient.was_told_that(Outcome::unwanted));
}

TEST_F(Conversation, APatientWaitsForADoctorWhoComesLater) {
  EXPECT_FALSE(wire.send(patient, "vitals", "72"));
  EXPECT_EQ(wire.count("pmqtt/kx/patient1/dr.house"), 1U);
  wire.advance(1'000);
  EXPECT_EQ(wire.count("pmqtt/kx/patient1/dr.house"), 1U) << "not every second";
  wire.listen(doctor);
  EXPECT_EQ(wire.count("pmqtt/kx/patient1/dr.house"), 2U) << "at once when the doctor says that it listens";
  EXPECT_TRUE(wire.send(patient, "vitals", "72"));
  EXPECT_EQ(doctor.texts, Texts{"72"});
}

TEST_F(Conversation, ADoctorWhoStartsAnewIsGivenANewSessionAndWhatItMissed) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  wire.meddle = [](Passing& passing) { return passing.topic.starts_with("pmqtt/kx"); };  // the broker drops it
  wire.send(patient, "vitals", "2");
  wire.meddle = {};
  wire.advance(11'000);
  restart_doctor();
  EXPECT_TRUE(patient.was_told_that(Outcome::lost));
  EXPECT_TRUE(wire.send(patient, "vitals", "2"));
  EXPECT_EQ(doctor.texts, (Texts{"1", "2"}));
}

TEST_F(Conversation, AFrameOfAForgottenSessionIsToldAndAskedFor) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  wire.meddle = [](Passing& passing) { return !passing.topic.starts_with("pmqtt/kx/dr.house"); };  // its requests are lost
  restart_doctor();
  wire.send(patient, "vitals", "2");
  EXPECT_TRUE(doctor.was_told("sealed for a session that is not known here"));
  wire.meddle = {};
  wire.advance(11'000);
  wire.send(patient, "vitals", "3");
  EXPECT_TRUE(patient.was_told_that(Outcome::lost));
  EXPECT_TRUE(wire.send(patient, "vitals", "4"));
  EXPECT_EQ(doctor.texts.back(), "4");
}

TEST_F(Conversation, AnAuthorWhoHearsNothingSendsItAgainAndIsAskedForANewSession) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  wire.meddle = [](Passing& passing) { return !passing.topic.starts_with("pmqtt/kx/dr.house"); };
  restart_doctor();
  wire.meddle = {};
  wire.advance(11'000);
  EXPECT_FALSE(patient.was_told_that(Outcome::lost));
  EXPECT_TRUE(patient.scheme->is_current(patient.deliveries.front().first, wire.now));
  wire.bring(wire.last("pmqtt/e2e/patient1/dr.house/vitals"));
  wire.go_on();
  EXPECT_TRUE(patient.was_told_that(Outcome::lost));
}

TEST_F(Conversation, RequestsLeaveAtMostEveryTenSeconds) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  const Passing stray{"pmqtt/e2e/patient1/dr.house/vitals",
                      hex("0203010203040506070800000000000000010102030405060708090a0b0c0d0e0f10")};
  const std::size_t before = wire.count("pmqtt/kx/dr.house");
  for (int i = 0; i < 20; ++i) {
    wire.bring(stray);
    wire.advance(1'000);
  }
  EXPECT_LE(wire.count("pmqtt/kx/dr.house"), before + 3);
  EXPECT_TRUE(wire.send(patient, "vitals", "2")) << "the session goes on: the request was not about it";
  EXPECT_EQ(doctor.texts.back(), "2");
}

TEST_F(Conversation, APatientWhoStartsAnewIsUnderstoodAtOnce) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  wire.start(patient, {&doctor});
  wire.send(patient, "vitals", "2");
  EXPECT_EQ(doctor.texts, (Texts{"1", "2"}));
  EXPECT_TRUE(doctor.refusals.empty());
}

TEST_F(Conversation, TwoProgramsOfOnePatientWriteSideBySide) {
  End pump{"patient1", wire.random};
  wire.start(pump, {&doctor});
  // The same identity: what its keys sign is the patient's.
  struct Shared : KeyStore {
    explicit Shared(KeyStore& its) : keys(its) {}
    const PublicIdentity& identity() const override { return keys.identity(); }
    Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> list) override { return keys.sign_schnorr(list); }
    Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes bytes) override { return keys.sign_ecdsa(bytes); }
    Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override { return keys.agree(peer); }
    SequenceCounter& sequence() override { return keys.sequence(); }
    KeyStore& keys;
  };
  pump.keys = std::make_unique<Shared>(*patient.keys);
  wire.start(pump, {&doctor});
  wire.listen(doctor);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(wire.send(patient, "vitals", "72"));
    EXPECT_TRUE(wire.send(pump, "pump", "on"));
  }
  EXPECT_EQ(doctor.texts, (Texts{"72", "on", "72", "on", "72", "on"}));
  EXPECT_TRUE(doctor.refusals.empty());
}

TEST_F(Conversation, SeveralPartnersHaveSessionsOfTheirOwn) {
  End nurse{"nurse", wire.random};
  wire.start(nurse, {&patient});
  wire.start(patient, {&doctor, &nurse});
  wire.listen(doctor);
  EXPECT_FALSE(wire.send(patient, "vitals", "72")) << "the nurse is not there";
  EXPECT_EQ(doctor.texts, Texts{"72"});
  wire.listen(nurse);
  EXPECT_TRUE(wire.send(patient, "vitals", "73"));
  EXPECT_EQ(doctor.texts, (Texts{"72", "73"}));
  EXPECT_EQ(nurse.texts, Texts{"73"});
}

TEST_F(Conversation, BothMayWriteToEachOther) {
  wire.listen(doctor);
  wire.listen(patient);
  wire.send(patient, "vitals", "72");
  EXPECT_TRUE(wire.send(doctor, "dose", "5 ml"));
  EXPECT_EQ(patient.texts, Texts{"5 ml"});
  EXPECT_TRUE(doctor.was_told_that(Outcome::taken));
}

TEST_F(Conversation, ASessionIsReplacedBeforeItEnds) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  const std::size_t offers = wire.count("pmqtt/kx/patient1");
  wire.advance(23ULL * 60 * 60 * 1000);
  EXPECT_EQ(wire.count("pmqtt/kx/patient1"), offers + 1);
  EXPECT_FALSE(patient.was_told_that(Outcome::lost)) << "nothing is lost by that";
  wire.send(patient, "vitals", "2");
  EXPECT_EQ(doctor.texts, (Texts{"1", "2"}));
}

TEST_F(Conversation, ASessionEndsAfterADayThoughNobodyAnswers) {
  wire.listen(doctor);
  wire.send(patient, "vitals", "1");
  wire.meddle = [](Passing&) { return false; };
  wire.advance(24ULL * 60 * 60 * 1000);
  EXPECT_FALSE(wire.send(patient, "vitals", "2"));
}

/// Both ends' view of each other, without a scheme around them.
TEST(PmqttPartners, AfterTooManyForgeriesAnotherSessionIsAskedFor) {
  CountingRandom random;
  Now now{1'000'000, 1'767'225'600'000};
  const auto patient_keys = make_memory_keys("patient1", Kind::device, random),
             doctor_keys = make_memory_keys("dr", Kind::person, random);
  const auto pinned = [](const KeyStore& keys) {
    return Pinned{keys.identity().name, crypto::ecdsa::VerifyingKey::from_sec1(keys.identity().keys.ecdsa).value()};
  };
  Partner at_patient(0, pinned(*doctor_keys), Topics(), *patient_keys, random);
  Partner at_doctor(0, pinned(*patient_keys), Topics(), *doctor_keys, random, {.forgeries = 3});
  const auto bring = [&](Partner& from, Partner& to) {
    bool any = false;
    while (auto request = from.next_request(now).value()) {
      any = true;
      const bool is_taken = request->topic.starts_with("pmqtt/kx/")
                                ? to.take_exchange(request->payload, now).has_value()
                                : to.take_frame(request->topic, request->payload, true, now).has_value();
      EXPECT_TRUE(is_taken) << request->topic;
    }
    return any;
  };
  const auto go_on = [&] {
    while (bring(at_patient, at_doctor) || bring(at_doctor, at_patient)) {
    }
  };
  at_doctor.listen();
  (void)at_patient.may_publish(now);
  go_on();
  const std::string address = "pmqtt/e2e/patient1/dr/vitals";
  ASSERT_TRUE(at_patient.may_publish(now));
  const Buffer first = at_patient.protect(address, as_bytes("72"), now).value();
  Buffer forged = first;
  forged.back() ^= 1;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(at_doctor.take_frame(address, forged, true, now));
  EXPECT_FALSE(at_doctor.take_frame(address, first, true, now)) << "its session is no longer there";
  now = {now.steady + 10'000, now.wall + 10'000};
  go_on();
  ASSERT_TRUE(at_patient.may_publish(now));
  EXPECT_TRUE(at_doctor.take_frame(address, at_patient.protect(address, as_bytes("73"), now).value(), true, now))
      << "in a new one";
}

TEST(PmqttEnds, AreToldWhatIsMissing) {
  CountingRandom random;
  auto keys = make_memory_keys("patient1", Kind::device, random);
  auto doctor = make_memory_keys("dr.house", Kind::person, random);
  const auto why = [&](KeyStore* key, std::vector<PublicIdentity> peers, std::string_view scheme) {
    return find_scheme(scheme)->client_side({key, std::nullopt, std::move(peers), random}).error().what;
  };
  for (std::string_view scheme : {"pmqtt", "pmqtt@paper", "smqtt"}) {
    EXPECT_NE(why(nullptr, {doctor->identity()}, scheme).find("--key"), std::string::npos);
    EXPECT_NE(why(keys.get(), {}, scheme).find("--to"), std::string::npos);
    EXPECT_NE(why(keys.get(), {keys->identity()}, scheme).find("same name"), std::string::npos);
    EXPECT_NE(why(keys.get(), {doctor->identity(), doctor->identity()}, scheme).find("twice"), std::string::npos);
    PublicIdentity odd = doctor->identity();
    odd.name = "dr/house";
    EXPECT_NE(why(keys.get(), {odd}, scheme).find("A-Z"), std::string::npos);
  }
}

TEST(PmqttEnds, TalkToThoseAloneWhomTheTableNames) {
  CountingRandom random;
  auto keys = make_memory_keys("patient1", Kind::device, random);
  auto doctor = make_memory_keys("dr.house", Kind::person, random), other = make_memory_keys("dr.wilson", Kind::person, random);
  for (const std::string scheme : {"pmqtt", "pmqtt@paper", "smqtt"}) {
    const SchemeOptions options{{scheme.substr(0, 5) + ".partners", "patient1 dr.house"}};
    const auto client = [&](const KeyStore& with) {
      return find_scheme(scheme)->client_side({keys.get(), std::nullopt, {with.identity()}, random, options});
    };
    EXPECT_TRUE(client(*doctor)) << scheme;
    const auto refused = client(*other);
    ASSERT_FALSE(refused) << scheme;
    EXPECT_NE(refused.error().what.find("patient1 may not talk to dr.wilson"), std::string::npos);
  }
}

// -- as published

struct PaperConversation : ::testing::Test {
  PaperConversation() {
    wire.start(patient, {&doctor});
    wire.start(doctor, {&patient});
  }
  Wire wire{"pmqtt@paper"};
  End patient{"patient1", wire.random};
  End doctor{"dr.house", wire.random};
};

TEST_F(PaperConversation, AMessageArrives) {
  wire.listen(doctor);
  EXPECT_TRUE(wire.send(patient, "vitals", "72"));
  EXPECT_EQ(doctor.texts, Texts{"72"});
  EXPECT_EQ(doctor.authors, Texts{""});
}

TEST_F(PaperConversation, APatientAsksAgainUntilTheDoctorIsThere) {
  EXPECT_FALSE(wire.send(patient, "vitals", "72"));
  wire.listen(doctor);
  wire.advance(6'000);
  EXPECT_TRUE(wire.send(patient, "vitals", "72"));
  EXPECT_EQ(doctor.texts, Texts{"72"});
}

}  // namespace
}  // namespace sealmq::testing
