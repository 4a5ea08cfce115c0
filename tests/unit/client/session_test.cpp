#include "client/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "support/fakes.h"
#include "support/seal_of_tests.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;
using testing::SealOfTests;

/// The other end, played by the test: takes packets out of the session's outbox, and puts encoded ones in.
class ClientSessionTest : public ::testing::TestWithParam<Version> {
 protected:
  ClientSessionTest() { options_.version = GetParam(); }

  bool is_v5() const { return GetParam() == Version::v5; }

  ClientSession& session() {
    if (!session_) session_.emplace(options_, scheme_ ? &*scheme_ : nullptr, store_.get());
    return *session_;
  }

  /// The next packet that the session sends. Views stay valid to the end of the test.
  template <class Packet>
  Packet next() {
    drain();
    auto header = *mqtt::decode_header(Bytes(*sent_.back()).subspan(read_), GetParam());
    if (!header) {
      ADD_FAILURE() << "nothing was sent";
      return {};
    }
    auto packet = mqtt::decode(*header, Bytes(*sent_.back()).subspan(read_ + header->size, header->remaining), GetParam());
    read_ += header->size + header->remaining;
    EXPECT_TRUE(packet) << packet.error().what;
    if (!std::holds_alternative<Packet>(*packet)) {
      ADD_FAILURE() << "another packet was sent: " << mqtt::name(header->type);
      return {};
    }
    return std::get<Packet>(*packet);
  }
  bool nothing_more() {
    drain();
    return read_ == sent_.back()->size();
  }

  void feed(const mqtt::Packet& packet) {
    Buffer bytes;
    mqtt::encode(packet, GetParam(), bytes);
    session().receive(bytes, now_);
  }
  void feed_publish(std::string_view topic, std::string_view payload, QoS qos, std::uint16_t id, bool dup = false) {
    mqtt::Publish publish;
    publish.dup = dup;
    publish.qos = qos;
    publish.topic = topic;
    publish.packet_id = id;
    publish.payload = as_bytes(payload);
    feed(publish);
  }

  template <class Event>
  std::optional<Event> event() {
    for (auto& e : session().take_events()) events_.push_back(std::move(e));
    if (events_.empty() || !std::holds_alternative<Event>(events_.front())) return std::nullopt;
    Event found = std::get<Event>(std::move(events_.front()));
    events_.erase(events_.begin());
    return found;
  }
  bool no_event() {
    for (auto& e : session().take_events()) events_.push_back(std::move(e));
    return events_.empty();
  }

  mqtt::Connect connect(mqtt::Connack answer = {}) {
    EXPECT_TRUE(session().start(now_));
    auto sent = next<mqtt::Connect>();
    feed(answer);
    EXPECT_TRUE(event<Connected>());
    return sent;
  }
  /// The broker has lost the session.
  void connect_to_nothing() {
    ASSERT_TRUE(session().start(now_));
    next<mqtt::Connect>();
    feed(mqtt::Connack{false, Reason::success, {}});
  }
  void lose_connection() {
    session().connection_lost({Blame::environment, "gone", 0});
    EXPECT_TRUE(event<Closed>());
  }

  Handle publish(std::string_view topic, std::string_view payload, QoS qos) {
    return session().publish(topic, as_bytes(payload), {.qos = qos, .retain = false, .user_properties = {}}, now_).value();
  }

  /// From now on, or in a new process with the same file.
  void keep_messages() {
    options_.client_id = "c";
    options_.clean_start = false;
    options_.session_expiry = std::chrono::seconds(60);
    session_.reset();
    store_.reset();
    sent_.clear();
    read_ = 0;
    events_.clear();
    store_ = MessageStore::open(folder_ / "messages", "c", nullptr, 1'000'000, random_).value();
  }

  ConnectOptions options_;
  testing::CountingRandom random_;
  testing::TemporaryFolder folder_;
  std::unique_ptr<MessageStore> store_;
  std::optional<SealOfTests> scheme_;
  Now now_{.steady = 1000, .wall = 1'700'000'000'000};

 private:
  void drain() {
    if (sent_.empty()) sent_.push_back(std::make_unique<Buffer>());
    auto& outbox = session().outbox();
    auto all = std::make_unique<Buffer>(sent_.back()->begin() + static_cast<std::ptrdiff_t>(read_), sent_.back()->end());
    read_ = 0;
    while (!outbox.empty()) {
      std::array<iovec, 4> parts{};
      std::size_t count = outbox.gather(parts);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        append(*all, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        size += parts[i].iov_len;
      }
      outbox.consume(size);
    }
    sent_.push_back(std::move(all));
  }

  std::optional<ClientSession> session_;
  std::vector<std::unique_ptr<Buffer>> sent_;
  std::size_t read_ = 0;
  std::vector<ClientEvent> events_;
};

INSTANTIATE_TEST_SUITE_P(Versions, ClientSessionTest, ::testing::Values(Version::v3_1_1, Version::v5),
                         [](const auto& version) { return version.param == Version::v5 ? "Mqtt5" : "Mqtt311"; });

/// What MQTT 3 has no word for.
class ClientSessionV5Test : public ClientSessionTest {};
INSTANTIATE_TEST_SUITE_P(Versions, ClientSessionV5Test, ::testing::Values(Version::v5));

TEST_P(ClientSessionTest, ConnectSaysWhatTheOptionsSay) {
  options_.client_id = "boiler-7";
  options_.keep_alive = std::chrono::seconds(30);
  options_.clean_start = false;
  options_.session_expiry = std::chrono::seconds(60);
  options_.user_name = "anna";
  options_.password = Secret(as_bytes("secret"));
  options_.will = WillMessage{"plant/gone", to_buffer(as_bytes("boiler-7")), QoS::at_least_once, true};
  auto sent = connect();
  EXPECT_EQ(sent.version, GetParam());
  EXPECT_EQ(sent.client_id, "boiler-7");
  EXPECT_EQ(sent.keep_alive, 30);
  EXPECT_FALSE(sent.clean_start);
  EXPECT_EQ(sent.user_name, "anna");
  EXPECT_EQ(as_text(*sent.password), "secret");
  EXPECT_EQ(sent.will->topic, "plant/gone");
  EXPECT_EQ(as_text(sent.will->payload), "boiler-7");
  EXPECT_TRUE(sent.will->retain);
  EXPECT_EQ(sent.properties.session_expiry_interval, is_v5() ? std::optional(60u) : std::nullopt);
  EXPECT_EQ(sent.properties.receive_maximum, is_v5() ? std::optional<std::uint16_t>(100) : std::nullopt);
}

TEST_P(ClientSessionTest, ARefusedConnectionNamesItsReason) {
  ASSERT_TRUE(session().start(now_));
  feed(mqtt::Connack{false, Reason::not_authorized, {}});
  auto closed = event<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.blame, Blame::not_authorised);
  EXPECT_EQ(closed->error.code, 0x87);
  EXPECT_EQ(closed->error.what, "the broker refused the connection: Not authorized");
}

TEST_P(ClientSessionTest, ASessionThatWasToBeNewAndIsNotEndsTheConnection) {  // [MQTT-3.2.2-2]
  ASSERT_TRUE(session().start(now_));
  feed(mqtt::Connack{true, Reason::success, {}});
  auto closed = event<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.blame, Blame::peer_misbehaved);
}

TEST_P(ClientSessionTest, AQos0MessageIsDoneWithTheCall) {
  connect();
  Handle handle = publish("a/b", "x", QoS::at_most_once);
  auto sent = next<mqtt::Publish>();
  EXPECT_EQ(sent.topic, "a/b");
  EXPECT_EQ(as_text(sent.payload), "x");
  auto done = event<Published>();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->handle, handle);
  EXPECT_EQ(done->reason, Reason::success);
}

TEST_P(ClientSessionTest, AQos1MessageIsDoneWithItsPuback) {
  connect();
  Handle handle = publish("a/b", "x", QoS::at_least_once);
  auto sent = next<mqtt::Publish>();
  EXPECT_TRUE(no_event());
  feed(mqtt::Puback{sent.packet_id, Reason::success, {}});
  EXPECT_EQ(event<Published>()->handle, handle);
}

TEST_P(ClientSessionTest, AQos2MessageIsDoneWithItsPubcomp) {
  connect();
  Handle handle = publish("a/b", "x", QoS::exactly_once);
  auto sent = next<mqtt::Publish>();
  feed(mqtt::Pubrec{sent.packet_id, Reason::success, {}});
  EXPECT_EQ(next<mqtt::Pubrel>().packet_id, sent.packet_id);
  EXPECT_TRUE(no_event());
  feed(mqtt::Pubcomp{sent.packet_id, Reason::success, {}});
  EXPECT_EQ(event<Published>()->handle, handle);
}

TEST_P(ClientSessionTest, AnswersToNothingAreHarmless) {
  connect();
  feed(mqtt::Puback{9, Reason::success, {}});
  feed(mqtt::Pubcomp{9, Reason::success, {}});
  EXPECT_TRUE(nothing_more());
  feed(mqtt::Pubrec{9, Reason::success, {}});
  EXPECT_EQ(next<mqtt::Pubrel>().reason, is_v5() ? Reason::packet_identifier_not_found : Reason::success);
  feed(mqtt::Pubrel{9, Reason::success, {}});
  EXPECT_EQ(next<mqtt::Pubcomp>().reason, is_v5() ? Reason::packet_identifier_not_found : Reason::success);
  EXPECT_TRUE(no_event());
}

TEST_P(ClientSessionV5Test, WhatTheBrokerHasRefusedIsNotSentAgain) {  // MQTT 3 cannot refuse a message
  connect();
  Handle first = publish("a", "x", QoS::at_least_once);
  Handle second = publish("a", "x", QoS::exactly_once);
  feed(mqtt::Puback{next<mqtt::Publish>().packet_id, Reason::not_authorized, {}});
  feed(mqtt::Pubrec{next<mqtt::Publish>().packet_id, Reason::quota_exceeded, {}});
  auto published = event<Published>();
  EXPECT_EQ(published->handle, first);
  EXPECT_EQ(published->reason, Reason::not_authorized);
  published = event<Published>();
  EXPECT_EQ(published->handle, second);
  EXPECT_EQ(published->reason, Reason::quota_exceeded);
  EXPECT_TRUE(nothing_more());
}

TEST_P(ClientSessionV5Test, WaitsWhileTheReceiveMaximumIsUsedUp) {  // [MQTT-3.3.4-9]  // MQTT 3 has no Receive Maximum
  mqtt::Connack connack;
  connack.properties.receive_maximum = 2;
  connect(connack);
  for (const char* payload : {"1", "2", "3"}) publish("a", payload, QoS::at_least_once);
  auto first = next<mqtt::Publish>();
  next<mqtt::Publish>();
  EXPECT_TRUE(nothing_more());
  feed(mqtt::Puback{first.packet_id, Reason::success, {}});
  EXPECT_EQ(as_text(next<mqtt::Publish>().payload), "3");
}

TEST_P(ClientSessionV5Test, WhatTheBrokerLacksIsTheCallersMistake) {  // MQTT 3 brokers lack nothing
  mqtt::Connack connack;
  connack.properties.maximum_qos = QoS::at_least_once;
  connack.properties.retain_available = false;
  connack.properties.maximum_packet_size = 30;
  connect(connack);
  auto code_of = [&](std::string_view payload, PublishOptions options) {
    return session().publish("a", as_bytes(payload), options, now_).error().code;
  };
  EXPECT_EQ(code_of("x", {.qos = QoS::exactly_once, .retain = false, .user_properties = {}}), 0x9B);  // [MQTT-3.2.2-11]
  EXPECT_EQ(code_of("x", {.qos = QoS::at_most_once, .retain = true, .user_properties = {}}), 0x9A);   // [MQTT-3.2.2-14]
  EXPECT_EQ(code_of("twenty-seven letters do not", {}), 0x95);                                        // [MQTT-3.2.2-15]
  EXPECT_TRUE(nothing_more());
}

TEST_P(ClientSessionV5Test, SaysAndHearsWhatMqtt5CanSayOfAMessage) {
  mqtt::Connack two_aliases;
  two_aliases.properties.topic_alias_maximum = 2;
  connect(two_aliases);
  PublishOptions options;
  options.properties = {
      .is_text = true, .expiry = 60, .content_type = "text/plain", .response_topic = "reply", .correlation_data = {7}};
  options.user_properties = {{"unit", "bar"}};
  options.topic_alias = 2;
  ASSERT_TRUE(session().publish("t", as_bytes("x"), options, now_));
  auto sent = next<mqtt::Publish>();
  mqtt::Properties expected;
  expected.payload_format_indicator = 1;
  expected.message_expiry_interval = 60;
  expected.content_type = "text/plain";
  expected.response_topic = "reply";
  expected.correlation_data = options.properties.correlation_data;
  expected.user = {{"unit", "bar"}};
  expected.topic_alias = 2;
  EXPECT_EQ(sent.properties, expected);
  EXPECT_EQ(sent.topic, "t");
  options.topic_alias = 3;  // [MQTT-3.2.2-17]
  ASSERT_TRUE(session().publish("t", as_bytes("x"), options, now_));
  sent = next<mqtt::Publish>();
  EXPECT_FALSE(sent.properties.topic_alias);
  sent.properties.subscription_identifiers = {4, 5};
  feed(sent);
  auto arrival = event<Arrival>();
  for (int i = 0; i < 2 && !arrival; ++i) {
    (void)event<Published>();
    arrival = event<Arrival>();
  }
  ASSERT_TRUE(arrival);
  const ReceivedMessage& message = arrival->message;
  EXPECT_EQ(message.properties.content_type, "text/plain");
  EXPECT_TRUE(message.properties.is_text);
  EXPECT_EQ(message.properties.expiry, std::optional(60u));
  EXPECT_EQ(message.properties.response_topic, "reply");
  EXPECT_EQ(message.properties.correlation_data.size(), 1U);
  EXPECT_EQ(message.subscription_identifiers.size(), 2U);
  options.properties.response_topic = "a/#";
  EXPECT_FALSE(session().publish("t", as_bytes("x"), options, now_));  // [MQTT-3.3.2-14]
}

TEST_P(ClientSessionTest, WhatMqtt5AloneCanSayIsAMistakeInMqtt3) {
  connect();
  const auto published = [&](PublishOptions options) { return session().publish("t", as_bytes("x"), options, now_).has_value(); };
  const auto subscribed = [&](SubscribeOptions options) { return session().subscribe("t", options, now_).has_value(); };
  EXPECT_EQ(published({.user_properties = {{"unit", "bar"}}}), is_v5());
  EXPECT_EQ(published({.properties = {.content_type = "text/plain"}}), is_v5());
  EXPECT_EQ(published({.topic_alias = 1}), is_v5());
  EXPECT_EQ(subscribed({.no_local = true}), is_v5());
  EXPECT_EQ(subscribed({.retain_as_published = true}), is_v5());
  EXPECT_EQ(subscribed({.retained = RetainedMessages::do_not_send}), is_v5());
  EXPECT_EQ(subscribed({.identifier = 1}), is_v5());
  EXPECT_EQ(subscribed({.user_properties = {{"unit", "bar"}}}), is_v5());
  EXPECT_TRUE(published({}));
  EXPECT_TRUE(subscribed({}));
  const auto begins = [&](const std::function<void(ConnectOptions&)>& change) {
    ConnectOptions wished;
    wished.version = GetParam();
    change(wished);
    return ClientSession(wished, nullptr, nullptr).start(now_).has_value();
  };
  EXPECT_EQ(begins([](auto& wished) { wished.user_properties = {{"unit", "bar"}}; }), is_v5());
  EXPECT_EQ(begins([](auto& wished) { wished.session_expiry = std::chrono::seconds(60); }), is_v5());
  EXPECT_EQ(begins([](auto& wished) { wished.will = WillMessage{.topic = "t", .delay = std::chrono::seconds(1)}; }), is_v5());
  EXPECT_EQ(begins([](auto& wished) { wished.will = WillMessage{.topic = "t", .properties = {.expiry = 1}}; }), is_v5());
  EXPECT_TRUE(begins([](auto& wished) { wished.will = WillMessage{.topic = "t"}; }));
}

/// `number` behind what SealOfTests has sealed: so many dots.
std::size_t number_of(const mqtt::Publish& publish) {
  return static_cast<std::size_t>(std::ranges::count(publish.payload, static_cast<std::uint8_t>('.')));
}

// Two claims: numbers rise in the order in which messages are sent, though some of them were sealed before, and wait.
TEST_P(ClientSessionTest, NothingIsSealedBeforeWhatIsHeldBack) {
  options_.clean_start = false;
  options_.client_id = "c";
  scheme_.emplace();
  connect();
  publish("a", "one", QoS::at_least_once);
  next<mqtt::Publish>();
  lose_connection();
  now_.steady += sendable_for;
  session().hold();
  connect({true, Reason::success, {}});
  publish("a", "two", QoS::at_least_once);
  EXPECT_TRUE(nothing_more());
  session().release(now_);
  const auto first = number_of(next<mqtt::Publish>());
  EXPECT_GT(number_of(next<mqtt::Publish>()), first);
}

TEST_P(ClientSessionV5Test, NothingIsSealedBeforeWhatTheReceiveMaximumKeepsBack) {
  options_.clean_start = false;
  options_.client_id = "c";
  scheme_.emplace();
  connect();
  publish("a", "one", QoS::at_least_once);
  publish("a", "two", QoS::at_least_once);
  const auto one = next<mqtt::Publish>().packet_id;
  next<mqtt::Publish>();
  lose_connection();
  now_.steady += sendable_for;
  mqtt::Connack connack{true, Reason::success, {}};
  connack.properties.receive_maximum = 1;
  connect(connack);
  next<mqtt::Publish>();
  publish("a", "three", QoS::at_least_once);
  feed(mqtt::Puback{one, Reason::success, {}});
  const auto two = next<mqtt::Publish>();
  feed(mqtt::Puback{two.packet_id, Reason::success, {}});
  EXPECT_GT(number_of(next<mqtt::Publish>()), number_of(two));
}

TEST_P(ClientSessionTest, RefusesAnIllegalTopicOrFilter) {
  connect();
  EXPECT_FALSE(session().publish("a/+", {}, {}, now_));
  EXPECT_FALSE(session().publish("", {}, {}, now_));
  for (const char* filter : {"", "a/#/b", "$share/x", "$share//a", "$share/a+/b"})
    EXPECT_FALSE(session().subscribe(filter, {}, now_)) << filter;
  EXPECT_TRUE(session().subscribe("$share/group/a/#", {}, now_));
}

TEST_P(ClientSessionTest, SendsUnacknowledgedMessagesAgainByteForByte) {  // [MQTT-4.4.0-1]
  options_.clean_start = false;
  options_.session_expiry = std::chrono::seconds(60);
  options_.client_id = "c";
  scheme_.emplace();
  connect();
  publish("a", "one", QoS::at_least_once);
  publish("a", "two", QoS::exactly_once);
  Handle third = publish("a", "three", QoS::exactly_once);
  auto one = next<mqtt::Publish>();
  auto two = next<mqtt::Publish>();
  auto three = next<mqtt::Publish>();
  EXPECT_FALSE(one.dup);
  feed(mqtt::Pubrec{three.packet_id, Reason::success, {}});
  next<mqtt::Pubrel>();
  lose_connection();

  connect({true, Reason::success, {}});
  auto one_again = next<mqtt::Publish>();
  auto two_again = next<mqtt::Publish>();
  EXPECT_TRUE(one_again.dup);
  EXPECT_EQ(one_again.packet_id, one.packet_id);
  EXPECT_EQ(as_text(one_again.payload), as_text(one.payload));
  EXPECT_EQ(two_again.packet_id, two.packet_id);
  EXPECT_EQ(as_text(two_again.payload), as_text(two.payload));
  EXPECT_EQ(next<mqtt::Pubrel>().packet_id, three.packet_id);
  EXPECT_TRUE(nothing_more());
  feed(mqtt::Pubcomp{three.packet_id, Reason::success, {}});
  EXPECT_EQ(event<Published>()->handle, third);
}

TEST_P(ClientSessionTest, AForgottenSessionEndsWhatWasUnderWay) {
  connect();
  Handle handle = publish("a", "one", QoS::exactly_once);
  lose_connection();
  ASSERT_TRUE(session().start(now_));
  feed(mqtt::Connack{false, Reason::success, {}});
  auto published = event<Published>();
  ASSERT_TRUE(published);
  EXPECT_EQ(published->handle, handle);
  EXPECT_TRUE(is_error(published->reason));
}

TEST_P(ClientSessionTest, WhatIsSentLateIsProtectedAnew) {
  options_.clean_start = false;
  options_.session_expiry = std::chrono::seconds(60);
  options_.client_id = "c";
  scheme_.emplace();
  connect();
  publish("a", "one", QoS::at_least_once);
  publish("a", "two", QoS::exactly_once);
  auto one = next<mqtt::Publish>();
  auto two = next<mqtt::Publish>();
  lose_connection();
  now_.steady += sendable_for;
  now_.wall += sendable_for;
  connect({true, Reason::success, {}});
  for (const auto& before : {one, two}) {
    auto again = next<mqtt::Publish>();
    EXPECT_TRUE(again.dup);
    EXPECT_EQ(again.packet_id, before.packet_id);
    EXPECT_NE(as_text(again.payload), as_text(before.payload));
    EXPECT_EQ(as_text(again.payload).substr(0, 12), as_text(before.payload).substr(0, 12));
  }
}

TEST_P(ClientSessionTest, WhereTheSessionWasLostQos1GoesOutOnceMoreAndQos2DoesNot) {
  options_.reconnect = true;
  connect();
  Handle first = publish("a", "one", QoS::at_least_once);
  Handle second = publish("a", "two", QoS::exactly_once);
  Handle third = publish("a", "three", QoS::at_least_once);
  for (int i = 0; i < 3; ++i) next<mqtt::Publish>();
  lose_connection();
  publish("a", "four", QoS::at_least_once);
  connect_to_nothing();
  auto lost = event<Published>();
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->handle, second);
  EXPECT_EQ(lost->reason, Reason::unspecified_error);
  EXPECT_TRUE(event<Connected>());
  for (const char* text : {"one", "three", "four"}) {
    auto again = next<mqtt::Publish>();
    EXPECT_FALSE(again.dup) << "to this session it is new";
    EXPECT_EQ(as_text(again.payload), text);
    feed(mqtt::Puback{again.packet_id, Reason::success, {}});
  }
  EXPECT_EQ(event<Published>()->handle, first);
  EXPECT_EQ(event<Published>()->handle, third);
}

TEST_P(ClientSessionTest, ANewProcessGoesOnWithWhatTheOldOneHadSent) {  // [MQTT-4.4.0-1]
  keep_messages();
  connect();
  publish("a", "one", QoS::at_least_once);
  publish("a", "two", QoS::exactly_once);
  publish("a", "three", QoS::exactly_once);
  auto one = next<mqtt::Publish>();
  auto two = next<mqtt::Publish>();
  auto three = next<mqtt::Publish>();
  feed(mqtt::Pubrec{three.packet_id, Reason::success, {}});
  ASSERT_TRUE(store_->sync());
  const std::array<std::uint16_t, 3> ids{one.packet_id, two.packet_id, three.packet_id};

  keep_messages();
  EXPECT_FALSE(connect({true, Reason::success, {}}).clean_start);
  for (int i = 0; i < 2; ++i) {
    auto again = next<mqtt::Publish>();
    EXPECT_TRUE(again.dup);
    EXPECT_EQ(again.packet_id, ids[static_cast<std::size_t>(i)]);
    EXPECT_EQ(as_text(again.payload), i == 0 ? "one" : "two");
  }
  EXPECT_EQ(next<mqtt::Pubrel>().packet_id, ids[2]);
  EXPECT_TRUE(nothing_more());

  publish("a", "four", QoS::at_least_once);
  auto four = next<mqtt::Publish>();
  for (auto id : ids) EXPECT_NE(four.packet_id, id);
  feed(mqtt::Puback{ids[0], Reason::success, {}});
  feed(mqtt::Pubrec{ids[1], Reason::success, {}});
  feed(mqtt::Pubcomp{ids[1], Reason::success, {}});
  feed(mqtt::Pubcomp{ids[2], Reason::success, {}});
  feed(mqtt::Puback{four.packet_id, Reason::success, {}});
  ASSERT_TRUE(store_->sync());
  keep_messages();
  EXPECT_TRUE(store_->messages().empty());
}

TEST_P(ClientSessionTest, WhatWasPublishedWithoutAConnectionIsSentByTheNextProcessForTheFirstTime) {
  keep_messages();
  publish("a", "one", QoS::exactly_once);
  ASSERT_TRUE(store_->sync());
  keep_messages();
  connect({false, Reason::success, {}});
  auto sent = next<mqtt::Publish>();
  EXPECT_FALSE(sent.dup);
  EXPECT_EQ(as_text(sent.payload), "one");
}

TEST_P(ClientSessionTest, TheStoreHasTheIdentifierBeforeTheMessageGoes) {  // or the next process would use another one
  keep_messages();
  connect();
  publish("a", "one", QoS::exactly_once);
  ASSERT_TRUE(store_->sync());
  EXPECT_EQ(store_->messages().begin()->second.packet_id, next<mqtt::Publish>().packet_id);
}

TEST_P(ClientSessionTest, AnUndeliveredMessageIsToldWhereItsSessionWasLost) {
  keep_messages();
  connect();
  publish("a", "one", QoS::exactly_once);
  publish("a", "two", QoS::at_least_once);
  ASSERT_TRUE(store_->sync());
  keep_messages();
  connect_to_nothing();
  auto undelivered = event<Undelivered>();
  ASSERT_TRUE(undelivered);
  EXPECT_EQ(undelivered->topic, "a");
  EXPECT_EQ(as_text(undelivered->payload), "one");
  EXPECT_EQ(undelivered->why.what, "the broker has lost the session; whether the message arrived is not known");
  auto again = next<mqtt::Publish>();
  EXPECT_EQ(as_text(again.payload), "two");
  EXPECT_FALSE(again.dup);
  EXPECT_EQ(store_->messages().size(), 1U);
}

TEST_P(ClientSessionTest, WhatLiesInTheStoreIsProtectedWhenItIsSent) {
  scheme_.emplace();
  keep_messages();
  publish("a", "one", QoS::at_least_once);
  ASSERT_TRUE(store_->sync());
  EXPECT_EQ(as_text(store_->messages().begin()->second.payload), "one");
  keep_messages();
  connect({false, Reason::success, {}});
  EXPECT_TRUE(as_text(next<mqtt::Publish>().payload).starts_with("sealed(a|one)"));
}

TEST_P(ClientSessionV5Test, ARefusedMessageLeavesTheStoreAndIsTold) {
  keep_messages();
  connect();
  publish("a", "one", QoS::at_least_once);
  feed(mqtt::Puback{next<mqtt::Publish>().packet_id, Reason::not_authorized, {}});
  auto undelivered = event<Undelivered>();
  ASSERT_TRUE(undelivered);
  EXPECT_EQ(undelivered->why.code, static_cast<std::uint8_t>(Reason::not_authorized));
  EXPECT_TRUE(store_->messages().empty());
}

TEST_P(ClientSessionV5Test, TheReconnectionDoesNotThrowTheSessionAway) {  // in MQTT 3 the flag is also the end of the session
  options_.session_expiry = std::chrono::seconds(60);
  mqtt::Connack named;
  named.properties.assigned_client_identifier = "auto-1";
  EXPECT_TRUE(connect(named).clean_start);
  lose_connection();
  auto again = connect({true, Reason::success, {}});
  EXPECT_FALSE(again.clean_start);
  EXPECT_EQ(again.client_id, "auto-1");
}

TEST_P(ClientSessionTest, AcknowledgesWhatTheApplicationHasTaken) {
  connect();
  feed_publish("a", "x", QoS::at_least_once, 7);
  auto arrival = event<Arrival>();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->message.topic, "a");
  EXPECT_EQ(as_text(arrival->message.payload), "x");
  EXPECT_EQ(arrival->message.scheme, "plain");
  EXPECT_FALSE(arrival->message.verified);
  EXPECT_TRUE(nothing_more());
  session().take(arrival->receipt);
  EXPECT_EQ(next<mqtt::Puback>().packet_id, 7);
}

TEST_P(ClientSessionTest, AcknowledgesInTheOrderOfArrival) {  // [MQTT-4.6.0-2]
  connect();
  feed_publish("a", "1", QoS::at_least_once, 1);
  feed_publish("a", "2", QoS::at_least_once, 2);
  auto first = event<Arrival>();
  auto second = event<Arrival>();
  session().take(second->receipt);
  EXPECT_TRUE(nothing_more());
  session().take(first->receipt);
  EXPECT_EQ(next<mqtt::Puback>().packet_id, 1);
  EXPECT_EQ(next<mqtt::Puback>().packet_id, 2);
}

TEST_P(ClientSessionTest, AQos2MessageThatComesTwiceIsGivenOnce) {  // [MQTT-4.3.3-10]
  connect();
  feed_publish("a", "x", QoS::exactly_once, 7);
  auto arrival = event<Arrival>();
  session().take(arrival->receipt);
  EXPECT_EQ(next<mqtt::Pubrec>().packet_id, 7);
  feed_publish("a", "x", QoS::exactly_once, 7, true);
  EXPECT_EQ(next<mqtt::Pubrec>().packet_id, 7);
  EXPECT_TRUE(no_event());
  feed(mqtt::Pubrel{7, Reason::success, {}});
  EXPECT_EQ(next<mqtt::Pubcomp>().reason, Reason::success);
  feed_publish("a", "y", QoS::exactly_once, 7);
  EXPECT_TRUE(event<Arrival>());
}

TEST_P(ClientSessionTest, WhatIsSentAgainBeforeItWasTakenIsGivenOnce) {
  options_.clean_start = false;
  options_.session_expiry = std::chrono::seconds(60);
  options_.client_id = "c";
  connect();
  feed_publish("a", "x", QoS::at_least_once, 7);
  auto arrival = event<Arrival>();
  lose_connection();
  session().take(arrival->receipt);
  connect({true, Reason::success, {}});
  EXPECT_TRUE(nothing_more());
  feed_publish("a", "x", QoS::at_least_once, 7, true);
  EXPECT_EQ(next<mqtt::Puback>().packet_id, 7);
  EXPECT_TRUE(no_event());
}

TEST_P(ClientSessionTest, AnIdentifierUsedAnewIsANewMessage) {
  options_.clean_start = false;
  options_.session_expiry = std::chrono::seconds(60);
  options_.client_id = "c";
  connect();
  feed_publish("a", "expires", QoS::at_least_once, 7);
  auto expired = event<Arrival>();
  lose_connection();
  connect({true, Reason::success, {}});
  feed_publish("a", "new", QoS::at_least_once, 7);
  auto arrival = event<Arrival>();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(as_text(arrival->message.payload), "new");
  session().take(expired->receipt);
  EXPECT_TRUE(nothing_more());
  session().take(arrival->receipt);
  EXPECT_EQ(next<mqtt::Puback>().packet_id, 7);
}

TEST_P(ClientSessionV5Test,
       MoreMessagesThanTheReceiveMaximumEndTheConnection) {  // [MQTT-3.3.4-7]  // MQTT 3 has no Receive Maximum
  options_.receive_maximum = 1;
  connect();
  feed_publish("a", "1", QoS::at_least_once, 1);
  session().take(event<Arrival>()->receipt);
  feed_publish("a", "2", QoS::at_least_once, 2);
  session().take(event<Arrival>()->receipt);
  feed_publish("a", "3", QoS::exactly_once, 3);
  session().take(event<Arrival>()->receipt);
  feed_publish("a", "4", QoS::exactly_once, 4);
  auto closed = event<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.code, 0x93);
}

TEST_P(ClientSessionTest, ProtectsWhatGoesOutAndTheWill) {
  scheme_.emplace();
  options_.will = WillMessage{"gone", to_buffer(as_bytes("me")), QoS::at_most_once, false};
  auto sent = connect();
  EXPECT_EQ(as_text(sent.will->payload), SealOfTests::sealed("gone", "me") + ".");
  publish("a", "x", QoS::at_most_once);
  EXPECT_EQ(as_text(next<mqtt::Publish>().payload), SealOfTests::sealed("a", "x") + "..");
}

TEST_P(ClientSessionTest, GivesWhatTheSchemeHasVerified) {
  scheme_.emplace();
  connect();
  feed_publish("a", SealOfTests::sealed("a", "x"), QoS::at_least_once, 7);
  auto arrival = event<Arrival>();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(as_text(arrival->message.payload), "x");
  EXPECT_EQ(arrival->message.author, "boiler-7");
  EXPECT_EQ(arrival->message.scheme, "seal");
  EXPECT_EQ(arrival->message.checked, "the seal");
  EXPECT_TRUE(arrival->message.verified);
}

TEST_P(ClientSessionTest, WhatDoesNotVerifyIsNeverGivenAndTheSenderLearnsNothing) {
  scheme_.emplace();
  connect();
  feed_publish("b", SealOfTests::sealed("a", "moved to another topic"), QoS::at_least_once, 7);
  auto refused = event<RefusedMessage>();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->topic, "b");
  EXPECT_EQ(refused->why, "the seal is broken");
  auto puback = next<mqtt::Puback>();
  EXPECT_EQ(puback.packet_id, 7);
  EXPECT_EQ(puback.reason, Reason::success);
  EXPECT_TRUE(no_event());
}

TEST_P(ClientSessionTest, ARepeatIsAcknowledgedAndNotGiven) {
  scheme_.emplace();
  connect();
  feed_publish("a", SealOfTests::sealed("a", "x"), QoS::at_most_once, 0);
  EXPECT_TRUE(event<Arrival>());
  feed_publish("a", SealOfTests::sealed("a", "x"), QoS::exactly_once, 7);
  EXPECT_EQ(next<mqtt::Pubrec>().packet_id, 7);
  EXPECT_TRUE(no_event());
}

TEST_P(ClientSessionTest, ASubscriptionCarriesTheSchemesProof) {
  scheme_.emplace();
  connect();
  Handle handle = session().subscribe("a/#", {}, now_).value();
  if (is_v5()) {
    auto sent = next<mqtt::Subscribe>();
    ASSERT_EQ(sent.properties.user.size(), 1u);
    EXPECT_EQ(sent.properties.user[0], (mqtt::UserProperty{"seal", "may read a/#"}));
    feed(mqtt::Suback{sent.packet_id, {}, {Reason::success}});
  } else {
    auto sent = next<mqtt::Publish>();
    EXPECT_EQ(sent.topic, "$seal/subscribe");
    EXPECT_EQ(sent.qos, QoS::at_least_once);
    EXPECT_EQ(as_text(sent.payload), "may read a/#");
    feed(mqtt::Puback{sent.packet_id, Reason::success, {}});
  }
  auto subscribed = event<Subscribed>();
  ASSERT_TRUE(subscribed);
  EXPECT_EQ(subscribed->handle, handle);
  EXPECT_EQ(subscribed->reason, Reason::success);
}

TEST_P(ClientSessionTest, SubscribesAndUnsubscribes) {
  connect();
  SubscribeOptions options;
  options.qos = QoS::exactly_once;
  options.no_local = is_v5();
  if (is_v5()) options.retained = RetainedMessages::do_not_send;
  Handle handle = session().subscribe("a/+", options, now_).value();
  auto sent = next<mqtt::Subscribe>();
  ASSERT_EQ(sent.entries.size(), 1u);
  EXPECT_EQ(sent.entries[0].filter, "a/+");
  EXPECT_EQ(sent.entries[0].options.qos, QoS::exactly_once);
  EXPECT_EQ(sent.entries[0].options.no_local, is_v5());
  EXPECT_TRUE(sent.properties.user.empty());
  feed(mqtt::Suback{sent.packet_id, {}, {is_v5() ? Reason::not_authorized : Reason::unspecified_error}});
  auto subscribed = event<Subscribed>();
  EXPECT_EQ(subscribed->handle, handle);
  EXPECT_TRUE(is_error(subscribed->reason));

  handle = session().unsubscribe("a/+", now_).value();
  auto unsubscribe = next<mqtt::Unsubscribe>();
  feed(mqtt::Unsuback{unsubscribe.packet_id, {}, {Reason::success}});
  EXPECT_EQ(event<Subscribed>()->handle, handle);
}

TEST_P(ClientSessionTest, SubscribeAndPublishNeverShareAnIdentifier) {  // [MQTT-2.2.1-3]
  connect();
  std::set<std::uint16_t> used;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(session().subscribe("a", {}, now_));
    EXPECT_TRUE(used.insert(next<mqtt::Subscribe>().packet_id).second);
    publish("a", "x", QoS::at_least_once);
    EXPECT_TRUE(used.insert(next<mqtt::Publish>().packet_id).second);
  }
}

TEST_P(ClientSessionTest, PingsASilentBrokerAndGivesUpWithoutAnswer) {
  options_.keep_alive = std::chrono::seconds(10);
  connect();
  now_.steady += 10'000;
  session().tick(now_);
  next<mqtt::Pingreq>();
  now_.steady += 10'000;
  session().tick(now_);
  ASSERT_TRUE(event<Closed>());
}

TEST_P(ClientSessionTest, WhilePausedItPingsAndDoesNotJudgeTheBrokersSilence) {
  options_.keep_alive = std::chrono::seconds(10);
  connect();
  session().pause(now_);
  feed_publish("a", "x", QoS::at_most_once, 0);
  EXPECT_TRUE(no_event());
  for (int i = 0; i < 10; ++i) {
    ASSERT_LE(session().deadline(), now_.steady);
    session().tick(now_);
    next<mqtt::Pingreq>();
    now_.steady += 5'000;
  }
  EXPECT_TRUE(no_event());
  session().resume(now_);
  EXPECT_TRUE(event<Arrival>());
  session().tick(now_);
  EXPECT_TRUE(no_event());
}

TEST_P(ClientSessionTest, ABrokenPacketEndsTheConnectionWithItsReason) {
  connect();
  session().receive(std::array<std::uint8_t, 2>{0x00, 0x00}, now_);
  auto closed = event<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.blame, Blame::peer_misbehaved);
  if (is_v5()) {
    EXPECT_EQ(next<mqtt::Disconnect>().reason, Reason::malformed_packet);
  }
  EXPECT_TRUE(nothing_more());
}

TEST_P(ClientSessionV5Test, ADisconnectOfTheBrokerIsTold) {  // MQTT 3 brokers send none
  connect();
  feed(mqtt::Disconnect{Reason::server_shutting_down, {}});
  auto closed = event<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.code, 0x8B);
  EXPECT_EQ(closed->error.blame, Blame::environment);
}

}  // namespace
}  // namespace sealmq
