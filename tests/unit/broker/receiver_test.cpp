// Hidden topics, requests on topics under '$', and subscriptions with a key of their own, by a scheme that only looks like one:
// its keys are names, its ciphertext can be read.
#include <gtest/gtest.h>

#include "support/broker_bench.h"
#include "support/identities.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;

constexpr std::string_view inbox = "$it/inbox";

struct Group {
  std::size_t members = 0;
  int epoch = 0;
  int sealed = 0;
};

/// What the fakes of one broker have seen.
struct Seen {
  std::map<std::string, Group> groups;
  int prepared = 0;
  int receivers = 0;
  int states = 0;
  bool refuses_to_run = false;
};

class FakeReceiver : public Receiver {
 public:
  FakeReceiver(Seen& seen, std::string key, std::string filter) : seen_(seen), key_(std::move(key)), filter_(std::move(filter)) {
    ++seen_.receivers;
  }
  ~FakeReceiver() override {
    may_share(false);
    --seen_.receivers;
  }
  std::string_view topic() const override { return inbox; }
  bool next_due(Now, Buffer& out) override {
    if (group_ == nullptr || has_epoch_ == group_->epoch) return false;
    has_epoch_ = group_->epoch;
    append(out, as_bytes("epoch " + std::to_string(has_epoch_) + " for " + key_));
    return true;
  }
  Result<> seal(const Outgoing& message, const Scene&, Buffer& out) override {
    if (group_ != nullptr) ++group_->sealed;
    std::string key = group_ != nullptr ? "group " + std::to_string(group_->epoch) : key_;
    append(out, as_bytes(key + "|" + std::string(message.topic) + "|" + std::string(as_text(message.payload)) + "|" +
                         std::string(as_text(message.wire))));
    return {};
  }
  void may_share(bool may) override {
    if (may == (group_ != nullptr)) return;
    Group& group = seen_.groups[filter_];
    group.members += may ? 1 : -1;
    ++group.epoch;
    group_ = may ? &group : nullptr;
  }
  const void* group() const override { return group_; }
  bool has_ended(Now now) const override { return now.steady > 5'000'000; }

 private:
  Seen& seen_;
  std::string key_, filter_;
  Group* group_ = nullptr;
  int has_epoch_ = 0;
};

struct FakeState : ConnectionState {
  explicit FakeState(Seen& its) : seen(its) { ++seen.states; }
  ~FakeState() override { --seen.states; }
  std::size_t memory() const override { return 100; }
  void forget(std::string_view identity) override { forgotten = identity; }
  Seen& seen;
  std::string forgotten;
};

struct FakeWork : Preparation {
  explicit FakeWork(Seen& its) : seen(its) {}
  void run() override { ++seen.prepared; }
  Seen& seen;
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= text.size();) {
    std::size_t end = std::min(text.find(' ', at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

/// Messages: "AUTHOR TOPIC TEXT" on $it/pub; requests: "sub NAME FILTER", "open NAME TOPIC", "bad" on $it/sub. "slow" in front:
/// with preparation.
class Fake : public BrokerScheme {
 public:
  Fake(const SchemeInfo& info, Seen& seen, bool tells) : info_(info), seen_(seen), tells_(tells) {}
  const SchemeInfo& info() const override { return info_; }
  bool recognises(const Incoming& message) const override { return takes(message.topic); }
  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override {
    if (message.payload.empty()) return fail(Blame::peer_misbehaved, "empty");
    if (text_of(message).starts_with("slow") && scene.prepared == nullptr) return fail(Blame::environment, "no time");
    auto words = split(text_of(message));
    if (words[0] == "slow") words.erase(words.begin());
    if (words.size() != 3) return fail(Blame::peer_misbehaved, "malformed");
    if (*scene.state == nullptr) *scene.state = std::make_unique<FakeState>(seen_);
    Opened opened;
    opened.plaintext = to_buffer(as_bytes(words[1] + words[2]));
    opened.topic = as_text(opened.plaintext).substr(0, words[1].size());
    opened.payload = Bytes(opened.plaintext).subspan(words[1].size());
    opened.author = scene.directory.find(words[0]);
    opened.names_author = true;
    opened.carried = as_bytes("carried");
    return verified(std::move(opened));
  }
  Result<> seal(const Outgoing&, const Scene&, Buffer&) override { return fail(Blame::peer_incompatible, "only for receivers"); }
  bool takes(std::string_view topic) const override { return topic == "$it/pub" || topic == "$it/sub"; }
  bool is_request(const Incoming& incoming) const override { return incoming.topic == "$it/sub"; }
  Result<Checked<Asked>> read_request(const Incoming& request, const Scene& scene) override {
    auto words = split(as_text(request.payload));
    if (words.size() != 3) return fail(Blame::peer_misbehaved, "malformed");
    Asked asked;
    asked.plaintext = to_buffer(as_bytes(words[2]));
    asked.topic = as_text(asked.plaintext);
    asked.names_identity = words[1] != "nobody";
    asked.identity = scene.directory.find(words[1]);
    if (words[0] == "open") asked.what = Asked::What::publishing;
    if (words[0] == "sub") asked.receiver = std::make_unique<FakeReceiver>(seen_, words[1], words[2]);
    append(asked.reply, as_bytes("granted " + words[2]));
    return verified(std::move(asked));
  }
  std::unique_ptr<Preparation> prepare(const Incoming& incoming) override {
    if (!text_of(incoming).starts_with("slow")) return nullptr;
    return std::make_unique<FakeWork>(seen_);
  }
  std::string_view reply_topic() const override { return inbox; }
  bool tells_refusals() const override { return tells_; }

 private:
  static std::string_view text_of(const Incoming& message) { return as_text(message.payload); }
  const SchemeInfo& info_;
  Seen& seen_;
  bool tells_;
};

class ReceiverTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  ReceiverTest() {
    enroll("writer", {"t/#"}, {});
    enroll("reader", {}, {"t/#"});
    enroll("other", {}, {"t/#"});
    enroll("narrow", {}, {"t/1"});
    rules(false);
  }
  void enroll(const std::string& name, Rights publish, Rights subscribe) {
    Identity identity = identity_named(name);
    identity.status = Status::active;
    identity.publish = std::move(publish);
    identity.subscribe = std::move(subscribe);
    broker.enroll(identity);
  }
  void rules(bool multicast) {
    broker::SchemeSet its = broker.schemes({"sl1"});
    broker::SchemeSet also_plain = broker.schemes({"sl1", "plain"});
    broker.set_rules({{"t/#", its, also_plain, multicast}});
  }
  TestClient& reader(const std::string& name, const std::string& filter = "t/#", QoS qos = QoS::at_least_once) {
    auto& client = broker.connect("client-" + name);
    broker.subscribe(client, inbox, {.qos = qos});
    broker.publish(client, "$it/sub", "sub " + name + " " + filter, QoS::at_least_once);
    return client;
  }
  static std::vector<std::string> payloads(const TestClient& client) {
    std::vector<std::string> all;
    for (const auto& got : client.publishes) all.push_back(got.payload);
    return all;
  }
  using Texts = std::vector<std::string>;

  Seen seen;
  bool tells = true;
  BrokerBench broker{GetParam(), {}, nullptr, [this](broker::Ports& ports) {
                       ports.schemes.front() = std::make_unique<Fake>(ports.schemes.front()->info(), seen, tells);
                     }};
};
INSTANTIATE_TEST_SUITE_P(Shards, ReceiverTest, ::testing::Values(1, 3));

TEST_P(ReceiverTest, AHiddenTopicIsFoundAndMessagesComeToTheInbox) {
  auto& at = reader("reader");
  EXPECT_EQ(at.answers.back().reasons[0], Reason::success);
  auto& writer = broker.connect("w");
  broker.publish(writer, "$it/pub", "writer t/1 hello", QoS::at_least_once, true);
  EXPECT_EQ(writer.answers.back().reasons[0], Reason::success);
  EXPECT_EQ(payloads(at), (Texts{"granted t/#", "reader|t/1|hello|carried"}));
  EXPECT_EQ(at.publishes[1].topic, inbox);
  EXPECT_EQ(at.publishes[1].qos, QoS::at_least_once);
  EXPECT_TRUE(at.publishes[1].user.empty());
  auto& plain = broker.connect("p");
  broker.subscribe(plain, "t/#");
  EXPECT_TRUE(plain.publishes.empty());  // not retained
}

TEST_P(ReceiverTest, EachGetsItsOwnOrTheGroupGetsOne) {
  auto& one = reader("reader");
  auto& two = reader("other");
  auto& writer = broker.connect("w");
  broker.publish(writer, "$it/pub", "writer t/1 a");
  EXPECT_EQ(one.publishes.back().payload, "reader|t/1|a|carried");
  EXPECT_EQ(two.publishes.back().payload, "other|t/1|a|carried");
  rules(true);
  broker.publish(writer, "$it/pub", "writer t/1 b");
  const auto& got = one.publishes.back().payload;
  EXPECT_TRUE(got.starts_with("group ")) << got;
  EXPECT_EQ(one.publishes[one.publishes.size() - 2].payload.substr(0, 6), "epoch ");
  if (GetParam() == 1) {
    EXPECT_EQ(two.publishes.back().payload, got);
    EXPECT_EQ(seen.groups["t/#"].sealed, 1);
  }
}

TEST_P(ReceiverTest, WhoMayNotHaveAllIsNotInTheGroup) {
  rules(true);
  auto& narrow = reader("narrow");
  auto& writer = broker.connect("w");
  broker.publish(writer, "$it/pub", "writer t/1 a");
  broker.publish(writer, "$it/pub", "writer t/2 b");
  EXPECT_EQ(payloads(narrow), (Texts{"granted t/#", "narrow|t/1|a|carried"}));
}

TEST_P(ReceiverTest, ARightTakenAwayLeavesTheGroupAtOnce) {
  rules(true);
  auto& one = reader("reader");
  reader("other");
  std::size_t members = seen.groups["t/#"].members;
  Identity changed = identity_named("other");
  changed.status = Status::active;
  broker.set_identity(changed);
  EXPECT_EQ(seen.groups["t/#"].members, members - 1);
  EXPECT_EQ(seen.receivers, 1);
  auto& writer = broker.connect("w");
  broker.publish(writer, "$it/pub", "writer t/1 a");
  EXPECT_EQ(one.publishes.back().payload.substr(0, 6), "group ");
}

TEST_P(ReceiverTest, EverythingEndsWithTheConnection) {
  auto& at = broker.connect("lasting", mqtt::Version::v5, false);
  at.acknowledges = false;
  broker.subscribe(at, inbox, {.qos = QoS::exactly_once});
  broker.publish(at, "$it/sub", "sub reader t/#");
  auto& writer = broker.connect("w");
  broker.publish(writer, "$it/pub", "writer t/1 a", QoS::exactly_once, false, 7);
  EXPECT_EQ(at.publishes.back().qos, QoS::at_least_once);
  EXPECT_EQ(seen.states, 1);
  broker.cut(at);
  broker.cut(writer);
  EXPECT_EQ(seen.receivers, 0);
  EXPECT_EQ(seen.states, 0);
  auto& again = broker.connect("lasting", mqtt::Version::v5, false);
  EXPECT_TRUE(again.session_present);
  EXPECT_TRUE(again.publishes.empty());
}

TEST_P(ReceiverTest, RevocationEndsReceiversAndState) {
  auto& gateway = reader("reader");
  broker.publish(gateway, "$it/sub", "sub other t/1", QoS::at_least_once);
  EXPECT_EQ(seen.receivers, 2);
  auto report = broker.revoke("other");
  EXPECT_EQ(report.subscriptions, 1U);
  EXPECT_EQ(report.sessions, 0U);  // it speaks for another one too
  EXPECT_EQ(seen.receivers, 1);
  report = broker.revoke("reader");
  EXPECT_EQ(seen.receivers, 0);
}

TEST_P(ReceiverTest, AskingAgainRenewsAndTimeEnds) {
  auto& at = reader("reader");
  broker.publish(at, "$it/sub", "sub reader t/#", QoS::at_least_once);
  EXPECT_EQ(seen.receivers, 1);
  broker.advance(5'000'000);
  EXPECT_EQ(seen.receivers, 0);
}

TEST_P(ReceiverTest, NothingComesWithoutAnInbox) {
  auto& at = broker.connect("c");
  broker.publish(at, "$it/sub", "sub reader t/#", QoS::at_least_once);
  auto& writer = broker.connect("w");
  broker.publish(writer, "$it/pub", "writer t/1 a");
  EXPECT_TRUE(at.publishes.empty());
  broker.subscribe(at, inbox);
  broker.publish(writer, "$it/pub", "writer t/1 b");
  EXPECT_EQ(payloads(at), (Texts{"reader|t/1|b|carried"}));
  broker.send(at, mqtt::Unsubscribe{.packet_id = 3, .properties = {}, .filters = {inbox}});
  EXPECT_EQ(at.answers.back().reasons[0], Reason::success);
  broker.publish(writer, "$it/pub", "writer t/1 c");
  EXPECT_EQ(at.publishes.size(), 1U);
}

TEST_P(ReceiverTest, RefusesWhatIsNotEntitled) {
  auto answer = [&](std::string_view topic, std::string_view text) {
    auto& c = broker.connect("c");  // a new one each time: ten failures end a connection
    broker.publish(c, topic, text, QoS::at_least_once);
    return c.answers.back().reasons[0];
  };
  for (std::string_view text : {"stranger t/1 x", "writer u/1 x", "writer t/# x", "writer $it/pub x", "writer $SYS/x x"})
    EXPECT_EQ(answer("$it/pub", text), Reason::not_authorized) << text;
  for (std::string_view text : {"sub stranger t/#", "sub writer t/#", "open reader t/1", "open writer u/1"})
    EXPECT_EQ(answer("$it/sub", text), Reason::not_authorized) << text;
  EXPECT_EQ(answer("$it/sub", "sub reader t/#/x"), Reason::topic_name_invalid);
  EXPECT_EQ(answer("$it/other", "writer t/1 x"), Reason::not_authorized);
}

TEST_P(ReceiverTest, AnswersAreInOrderThoughSomeMessagesTakeLong) {
  auto& at = reader("reader");
  auto& writer = broker.connect("w");
  Buffer bytes;
  std::uint16_t id = 0;
  for (std::string_view text : {"slow writer t/1 a", "writer t/1 b", "slow writer t/1 c"}) {
    mqtt::Publish packet;
    packet.topic = "$it/pub";
    packet.payload = as_bytes(text);
    packet.qos = QoS::at_least_once;
    packet.packet_id = ++id;
    mqtt::encode(packet, writer.version, bytes);
  }
  broker.send_bytes(writer, bytes);
  EXPECT_EQ(seen.prepared, 2);
  ASSERT_EQ(writer.answers.size(), 3U);
  for (std::uint16_t i = 0; i < 3; ++i) EXPECT_EQ(writer.answers[i].packet_id, i + 1);
  EXPECT_EQ(payloads(at), (Texts{"granted t/#", "reader|t/1|a|carried", "reader|t/1|b|carried", "reader|t/1|c|carried"}));
}

TEST_P(ReceiverTest, OneConnectionHoldsSoManyOfThem) {
  auto& client = broker.connect("client");
  broker.subscribe(client, inbox, {.qos = QoS::at_least_once});
  const std::size_t most = broker::Settings{}.maximum_receivers;
  for (std::size_t i = 0; i <= most; ++i) {
    broker.publish(client, "$it/sub", "sub reader t/" + std::to_string(i), QoS::at_least_once);
    EXPECT_EQ(is_error(client.answers.back().reasons[0]), i == most) << i;
  }
  EXPECT_EQ(client.answers.back().reasons[0], Reason::quota_exceeded);
}

class SlowMessages : public ReceiverTest {};
INSTANTIATE_TEST_SUITE_P(OneShard, SlowMessages, ::testing::Values(1));

TEST_P(SlowMessages, OneAddressTakesOnlySoManyPlaces) {
  broker::Shard& shard = broker.shard(0);
  Buffer bytes;
  mqtt::encode(mqtt::Connect{}, bytes);
  mqtt::Publish packet;
  packet.topic = "$it/pub";
  packet.payload = as_bytes("slow writer t/1 a");
  mqtt::encode(packet, mqtt::Version::v5, bytes);
  std::vector<broker::ConnectionId> ids;
  for (int i = 0; i < 20; ++i) {
    ids.push_back(shard.open({.address = i < 19 ? "flood" : "friend"}, broker.now));
    shard.receive(ids.back(), bytes, broker.now);
  }
  EXPECT_EQ(shard.effects().jobs.size(), 9U);  // eight of the flood, and the friend's
  for (std::size_t i = 0; i < 10; ++i) shard.gone(ids[i], broker.now);
  std::size_t done = 0;
  while (!shard.effects().jobs.empty()) {
    auto jobs = std::exchange(shard.effects().jobs, {});
    for (auto& job : jobs) {
      job.work();
      shard.finish(job.name, broker.now);
      ++done;
    }
  }
  EXPECT_EQ(seen.prepared, 10);  // those that stayed
  EXPECT_EQ(done, 8U + 1U + 9U);
}

TEST_P(SlowMessages, OneSchemeTakesOnlySoManyPlaces) {
  broker::Shard& shard = broker.shard(0);
  Buffer bytes;
  mqtt::encode(mqtt::Connect{}, bytes);
  mqtt::Publish packet;
  packet.topic = "$it/pub";
  packet.payload = as_bytes("slow writer t/1 a");
  mqtt::encode(packet, mqtt::Version::v5, bytes);
  for (int i = 0; i < 30; ++i)
    shard.receive(shard.open({.address = "flood-" + std::to_string(i)}, broker.now), bytes, broker.now);
  EXPECT_EQ(shard.effects().jobs.size(), broker::Settings{}.maximum_preparations);
}

TEST_P(SlowMessages, LittleIsReadAheadMeanwhile) {
  broker::Shard& shard = broker.shard(0);
  auto& writer = broker.connect("w");
  Buffer bytes;
  mqtt::Publish packet;
  packet.topic = "$it/pub";
  packet.payload = as_bytes("slow writer t/1 a");
  mqtt::encode(packet, mqtt::Version::v5, bytes);
  Buffer behind(5'000);
  packet.payload = behind;
  Buffer next;
  mqtt::encode(packet, mqtt::Version::v5, next);
  shard.receive(writer.connection, bytes, broker.now);
  std::size_t taken = 0;
  while (shard.effects().reading.empty() && taken < 100) {
    shard.receive(writer.connection, next, broker.now);
    ++taken;
  }
  EXPECT_GE(taken, 2U);
  EXPECT_LE(taken, 4U) << "16 KB, and what went beyond them";
  EXPECT_FALSE(shard.effects().reading.at(0).wanted);
  broker.advance(1);
  EXPECT_TRUE(writer.is_read);
}

TEST_P(SlowMessages, WhatNoThreadHadTimeForIsRefused) {
  broker::Shard& shard = broker.shard(0);
  auto& writer = broker.connect("w");
  Buffer bytes;
  mqtt::Publish packet;
  packet.topic = "$it/pub";
  packet.payload = as_bytes("slow writer t/1 a");
  packet.qos = QoS::at_least_once;
  packet.packet_id = 1;
  mqtt::encode(packet, mqtt::Version::v5, bytes);
  shard.receive(writer.connection, bytes, broker.now);
  auto jobs = std::exchange(shard.effects().jobs, {});
  ASSERT_EQ(jobs.size(), 1U);
  shard.finish(jobs[0].name, broker.now);
  broker.advance(1);
  ASSERT_EQ(writer.answers.size(), 1U);
  EXPECT_EQ(writer.answers[0].reasons[0], Reason::quota_exceeded);
}

class SilentScheme : public ReceiverTest {
 protected:
  SilentScheme() {
    tells = false;
    broker.crash();  // starts it again, with a scheme that keeps silent
    rules(false);
  }
};
INSTANTIATE_TEST_SUITE_P(OneShard, SilentScheme, ::testing::Values(1));

TEST_P(SilentScheme, SaysSuccessToEverything) {
  auto& c = broker.connect("c");
  for (int i = 0; i < 20; ++i) {
    for (std::string_view text : {"stranger t/1 x", "writer u/1 x", "writer t/1 x", "nonsense"}) {
      broker.publish(c, "$it/pub", text, QoS::at_least_once);
      EXPECT_EQ(c.answers.back().reasons[0], Reason::success);
    }
    broker.publish(c, "$it/sub", "nonsense", QoS::at_least_once);
    EXPECT_EQ(c.answers.back().reasons[0], Reason::success);
  }
  EXPECT_FALSE(c.closed);
  EXPECT_EQ(broker.refused(broker::Refusal::verification_failed), 40U);
}

}  // namespace
}  // namespace sealmq::testing
