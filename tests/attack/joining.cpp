// Attackers on the join phase, hardened and as published: who guesses tickets, floods, listens, sends again, or has a ticket and
// no key. Anybody may send JOIN, so all of this comes from strangers. Each test names the claim it tries to break.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "crypto/hash.h"
#include "registry/sqlite.h"
#include "schemes/malina/frame.h"
#include "schemes/malina/join.h"
#include "schemes/sl3/messages.h"
#include "server/login_throttle.h"
#include "server/registrar.h"
#include "support/broker_bench.h"
#include "support/temporary_folder.h"

namespace sealmq::testing {
namespace {

using malina::JoinStatus;
using mqtt::QoS;
using mqtt::Reason;

struct Silent final : server::Log {
  void write(server::Severity, std::string_view) override {}
};

class Joining : public ::testing::TestWithParam<std::string> {
 protected:
  Joining() {
    followed.reach(std::numeric_limits<std::uint64_t>::max());
    broker.allow({GetParam()}, {GetParam()}, "plant/#");
  }
  bool is_paper() const { return GetParam() == "sl3@paper"; }

  std::unique_ptr<BrokerScheme> broker_side() {
    BrokerPorts ports{*key, random};
    ports.registrar = &registrar;
    return find_scheme(GetParam())->broker_side(std::move(ports));
  }

  malina::Ticket ticket(std::string name, std::uint8_t code) {
    const malina::Ticket its{code, 0x5a, 0xa5, 0xc3, 0x3c, code, 0x77, 0x99};
    Ticket allows;
    allows.name = std::move(name);
    allows.publish = {"plant/7/#"};
    allows.expires = broker.now.wall + 3'600'000;
    EXPECT_TRUE(registry->add_ticket(crypto::sha256(its), allows, broker.now.wall));
    return its;
  }
  malina::JoinRequest request(const malina::Ticket& its, KeyStore& joiner, std::string topic = "plant/7/pressure") {
    const auto make = is_paper() ? malina::paper_join_request : malina::join_request;
    return make(its, {.publish = {std::move(topic)}, .subscribe = {}}, joiner, broker_identity(key->identity()), random,
                broker.now)
        .value();
  }
  TestClient& stranger(std::string_view address = "test") {
    broker.peer.address = address;
    auto& link = broker.connect("stranger-" + std::to_string(++strangers));
    broker.subscribe(link, "$sl/inbox");
    return link;
  }
  Reason send(TestClient& link, Bytes frame) {
    const auto answers = link.answers.size();
    broker.publish(link, "$sl/join", as_text(frame), QoS::at_least_once);
    return link.answers.size() > answers ? link.answers.back().reasons[0] : Reason::unspecified_error;
  }
  Result<JoinStatus> answer_to(malina::JoinRequest& asked, const TestClient& link, const KeyStore& joiner) {
    const auto read = is_paper() ? malina::read_paper_join_answer : malina::read_join_answer;
    return read(as_bytes(link.publishes.back().payload), asked.answer_key, joiner.identity().keys.schnorr);
  }
  bool is_listed(std::string_view name) { return registry->find(name).value().has_value(); }

  TemporaryFolder folder;
  std::unique_ptr<Registry> registry = open_sqlite_registry(folder / "registry.db").value();
  CountingRandom random;
  Silent log;
  server::LoginThrottle throttle;
  server::FollowedVersion followed;
  server::RegistryRegistrar registrar{*registry, followed, std::nullopt,
                                      nullptr,   log,      [](const std::array<std::uint8_t, 32>&, Bytes) {}};
  std::unique_ptr<KeyStore> key = make_memory_keys("broker-9", Kind::broker, random);
  BrokerBench broker{1, {}, nullptr, [this](broker::Ports& ports) {
                       ports.gate = &throttle;
                       for (auto& scheme : ports.schemes)
                         if (scheme->info().name == GetParam()) scheme = broker_side();
                     }};
  std::unique_ptr<KeyStore> newcomer = make_memory_keys("newcomer", Kind::device, random);
  int strangers = 0;
};
INSTANTIATE_TEST_SUITE_P(Profiles, Joining, ::testing::Values("sl3", "sl3@paper"),
                         [](const auto& its) { return std::string(its.param == "sl3" ? "hardened" : "paper"); });

// Claim: a registry that does not answer holds up joining and nothing else.
TEST_P(Joining, WaitsForTheRegistryOnAThreadOfItsOwn) {
  const auto side = broker_side();
  const auto asked = request(ticket("boiler-7", 1), *newcomer);
  const auto work = side->prepare({"$sl/join", asked.frame, broker.now});
  ASSERT_NE(work, nullptr);
  EXPECT_TRUE(work->waits());
}

// Claim: who guesses tickets makes the registry write nothing, loses the connection, and is shut out by its address; nobody else
// is.
TEST_P(Joining, GuessingTicketsIsCheapForTheBrokerAndEnds) {
  const auto good = ticket("boiler-7", 1);
  {
    // Whoever wanted to write would wait for this lock, in vain, and the cause would be another one.
    auto busy = sqlite::Database::open(folder / "registry.db").value();
    auto lock = sqlite::Transaction::begin(busy).value();
    for (int connection = 0; connection < 2; ++connection) {
      auto& link = stranger("guesser");
      for (std::uint8_t i = 0; i < 10; ++i) {
        EXPECT_FALSE(link.closed);
        auto guess = request({9, i}, *newcomer);
        EXPECT_EQ(send(link, guess.frame), i < 9 ? Reason::success : Reason::unspecified_error);
        EXPECT_EQ(answer_to(guess, link, *newcomer), JoinStatus::refused);
      }
      EXPECT_TRUE(link.closed) << "ten failures in a minute";
    }
    EXPECT_EQ(std::ranges::count(broker.journal.causes, "joins with a ticket that is unknown, used or expired"), 20);
  }
  auto asked = request(good, *newcomer);
  EXPECT_EQ(send(stranger("guesser"), asked.frame), Reason::quota_exceeded) << "even with a good ticket now";
  EXPECT_FALSE(throttle.may_try(Login::Tested::secret, "boiler-7", "guesser", broker.now))
      << "and the way of logins is closed to it too";
  auto& link = stranger("friend");
  EXPECT_EQ(send(link, asked.frame), Reason::success);
  EXPECT_EQ(answer_to(asked, link, *newcomer), JoinStatus::accepted) << "elsewhere, and the ticket was not used up";
}

// Claim: frames that do not even open count as well.
TEST_P(Joining, RubbishCountsAsAGuess) {
  for (int connection = 0; connection < 2; ++connection) {
    auto& link = stranger("flood");
    for (int i = 0; i < 10; ++i) {
      auto frame = request({9}, *newcomer).frame;
      frame.back() ^= 1;
      (void)send(link, frame);
    }
    EXPECT_TRUE(link.closed);
    EXPECT_TRUE(link.publishes.empty());
  }
  EXPECT_EQ(send(stranger("flood"), request({9}, *newcomer).frame), Reason::quota_exceeded);
}

// Claim: one failure answer. Unknown, used, expired, not for these topics, a name or a key that is taken: all look the same.
TEST_P(Joining, NoAnswerTellsWhyItWasRefused) {
  auto used = request(ticket("boiler-1", 1), *newcomer);
  auto& first = stranger();
  EXPECT_EQ(send(first, used.frame), Reason::success);
  ASSERT_EQ(answer_to(used, first, *newcomer), JoinStatus::accepted);
  const auto size = first.publishes.back().payload.size();

  auto other = make_memory_keys("other", Kind::device, random);
  const auto expired = ticket("boiler-2", 2);
  const auto of_taken_name = ticket("boiler-3", 3);
  Identity thief;
  thief.name = "boiler-3";
  thief.keys = make_memory_keys("third", Kind::device, random)->identity().keys;
  ASSERT_TRUE(registry->add(thief));
  struct Try {
    const char* what;
    malina::JoinRequest frame;
    KeyStore* joiner;
  };
  std::vector<Try> tries;
  tries.push_back({"unknown", request({77}, *other), other.get()});
  tries.push_back({"used", request({1, 0x5a, 0xa5, 0xc3, 0x3c, 1, 0x77, 0x99}, *other), other.get()});
  tries.push_back({"name taken", request(of_taken_name, *other), other.get()});
  tries.push_back({"key taken", request(ticket("boiler-4", 4), *newcomer), newcomer.get()});
  tries.push_back({"topics", request(ticket("boiler-5", 5), *other, "plant/#"), other.get()});
  broker.advance(3'600'000);
  tries.push_back({"expired", request(expired, *other), other.get()});
  for (auto& its : tries) {
    auto& link = stranger();
    if (std::string_view(its.what) != "expired") broker.now.wall -= 3'600'000;
    EXPECT_EQ(send(link, its.frame.frame), Reason::success) << its.what;
    if (std::string_view(its.what) != "expired") broker.now.wall += 3'600'000;
    ASSERT_EQ(link.publishes.size(), 1U) << its.what;
    EXPECT_EQ(link.publishes[0].payload.size(), size) << its.what;
    EXPECT_EQ(answer_to(its.frame, link, *its.joiner), JoinStatus::refused) << its.what;
    EXPECT_FALSE(link.closed);
  }
  EXPECT_EQ(registry->list().value().size(), 2U);
  EXPECT_EQ(broker.journal.causes.size(), tries.size()) << "the log knows why";
}

// Claim: who listens learns neither the ticket nor who joins, and a copy of what it heard changes nothing.
TEST_P(Joining, AListenerCannotUseWhatItHeard) {
  const auto its = ticket("boiler-7", 1);
  auto asked = request(its, *newcomer);
  auto& link = stranger();
  // The copy is faster than the joiner: the joiner is on the list all the same, as it asked, and the thief cannot read the
  // answer.
  auto& thief = stranger("thief");
  EXPECT_EQ(send(thief, asked.frame), Reason::success);
  ASSERT_TRUE(is_listed("boiler-7"));
  EXPECT_EQ(registry->find("boiler-7").value()->keys.schnorr, newcomer->identity().keys.schnorr);
  EXPECT_EQ(send(link, asked.frame), Reason::success);
  EXPECT_EQ(answer_to(asked, link, *newcomer), JoinStatus::refused) << "used up";
  for (const auto* wire : {&link.sent, &link.everything, &thief.everything})
    for (const std::string_view secret :
         {as_text(its), as_text(newcomer->identity().keys.schnorr), as_text(newcomer->identity().keys.ecdsa).substr(1),
          std::string_view("boiler-7"), std::string_view("plant")})
      EXPECT_EQ(as_text(*wire).find(secret), std::string_view::npos) << secret;
}

/// Signs as if it had another's key, which it has not.
struct Pretender final : KeyStore {
  Pretender(KeyStore& its, PublicIdentity its_victim) : own(its), victim(std::move(its_victim)) {}
  const PublicIdentity& identity() const override { return victim; }
  Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> list) override { return own.sign_schnorr(list); }
  Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes bytes) override { return own.sign_ecdsa(bytes); }
  Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override { return own.agree(peer); }
  SequenceCounter& sequence() override { return own.sequence(); }
  KeyStore& own;
  PublicIdentity victim;
};

// Claim: a ticket puts only a key on the list that the joiner holds; and none that is no key.
TEST_P(Joining, ATicketDoesNotListSomebodyElsesKey) {
  const auto its = ticket("boiler-7", 1);
  const auto victim = make_memory_keys("victim", Kind::device, random);
  Pretender pretender(*newcomer, victim->identity());
  auto& link = stranger();
  EXPECT_EQ(send(link, request(its, pretender).frame), Reason::not_authorized);
  pretender.victim.keys = {};
  EXPECT_EQ(send(link, request(its, pretender).frame), Reason::not_authorized) << "zeroes are nobody's key";
  EXPECT_TRUE(link.publishes.empty());
  EXPECT_TRUE(registry->list().value().empty());
  auto honest = request(its, *newcomer);
  EXPECT_EQ(send(link, honest.frame), Reason::success);
  EXPECT_EQ(answer_to(honest, link, *newcomer), JoinStatus::accepted) << "what did not verify used nothing up";
}

// Claim (hardened): a request is for one broker. As published nothing in it names one but the key that seals it.
TEST_P(Joining, ARequestForAnotherBrokerIsRefused) {
  const auto its = ticket("boiler-7", 1);
  const auto elsewhere = make_memory_keys("broker-2", Kind::broker, random);
  const auto make = is_paper() ? malina::paper_join_request : malina::join_request;
  auto asked = make(its, {}, *newcomer, broker_identity(elsewhere->identity()), random, broker.now).value();
  EXPECT_EQ(send(stranger(), asked.frame), Reason::not_authorized);
  EXPECT_FALSE(is_listed("boiler-7"));
}

// Claim: a request is fresh, or it is nothing.
TEST_P(Joining, AnOldRequestIsRefused) {
  auto asked = request(ticket("boiler-7", 1), *newcomer);
  broker.advance(31'000);
  EXPECT_EQ(send(stranger(), asked.frame), Reason::not_authorized);
  EXPECT_FALSE(is_listed("boiler-7"));
}

// Several who join by the published form have no keys but one; they stand beside each other, and the keys they lack are nobody's.
TEST_P(Joining, TwoJoinOneAfterTheOther) {
  auto second = make_memory_keys("second", Kind::device, random);
  std::uint8_t code = 0;
  for (KeyStore* joiner : {newcomer.get(), second.get()}) {
    auto asked = request(ticket("boiler-" + std::to_string(code), code), *joiner);
    ++code;
    auto& link = stranger();
    EXPECT_EQ(send(link, asked.frame), Reason::success);
    EXPECT_EQ(answer_to(asked, link, *joiner), JoinStatus::accepted) << int{code};
  }
  const auto listed = registry->find("boiler-1").value().value();
  EXPECT_EQ(is_there(listed.keys.ecdsa), !is_paper());
  EXPECT_EQ(is_there(listed.keys.agreement), !is_paper());
}

// Claim: who floods the broker with requests keeps nobody else waiting: eight at a time from one address.
TEST_P(Joining, AFloodOfRequestsTakesEightPlaces) {
  broker::Shard& shard = broker.shard(0);
  const auto bytes_of = [&](Bytes frame) {
    Buffer bytes;
    mqtt::encode(mqtt::Connect{}, bytes);
    mqtt::Publish packet;
    packet.topic = "$sl/join";
    packet.payload = frame;
    mqtt::encode(packet, mqtt::Version::v5, bytes);
    return bytes;
  };
  for (int i = 0; i < 50; ++i)
    shard.receive(shard.open({.address = "flood:" + std::to_string(i), .place = "flood"}, broker.now),
                  bytes_of(request({9}, *newcomer).frame), broker.now);
  shard.receive(shard.open({.address = "friend:1", .place = "friend"}, broker.now), bytes_of(request({8}, *newcomer).frame),
                broker.now);
  EXPECT_EQ(shard.effects().jobs.size(), 9U);
}

// Claim: nobody puts another's keys on the list as its own. What says that it claims nothing lets him: a ticket for the first
// form.
// The published form brings one key, and proves that.
class JoiningWithOtherKeys : public Joining {};
INSTANTIATE_TEST_SUITE_P(Profiles, JoiningWithOtherKeys, ::testing::Values("sl3"), [](const auto&) { return "hardened"; });

TEST_P(JoiningWithOtherKeys, AnothersKeysAreNotListedAsOnesOwn) {
  const auto owner = make_memory_keys("boiler-7", Kind::device, random);
  struct Borrowing : KeyStore {
    Borrowing(PublicKeys its_claim, KeyStore& its_own) : own(its_own), claim(its_own.identity()) { claim.keys = its_claim; }
    const PublicIdentity& identity() const override { return claim; }
    Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> list) override { return own.sign_schnorr(list); }
    Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes text) override { return own.sign_ecdsa(text); }
    Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override { return own.agree(peer); }
    SequenceCounter& sequence() override { return own.sequence(); }
    KeyStore& own;
    PublicIdentity claim;
  };
  PublicKeys stolen = owner->identity().keys;
  stolen.schnorr = newcomer->identity().keys.schnorr;
  Borrowing mallory(stolen, *newcomer);
  auto& link = stranger();
  EXPECT_EQ(send(link, request(ticket("mallory", 1), mallory).frame), Reason::not_authorized);
  EXPECT_FALSE(is_listed("mallory"));
  const auto first = [&](const malina::Ticket& its) {
    auto asked = malina::first_join_request(its, {.publish = {"plant/7/pressure"}, .subscribe = {}}, mallory,
                                            broker_identity(key->identity()), random, broker.now)
                     .value();
    EXPECT_EQ(send(link, asked.frame), Reason::success);
    return answer_to(asked, link, mallory).value();
  };
  EXPECT_EQ(first(ticket("mallory", 2)), JoinStatus::refused);
  EXPECT_FALSE(is_listed("mallory"));
  const malina::Ticket open{3, 0x5a};
  ASSERT_TRUE(registry->add_ticket(
      crypto::sha256(open),
      {.name = "mallory", .publish = {"plant/7/#"}, .expires = broker.now.wall + 3'600'000, .unproved = true}, broker.now.wall));
  EXPECT_EQ(first(open), JoinStatus::accepted);
  EXPECT_EQ(registry->find("mallory").value()->proof, "") << "and the list shows it";
}

}  // namespace
}  // namespace sealmq::testing
