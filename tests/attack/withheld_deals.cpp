// A broker that keeps something back from a reader. The claim under attack: who was taken off a topic's key is not believed any
// more. Without an authority it stands as long as nobody keeps the new deal from a reader, and the first test shows the attack;
// who has pinned an authority goes by its key log, and what is kept back of that makes a reader silent within max-age.
#include <gtest/gtest.h>

#include "client/under_authority.h"
#include "schemes/payload/dealt.h"
#include "support/payload_parties.h"
#include "support/told_log.h"

namespace sealmq::testing {
namespace {

using namespace payload;

constexpr std::uint64_t max_age = 600'000;
constexpr std::string_view filter = "plant/#";
constexpr std::string_view topic = "plant/7";

struct WithheldDeals : ::testing::Test {
  /// Somebody who trusts the administrator; by an authority or not.
  struct Reader {
    Reader(WithheldDeals& test, bool pins) : party("desk-" + std::to_string(++test.readers_), test.random) {
      EXPECT_TRUE(party.topic_keys->trust(test.admin.keys->identity()));
      std::shared_ptr<LogFollower> log;
      if (pins) log = LogFollower::open(test.authority->identity(), {}, max_age).value();
      ClientPorts ports{.key = party.keys.get(), .broker = std::nullopt, .peers = {}, .random = test.random};
      ports.topic_keys = party.topic_keys;
      ports.authority = log;
      scheme = find_scheme("payload")->client_side(std::move(ports)).value();
      if (pins) scheme = under_authority(std::move(scheme), test.authority->identity(), log, {});
    }
    PayloadParty party;
    std::unique_ptr<ClientScheme> scheme;
  };

  /// A new key for these, and what its administrator leaves at the broker.
  Buffer deal_to(const std::vector<const PayloadParty*>& members) {
    TopicKey next = make_topic_key(filter, TopicKey::Kind::symmetric, TopicKey::Form::inside, TopicKey::Cipher::aes128_gcm, now,
                                   30 * 86'400, admin.keys->identity(), random);
    for (const PayloadParty* member : members) next.members.push_back({member->keys->identity(), true});
    Dealt dealt{std::string(filter), {}};
    dealt.keys.push_back(next.copy());
    for (TopicKey& former : keys) {
      former.state = TopicKey::State::decrypt_only;
      former.not_after = next.not_before;
      former.members = next.members;
      dealt.keys.push_back(former.copy());
    }
    keys.insert(keys.begin(), std::move(next));
    number += 256;
    return deal(dealt, true, deal_topic(), *admin.keys, number, now, random).value().value();
  }
  std::string deal_topic() const { return dealing_topic(default_key_prefix, admin.keys->identity(), filter, Deal::readers); }
  void give(ClientScheme& to, const Buffer& message) {
    ASSERT_TRUE(to.unprotect({.topic = deal_topic(), .payload = message, .retain = true}, now));
  }
  void tell(ClientScheme& to) {
    for (const auto& [its_topic, payload] : log.retained(now.wall))
      ASSERT_TRUE(to.unprotect({.topic = its_topic, .payload = payload, .retain = true}, now));
  }
  /// Of a message that somebody says now; empty: it is believed.
  std::string refusal(Reader& reader, PayloadParty& by) {
    const auto said = by.scheme->protect(topic, as_bytes("open the valve"), now);
    if (!said) return "not even said: " + said.error().what;
    const auto opened = reader.scheme->unprotect({.topic = topic, .payload = *said}, now);
    return opened ? std::string() : opened.error().what;
  }

  /// The member who is taken off, and one who stays, have the first key; then the administrator deals another without the first.
  void take_mallory_off(const std::vector<Reader*>& all) {
    std::vector<const PayloadParty*> members{&mallory, &boiler};
    for (const Reader* reader : all) members.push_back(&reader->party);
    const Buffer first = deal_to(members);
    log.deal(*admin.keys, filter, number, now.wall);
    for (PayloadParty* party : {&mallory, &boiler}) {
      ASSERT_TRUE(party->topic_keys->trust(admin.keys->identity()));
      give(*party->scheme, first);
    }
    for (const Reader* reader : all) give(*reader->scheme, first);
    now.wall += 10'000;
    members.erase(members.begin());
    second = deal_to(members);
    give(*boiler.scheme, second);
  }

  CountingRandom random;
  Now now{1'000'000, 1'800'000'000'000};
  std::unique_ptr<KeyStore> authority = make_memory_keys("authority", Kind::authority, random);
  ToldLog log{*authority};
  PayloadParty admin{"admin", random};
  PayloadParty mallory{"mallory", random};
  PayloadParty boiler{"boiler-7", random};
  std::vector<TopicKey> keys;  // the administrator's, the newest first
  Buffer second;               // the deal that a broker may keep back
  std::uint64_t number = 0;
  int readers_ = 0;
};

TEST_F(WithheldDeals, WithoutAnAuthorityTheRemovedMemberIsBelievedByWhoHasNotGotTheNewDeal) {
  Reader told(*this, false), kept_from(*this, false);
  take_mallory_off({&told, &kept_from});
  give(*told.scheme, second);
  now.wall += 120'000;
  EXPECT_NE(refusal(told, mallory), "");
  EXPECT_EQ(refusal(kept_from, mallory), "") << "the attack works where no authority is pinned";
}

TEST_F(WithheldDeals, TheLogTellsThatTheDealIsOld) {
  Reader reader(*this, true);
  take_mallory_off({&reader});
  tell(*reader.scheme);
  EXPECT_EQ(refusal(reader, mallory), "") << "nobody was taken off, as the log says so far";
  log.deal(*admin.keys, filter, number, now.wall);
  now.wall += 100;
  tell(*reader.scheme);
  now.wall += 58'000;
  EXPECT_EQ(refusal(reader, mallory), "") << "the new deal may be on its way for a minute";
  now.wall += 3'000;
  const std::string replaced = "policy: under a key that its administrator has replaced, with one that has not come here";
  EXPECT_EQ(refusal(reader, mallory), replaced);
  // And the reader itself says nothing under it.
  const auto own = reader.scheme->protect(topic, as_bytes("x"), now);
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().what, "policy: admin has replaced the key of plant/#, and the new one has not come here");
  // When the deal comes, who stayed is believed and who left is not.
  give(*reader.scheme, second);
  EXPECT_EQ(refusal(reader, boiler), "");
  EXPECT_NE(refusal(reader, mallory), "");
  now.wall += 1'000;  // keys are looked at once a second
  EXPECT_TRUE(reader.scheme->protect(topic, as_bytes("x"), now));
}

TEST_F(WithheldDeals, KeepingTheLogBackTooMakesTheReaderSilent) {
  Reader reader(*this, true);
  take_mallory_off({&reader});
  tell(*reader.scheme);
  const auto old = log.retained(now.wall);
  log.deal(*admin.keys, filter, number, now.wall);
  // From here on the broker shows nothing but what it had.
  const std::uint64_t last_word = now.wall;
  now.wall = last_word + max_age;
  EXPECT_EQ(refusal(reader, mallory), "") << "within max-age a broker can hide it";
  now.wall += 1;
  EXPECT_EQ(refusal(reader, mallory).substr(0, 34), "stale: revocations not known since");
  for (const auto& [its_topic, payload] : old)
    EXPECT_TRUE(reader.scheme->unprotect({.topic = its_topic, .payload = payload, .retain = true}, now));
  EXPECT_EQ(refusal(reader, mallory).substr(0, 34), "stale: revocations not known since") << "an old head makes nothing young";
  EXPECT_FALSE(reader.scheme->protect(topic, as_bytes("x"), now));
}

TEST_F(WithheldDeals, AnAuthorWhoIsRevokedIsNotBelievedWhateverItsKey) {
  Reader reader(*this, true);
  take_mallory_off({&reader});
  tell(*reader.scheme);
  log.order(1, false, *mallory.keys, now.wall);
  now.wall += 100;
  tell(*reader.scheme);
  EXPECT_EQ(refusal(reader, mallory), "policy: mallory is revoked by order 1 of the authority");
  EXPECT_EQ(refusal(reader, boiler), "policy: under a key that is not known here") << "the new deal was kept back";
  give(*reader.scheme, second);
  EXPECT_EQ(refusal(reader, boiler), "");
}

TEST_F(WithheldDeals, KeysOfAnAdministratorWhoIsRevokedAreNone) {
  Reader reader(*this, true);
  take_mallory_off({&reader});
  log.order(1, false, *admin.keys, now.wall);
  now.wall += 100;
  tell(*reader.scheme);
  EXPECT_EQ(refusal(reader, mallory), "policy: admin is revoked by order 1 of the authority, and so are the keys it has shared");
  EXPECT_FALSE(reader.scheme->unprotect({.topic = deal_topic(), .payload = second, .retain = true}, now));
}

}  // namespace
}  // namespace sealmq::testing
