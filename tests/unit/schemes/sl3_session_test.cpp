// SL3's sessions and groups against everything but honest peers.
#include <gtest/gtest.h>

#include "base/writer.h"
#include "crypto/operations.h"
#include "schemes/malina/join.h"
#include "schemes/malina/revocation.h"
#include "schemes/sl3/group.h"
#include "support/fakes.h"

namespace sealmq::testing {
namespace {

using namespace sl3;
using crypto::CountOperations;
using crypto::Operations;

class Sl3 : public ::testing::Test {
 protected:
  struct Both {
    ClientSession client;
    BrokerSession broker;
  };
  Both session(Role role, std::string_view topic, KeyStore& key, SessionLimits limits = {}) {
    auto request = ClientRequest::make(role, topic, key, pinned, random, now, limits).value();
    auto read = BrokerSession::read_request(request.frame(), *broker, now).value();
    auto answered = BrokerSession::answer(read, random, now, limits).value();
    auto client = request.take(answered.frame, now).value();
    return {std::move(client), std::move(answered.session)};
  }
  auto take(BrokerSession& at, Bytes frame, AuthorCheck check = AuthorCheck::session) {
    return at.open(frame, check, pinned.id, keys, now);
  }
  Buffer body(Both& from, std::string_view topic = "plant/7", std::string_view text = "21.5") {
    Buffer frame = from.client.protect(topic, as_bytes(text), *device, now).value();
    return take(from.broker, frame).value()->body;
  }
  void advance(std::uint64_t by) { now = {now.steady + by, now.wall + by}; }
  static bool asks_again(const Result<GroupMember::Opened>& opened) {
    return opened && std::holds_alternative<AskAgain>(*opened);
  }
  static bool reads(const Result<GroupMember::Opened>& opened) { return opened && !std::holds_alternative<AskAgain>(*opened); }

  CountingRandom random;
  Now now{1000, 1767225600000};
  malina::KnownKeys keys;
  std::unique_ptr<KeyStore> broker = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<KeyStore> device = make_memory_keys("boiler-7", Kind::device, random);
  std::unique_ptr<KeyStore> app = make_memory_keys("control", Kind::service, random);
  BrokerIdentity pinned = broker_identity(broker->identity());
};

TEST_F(Sl3, NoFrameSurvivesAFlippedBit) {
  auto request = ClientRequest::make(Role::publisher, "plant/7", *device, pinned, random, now).value();
  auto read = BrokerSession::read_request(request.frame(), *broker, now).value();
  auto answered = BrokerSession::answer(read, random, now).value();
  const auto flipped_is_refused = [](const Buffer& frame, auto open) {
    for (std::size_t at = 0; at < frame.size(); at += 7) {
      Buffer changed = frame;
      changed[at] ^= 1;
      EXPECT_FALSE(open(changed)) << "octet " << at;
    }
    EXPECT_FALSE(open(to_buffer(Bytes(frame).first(frame.size() - 1))));
    Buffer longer = frame;
    longer.push_back(0);
    EXPECT_FALSE(open(longer));
  };
  flipped_is_refused(request.frame(), [&](Bytes f) { return BrokerSession::read_request(f, *broker, now).has_value(); });
  flipped_is_refused(answered.frame, [&](Bytes f) { return request.take(f, now).has_value(); });
  auto client = request.take(answered.frame, now);
  ASSERT_TRUE(client) << "forged answers left the request waiting";

  Buffer in = client->protect("plant/7", as_bytes("21.5"), *device, now).value();
  flipped_is_refused(in, [&](Bytes f) { return take(answered.session, f).has_value(); });
  auto taken = take(answered.session, in).value();
  auto sub = session(Role::subscriber, "plant/#", *app);
  Buffer out = sub.broker.seal(taken->body, now).value();
  flipped_is_refused(out, [&](Bytes f) { return sub.client.open(f, keys, now).has_value(); });
  EXPECT_TRUE(sub.client.open(out, keys, now));
}

TEST_F(Sl3, ARequestIsForOneBroker) {
  auto other = make_memory_keys("broker-2", Kind::broker, random);
  auto request = ClientRequest::make(Role::publisher, "plant/7", *device, pinned, random, now).value();
  EXPECT_FALSE(BrokerSession::read_request(request.frame(), *other, now));
  auto same_key = pinned;
  same_key.id = "broker-2";  // the right key under another name
  auto misled = ClientRequest::make(Role::publisher, "plant/7", *device, same_key, random, now).value();
  EXPECT_FALSE(BrokerSession::read_request(misled.frame(), *broker, now));
}

TEST_F(Sl3, ARequestIsFreshAndItsPointIsNewWithEitherSign) {
  auto request = ClientRequest::make(Role::subscriber, "plant/#", *app, pinned, random, now).value();
  SimpleReplayMemory memory;
  auto first = BrokerSession::read_request(request.frame(), *broker, now).value();
  EXPECT_EQ(*memory.judge(first->mark, now), Replay::fresh);
  EXPECT_EQ(*memory.judge(BrokerSession::read_request(request.frame(), *broker, now).value()->mark, now), Replay::repeat);
  Buffer negative = request.frame();
  negative[3] ^= 1;
  EXPECT_FALSE(BrokerSession::read_request(negative, *broker, now)) << "E is hashed as it was sent";
  advance(31'000);
  EXPECT_FALSE(BrokerSession::read_request(request.frame(), *broker, now));

  // As published nothing covers R, and -R leads to the same key: the mark refuses it.
  auto made = paper::ClientSession::subscribe("plant/7", *app, pinned, random, now).value();
  auto plus = paper::BrokerSession::subscribe(made.frame, *broker, now).value();
  made.frame[5] ^= 1;
  auto minus = paper::BrokerSession::subscribe(made.frame, *broker, now).value();
  EXPECT_EQ(*memory.judge(plus.point, now), Replay::fresh);
  EXPECT_EQ(*memory.judge(minus.point, now), Replay::repeat);
  EXPECT_GE(plus.point.forget_after, now.wall + SessionLimits{}.age) << "for as long as the key may be used";
}

TEST_F(Sl3, AnswersOfOneExchangeAreNoneOfAnother) {
  auto mine = ClientRequest::make(Role::publisher, "plant/7", *device, pinned, random, now).value();
  auto another = ClientRequest::make(Role::publisher, "plant/7", *device, pinned, random, now).value();
  auto read = BrokerSession::read_request(another.frame(), *broker, now).value();
  auto answered = BrokerSession::answer(read, random, now).value();
  EXPECT_FALSE(mine.take(answered.frame, now));
  EXPECT_TRUE(another.take(answered.frame, now));
}

TEST_F(Sl3, AMessageWhoseContentIsAHashIsNoRequest) {
  // The attacker's request, to be signed by a device that publishes whatever it is told.
  auto ephemeral = crypto::AgreementKey::generate(random);
  Buffer frame = begin_exchange(type_publish, ephemeral.public_key());
  auto to = malina::encapsulate(Bytes(frame).first(3), {pinned.id, pinned.agreement}, ephemeral).value();
  auto device_session = session(Role::publisher, "plant/7", *device);
  auto published =
      take(device_session.broker, device_session.client.protect("plant/7", to.exchange.hash(), *device, now).value()).value();
  const auto& m = published->message;
  malina::seal_once(to, "MALINA-2 sl3 req", encode(RequestBody{m.time, m.sequence, m.topic, m.id, m.signature}), frame);
  EXPECT_FALSE(BrokerSession::read_request(frame, *broker, now));
}

TEST_F(Sl3, CopiesAreRecognisedAndOldCountersRefused) {
  auto s = session(Role::publisher, "plant/7", *device);
  std::vector<Buffer> frames;
  for (int i = 0; i < 66; ++i) frames.push_back(s.client.protect("plant/7", as_bytes("x"), *device, now).value());
  EXPECT_FALSE(take(s.broker, frames[1]).value()->repeat) << "out of order";
  EXPECT_FALSE(take(s.broker, frames[0]).value()->repeat);
  EXPECT_TRUE(take(s.broker, frames[0]).value()->repeat);
  EXPECT_FALSE(take(s.broker, frames[65]).value()->repeat);
  EXPECT_FALSE(take(s.broker, frames[1])) << "64 behind";
  EXPECT_FALSE(take(s.broker, frames[2]).value()->repeat) << "63 behind";
  auto other = session(Role::publisher, "plant/7", *device);
  EXPECT_FALSE(take(other.broker, frames[3])) << "of another session";
}

TEST_F(Sl3, ASubscriberGetsTheTopicsItAskedForAndNoOthers) {
  auto in = session(Role::publisher, "plant/7", *device);
  auto out = session(Role::subscriber, "plant/+", *app);
  EXPECT_FALSE(out.broker.seal(body(in, "office/7"), now));
  Buffer frame = out.broker.seal(body(in), now).value();
  EXPECT_FALSE(out.client.open(frame, keys, now).value()->repeat);
  EXPECT_TRUE(out.client.open(frame, keys, now).value()->repeat);
  EXPECT_FALSE(out.client.protect("plant/7", {}, *app, now)) << "a session has one role";
  EXPECT_FALSE(in.broker.seal(body(in), now));
  EXPECT_FALSE(ClientRequest::make(Role::publisher, "plant/#", *device, pinned, random, now)) << "no filter to publish to";
}

TEST_F(Sl3, ASubscriberRefusesWhatTheAuthorDidNotSign) {
  auto in = session(Role::publisher, "plant/7", *device);
  auto out = session(Role::subscriber, "plant/+", *app);
  Buffer forged = body(in);
  forged[2 + 7 + 32 + 4] ^= 1;  // the first octet of M
  EXPECT_FALSE(out.client.open(out.broker.seal(forged, now).value(), keys, now));
}

TEST_F(Sl3, ASessionEndsByAgeAndByNumber) {
  auto s = session(Role::publisher, "plant/7", *device, {.age = 16'000, .messages = 32});
  EXPECT_FALSE(s.client.must_be_renewed(now));
  advance(15'000);
  EXPECT_TRUE(s.client.must_be_renewed(now));
  Buffer last = s.client.protect("plant/7", {}, *device, now).value();
  advance(1'000);
  EXPECT_FALSE(s.client.protect("plant/7", {}, *device, now));
  EXPECT_FALSE(take(s.broker, last));
  EXPECT_TRUE(s.broker.is_over(now));

  auto counted = session(Role::publisher, "plant/7", *device, {.messages = 32});
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(counted.client.must_be_renewed(now), i >= 30);
    (void)body(counted);
  }
  EXPECT_FALSE(counted.client.protect("plant/7", {}, *device, now));
  EXPECT_TRUE(counted.broker.is_over(now));
}

TEST_F(Sl3, ASessionEndsByItsBytesInEitherDirection) {
  for (const Role role : {Role::publisher, Role::subscriber}) {
    auto source = session(Role::publisher, "plant/7", *device);
    auto its = session(role, "plant/7", role == Role::publisher ? *device : *app, {.bytes = 16'000});
    std::size_t sent = 0;
    bool was_renewed = false;
    for (; sent < 100 && !its.client.is_over(now); ++sent) {
      EXPECT_FALSE(its.broker.is_over(now)) << sent;
      was_renewed = was_renewed || its.client.must_be_renewed(now);
      const std::string text(800, 'x');
      if (role == Role::publisher) {
        (void)body(its, "plant/7", text);
      } else {
        const Buffer frame = its.broker.seal(body(source, "plant/7", text), now).value();
        EXPECT_TRUE(its.client.open(frame, keys, now));
      }
    }
    EXPECT_LE(sent, 20U);
    EXPECT_GT(sent, 10U);
    EXPECT_TRUE(its.broker.is_over(now)) << "both ends count alike";
    EXPECT_TRUE(was_renewed) << "a new one is asked for before";
  }
  EXPECT_EQ(SessionLimits{}.bytes, std::uint64_t{1} << 36);
  EXPECT_EQ(SessionLimits{}.forgeries, std::uint64_t{1} << 20);
}

TEST_F(Sl3, ASessionEndsWhenTooManyFramesDoNotOpen) {
  auto its = session(Role::publisher, "plant/7", *device, {.forgeries = 3});
  const Buffer good = its.client.protect("plant/7", as_bytes("21.5"), *device, now).value();
  Buffer forged = good;
  forged.back() ^= 1;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(its.broker.is_over(now)) << i;
    EXPECT_FALSE(take(its.broker, forged));
  }
  EXPECT_TRUE(its.broker.is_over(now));
  EXPECT_FALSE(take(its.broker, good));
}

class Sl3Group : public Sl3 {
 protected:
  struct Member {
    Both session;
    GroupMember member;
  };
  Member make_member() {
    auto s = session(Role::subscriber, "plant/#", *app);
    auto member = GroupMember::make(s.client).value();
    return {std::move(s), std::move(member)};
  }
  Result<> give_key(const std::string& name, Member& to) {
    auto frame = group.seal_key(name, to.session.broker, now);
    return frame ? to.member.take_key(*frame, to.session.client, now) : Failure(frame.error());
  }
  Buffer send() { return group.seal(body(source), *broker, now).value(); }
  auto open(Member& at, Bytes frame) { return at.member.open(frame, keys, now); }

  Group group{random, {.messages = 4}};
  Both source = session(Role::publisher, "plant/7", *device);
  Member a = make_member(), b = make_member();
};

TEST_F(Sl3Group, ManyChangesInOneTurnMakeOneEpoch) {
  group.join("a");
  group.join("b");
  EXPECT_EQ(group.waiting(now), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(group.epoch(), 1U);
  ASSERT_TRUE(give_key("a", a));
  EXPECT_EQ(group.waiting(now), std::vector<std::string>{"b"});
  group.join("a");  // asks again
  EXPECT_EQ(group.waiting(now).size(), 2U);
  EXPECT_EQ(group.epoch(), 1U);
  EXPECT_FALSE(give_key("nobody", a));
}

TEST_F(Sl3Group, SoManyBytesBeginAnEpochToo) {
  Group counting{random, {.bytes = 1000}};
  counting.join("a");
  (void)counting.waiting(now);
  for (std::uint32_t epoch : {1, 2, 3}) {
    const std::string text(1000, 'x');
    EXPECT_EQ(counting.epoch(), epoch);
    (void)counting.seal(body(source, "plant/7", text), *broker, now).value();
    (void)counting.waiting(now);
  }
  EXPECT_EQ(GroupLimits{}.bytes, std::uint64_t{1} << 36);
}

TEST_F(Sl3Group, WhatAnEpochSealsOnlyItsMembersOpen) {
  group.join("a");
  (void)group.waiting(now);
  ASSERT_TRUE(give_key("a", a));
  Buffer before = send();
  EXPECT_TRUE(reads(open(a, before)));
  group.join("b");
  (void)group.waiting(now);
  ASSERT_TRUE(give_key("a", a));
  ASSERT_TRUE(give_key("b", b));
  EXPECT_FALSE(reads(open(b, before))) << "what was sent before it joined stays closed";
  EXPECT_TRUE(std::get<0>(open(a, before).value())->repeat) << "the epoch before serves for 10 s";
  Buffer both = send();
  EXPECT_TRUE(reads(open(a, both)) && reads(open(b, both)));
  group.leave("b");
  Buffer after = send();
  EXPECT_TRUE(asks_again(open(b, after))) << "a leaver's key opens nothing new";
  EXPECT_FALSE(give_key("b", b));
  ASSERT_TRUE(give_key("a", a));
  EXPECT_TRUE(reads(open(a, after)));
  advance(10'000);
  EXPECT_FALSE(open(a, both)) << "an epoch that has ended is an error, not a reason to ask";
}

TEST_F(Sl3Group, NumberAndAgeStartANewEpoch) {
  group.join("a");
  ASSERT_TRUE(give_key("a", a));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(reads(open(a, send())));
  EXPECT_EQ(group.epoch(), 1U);
  Buffer fifth = send();
  EXPECT_EQ(group.epoch(), 2U);
  EXPECT_TRUE(asks_again(open(a, fifth)));
  advance(60 * 60 * 1000);
  (void)group.waiting(now);
  EXPECT_EQ(group.epoch(), 3U);
}

TEST_F(Sl3Group, NoOldKeyComesBack) {
  group.join("a");
  Buffer first = group.seal_key("a", a.session.broker, now).value();
  ASSERT_TRUE(a.member.take_key(first, a.session.client, now));
  EXPECT_FALSE(a.member.take_key(first, a.session.client, now));
  Buffer frame = send();
  frame[18] ^= 0x80;  // the group's id ends here: somebody else's group
  EXPECT_TRUE(asks_again(open(a, frame)));

  // As published, SL3_5 can be sent again; the epoch is what refuses it.
  paper::Group papers(random);
  auto made = paper::ClientSession::subscribe("plant/7", *app, pinned, random, now).value();
  auto at_broker = paper::BrokerSession::subscribe(made.frame, *broker, now).value();
  paper::GroupMember member(made.session);
  papers.join("a");
  Buffer one = papers.seal_key("a", at_broker.session, now).value();
  ASSERT_TRUE(member.take_key(one, made.session, now));
  papers.join("b");
  ASSERT_TRUE(member.take_key(papers.seal_key("a", at_broker.session, now).value(), made.session, now));
  EXPECT_FALSE(member.take_key(one, made.session, now));
}

TEST_F(Sl3Group, TamperedGroupMessagesAreRefused) {
  group.join("a");
  ASSERT_TRUE(give_key("a", a));
  Buffer frame = send();
  for (std::size_t at = 0; at < frame.size(); at += 5) {
    Buffer changed = frame;
    changed[at] ^= 1;
    EXPECT_FALSE(reads(open(a, changed))) << "octet " << at;
  }
  EXPECT_TRUE(reads(open(a, frame)));
}

TEST_F(Sl3, PaperSessionsVerifyEveryAuthor) {
  auto made = paper::ClientSession::publish("plant/7", as_bytes("1"), *device, pinned, random, now).value();
  auto published = paper::BrokerSession::publish(made.frame, *broker, now).value();
  SimpleReplayMemory memory;
  EXPECT_EQ(*memory.judge(published.point, now), Replay::fresh);
  Buffer next = made.session.protect("plant/7", as_bytes("2"), *device, random, now).value();
  EXPECT_EQ(as_text(published.session.open(next, keys, now).value()->message.message), "2");
  Buffer by_another = made.session.protect("plant/7", as_bytes("2"), *app, random, now).value();
  EXPECT_FALSE(published.session.open(by_another, keys, now));
  advance(31'000);
  EXPECT_FALSE(published.session.open(next, keys, now));
}

TEST_F(Sl3, AnSl34SentBackUnderItsPointIsCaughtByTheMark) {
  auto made = paper::ClientSession::subscribe("plant/7", *app, pinned, random, now).value();
  auto at_broker = paper::BrokerSession::subscribe(made.frame, *broker, now).value();
  auto source = paper::ClientSession::publish("plant/7", as_bytes("1"), *device, pinned, random, now).value();
  auto published = paper::BrokerSession::publish(source.frame, *broker, now).value();
  Buffer sl3_4 = at_broker.session.seal(published.message->body, random, now).value();
  Buffer reflected = to_buffer(as_bytes("SL3_2"));
  append(reflected, Bytes(made.frame).subspan(5, 33));
  append(reflected, Bytes(sl3_4).subspan(5));
  auto taken = paper::BrokerSession::publish(reflected, *broker, now).value();  // it does open
  SimpleReplayMemory memory;
  EXPECT_EQ(*memory.judge(at_broker.point, now), Replay::fresh);
  EXPECT_EQ(*memory.judge(taken.point, now), Replay::repeat);
}

TEST_F(Sl3, CostsOfThePaperFormAreThoseOfTable2) {
  std::optional<paper::ClientSession::Made> asked, published;
  const auto cost = [](auto step) {
    CountOperations counter;
    step();
    return counter.so_far();
  };
  EXPECT_EQ(cost([&] { asked = paper::ClientSession::subscribe("plant/7", *app, pinned, random, now).value(); }),
            (Operations{.sm = 3, .m = 1, .a = 1, .h = 1, .aes = 1}));
  std::optional<paper::BrokerSession::Subscribed> subscribed;
  EXPECT_EQ(cost([&] { subscribed = paper::BrokerSession::subscribe(asked->frame, *broker, now).value(); }),
            (Operations{.sm = 3, .a = 1, .h = 1, .aes = 1}));
  EXPECT_EQ(cost([&] { published = paper::ClientSession::publish("plant/7", {}, *device, pinned, random, now).value(); }),
            (Operations{.sm = 3, .m = 1, .a = 1, .h = 1, .aes = 1}));
  Buffer sl3_4;
  EXPECT_EQ(cost([&] {
              auto taken = paper::BrokerSession::publish(published->frame, *broker, now).value();
              sl3_4 = subscribed->session.seal(taken.message->body, random, now).value();
            }),
            (Operations{.sm = 3, .a = 1, .h = 1, .aes = 2}))
      << "the paper counts 1SM+2AES: it forgot to verify the author";
  EXPECT_EQ(cost([&] { (void)asked->session.open(sl3_4, keys, now).value(); }), (Operations{.sm = 2, .a = 1, .h = 1, .aes = 1}));
}

TEST_F(Sl3, CostsOfTheHardenedFormAreThoseOfItsReadme) {
  const auto cost = [](auto step) {
    CountOperations counter;
    step();
    return counter.so_far();
  };
  std::optional<ClientRequest> request;
  std::optional<BrokerSession::Answered> answered;
  std::optional<ClientSession> client;
  EXPECT_EQ(cost([&] { request = ClientRequest::make(Role::publisher, "plant/7", *device, pinned, random, now).value(); }),
            (Operations{.sm = 3, .m = 1, .a = 1, .h = 2, .aes = 1}));
  EXPECT_EQ(cost([&] {
              auto read = BrokerSession::read_request(request->frame(), *broker, now).value();
              answered.emplace(BrokerSession::answer(read, random, now).value());
            }),
            (Operations{.sm = 5, .a = 1, .h = 3, .aes = 2}));
  EXPECT_EQ(cost([&] { client.emplace(request->take(answered->frame, now).value()); }), (Operations{.sm = 1, .h = 1, .aes = 1}));
  Buffer frame;
  EXPECT_EQ(cost([&] { frame = client->protect("plant/7", {}, *device, now).value(); }),
            (Operations{.sm = 1, .m = 1, .a = 1, .h = 1, .aes = 1}));
  EXPECT_EQ(cost([&] { (void)take(answered->session, frame).value(); }), (Operations{.aes = 1}));
}

TEST_F(Sl3, JoiningProvesTheKeyAndNamesTheTicket) {
  const malina::Ticket ticket{7};
  auto request = malina::join_request(ticket, {.publish = {}, .subscribe = {"plant/#"}}, *app, pinned, random, now).value();
  for (std::size_t at = 0; at < request.frame.size(); at += 9) {
    Buffer changed = request.frame;
    changed[at] ^= 1;
    EXPECT_FALSE(malina::read_join(changed, *broker, now)) << "octet " << at;
  }
  auto other = make_memory_keys("broker-2", Kind::broker, random);
  EXPECT_FALSE(malina::read_join(request.frame, *other, now));
  auto read = malina::read_join(request.frame, *broker, now).value();
  EXPECT_EQ(read.joining->keys, app->identity().keys);
  const auto& id = app->identity().keys.schnorr;
  Buffer yes = malina::answer_join(read.answer_key, malina::JoinStatus::accepted, id, random, now);
  Buffer no = malina::answer_join(read.answer_key, malina::JoinStatus::refused, id, random, now);
  EXPECT_EQ(malina::read_join_answer(yes, request.answer_key, id), malina::JoinStatus::accepted);
  EXPECT_EQ(malina::read_join_answer(no, request.answer_key, id), malina::JoinStatus::refused);
  EXPECT_FALSE(malina::read_join_answer(yes, request.answer_key, device->identity().keys.schnorr));
  EXPECT_NE(to_buffer(Bytes(yes).subspan(3, 12)), to_buffer(Bytes(no).subspan(3, 12))) << "two answers, two ivs";
  yes.back() ^= 1;
  EXPECT_FALSE(malina::read_join_answer(yes, request.answer_key, id));

  auto paper =
      malina::paper_join_request(ticket, {.publish = {"plant/7"}, .subscribe = {}}, *device, pinned, random, now).value();
  auto taken = malina::read_paper_join(paper.frame, *broker, now).value();
  EXPECT_EQ(taken.joining->ticket, ticket);
  Buffer answer =
      malina::answer_paper_join(taken.answer_key, malina::JoinStatus::accepted, taken.joining->keys.schnorr, random, now);
  EXPECT_TRUE(malina::read_paper_join_answer(answer, paper.answer_key, device->identity().keys.schnorr));
  advance(31'000);
  EXPECT_FALSE(malina::read_join(request.frame, *broker, now));
  EXPECT_FALSE(malina::read_paper_join(paper.frame, *broker, now));
}

// Who has a ticket enrols the keys it holds, and no others.
TEST_F(Sl3, AJoinerProvesEveryKeyItBrings) {
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
  const malina::Ticket ticket{1};
  const auto read = [&](const PublicKeys& claimed, auto make) {
    Borrowing joiner(claimed, *device);
    return malina::read_join(make(ticket, malina::JoinRights{}, joiner, pinned, random, now).value().frame, *broker, now);
  };
  const PublicKeys own = device->identity().keys;
  EXPECT_TRUE(read(own, malina::join_request).value().joining->all_keys_proved);
  for (int key = 0; key < 3; ++key) {
    PublicKeys with_anothers = own;
    if (key == 0) with_anothers.schnorr = app->identity().keys.schnorr;
    if (key == 1) with_anothers.ecdsa = app->identity().keys.ecdsa;
    if (key == 2) with_anothers.agreement = app->identity().keys.agreement;
    EXPECT_FALSE(read(with_anothers, malina::join_request)) << key;
    // The first form proves the Schnorr key alone, and says so.
    const auto first = read(with_anothers, malina::first_join_request);
    EXPECT_EQ(first.has_value(), key != 0);
    if (first) {
      EXPECT_FALSE(first->joining->all_keys_proved);
    }
  }
}

TEST_F(Sl3, AnOrderIsTheAuthoritysToTheLastOctet) {
  auto authority = make_memory_keys("authority", Kind::authority, random);
  auto key = crypto::ecdsa::VerifyingKey::from_sec1(authority->identity().keys.ecdsa).value();
  const auto its_keys = crypto::key_hashes(device->identity().keys);
  const malina::Order order{5, now.wall, malina::Action::revoke, its_keys, {{8}}, 1};
  const malina::OrderById former{5, now.wall, malina::Action::revoke, device->identity().keys.schnorr, 1};
  for (const Buffer& frame :
       {malina::revocation_order(order, *authority).value(), malina::first_revocation_order(former, *authority).value(),
        malina::paper_revocation_order(former, *authority).value()}) {
    const auto read = malina::read_order(frame, key).value();
    EXPECT_EQ(read->order.serial, 5U);
    EXPECT_EQ(read->order.action, malina::Action::revoke);
    EXPECT_EQ(read->order.keys.front(), crypto::key_hash(device->identity().keys.schnorr));
    EXPECT_EQ(read->order.reason, 1);
    EXPECT_EQ(read->frame, frame);
    for (std::size_t at = 0; at < frame.size(); ++at) {
      Buffer changed = frame;
      changed[at] ^= 1;
      EXPECT_FALSE(malina::read_order(changed, key)) << "octet " << at;
    }
    auto stranger = crypto::ecdsa::VerifyingKey::from_sec1(broker->identity().keys.ecdsa).value();
    EXPECT_FALSE(malina::read_order(frame, stranger));
  }
  const auto read = malina::read_order(malina::revocation_order(order, *authority).value(), key).value();
  EXPECT_EQ(read->order.keys, its_keys);
  EXPECT_EQ(read->order.second_keys, (std::vector<crypto::Digest>{{8}}));
}

TEST_F(Sl3, AnOrderThatNamesNobodyIsNotMade) {
  auto authority = make_memory_keys("authority", Kind::authority, random);
  const auto made = [&](std::vector<crypto::Digest> named, std::vector<crypto::Digest> second_keys) {
    return malina::revocation_order({.serial = 1, .keys = std::move(named), .second_keys = std::move(second_keys)}, *authority);
  };
  EXPECT_TRUE(made({{1}}, {}));
  EXPECT_FALSE(made({}, {}));
  EXPECT_FALSE(made({}, {{1}}));
  EXPECT_FALSE(made({{1}, {}}, {}));
  EXPECT_FALSE(made({{1}}, {{}}));
  EXPECT_FALSE(made(std::vector<crypto::Digest>(256, {1}), {}));
}

// The authority itself may have made it, with a program that does not look.
TEST_F(Sl3, AnOrderThatNamesNobodyIsNotRead) {
  auto authority = make_memory_keys("authority", Kind::authority, random);
  auto key = crypto::ecdsa::VerifyingKey::from_sec1(authority->identity().keys.ecdsa).value();
  const auto signed_by_it = [&](Buffer frame) {
    Buffer text = to_buffer(as_bytes("MALINA-2 revocation order"));
    append(text, frame);
    append(frame, crypto::ecdsa::lowered(authority->sign_ecdsa(text).value()));
    append(frame, Buffer{0, 0});
    return frame;
  };
  const auto content = [](std::vector<crypto::Digest> named) {
    Buffer frame{2, malina::type_revocation_order, 2};
    Writer out(frame);
    out.u64(1).u64(2).u8(1).u8(static_cast<std::uint8_t>(named.size()));
    for (const auto& one : named) out.bytes(one);
    out.u8(0).u8(0);
    return frame;
  };
  EXPECT_TRUE(malina::read_order(signed_by_it(content({{1}})), key));
  EXPECT_FALSE(malina::read_order(signed_by_it(content({})), key));
  EXPECT_FALSE(malina::read_order(signed_by_it(content({{}})), key));
  EXPECT_FALSE(malina::read_order(signed_by_it(content({{1}, {}})), key));
}

TEST_F(Sl3, TheAuthorityFindsTheAuthorOfAPaperMessage) {
  const auto& id = device->identity().keys.schnorr;
  auto signature = malina::sign(*device, malina::PaperStatement{"SL2_2", "plant/7", id, as_bytes("bad"), now.wall}).value();
  malina::PaperRequest request{malina::Level::sl2, "plant/7", as_bytes("bad"), now.wall, signature, std::nullopt, "nonsense"};
  Buffer bytes = malina::encode(request);
  auto read = malina::decode_paper_request(bytes).value();
  EXPECT_EQ(malina::encode(read), bytes);
  const std::array<malina::Id, 2> candidates{app->identity().keys.schnorr, id};
  EXPECT_EQ(malina::author_among(read, candidates), id);
  EXPECT_EQ(malina::author_among(read, std::span(candidates).first(1)), std::nullopt);
}

}  // namespace
}  // namespace sealmq::testing
