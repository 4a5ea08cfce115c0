// A hostile broker between patient and doctor, or anybody on the wire: it puts in keys of its own, changes, repeats, reorders,
// moves and drops. Each attack is tried on PMQTT as published, where those succeed that its README names, and on the hardened
// form, where both ends are told in words and nothing false is shown.
#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/random.h"
#include "schemes/pmqtt/exchange.h"
#include "schemes/pmqtt/paper_frames.h"
#include "support/broker_bench.h"
#include "support/partners.h"

namespace sealmq::testing {
namespace {

using mqtt::Reason;
using Texts = std::vector<std::string>;
using Outcome = Delivered::Outcome;

constexpr std::string_view vitals_topic = "pmqtt/e2e/patient1/dr.house/vitals";

class Between : public ::testing::TestWithParam<std::string> {
 protected:
  Between() {
    wire.start(patient, {&doctor});
    wire.start(doctor, {&patient});
    wire.listen(doctor);
    wire.listen(patient);
  }
  bool is_paper() const { return GetParam() == "pmqtt@paper"; }
  std::size_t shown() const { return doctor.texts.size(); }
  Passing sent(std::string_view text) {
    wire.send(patient, "vitals", text);
    return wire.last(vitals_topic);
  }

  Wire wire{GetParam()};
  End patient{"patient1", wire.random};
  End doctor{"dr.house", wire.random};
};
std::string name_of(const ::testing::TestParamInfo<std::string>& its) {
  return its.param == "pmqtt" ? "hardened" : its.param == "smqtt" ? "smqtt" : "paper";
}
INSTANTIATE_TEST_SUITE_P(Schemes, Between, ::testing::Values("pmqtt", "pmqtt@paper", "smqtt"), name_of);
/// For what the published form does not even claim.
class BetweenHardened : public Between {};
INSTANTIATE_TEST_SUITE_P(Schemes, BetweenHardened, ::testing::Values("pmqtt", "smqtt"), name_of);

// Claim: only the two ends can read. Finding 5 of the published form: nobody vouches for the points.
TEST_P(Between, ABrokerThatPutsItsOwnKeysInPlaceOfTheirs) {
  if (is_paper()) {
    const auto mine = crypto::AgreementKey::generate(wire.random);
    std::optional<Secret> with_patient, with_doctor;
    std::string read;
    wire.meddle = [&](Passing& passing) {
      const bool is_from_patient = passing.topic.find("/patient1/dr.house") != passing.topic.npos;
      if (passing.topic.starts_with("pmqtt/kx/")) {
        (is_from_patient ? with_patient : with_doctor).emplace(pmqtt::paper::session_key(mine, passing.payload).value());
        passing.payload = pmqtt::paper::exchange_frame(mine);
      } else if (with_patient && with_doctor) {
        read = as_text(pmqtt::paper::open(*with_patient, passing.payload).value());
        passing.payload = pmqtt::paper::seal(*with_doctor, as_bytes("pulse 20"), wire.random);
      }
      return true;
    };
    wire.send(patient, "vitals", "pulse 72");
    EXPECT_EQ(read, "pulse 72") << "as published: the broker reads everything";
    EXPECT_EQ(doctor.texts, Texts{"pulse 20"}) << "and says what it likes";
    EXPECT_TRUE(doctor.refusals.empty());
    return;
  }
  // It keeps the signature, or signs with a key of its own.
  auto eve = make_memory_keys("eve", Kind::device, wire.random);
  for (const bool signs : {false, true}) {
    patient.refusals.clear();
    doctor.refusals.clear();
    const auto mine = crypto::AgreementKey::generate(wire.random);
    wire.meddle = [&](Passing& passing) {
      const bool is_exchange =
          pmqtt::begins(passing.payload, pmqtt::type_offer) || pmqtt::begins(passing.payload, pmqtt::type_answer);
      if (!is_exchange) return true;
      std::copy(mine.public_key().begin(), mine.public_key().end(), passing.payload.begin() + 42);
      if (signs) {
        const auto signature = eve->sign_ecdsa(Bytes(passing.payload).first(75)).value();
        std::copy(signature.begin(), signature.end(), passing.payload.begin() + 75);
      }
      return true;
    };
    wire.advance(11'000);
    EXPECT_FALSE(wire.send(patient, "vitals", "pulse 72"));
    EXPECT_TRUE(doctor.was_told("not signed by patient1"));
    // And only on the way back, so that the patient's end is the one to notice.
    auto both = wire.meddle;
    wire.meddle = [&](Passing& passing) { return passing.topic.starts_with("pmqtt/kx/patient1") || both(passing); };
    wire.advance(11'000);
    EXPECT_FALSE(wire.send(patient, "vitals", "pulse 72"));
    EXPECT_TRUE(patient.was_told("not signed by dr.house"));
    EXPECT_TRUE(doctor.texts.empty());
  }
  wire.meddle = {};
  wire.advance(11'000);
  EXPECT_TRUE(wire.send(patient, "vitals", "pulse 72")) << "and when it stops, all is well";
  EXPECT_EQ(doctor.texts, Texts{"pulse 72"});
}

// Claim: a message is what its author sealed. Finding 7.
TEST_P(Between, ABrokerThatChangesAMessage) {
  sent("pulse 72");
  wire.meddle = [&](Passing& passing) {
    if (passing.topic == vitals_topic) passing.payload[is_paper() ? 6 : passing.payload.size() - 18] ^= '7' ^ '2';
    return true;
  };
  wire.send(patient, "vitals", "pulse 72");
  if (is_paper()) {
    EXPECT_EQ(doctor.texts.back(), "pulse 22") << "as published: a digit of the first block is whatever one likes";
    return;
  }
  EXPECT_EQ(doctor.texts, Texts{"pulse 72"});
  EXPECT_TRUE(doctor.was_told("does not open"));
}

TEST_P(BetweenHardened, NoFlippedBitOfAMessagePasses) {
  const Passing honest = sent("72");
  Passing next = honest;
  for (std::size_t bit = 0; bit < honest.payload.size() * 8; ++bit) {
    next = honest;
    next.payload[bit / 8] = static_cast<std::uint8_t>(next.payload[bit / 8] ^ 1U << bit % 8);
    doctor.take(next, wire.now);
  }
  EXPECT_EQ(doctor.texts, Texts{"72"});
  EXPECT_EQ(doctor.refusals.size(), honest.payload.size() * 8);
}

TEST_P(BetweenHardened, NoFlippedBitOfAnExchangePasses) {
  sent("72");
  const Passing offer = wire.last("pmqtt/kx/patient1/dr.house");
  const std::size_t answers = wire.count("pmqtt/kx/dr.house/patient1");
  for (std::size_t bit = 0; bit < offer.payload.size() * 8; ++bit) {
    Passing next = offer;
    next.payload[bit / 8] = static_cast<std::uint8_t>(next.payload[bit / 8] ^ 1U << bit % 8);
    wire.bring(next);
  }
  wire.go_on();
  EXPECT_EQ(wire.count("pmqtt/kx/dr.house/patient1"), answers);
}

TEST_P(Between, ABrokerThatRepeatsAMessage) {
  const Passing recorded = sent("72");
  wire.bring(recorded);
  wire.advance(60'000);
  wire.bring(recorded);
  if (is_paper()) {
    EXPECT_EQ(doctor.texts, (Texts{"72", "72", "72"})) << "as published: nothing is ever old";
    return;
  }
  EXPECT_EQ(doctor.texts, Texts{"72"});
  EXPECT_TRUE(doctor.was_told("a copy of a message that came before"));
}

TEST_P(Between, ABrokerThatMovesAMessageToAnotherTopic) {
  Passing moved = sent("72");
  moved.topic = "pmqtt/e2e/patient1/dr.house/dose";
  wire.bring(moved);
  EXPECT_EQ(shown(), is_paper() ? 2U : 1U);
}

TEST_P(Between, ABrokerThatSendsAMessageBackToItsAuthor) {
  Passing reflected = sent("72");
  reflected.topic = "pmqtt/e2e/dr.house/patient1/vitals";
  wire.bring(reflected);
  EXPECT_EQ(patient.texts.size(), is_paper() ? 1U : 0U) << "as published one key serves both directions";
  if (!is_paper()) {
    EXPECT_FALSE(patient.refusals.empty());
  }
}

TEST_P(Between, ABrokerThatDropsMessages) {
  sent("1");
  wire.meddle = [](Passing& passing) { return passing.topic != vitals_topic; };
  sent("2");
  sent("3");
  wire.meddle = {};
  sent("4");
  EXPECT_EQ(doctor.texts, (Texts{"1", "4"}));
  if (is_paper()) {
    EXPECT_EQ(doctor.notices.back(), "") << "as published nobody can tell";
    return;
  }
  EXPECT_EQ(doctor.notices.back(), "2 frames sent just before this one have not come");
  EXPECT_EQ(patient.deliveries.size(), 2U) << "and the author knows which were not taken";
}

TEST_P(Between, ABrokerThatReordersMessages) {
  sent("1");
  std::vector<Passing> held;
  wire.meddle = [&](Passing& passing) {
    if (passing.topic != vitals_topic) return true;
    held.push_back(passing);
    return false;
  };
  sent("2");
  sent("3");
  wire.meddle = {};
  wire.bring(held[1]);
  wire.bring(held[0]);
  EXPECT_EQ(doctor.texts, (Texts{"1", "3", "2"}));
  if (!is_paper()) {
    EXPECT_EQ(doctor.notices.back(), "came after others that were sent later");
  }
}

TEST_P(Between, AMessageHeldBackForLongIsRefused) {
  sent("1");
  std::optional<Passing> held;
  wire.meddle = [&](Passing& passing) {
    if (passing.topic != vitals_topic || held) return true;
    held = passing;
    return false;
  };
  sent("old");
  for (int i = 0; i < 64; ++i) sent("new");
  wire.bring(*held);
  EXPECT_EQ(doctor.texts.back() == "old", is_paper());
  if (!is_paper()) {
    EXPECT_TRUE(doctor.was_told("fell behind the window"));
  }
}

// Finding 7: who sees whether a message is taken reads any other, byte by byte, without a key.
TEST_P(Between, WhoSeesWhichMessagesAreTakenReadsARecordedOne) {
  const Passing recorded = sent("pulse 72, O2 98");
  const auto is_taken = [&](const Buffer& frame) {
    const std::size_t before = shown();
    wire.bring({std::string(vitals_topic), frame, false});
    return shown() > before;
  };
  if (!is_paper()) {
    for (std::size_t at = 18; at < recorded.payload.size(); ++at)
      for (unsigned guess = 1; guess < 256; ++guess) {
        Buffer changed = recorded.payload;
        changed[at] = static_cast<std::uint8_t>(changed[at] ^ guess);
        ASSERT_FALSE(is_taken(changed)) << "one answer for everything: no oracle";
      }
    return;
  }
  // One block: IV || C. From the last byte on, an IV is looked for under which the padding is right.
  constexpr std::size_t block = crypto::aes_block_size;
  const Bytes ciphertext = Bytes(recorded.payload).subspan(block, block);
  std::array<std::uint8_t, block> inside{};
  for (std::size_t known = 0; known < block; ++known) {
    const auto padding = static_cast<std::uint8_t>(known + 1);
    bool found = false;
    for (unsigned guess = 0; guess < 256 && !found; ++guess) {
      Buffer frame(block);
      for (std::size_t i = block - known; i < block; ++i) frame[i] = inside[i] ^ padding;
      frame[block - known - 1] = static_cast<std::uint8_t>(guess);
      append(frame, ciphertext);
      found = is_taken(frame);
      if (found && known == 0) {  // 01, and not 02 02 by chance
        frame[block - 2] ^= 0xFF;
        found = is_taken(frame);
      }
      if (found) inside[block - known - 1] = static_cast<std::uint8_t>(guess ^ padding);
    }
    ASSERT_TRUE(found) << "byte " << known;
  }
  std::string read;
  for (std::size_t i = 0; i < block; ++i) read += static_cast<char>(inside[i] ^ recorded.payload[i]);
  EXPECT_EQ(read.substr(0, 15), "pulse 72, O2 98") << "as published: read without any key";
}

// Claim: replayed offers do nothing, whatever the memory of those who get them.
TEST_P(BetweenHardened, AnOldOfferHasNoEffect) {
  sent("1");
  const Passing offer = wire.last("pmqtt/kx/patient1/dr.house");
  wire.bring(offer);
  EXPECT_TRUE(doctor.was_told("a copy of an offer"));
  // The doctor starts anew within the window: it cannot know this offer.
  wire.advance(1'000);
  wire.start(doctor, {&patient});
  EXPECT_TRUE(doctor.scheme->subscribe("#", wire.now));
  const std::size_t data = wire.count("pmqtt/e2e/dr.house");
  wire.bring(offer);
  wire.go_on();
  EXPECT_EQ(wire.count("pmqtt/e2e/dr.house"), data) << "not a word before the patient has shown its key";
  wire.advance(11'000);
  EXPECT_TRUE(wire.send(patient, "vitals", "2"));
  EXPECT_EQ(doctor.texts.back(), "2");
  wire.advance(31'000);
  wire.start(doctor, {&patient});
  wire.listen(doctor);
  wire.bring(offer);
  EXPECT_TRUE(doctor.was_told("s old: held back or sent again"));
}

TEST_P(BetweenHardened, NobodyElseCanAskForANewSession) {
  sent("1");
  auto eve = make_memory_keys("dr.house", Kind::person, wire.random);  // the name is free to everybody
  const auto request = pmqtt::make_request(*eve, "patient1", {}, wire.now).value();
  const std::size_t offers = wire.count("pmqtt/kx/patient1");
  wire.bring({"pmqtt/kx/dr.house/patient1", request});
  wire.go_on();
  EXPECT_TRUE(patient.was_told("not signed by dr.house"));
  EXPECT_EQ(wire.count("pmqtt/kx/patient1"), offers);
}

TEST_P(BetweenHardened, ARequestSentAgainDoesNothing) {
  sent("1");
  wire.start(doctor, {&patient});
  wire.listen(doctor);
  const Passing request = wire.last("pmqtt/kx/dr.house/patient1");
  std::size_t offers = wire.count("pmqtt/kx/patient1");
  for (const auto& passing : wire.log)
    if (pmqtt::begins(passing.payload, pmqtt::type_request)) wire.bring(passing);
  wire.go_on();
  EXPECT_EQ(wire.count("pmqtt/kx/patient1"), offers);
  EXPECT_TRUE(patient.was_told("a copy of a request") || patient.was_told("s old"));
}

TEST_P(BetweenHardened, AReceiptIsTheDoctorsAlone) {
  doctor.takes = false;
  Passing message = sent("1");
  EXPECT_TRUE(patient.deliveries.empty());
  message.payload[1] = pmqtt::type_receipt;  // its own message, turned into a receipt
  message.topic = "pmqtt/e2e/dr.house/patient1";
  wire.bring(message);
  EXPECT_TRUE(patient.deliveries.empty());
  EXPECT_FALSE(patient.refusals.empty());
}

// Claim: at our broker those alone reach each other whom the operator's table names ("allowed partners" of the publication).
struct AllowedPartners : ::testing::Test {
  explicit AllowedPartners(const char* table = "patient1 dr.house\n") {
    if (table != nullptr) broker.scheme_options = {{"pmqtt.partners", table}};
    broker.crash();
    broker.allow({"pmqtt"}, {"pmqtt", "plain"}, "pmqtt/#");
    for (const auto* keys : {&patient, &house, &wilson}) {
      Identity identity;
      static_cast<PublicIdentity&>(identity) = (*keys)->identity();
      identity.publish = identity.subscribe = {"pmqtt/#"};
      broker.enroll(identity);
    }
  }
  TestClient& as(const std::string& name) {
    broker.peer.identity = name;
    return broker.connect("of-" + name);
  }
  Reason offer(KeyStore& from, const std::string& to) {
    auto& link = as(from.identity().name);
    const auto made = pmqtt::Offer::make(from, to, broker.random, broker.now).value();
    broker.publish(link, "pmqtt/kx/" + from.identity().name + "/" + to, as_text(made.frame()), mqtt::QoS::at_least_once);
    return link.answers.back().reasons.at(0);
  }
  static bool is_taken(Reason reason) { return reason == Reason::success || reason == Reason::no_matching_subscribers; }

  BrokerBench broker{1};
  std::unique_ptr<KeyStore> patient = make_memory_keys("patient1", Kind::device, broker.random);
  std::unique_ptr<KeyStore> house = make_memory_keys("dr.house", Kind::person, broker.random);
  std::unique_ptr<KeyStore> wilson = make_memory_keys("dr.wilson", Kind::person, broker.random);
};
struct NoTable : AllowedPartners {
  NoTable() : AllowedPartners(nullptr) {}
};

TEST_F(AllowedPartners, NobodyElseIsSentToOrListenedTo) {
  EXPECT_TRUE(is_taken(offer(*patient, "dr.house")));
  EXPECT_TRUE(is_taken(offer(*house, "patient1"))) << "in both directions";
  EXPECT_EQ(offer(*patient, "dr.wilson"), Reason::not_authorized);
  EXPECT_EQ(offer(*house, "dr.wilson"), Reason::not_authorized);
  EXPECT_EQ(offer(*wilson, "patient1"), Reason::not_authorized);

  auto& listening = as("dr.wilson");
  broker.subscribe(listening, "pmqtt/kx/patient1/dr.wilson");
  EXPECT_EQ(listening.answers.back().reasons.at(0), Reason::not_authorized);
  broker.subscribe(listening, "pmqtt/kx/+/dr.wilson");  // names nobody; what comes by it is asked about
  EXPECT_EQ(listening.answers.back().reasons.at(0), Reason::success);
}

// Claim: whom the operator takes off the table reaches nobody from then on, without a restart; nor does what is subscribed
// already bring anything.
TEST_F(AllowedPartners, WhoIsTakenOffTheTableWhileTheBrokerRunsReachesNobodyAnyMore) {
  auto& listening = as("dr.house");
  broker.subscribe(listening, "pmqtt/kx/+/dr.house");
  EXPECT_TRUE(is_taken(offer(*patient, "dr.house")));
  ASSERT_EQ(listening.publishes.size(), 1U);
  broker.shard(0).set_options({{"pmqtt.partners", "patient1 dr.wilson\n"}}, broker.now);
  EXPECT_EQ(offer(*patient, "dr.house"), Reason::not_authorized);
  EXPECT_EQ(listening.publishes.size(), 1U);
  EXPECT_TRUE(is_taken(offer(*patient, "dr.wilson")));
  broker.shard(0).set_options({{"pmqtt.partners", "no name!\n"}}, broker.now);
  EXPECT_TRUE(is_taken(offer(*patient, "dr.wilson"))) << "a table that is none changes nothing";
}

TEST_F(NoTable, EverybodyReachesEverybody) {
  EXPECT_TRUE(is_taken(offer(*patient, "dr.wilson")));
  EXPECT_TRUE(is_taken(offer(*wilson, "patient1")));
}

}  // namespace
}  // namespace sealmq::testing
