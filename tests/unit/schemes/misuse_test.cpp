// What a broker shows the authority of an author who publishes what it may not (REQUEST), and what it does not show.
#include <gtest/gtest.h>

#include "schemes/malina/revocation.h"
#include "schemes/sl2/escrow.h"
#include "support/conversing.h"
#include "support/liar.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;

struct Watch : broker::MisuseWatch {
  struct Seen {
    std::string author, misuse;
    Buffer evidence;
  };
  void saw(const std::string& author, std::string_view misuse, Now, const std::function<Buffer()>& show) override {
    seen.push_back({author, std::string(misuse), show()});
  }
  std::vector<Seen> seen;
};

/// Who may publish with QoS 0 alone.
Rights of_qos_0(std::string filter) {
  QosSet qos = QosSet::none();
  qos.add(QoS::at_most_once);
  return {Right(std::move(filter), false, qos)};
}

/// A device that signs by any of the levels; that of SL1 has no conversation with the broker.
struct Author {
  Author(BrokerBench& its_broker, Rights rights, const std::string& scheme, bool is_listed = true) : broker(its_broker) {
    if (scheme == "sl1") {
      party.emplace(broker, "boiler-7", std::move(rights), Rights{}, scheme, std::vector<PublicIdentity>(), is_listed);
      link = &broker.connect("link");
    } else {
      conversing.emplace(broker, "boiler-7", std::move(rights), Rights{}, scheme, std::vector<PublicIdentity>(), is_listed);
      link = conversing->link;
    }
  }
  /// Empty: the broker gives no session for it.
  std::string frame(std::string_view topic, std::string_view text) {
    return party ? protect(*party, broker, topic, text) : conversing->frame(topic, text);
  }
  void send(std::string_view frame, std::string_view topic, QoS qos) {
    if (!frame.empty()) broker.publish(*link, party ? topic : conversing->scheme->wire_topic(), frame, qos);
  }
  void publish(std::string_view topic, std::string_view text, QoS qos) { send(frame(topic, text), topic, qos); }
  const malina::Id& id() const { return (party ? party->keys : conversing->keys)->identity().keys.schnorr; }

  BrokerBench& broker;
  std::optional<Party> party;
  std::optional<Conversing> conversing;
  TestClient* link = nullptr;
};

class Misuse : public ::testing::TestWithParam<std::string> {
 protected:
  Misuse() {
    broker.authority = authority->identity().keys.agreement;
    broker.crash();
    broker.allow({GetParam()}, {GetParam()}, "plant/#");
  }
  /// The author, whose signature has been verified.
  std::optional<malina::Id> author_of(Bytes frame) {
    auto evidence = malina::decode_evidence(frame).value();
    if (evidence.level == malina::Level::sl2) {
      const auto opened = sl2::open_escrow(*authority, evidence.escrow, evidence.topic, evidence.time).value();
      evidence.id = opened.id;
      evidence.sequence = opened.sequence;
      evidence.signature = opened.signature;
    }
    return malina::holds(evidence) ? std::optional(evidence.id) : std::nullopt;
  }

  CountingRandom random;
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  Watch watch;
  BrokerBench broker{1, {}, nullptr, [this](broker::Ports& ports) { ports.misuse = &watch; }};
};
INSTANTIATE_TEST_SUITE_P(Levels, Misuse, ::testing::Values("sl1", "sl2", "sl3"));

TEST_P(Misuse, WhoPublishesWhatItMayNotIsShownWithItsOwnSignature) {
  Author device(broker, of_qos_0("plant/7/#"), GetParam());
  device.publish("plant/7/temp", "21.5", QoS::at_most_once);
  EXPECT_EQ(broker.counters().published, 1U);
  EXPECT_TRUE(watch.seen.empty()) << "there it may";
  device.publish("plant/7/temp", "open the valve", QoS::at_least_once);
  EXPECT_EQ(broker.counters().published, 1U);
  ASSERT_EQ(watch.seen.size(), 1U);
  EXPECT_EQ(watch.seen[0].author, "boiler-7");
  EXPECT_EQ(watch.seen[0].misuse, "publishes with a QoS that it may not use");
  EXPECT_EQ(author_of(watch.seen[0].evidence), device.id());
  const auto evidence = malina::decode_evidence(watch.seen[0].evidence).value();
  EXPECT_EQ(evidence.topic, "plant/7/temp");
  EXPECT_EQ(as_text(evidence.message), "open the valve");
  EXPECT_EQ(evidence.broker_id, broker.identity().id);
}

TEST_P(Misuse, WhoIsNotOnTheListIsNotAskedAbout) {
  Author stranger(broker, {"plant/#"}, GetParam(), false);
  stranger.publish("plant/7/temp", "x", QoS::at_least_once);
  EXPECT_EQ(broker.counters().published, 0U);
  EXPECT_TRUE(watch.seen.empty());
}

TEST_P(Misuse, OfWhoIsRevokedTheAuthorityKnowsAlready) {
  Author device(broker, of_qos_0("plant/7/#"), GetParam());
  const std::string frame = device.frame("plant/7/temp", "x");
  ASSERT_FALSE(frame.empty());
  Identity identity = (device.party ? device.party->identity : device.conversing->identity);
  identity.status = Status::revoked;
  broker.set_identity(identity);
  device.send(frame, "plant/7/temp", QoS::at_least_once);
  EXPECT_EQ(broker.counters().published, 0U);
  EXPECT_TRUE(watch.seen.empty());
}

// Its session vouches for it, so the broker takes what it says without a look at the signature. Whom it blames is another matter.
TEST(MisuseInASession, WhoHasNotSignedIsNotBlamed) {
  Watch watch;
  BrokerBench broker{1, {}, nullptr, [&](broker::Ports& ports) { ports.misuse = &watch; }};
  broker.allow({"sl3"}, {"sl3"}, "plant/#");
  Conversing device(broker, "boiler-7", of_qos_0("plant/7/#"), {}, "sl3");
  Liar liar(*device.keys);
  device.scheme = find_scheme("sl3")->client_side({&liar, broker.identity(), {}, broker.random}).value();
  device.publish("plant/7/temp", "x", QoS::at_most_once);
  liar.lies = true;
  device.publish("plant/7/temp", "x", QoS::at_least_once);
  ASSERT_EQ(watch.seen.size(), 1U);
  EXPECT_TRUE(watch.seen[0].evidence.empty());
  liar.lies = false;
  device.publish("plant/7/temp", "x", QoS::at_least_once);
  ASSERT_EQ(watch.seen.size(), 2U);
  EXPECT_FALSE(watch.seen[1].evidence.empty());
}

TEST(MisuseWithoutAuthority, OfAHiddenAuthorNothingIsShown) {
  Watch watch;
  BrokerBench broker{1, {}, nullptr, [&](broker::Ports& ports) { ports.misuse = &watch; }};
  broker.allow({"sl2"}, {"sl2"}, "plant/#");
  Conversing device(broker, "boiler-7", of_qos_0("plant/7/#"), {}, "sl2");
  device.publish("plant/7/temp", "x");
  ASSERT_EQ(watch.seen.size(), 1U);
  EXPECT_TRUE(watch.seen[0].evidence.empty()) << "nobody could open it";
}

}  // namespace
}  // namespace sealmq::testing
