// The claim: nothing is sealed on a connection before the keys that wait at the broker have come.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/try.h"
#include "client/session.h"
#include "support/seal_of_tests.h"

namespace sealmq {
namespace {

using mqtt::QoS;
using mqtt::Reason;

/// Takes keys by itself: what comes on `keys/…` is the name of the next one, and messages are sealed with the last.
class TakesKeys final : public testing::SealOfTests {
 public:
  std::vector<Inbox> key_inboxes() const override { return {{"keys/a", 1, true}, {"keys/b", 1, true}}; }
  void connected(Now) override { has_heard_ = false; }
  void keys_heard(const std::vector<std::string>& refused) override {
    has_heard_ = true;
    refused_ = refused;
  }
  bool may_publish(std::string_view, Now) override { return has_heard_; }
  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    if (!key_) return fail(Blame::caller_misused, "there is no key\nhint: ask for one");
    Buffer sealed = to_buffer(as_bytes(*key_ + " "));
    append(sealed, TRY(SealOfTests::protect(topic, payload, now)));
    return sealed;
  }
  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (!message.topic.starts_with("keys/")) return SealOfTests::unprotect(message, now);
    key_ = as_text(message.payload);
    Received received{.what = Received::What::own};
    received.notice = "new key " + *key_;
    return verified(std::move(received));
  }

  std::optional<std::string> key_;
  std::vector<std::string> refused_;
  bool has_heard_ = false;
};

struct KeyFence : ::testing::Test {
  ConnectOptions options;
  TakesKeys scheme;
  std::optional<ClientSession> session;
  Now now{.steady = 1000, .wall = 1'700'000'000'000};
  Buffer sent;
  std::size_t read = 0;
  std::vector<ClientEvent> events;

  void connect() {
    if (!session) session.emplace(options, &scheme);
    ASSERT_TRUE(session->start(now));
    (void)next();
    feed(mqtt::Connack{});
  }
  void feed(const mqtt::Packet& packet) {
    Buffer bytes;
    mqtt::encode(packet, mqtt::Version::v5, bytes);
    session->receive(bytes, now);
    for (auto& event : session->take_events()) events.push_back(std::move(event));
  }
  void feed_key(std::string_view topic, std::string_view key, bool retain = true) {
    mqtt::Publish publish;
    publish.topic = topic;
    publish.payload = as_bytes(key);
    publish.retain = retain;
    feed(publish);
  }
  /// What is sent next; views stay good until the next call.
  std::optional<mqtt::Packet> next() {
    auto& outbox = session->outbox();
    while (!outbox.empty()) {
      std::array<iovec, 4> parts{};
      const std::size_t count = outbox.gather(parts);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        append(sent, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        size += parts[i].iov_len;
      }
      outbox.consume(size);
    }
    if (read == sent.size()) return std::nullopt;
    const auto header = *mqtt::decode_header(Bytes(sent).subspan(read), mqtt::Version::v5);
    auto packet = mqtt::decode(*header, Bytes(sent).subspan(read + header->size, header->remaining), mqtt::Version::v5);
    read += header->size + header->remaining;
    return *packet;
  }
  template <class Packet>
  std::optional<Packet> next_as() {
    const auto packet = next();
    if (!packet || !std::holds_alternative<Packet>(*packet)) return std::nullopt;
    return std::get<Packet>(*packet);
  }
  void grant(Reason first = Reason::granted_qos_1, Reason second = Reason::granted_qos_1) {
    std::vector<std::uint16_t> ids;
    for (int i = 0; i < 2; ++i) ids.push_back(next_as<mqtt::Subscribe>().value().packet_id);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      mqtt::Suback suback;
      suback.packet_id = ids[i];
      suback.reasons = {i == 0 ? first : second};
      feed(suback);
    }
  }
  /// Both inboxes have spoken, the last of them last.
  void settle(std::string_view key) {
    grant();
    ASSERT_TRUE(next_as<mqtt::Pingreq>());
    feed_key("keys/a", "of a");
    feed_key("keys/b", key);
    feed(mqtt::Pingresp{});
    ASSERT_TRUE(next_as<mqtt::Pingreq>());
    feed(mqtt::Pingresp{});
  }
  void pass(std::uint64_t milliseconds) {
    now.steady += milliseconds;
    session->tick(now);
    for (auto& event : session->take_events()) events.push_back(std::move(event));
  }
  Handle publish(QoS qos = QoS::at_most_once) { return session->publish("t", as_bytes("x"), {.qos = qos}, now).value(); }
  template <class Event>
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(events, [](const auto& event) { return std::holds_alternative<Event>(event); }));
  }
};

TEST_F(KeyFence, NothingIsSealedBeforeWhatWaitedHasCome) {
  scheme.key_ = "stolen";
  connect();
  publish();
  publish(QoS::at_least_once);
  grant();
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed_key("keys/b", "of b");
  feed_key("keys/a", "new");
  EXPECT_FALSE(next()) << "nothing has gone out";
  feed(mqtt::Pingresp{});
  ASSERT_TRUE(next_as<mqtt::Pingreq>()) << "there may be more of them than the broker sends at a time";
  EXPECT_FALSE(next());
  feed(mqtt::Pingresp{});
  for (int i = 0; i < 2; ++i) {
    const auto out = next_as<mqtt::Publish>();
    ASSERT_TRUE(out);
    EXPECT_TRUE(as_text(out->payload).starts_with("new ")) << as_text(out->payload);
  }
  EXPECT_EQ(count<Notice>(), 2u);
  publish();
  EXPECT_TRUE(next_as<mqtt::Publish>()) << "only the beginning of a connection waits";
}

TEST_F(KeyFence, AnAnswerToAnEarlierPingIsNoFence) {
  scheme.key_ = "stolen";
  options.keep_alive = std::chrono::seconds(10);
  connect();
  publish();
  now.steady += 10'000;
  session->tick(now);  // the keep-alive's own
  std::vector<std::uint16_t> ids;
  for (int i = 0; i < 2; ++i) ids.push_back(next_as<mqtt::Subscribe>().value().packet_id);
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  for (const auto id : ids) {
    mqtt::Suback suback;
    suback.packet_id = id;
    suback.reasons = {Reason::granted_qos_1};
    feed(suback);
  }
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed_key("keys/a", "of a");
  feed_key("keys/b", "of b");
  feed(mqtt::Pingresp{});
  EXPECT_FALSE(next());
  feed(mqtt::Pingresp{});
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed(mqtt::Pingresp{});
  EXPECT_TRUE(next_as<mqtt::Publish>());
}

TEST_F(KeyFence, ABrokerThatSendsWhatItRetainedBehindItsPingrespIsWaitedForAMoment) {
  scheme.key_ = "stolen";
  connect();
  publish();
  grant();
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed(mqtt::Pingresp{});
  EXPECT_FALSE(next());
  EXPECT_LE(session->deadline(), now.steady + 300);
  pass(100);
  feed_key("keys/a", "of a");
  feed_key("keys/b", "new");
  EXPECT_FALSE(next()) << "there may be more of it";
  pass(200);
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed(mqtt::Pingresp{});
  EXPECT_TRUE(as_text(next_as<mqtt::Publish>().value().payload).starts_with("new "));
}

TEST_F(KeyFence, WhereOneInboxAloneHasSpokenLateTheRestOfItIsWaitedFor) {
  connect();
  publish();
  grant();
  (void)next();
  feed(mqtt::Pingresp{});
  pass(299);
  feed_key("keys/a", "late");
  EXPECT_FALSE(next());
  pass(1);
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed_key("keys/a", "later");
  feed(mqtt::Pingresp{});
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed(mqtt::Pingresp{});
  EXPECT_TRUE(as_text(next_as<mqtt::Publish>().value().payload).starts_with("later ")) << "and the other one not once more";
}

TEST_F(KeyFence, WhereNothingIsRetainedAMomentIsAllThatIsWaited) {
  scheme.key_ = "own";
  connect();
  publish();
  grant();
  (void)next();
  feed(mqtt::Pingresp{});
  pass(299);
  EXPECT_FALSE(next());
  pass(1);
  EXPECT_TRUE(next_as<mqtt::Publish>());
  EXPECT_GT(session->deadline(), now.steady + 1000) << "nothing is looked for any more";
}

TEST_F(KeyFence, KeysThatAreDealtMeanwhileAndJunkThatIsNotRetainedHoldNothingUp) {
  scheme.key_ = "old";
  connect();
  publish();
  grant();
  ASSERT_TRUE(next_as<mqtt::Pingreq>());
  feed_key("keys/a", "live", false);
  feed(mqtt::Pingresp{});
  pass(300);
  EXPECT_TRUE(as_text(next_as<mqtt::Publish>().value().payload).starts_with("live "));
}

TEST_F(KeyFence, EachConnectionHearsAnewAndWhatIsSaidInBetweenWaits) {
  scheme.key_ = "first";
  connect();
  settle("first");
  publish();
  EXPECT_TRUE(next_as<mqtt::Publish>());
  session->connection_lost({Blame::environment, "gone", 0});
  publish(QoS::at_least_once);
  sent.clear();
  read = 0;
  connect();
  settle("second");
  EXPECT_TRUE(as_text(next_as<mqtt::Publish>().value().payload).starts_with("second "));
}

TEST_F(KeyFence, ARefusedInboxIsToldAndTheSchemeGoesOnWithWhatItHas) {
  scheme.key_ = "own";
  connect();
  grant(Reason::granted_qos_1, Reason::not_authorized);
  EXPECT_EQ(count<Notice>(), 1u);
  (void)next();
  feed_key("keys/a", "own");
  feed(mqtt::Pingresp{});
  (void)next();
  feed(mqtt::Pingresp{});
  EXPECT_EQ(scheme.refused_, std::vector<std::string>{"keys/b"});
  publish();
  EXPECT_TRUE(next_as<mqtt::Publish>());
}

TEST_F(KeyFence, WithoutAKeyThePublisherIsToldWhyAndNothingGoesOut) {
  connect();
  const Handle handle = publish(QoS::at_least_once);
  grant();
  (void)next();
  feed(mqtt::Pingresp{});
  EXPECT_FALSE(next());
  EXPECT_EQ(count<Published>(), 0u) << "it may be late";
  pass(300);
  EXPECT_FALSE(next());
  ASSERT_EQ(count<Published>(), 1u);
  const auto& published = std::get<Published>(events.back());
  EXPECT_EQ(published.handle, handle);
  ASSERT_TRUE(published.error);
  EXPECT_EQ(published.error->blame, Blame::caller_misused);
  EXPECT_EQ(published.error->what, "there is no key\nhint: ask for one");
}

TEST_F(KeyFence, WhoGivesUpHearsThatKeysWereWaitedFor) {
  scheme.key_ = "old";
  connect();
  const Handle handle = publish();
  grant();
  (void)next();
  EXPECT_NE(session->give_up(handle).find("has not told in time whether new keys"), std::string::npos);
  feed(mqtt::Pingresp{});
  pass(300);
  EXPECT_FALSE(next()) << "it is not sent any more";
}

// -- messages that wait for what their scheme needs

/// Opens nothing before something has come on `keys/…`.
class WaitsForKeys final : public testing::SealOfTests {
 public:
  std::uint64_t holds(const Arrived& message, Now) override {
    if (is_there_ || message.topic.starts_with("keys/")) return 0;
    return message.at_least_once ? 60'000 : 10'000;
  }
  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (message.topic.starts_with("keys/")) {
      is_there_ = true;
      return verified(Received{.what = Received::What::own});
    }
    opened_at_ = now.wall;
    if (!is_there_) return fail(Blame::peer_misbehaved, "stale: no key has come");
    return SealOfTests::unprotect(message, now);
  }
  bool is_there_ = false;
  std::uint64_t opened_at_ = 0;
};

struct HeldMessages : ::testing::Test {
  ConnectOptions options;
  WaitsForKeys scheme;
  ClientSession session{options, &scheme};
  Now now{.steady = 1000, .wall = 1'700'000'000'000};
  std::vector<ClientEvent> events;

  HeldMessages() {
    options.keep_alive = std::chrono::seconds(0);
    EXPECT_TRUE(session.start(now));
    feed(mqtt::Connack{});
    (void)written();
    events.clear();
  }
  void feed(const mqtt::Packet& packet) {
    Buffer bytes;
    mqtt::encode(packet, mqtt::Version::v5, bytes);
    session.receive(bytes, now);
    take_events();
  }
  void take_events() {
    for (auto& event : session.take_events()) events.push_back(std::move(event));
  }
  void arrive(std::string_view topic, std::uint16_t packet_id) {
    const std::string payload = testing::SealOfTests::sealed(topic, std::to_string(packet_id));
    mqtt::Publish publish;
    publish.topic = topic;
    publish.payload = as_bytes(payload);
    publish.qos = packet_id == 0 ? QoS::at_most_once : QoS::at_least_once;
    publish.packet_id = packet_id;
    feed(publish);
  }
  std::size_t written() {
    auto& outbox = session.outbox();
    std::size_t size = 0;
    while (!outbox.empty()) {
      std::array<iovec, 4> parts{};
      const std::size_t count = outbox.gather(parts);
      std::size_t some = 0;
      for (std::size_t i = 0; i < count; ++i) some += parts[i].iov_len;
      outbox.consume(some);
      size += some;
    }
    return size;
  }
  void pass(std::uint64_t milliseconds) {
    now.steady += milliseconds;
    now.wall += milliseconds;
    session.tick(now);
    take_events();
  }
  std::vector<std::string> arrived() const {
    std::vector<std::string> payloads;
    for (const auto& event : events)
      if (const auto* its = std::get_if<Arrival>(&event)) payloads.emplace_back(as_text(its->message.payload));
    return payloads;
  }
  std::size_t refused() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(events, [](const auto& event) { return std::holds_alternative<RefusedMessage>(event); }));
  }
};

TEST_F(HeldMessages, AreOpenedInTheirOrderWhenWhatTheyNeedHasCome) {
  arrive("t", 1);
  arrive("t", 0);
  arrive("t", 2);
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(written(), 0u) << "nor is one acknowledged";
  const std::uint64_t came = now.wall;
  pass(5'000);
  arrive("keys/a", 0);
  EXPECT_EQ(arrived(), (std::vector<std::string>{"1", "0", "2"}));
  EXPECT_EQ(scheme.opened_at_, came) << "they are as old as they were when they came";
  for (const auto& event : events)
    if (const auto* its = std::get_if<Arrival>(&event)) session.take(its->receipt);
  EXPECT_EQ(written(), 8u) << "two PUBACK";
}

TEST_F(HeldMessages, AreRefusedWhenNothingComesInTime) {
  arrive("t", 0);
  arrive("t", 1);
  pass(9'000);
  EXPECT_EQ(refused(), 0u);
  pass(1'000);
  EXPECT_EQ(refused(), 1u) << "of QoS 0";
  pass(49'000);
  EXPECT_EQ(refused(), 1u);
  EXPECT_EQ(written(), 0u);
  pass(1'000);
  EXPECT_EQ(refused(), 2u);
  EXPECT_EQ(written(), 4u) << "and acknowledged, so that its sender learns nothing";
  EXPECT_TRUE(arrived().empty());
}

TEST_F(HeldMessages, AreBounded) {
  for (int i = 0; i < 1000; ++i) arrive("t", 0);
  EXPECT_EQ(refused(), 0u);
  arrive("t", 0);
  EXPECT_EQ(refused(), 1u);
}

}  // namespace
}  // namespace sealmq
