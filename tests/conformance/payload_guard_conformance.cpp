// What every protection of a connection's payloads has to do, whether it is a hop layer or comes with a login.
#include <gtest/gtest.h>

#include "crypto/hop.h"
#include "crypto/random.h"
#include "crypto/ratchet.h"
#include "mqtt/packet.h"
#include "schemes/scacauth/paper_payloads.h"
#include "schemes/scacauth/software_end.h"
#include "sealmq/keystore.h"

namespace sealmq {
namespace {

/// Both ends of one connection, and what they live on.
struct Ends {
  std::unique_ptr<KeyStore> broker_keys, keys;
  std::unique_ptr<SmartCard> card;
  std::unique_ptr<PayloadGuard> client, broker;
};

struct Protection {
  const char* name;
  Ends (*make)(Random&);
  bool is_bound_to_topic;
  bool is_authentic;  ///< every change is noticed
};

Secret session_key() {
  return Secret(Buffer(32, 0x5E));
}

template <std::size_t key_size>
Ends hpp1(Random&) {
  Ends ends;
  ends.client = std::make_unique<crypto::HopPayloads>(session_key(), "c", crypto::HopEnd::client, key_size);
  ends.broker = std::make_unique<crypto::HopPayloads>(session_key(), "c", crypto::HopEnd::broker, key_size);
  return ends;
}

template <std::size_t key_size>
Ends ratchet(Random&) {
  Ends ends;
  ends.client = std::make_unique<crypto::RatchetPayloads>(session_key(), crypto::HopEnd::client, key_size);
  ends.broker = std::make_unique<crypto::RatchetPayloads>(session_key(), crypto::HopEnd::broker, key_size);
  return ends;
}

/// As published, behind a login by hand.
Ends scacauth(const char* method_name, CardForm form, Random& random) {
  using namespace scacauth;
  const Method method = *parse_method(method_name);
  const bool needs_rsa = method.algorithm == Algorithm::rsa;
  Ends ends;
  ends.broker_keys = make_memory_keys("broker-1", Kind::broker, random, needs_rsa ? 2048 : 0);
  ends.keys = make_memory_keys("CLIENTE1", Kind::device, random, needs_rsa ? 2048 : 0);
  const BrokerIdentity broker = broker_identity(ends.broker_keys->identity());
  if (needs_rsa) {
    ends.card = ends.keys->open_card(form, method.key_size(), random).value();
    EXPECT_TRUE(ends.card->put_broker_key(broker.rsa));
  } else {
    ends.card = make_software_end(method, *ends.keys, broker, random);
  }
  const Buffer step1 = ends.card->auth_step_1().value();
  const Buffer proved =
      recover(method, ends.keys->identity().keys, decode_step1(method, step1)->proof, 8 + method.key_size()).value();
  PaperKeys keys;
  keys.publisher = Secret(Buffer(method.key_size(), 1));
  keys.subscriber = Secret(Buffer(method.key_size(), 2));
  Buffer sent = to_buffer(as_bytes("CLIENTE1"));
  append(sent, keys.publisher.reveal());
  append(sent, keys.subscriber.reveal());
  const Buffer proof = prove(method, *ends.broker_keys, proved).value();
  const Buffer sealed = seal_for(method, ends.keys->identity().keys, sent, random).value();
  EXPECT_TRUE(ends.card->auth_step_2(encode(Step2{proof, sealed})));
  ends.client = guard_at_client(*ends.card);
  ends.broker =
      guard_at_broker(method, form == CardForm::applet ? Form::card_v2 : Form::paper, "CLIENTE1", std::move(keys), random);
  return ends;
}
Ends paper(Random& random) {
  return scacauth("SCACAuth-RSAPKCS1-2048-AES-128", CardForm::paper, random);
}
Ends card_v2(Random& random) {
  return scacauth("SCACAuth-RSAPKCS1-2048-AES-128", CardForm::applet, random);
}
Ends paper_ecc(Random& random) {
  return scacauth("SCACAuth-ECC-256-AES-256", CardForm::paper, random);
}

class PayloadGuardConformance : public ::testing::TestWithParam<Protection> {
 protected:
  /// One message from one end to the other, with all its acknowledgements.
  std::string pass(PayloadGuard& sender, PayloadGuard& receiver, std::string_view text) {
    Buffer sealed;
    if (auto done = sender.seal("t", as_bytes(text), {}, sealed); !done) return "not sealed: " + done.error().what;
    EXPECT_LE(sealed.size(), sender.sealed_size(text.size()));
    auto opened = receiver.open("t", sealed);
    if (!opened) return "not opened: " + opened.error().what;
    EXPECT_FALSE(opened->repeat);
    if (sender.relay() != nullptr) acknowledge(*sender.relay(), *receiver.relay());
    return std::string(as_text(opened->plaintext));
  }
  void acknowledge(KeyRelay& sender, KeyRelay& receiver) {
    const std::uint16_t id = ++last_id_;
    const auto receipt = receiver.receipt(id), again = receiver.receipt(id);
    ASSERT_TRUE(receipt && again);
    EXPECT_EQ(value(*receipt), value(*again));
    ASSERT_TRUE(sender.receipted(id, properties(*receipt)));
    const auto release = sender.release(id), release_again = sender.release(id);
    ASSERT_TRUE(release && release_again);
    EXPECT_EQ(value(*release), value(*release_again));
    EXPECT_TRUE(value(*receipt) != value(*release)) << "the next key travels in one of them";
    ASSERT_TRUE(receiver.released(id, properties(*release), true).value_or(false));
    EXPECT_TRUE(receiver.released(id, properties(*release), false).value_or(false)) << "a copy";
    EXPECT_FALSE(receiver.released(static_cast<std::uint16_t>(id + 100), {}, false).value_or(true));
    sender.completed(id);
  }
  static std::string value(const std::optional<KeyRelay::Property>& property) { return property ? property->value : ""; }
  std::vector<mqtt::UserProperty> properties(const std::optional<KeyRelay::Property>& property) {
    if (!property) return {};
    kept_ = *property;
    return {{kept_.name, kept_.value}};
  }

  crypto::OsRandom random_;
  Ends ends_ = GetParam().make(random_);
  KeyRelay::Property kept_;
  std::uint16_t last_id_ = 0;
};

TEST_P(PayloadGuardConformance, OpensWhatTheOtherEndHasSealed) {
  for (const std::size_t size : {0U, 1U, 5U, 6U, 15U, 16U, 17U, 1000U, 60000U}) {
    const std::string text(size, 'x');
    EXPECT_EQ(pass(*ends_.client, *ends_.broker, text), text);
    EXPECT_EQ(pass(*ends_.broker, *ends_.client, text), text);
  }
}

TEST_P(PayloadGuardConformance, GivesEqualMessagesDifferentBytes) {
  std::vector<Buffer> seen;
  for (int i = 0; i < 3; ++i) {
    Buffer sealed;
    ASSERT_TRUE(ends_.client->seal("t", as_bytes("21C"), {}, sealed));
    seen.push_back(sealed);
    ASSERT_TRUE(ends_.broker->open("t", sealed));
    if (ends_.client->relay() != nullptr) acknowledge(*ends_.client->relay(), *ends_.broker->relay());
  }
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_NE(seen[1], seen[2]);
}

TEST_P(PayloadGuardConformance, RefusesWhatIsNoneOfItsPayloads) {
  for (const Buffer& bytes : {Buffer(), Buffer(1), Buffer(15, 7), Buffer(16, 7), Buffer(26, 0x48), Buffer(1000, 7)}) {
    EXPECT_FALSE(ends_.broker->open("t", bytes));
    EXPECT_FALSE(ends_.client->open("t", bytes));
  }
  EXPECT_EQ(pass(*ends_.client, *ends_.broker, "still here"), "still here");
}

TEST_P(PayloadGuardConformance, RefusesWhatWasSentBackOrMovedOrChanged) {
  Buffer sealed;
  ASSERT_TRUE(ends_.client->seal("t", as_bytes("21C and something to make it longer"), {}, sealed));
  EXPECT_FALSE(ends_.client->open("t", sealed)) << "sent back";
  if (GetParam().is_bound_to_topic) {
    EXPECT_FALSE(ends_.broker->open("another", sealed));
  }
  if (!GetParam().is_authentic) return;
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Buffer changed = sealed;
    changed[at] ^= 0x10;
    EXPECT_FALSE(ends_.broker->open("t", changed)) << at;
  }
  EXPECT_TRUE(ends_.broker->open("t", sealed));
  const auto copy = ends_.broker->open("t", sealed);
  EXPECT_TRUE(!copy || copy->repeat);
}

TEST_P(PayloadGuardConformance, ARelayTakesTheNextKeyFromNobodyElse) {
  if (ends_.client->relay() == nullptr) return;
  Buffer sealed;
  ASSERT_TRUE(ends_.client->seal("t", as_bytes("21C"), {}, sealed));
  ASSERT_TRUE(ends_.broker->open("t", sealed));
  const std::string name = "Np", made_up(64, 'a');
  const std::vector<mqtt::UserProperty> properties = {{name, made_up}};
  const auto at_receiver = ends_.broker->relay()->released(1, properties, true);
  const auto at_sender = ends_.client->relay()->receipted(1, properties);
  EXPECT_TRUE(!at_receiver || !at_sender) << "whichever of them the key travels to";
}

INSTANTIATE_TEST_SUITE_P(Protections, PayloadGuardConformance,
                         ::testing::Values(Protection{"hpp1", hpp1<16>, true, true}, Protection{"hpp1_256", hpp1<32>, true, true},
                                           Protection{"ratchet", ratchet<16>, true, true},
                                           Protection{"ratchet_256", ratchet<32>, true, true},
                                           Protection{"scacauth_paper", paper, false, false},
                                           Protection{"scacauth_card_v2", card_v2, false, false},
                                           Protection{"scacauth_paper_ecc", paper_ecc, false, false}),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace sealmq
