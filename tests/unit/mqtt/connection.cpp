// The rules of one connection: what it accepts, what it refuses with which reason, what it sends by itself and when.
#include "mqtt/connection.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "unit/mqtt/packet_support.h"

namespace sealmq::mqtt::test {
namespace {

using State = Connection::State;

/// Writes down each event in a word, and the views' content while they are valid.
class Recorder : public Events {
 public:
  using Events::on;
  Result<> on(const Connect& p, Bytes raw) override {
    raw_connect = to_buffer(raw);
    return note("connect " + std::string(p.client_id));
  }
  Result<> on(const Connack& p) override { return note("connack " + std::string(name(p.reason))); }
  Result<> on(const Publish& p) override {
    EXPECT_FALSE(p.properties.topic_alias) << "an alias has no meaning beyond the connection";
    return note("publish " + std::string(p.topic) + " " + std::string(as_text(p.payload)));
  }
  Result<> on(const Puback& p) override { return note("puback " + std::to_string(p.packet_id)); }
  Result<> on(const Pubrec& p) override { return note("pubrec " + std::to_string(p.packet_id)); }
  Result<> on(const Pubrel& p) override { return note("pubrel " + std::to_string(p.packet_id)); }
  Result<> on(const Pubcomp& p) override { return note("pubcomp " + std::to_string(p.packet_id)); }
  Result<> on(const Subscribe& p) override { return note("subscribe " + std::string(p.entries[0].filter)); }
  Result<> on(const Suback&) override { return note("suback"); }
  Result<> on(const Unsubscribe& p) override { return note("unsubscribe " + std::string(p.filters[0])); }
  Result<> on(const Unsuback&) override { return note("unsuback"); }
  Result<> on(const Pingresp&) override { return note("pingresp"); }
  Result<> on(const Disconnect& p) override { return note("disconnect " + std::string(name(p.reason))); }
  Result<> on(const Auth& p) override { return note("auth " + std::string(name(p.reason))); }

  Result<> note(std::string word) {
    heard.push_back(std::move(word));
    if (connection != nullptr && heard.back() == hold_at) connection->hold();
    if (heard.back() == fail_at) return fail(Blame::not_authorised, "the handler says no", code_to_fail_with);
    return {};
  }

  std::vector<std::string> heard;
  Buffer raw_connect;
  Connection* connection = nullptr;
  std::string hold_at, fail_at;
  std::uint8_t code_to_fail_with = 0x87;
};

using Heard = std::vector<std::string>;

/// One connection, a peer whose bytes are written by hand, and a clock that the test moves.
class End {
 public:
  explicit End(Role role, Limits limits = {}) : connection(role, limits, {1000, 0}), now{1000, 0} {
    events.connection = &connection;
  }

  /// The reason code of the refusal, 0 if it had none to name, or nothing if all went well.
  std::optional<int> receive(Bytes bytes) { return answer(connection.receive(bytes, events, now)); }
  std::optional<int> receive(std::string_view form) { return receive(from(form)); }
  template <class P>
  std::optional<int> receive_packet(const P& p) {
    return receive(encoded(p, connection.version()));
  }
  std::optional<int> release() { return answer(connection.release(events, now)); }
  std::optional<int> tick_after(std::uint64_t milliseconds) {
    now.steady += milliseconds;
    return answer(connection.tick(now));
  }
  /// What was sent since the last call.
  Buffer sent() {
    std::array<iovec, 8> parts;
    std::size_t count = connection.outbox().gather(parts);
    Buffer out;
    for (std::size_t i = 0; i < count; ++i) append(out, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
    connection.outbox().consume(out.size());
    return out;
  }
  std::optional<int> answer(Result<> result) {
    if (result) return std::nullopt;
    last_error = result.error();
    return result.error().code;
  }

  Connection connection;
  Recorder events;
  Now now;
  Error last_error{};
};

Connect connect_of(Version version) {
  Connect p;
  p.version = version;
  p.client_id = "me";
  return p;
}

End open_server(Connect connect, Limits limits = {}) {
  End end(Role::server, limits);
  Buffer bytes;
  encode(connect, bytes);
  EXPECT_EQ(end.receive(bytes), std::nullopt);
  end.connection.send(Connack{});
  end.sent();
  end.events.heard.clear();
  return end;
}
End open_server(Version version, Limits limits = {}) {
  return open_server(connect_of(version), limits);
}

End open_client(Connect connect, Connack connack = {}) {
  End end(Role::client);
  end.connection.send(connect);
  EXPECT_EQ(end.receive(encoded(connack, connect.version)), std::nullopt);
  end.sent();
  end.events.heard.clear();
  return end;
}

Publish publish_of(std::string_view topic, QoS qos = QoS::at_most_once, std::uint16_t id = 0) {
  Publish p;
  p.topic = topic;
  p.qos = qos;
  p.packet_id = id;
  p.payload = as_bytes("x");
  return p;
}

// -- beginning ------------------------------------------------------------------------------------------------------------------

TEST(Server, HandsOverConnectWithItsRawBytesAndOpensWithConnack) {
  End end(Role::server);
  Buffer bytes;
  encode(connect_of(Version::v5), bytes);
  EXPECT_EQ(end.receive(bytes), std::nullopt);
  EXPECT_EQ(end.events.heard, Heard{"connect me"});
  EXPECT_EQ(end.events.raw_connect, bytes);
  EXPECT_EQ(end.connection.state(), State::ExpectConnack);
  EXPECT_EQ(end.connection.version(), Version::v5);
  end.connection.send(Connack{});
  EXPECT_EQ(end.connection.state(), State::Open);
  EXPECT_EQ(end.sent(), from("20 03 00 00 00"));
}

TEST(Server, IsClosedAfterAConnackThatRefuses) {
  End end(Role::server);
  end.receive("10 0E 00 04 'MQTT' 04 02 00 00 00 02 'me'");
  end.connection.send(Connack{false, Reason::not_authorized, {}});
  EXPECT_EQ(end.sent(), from("20 02 00 05"));
  EXPECT_EQ(end.connection.state(), State::Closed);
  EXPECT_EQ(end.receive("C0 00"), std::nullopt);
  EXPECT_EQ(end.events.heard, Heard{"connect me"}) << "nothing more is read";
}

TEST(Server, RefusesAnythingBeforeConnect) {  // [MQTT-3.1.0-1]
  for (const char* form : {"C0 00", "30 04 00 01 'a' 'x'", "E0 00", "82 06 00 01 00 01 'a' 00", "40 02 00 01"}) {
    End end(Role::server);
    EXPECT_EQ(end.receive(form), 0x82) << form;
    end.connection.abort(end.last_error);
    EXPECT_TRUE(end.sent().empty()) << form;
    EXPECT_EQ(end.connection.state(), State::Closed);
  }
}

TEST(Server, RefusesWhatCannotComeFirstBeforeItsBodyIsThere) {
  End end(Role::server);
  EXPECT_EQ(end.receive("30 FF FF 03"), 0x82);
}

TEST(Server, TakesALongFormOfTheRemainingLengthBeforeMqtt5Only) {  // [MQTT-1.5.5-1]
  End old(Role::server);
  EXPECT_EQ(old.receive("10 8E 00 00 04 'MQTT' 04 02 00 00 00 02 'me'"), std::nullopt);
  old.connection.send(Connack{});
  EXPECT_EQ(old.receive("C0 80 00"), std::nullopt);
  EXPECT_EQ(old.sent(), from("20 02 00 00 D0 00"));
  End present(Role::server);
  EXPECT_EQ(present.receive("10 8F 00 00 04 'MQTT' 05 02 00 00 00 00 02 'me'"), 0x81);
}

TEST(Server, RefusesASecondConnect) {  // [MQTT-3.1.0-2]
  End end = open_server(Version::v5);
  EXPECT_EQ(end.receive_packet(connect_of(Version::v5)), 0x82);
  End undecided(Role::server);
  undecided.receive_packet(connect_of(Version::v3_1_1));
  EXPECT_EQ(undecided.receive_packet(connect_of(Version::v3_1_1)), 0x82);
}

TEST(Server, RefusesPacketsWhileItHasNotDecidedAndDoesNotHold) {
  End end(Role::server);
  end.receive_packet(connect_of(Version::v5));
  EXPECT_EQ(end.receive_packet(publish_of("a")), 0x82);
}

TEST(Server, TakesADisconnectWhileItHasNotDecided) {
  End end(Role::server);
  end.receive_packet(connect_of(Version::v5));
  EXPECT_EQ(end.receive("E0 00"), std::nullopt);
  EXPECT_EQ(end.connection.state(), State::Closed);
}

TEST(BothSides, RefusePacketsOfTheWrongDirection) {
  for (const char* form : {"20 03 00 00 00", "90 04 00 01 00 00", "B0 04 00 01 00 00", "D0 00"}) {
    End end = open_server(Version::v5);
    EXPECT_EQ(end.receive(form), 0x82) << form;
  }
  for (const char* form : {"82 07 00 01 00 00 01 'a' 00", "A2 06 00 01 00 00 01 'a'", "C0 00", "20 03 00 00 00"}) {
    End end = open_client(connect_of(Version::v5));
    EXPECT_EQ(end.receive(form), 0x82) << form;
  }
  End end = open_client(connect_of(Version::v5));
  EXPECT_EQ(end.receive_packet(connect_of(Version::v5)), 0x82);
}

TEST(Client, OpensWithConnackAndLearnsFromIt) {
  End end(Role::client);
  end.connection.send(connect_of(Version::v5));
  EXPECT_EQ(end.connection.state(), State::ExpectConnack);
  Connack connack;
  connack.properties.receive_maximum = 7;
  connack.properties.maximum_packet_size = 100;
  connack.properties.server_keep_alive = 33;
  EXPECT_EQ(end.receive_packet(connack), std::nullopt);
  EXPECT_EQ(end.connection.state(), State::Open);
  EXPECT_EQ(end.connection.peer_receive_maximum(), 7);
  EXPECT_EQ(end.connection.peer_maximum_packet_size(), 100u);
  EXPECT_EQ(end.connection.keep_alive(), 33);
}

TEST(Client, IsClosedByAConnackThatRefuses) {
  End end(Role::client);
  end.connection.send(connect_of(Version::v3_1_1));
  EXPECT_EQ(end.receive("20 02 00 04"), std::nullopt);
  EXPECT_EQ(end.events.heard, Heard{"connack Bad User Name or Password"});
  EXPECT_EQ(end.connection.state(), State::Closed);
}

TEST(Client, RefusesAnythingBeforeItHasSpokenAndAnythingButConnackAfter) {
  End silent(Role::client);
  EXPECT_EQ(silent.receive("20 02 00 00"), 0x82);
  End end(Role::client);
  end.connection.send(connect_of(Version::v3_1_1));
  EXPECT_EQ(end.receive("30 04 00 01 'a' 'x'"), 0x82);
}

TEST(BothSides, HandOverEachPacketOfAnOpenConnection) {
  End server = open_server(Version::v5);
  EXPECT_EQ(server.receive("30 05 00 01 'a' 00 'x' 40 02 00 01 50 02 00 02 62 02 00 03 70 02 00 04"
                           "82 07 00 05 00 00 01 'b' 00 A2 06 00 06 00 00 01 'c' E0 00"),
            std::nullopt);
  EXPECT_EQ(server.events.heard, (Heard{"publish a x", "puback 1", "pubrec 2", "pubrel 3", "pubcomp 4", "subscribe b",
                                        "unsubscribe c", "disconnect Success"}));
  EXPECT_EQ(server.connection.state(), State::Closed);
  End client = open_client(connect_of(Version::v5));
  EXPECT_EQ(client.receive("30 05 00 01 'a' 00 'x' 40 02 00 01 50 02 00 02 62 02 00 03 70 02 00 04"
                           "90 04 00 05 00 00 B0 04 00 06 00 00 D0 00 E0 01 8B"),
            std::nullopt);
  EXPECT_EQ(client.events.heard, (Heard{"publish a x", "puback 1", "pubrec 2", "pubrel 3", "pubcomp 4", "suback", "unsuback",
                                        "pingresp", "disconnect Server shutting down"}));
}

TEST(BothSides, AnswerAProtocolErrorForAnEventNobodyHandles) {
  struct Nothing : Events {
  } nothing;
  End end = open_server(Version::v3_1_1);
  auto result = end.connection.receive(from("40 02 00 01"), nothing, end.now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, 0x82);
}

TEST(BothSides, EndWithTheErrorOfAHandlerAndReadNothingMore) {
  End end = open_server(Version::v5);
  end.events.fail_at = "puback 1";
  EXPECT_EQ(end.receive("40 02 00 01 40 02 00 02"), 0x87);
  EXPECT_EQ(end.receive("40 02 00 03"), std::nullopt);
  EXPECT_EQ(end.events.heard, Heard{"puback 1"});
  EXPECT_EQ(end.connection.deadline(), UINT64_MAX);
}

// -- framing --------------------------------------------------------------------------------------------------------------------

RC_GTEST_PROP(Framing, DoesNotDependOnHowTheBytesArrive, ()) {
  std::string large(300, 'p');
  Buffer stream;
  Heard expected{"connect me"};
  encode(connect_of(Version::v3_1_1), stream);
  for (int i = *rc::gen::inRange(0, 6); i >= 0; --i) {
    Publish p = publish_of("t");
    p.payload = as_bytes(std::string_view(large).substr(0, *rc::gen::element<std::size_t>(0, 1, 100, 130, 300)));
    encode(p, Version::v3_1_1, stream);
    encode(Pingreq{}, Version::v3_1_1, stream);
    expected.push_back("publish t " + std::string(as_text(p.payload)));
  }
  End end(Role::server);
  // Opens in the handler, as a broker does that can decide at once.
  struct Opens : Recorder {
    using Recorder::on;
    Result<> on(const Connect& p, Bytes raw) override {
      connection->send(Connack{});
      return Recorder::on(p, raw);
    }
  } events;
  events.connection = &end.connection;
  for (Bytes rest = stream; !rest.empty();) {
    std::size_t size = std::min(rest.size(), *rc::gen::element<std::size_t>(1, 2, 3, 10, 131, 500));
    Buffer chunk = to_buffer(rest.first(size));  // its own memory, gone after the call
    RC_ASSERT(end.connection.receive(chunk, events, end.now).has_value());
    rest = rest.subspan(size);
  }
  RC_ASSERT(events.heard == expected);
  RC_ASSERT(end.connection.take_unread().empty());
  RC_ASSERT(end.sent().size() == 4 + 2 * (expected.size() - 1));
}

TEST(Framing, KeepsNoMemoryOnceEverythingIsConsumed) {
  End end = open_server(Version::v3_1_1);
  end.receive("30 04 00");
  end.receive("01 'a' 'x'");
  EXPECT_EQ(end.events.heard, Heard{"publish a x"});
  EXPECT_EQ(end.connection.take_unread().capacity(), 0u);
}

TEST(Framing, RefusesATooLargePacketAtItsHeader) {
  Limits limits;
  limits.maximum_packet_size = 100;
  End end = open_server(Version::v5, limits);
  EXPECT_EQ(end.receive("30 62 00 01 'a' 00"), std::nullopt) << "exactly 100";
  End other = open_server(Version::v5, limits);
  EXPECT_EQ(other.receive("30"), std::nullopt);
  EXPECT_EQ(other.receive("63"), 0x95);
}

TEST(Connection, IsSmall) {
  EXPECT_LE(sizeof(Connection), 400u);
}

// -- hold -----------------------------------------------------------------------------------------------------------------------

TEST(Hold, KeepsWhatComesUntilReleased) {
  End end(Role::server);
  end.events.hold_at = "connect me";
  Buffer bytes = encoded(connect_of(Version::v3_1_1), Version::v3_1_1);
  append(bytes, from("30 04 00 01 'a' 'x' 30 04"));
  EXPECT_EQ(end.receive(bytes), std::nullopt);
  EXPECT_EQ(end.receive("00 01 'b' 'y' C0"), std::nullopt);
  EXPECT_TRUE(end.connection.held());
  EXPECT_EQ(end.events.heard, Heard{"connect me"});
  end.connection.send(Connack{});
  EXPECT_EQ(end.release(), std::nullopt);
  EXPECT_EQ(end.events.heard, (Heard{"connect me", "publish a x", "publish b y"}));
  EXPECT_EQ(end.connection.take_unread(), from("C0"));
}

TEST(Hold, MayBeRepeated) {
  End end = open_server(Version::v3_1_1);
  end.events.hold_at = "puback 2";
  end.receive("40 02 00 01 40 02 00 02 40 02 00 02 40 02 00 03");
  EXPECT_EQ(end.events.heard, (Heard{"puback 1", "puback 2"}));
  end.release();
  EXPECT_EQ(end.events.heard, (Heard{"puback 1", "puback 2", "puback 2"}));
  end.release();
  EXPECT_EQ(end.events.heard, (Heard{"puback 1", "puback 2", "puback 2", "puback 3"}));
}

TEST(Size, APacketThatIsTooLargeIsRefusedInTheWordsOfTheSetting) {
  Limits limits;
  limits.maximum_packet_size = 100;
  End end = open_server(Version::v5, limits);
  const auto refused = end.connection.receive(from("30 80 01"), end.events, end.now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "a packet of 131 bytes, where maximum_packet_size is 100");
  end.sent();
  end.connection.abort(refused.error());
  const Buffer bytes = end.sent();
  EXPECT_NE(as_text(bytes).find("maximum_packet_size is 100"), std::string_view::npos);
}

TEST(Hold, IsBounded) {
  Limits limits;
  limits.maximum_packet_size = 100;
  End end = open_server(Version::v5, limits);
  end.connection.hold();
  EXPECT_EQ(end.receive(Buffer(100, 0xC0)), std::nullopt);
  EXPECT_EQ(end.receive("C0"), 0x97);
}

TEST(Hold, HandsItsBytesToAnotherOwner) {
  End end = open_server(Version::v3_1_1);
  end.connection.hold();
  end.receive("40 02 00");
  Buffer unread = end.connection.take_unread();
  EXPECT_EQ(unread, from("40 02 00"));
  EXPECT_TRUE(end.connection.take_unread().empty());
  End next = open_server(Version::v3_1_1);
  next.receive(unread);
  next.receive("09");
  EXPECT_EQ(next.events.heard, Heard{"puback 9"});
}

TEST(Hold, StopsTheKeepAliveAndTheTimeToLogInButNotForEver) {
  Connect connect = connect_of(Version::v3_1_1);
  connect.keep_alive = 1;
  End end = open_server(connect);
  end.connection.hold();
  EXPECT_EQ(end.tick_after(100'000), std::nullopt);
  end.release();
  EXPECT_EQ(end.connection.deadline(), end.now.steady + 1500);
  End undecided(Role::server);
  undecided.events.hold_at = "connect me";
  undecided.tick_after(4000);
  undecided.receive_packet(connect_of(Version::v3_1_1));
  EXPECT_EQ(undecided.tick_after(30'000), std::nullopt);
  undecided.release();
  EXPECT_EQ(undecided.tick_after(5000), std::nullopt) << "6 of its 10 seconds are left";
  undecided.connection.hold();
  EXPECT_EQ(undecided.tick_after(59'999), std::nullopt);
  EXPECT_TRUE(undecided.tick_after(1));
}

// -- what a PUBLISH must obey ---------------------------------------------------------------------------------------------------

TEST(ReceiveMaximum, BoundsWhatIsUnanswered) {  // [MQTT-3.3.4-7] [MQTT-3.3.4-9]
  Limits limits;
  limits.receive_maximum = 2;
  End end = open_server(Version::v5, limits);
  EXPECT_EQ(end.receive_packet(publish_of("a", QoS::at_least_once, 1)), std::nullopt);
  EXPECT_EQ(end.receive_packet(publish_of("a", QoS::exactly_once, 2)), std::nullopt);
  EXPECT_EQ(end.receive_packet(publish_of("a")), std::nullopt) << "QoS 0 does not count";
  end.connection.answered();
  EXPECT_EQ(end.receive_packet(publish_of("a", QoS::at_least_once, 3)), std::nullopt);
  EXPECT_EQ(end.receive_packet(publish_of("a", QoS::at_least_once, 4)), 0x93);
}

TEST(ReceiveMaximum, DoesNotExistInMqtt3) {
  Limits limits;
  limits.receive_maximum = 1;
  End end = open_server(Version::v3_1_1, limits);
  for (std::uint16_t id = 1; id < 10; ++id) EXPECT_EQ(end.receive_packet(publish_of("a", QoS::at_least_once, id)), std::nullopt);
}

TEST(ReceiveMaximum, OfAClientIsWhatItsConnectSaid) {
  Connect connect = connect_of(Version::v5);
  connect.properties.receive_maximum = 1;
  End end = open_client(connect);
  EXPECT_EQ(end.receive_packet(publish_of("a", QoS::at_least_once, 1)), std::nullopt);
  EXPECT_EQ(end.receive_packet(publish_of("a", QoS::at_least_once, 2)), 0x93);
}

Publish aliased(std::string_view topic, std::uint16_t alias) {
  Publish p = publish_of(topic);
  p.properties.topic_alias = alias;
  return p;
}

TEST(TopicAlias, IsResolvedAndMayBeGivenAnew) {
  End end = open_server(Version::v5);
  end.receive_packet(aliased("one", 1));
  end.receive_packet(aliased("two", 32));
  end.receive_packet(aliased("", 1));
  end.receive_packet(aliased("three", 1));
  end.receive_packet(aliased("", 1));
  end.receive_packet(aliased("", 32));
  EXPECT_EQ(end.events.heard,
            (Heard{"publish one x", "publish two x", "publish one x", "publish three x", "publish three x", "publish two x"}));
}

TEST(TopicAlias, IsRefusedAboveTheMaximum) {  // [MQTT-3.3.2-9]
  End end = open_server(Version::v5);
  EXPECT_EQ(end.receive_packet(aliased("a", 33)), 0x94);
  End zero = open_server(Version::v5);
  EXPECT_EQ(zero.receive_packet(aliased("a", 0)), 0x94);
  End client = open_client(connect_of(Version::v5));
  EXPECT_EQ(client.receive_packet(aliased("a", 1)), 0x94) << "its CONNECT allowed none";
}

TEST(TopicAlias, IsRefusedWhenUnknown) {
  End end = open_server(Version::v5);
  EXPECT_EQ(end.receive_packet(aliased("", 1)), 0x82);
  End gap = open_server(Version::v5);
  gap.receive_packet(aliased("a", 3));
  EXPECT_EQ(gap.receive_packet(aliased("", 2)), 0x82);
}

TEST(SubscriptionIdentifier, IsForServersToSend) {  // [MQTT-3.3.4-6]
  Publish p = publish_of("a");
  p.properties.subscription_identifiers = {1};
  End server = open_server(Version::v5);
  EXPECT_EQ(server.receive_packet(p), 0x82);
  End client = open_client(connect_of(Version::v5));
  EXPECT_EQ(client.receive_packet(p), std::nullopt);
}

// -- AUTH -----------------------------------------------------------------------------------------------------------------------

Auth auth_of(Reason reason, std::optional<std::string_view> method = "m") {
  Auth p;
  p.reason = reason;
  p.properties.authentication_method = method;
  return p;
}
Connect connect_with_method() {
  Connect p = connect_of(Version::v5);
  p.properties.authentication_method = "m";
  return p;
}
Connack connack_with_method() {
  Connack p;
  p.properties.authentication_method = "m";
  return p;
}

TEST(Authentication, ContinuesBeforeConnack) {
  End end(Role::server);
  end.receive_packet(connect_with_method());
  EXPECT_EQ(end.receive_packet(auth_of(Reason::continue_authentication)), std::nullopt);
  EXPECT_EQ(end.events.heard, (Heard{"connect me", "auth Continue authentication"}));
}

TEST(Authentication, NeedsTheMethodOfConnect) {  // [MQTT-4.12.0-5] [MQTT-4.12.0-7]
  for (std::optional<std::string_view> method : {std::optional<std::string_view>("other"), std::optional<std::string_view>()}) {
    End end(Role::server);
    end.receive_packet(connect_with_method());
    EXPECT_EQ(end.receive_packet(auth_of(Reason::continue_authentication, method)), 0x82);
  }
  End without(Role::server);
  without.receive_packet(connect_of(Version::v5));
  EXPECT_EQ(without.receive_packet(auth_of(Reason::continue_authentication)), 0x82);
  End none_at_all(Role::server);
  none_at_all.receive_packet(connect_of(Version::v5));
  EXPECT_EQ(none_at_all.receive("F0 00"), 0x82);
}

TEST(Authentication, IsNotInMqtt3) {
  End end = open_server(Version::v3_1_1);
  EXPECT_EQ(end.receive("F0 00"), 0x81);
}

TEST(Authentication, MayBeRepeatedByTheClient) {  // [MQTT-4.12.1-1]
  End end = open_server(connect_with_method());
  EXPECT_EQ(end.receive_packet(auth_of(Reason::reauthenticate)), std::nullopt);
  end.connection.send(auth_of(Reason::continue_authentication));
  EXPECT_EQ(end.receive_packet(auth_of(Reason::continue_authentication)), std::nullopt);
  end.connection.send(auth_of(Reason::success));
  EXPECT_EQ(end.receive_packet(auth_of(Reason::continue_authentication)), 0x82) << "it is over";
}

TEST(Authentication, KnowsWhichSideSaysWhat) {
  End early(Role::server);
  early.receive_packet(connect_with_method());
  EXPECT_EQ(early.receive_packet(auth_of(Reason::reauthenticate)), 0x82);
  End server = open_server(connect_with_method());
  EXPECT_EQ(server.receive_packet(auth_of(Reason::success)), 0x82);
  End client = open_client(connect_with_method(), connack_with_method());
  EXPECT_EQ(client.receive_packet(auth_of(Reason::continue_authentication)), 0x82) << "nobody asked";
  End asking = open_client(connect_with_method(), connack_with_method());
  asking.connection.send(auth_of(Reason::reauthenticate));
  EXPECT_EQ(asking.receive_packet(auth_of(Reason::continue_authentication)), std::nullopt);
  EXPECT_EQ(asking.receive_packet(auth_of(Reason::success)), std::nullopt);
  EXPECT_EQ(asking.receive_packet(auth_of(Reason::success)), 0x82);
}

TEST(Authentication, OfTheClientEndsWithAConnackThatNamesTheMethod) {  // [MQTT-4.12.0-5] [MQTT-4.12.0-6]
  End end(Role::client);
  end.connection.send(connect_with_method());
  EXPECT_EQ(end.receive_packet(Connack{}), 0x82);
  End without(Role::client);
  without.connection.send(connect_of(Version::v5));
  EXPECT_EQ(without.receive_packet(connack_with_method()), 0x82);
}

// -- DISCONNECT -----------------------------------------------------------------------------------------------------------------

TEST(DisconnectReceived, MustNotProlongASessionOfZero) {  // section 3.14.2.2.2
  Disconnect p;
  p.properties.session_expiry_interval = 10;
  End end = open_server(Version::v5);
  EXPECT_EQ(end.receive_packet(p), 0x82);
  Connect lasting = connect_of(Version::v5);
  lasting.properties.session_expiry_interval = 5;
  End other = open_server(lasting);
  EXPECT_EQ(other.receive_packet(p), std::nullopt);
  End client = open_client(lasting);
  EXPECT_EQ(client.receive_packet(p), 0x82);  // [MQTT-3.14.2-2]
}

TEST(DisconnectReceived, NamesAnotherServerIfAServerSendsIt) {  // section 3.14.2.2.5
  Disconnect p;
  p.reason = Reason::disconnect_with_will;
  p.properties.server_reference = "elsewhere";
  End server = open_server(Version::v5);
  EXPECT_EQ(server.receive_packet(p), 0x82);
  p.reason = Reason::use_another_server;
  End client = open_client(connect_of(Version::v5));
  EXPECT_EQ(client.receive_packet(p), std::nullopt);
}

TEST(DisconnectReceived, HasAReasonOfItsSide) {
  End server = open_server(Version::v5);
  EXPECT_EQ(server.receive("E0 01 8B"), 0x82);
  End client = open_client(connect_of(Version::v5));
  EXPECT_EQ(client.receive("E0 01 04"), 0x82);
  End old = open_client(connect_of(Version::v3_1_1));
  EXPECT_EQ(old.receive("E0 00"), 0x82);
}

TEST(DisconnectSent, EndsEverySide) {
  End server = open_server(Version::v5);
  server.connection.disconnect(Reason::session_taken_over, "bye");
  EXPECT_EQ(server.sent(), from("E0 08 8E 06 1F 00 03 'bye'"));
  EXPECT_EQ(server.connection.state(), State::Closed);
  server.connection.disconnect(Reason::success);
  EXPECT_TRUE(server.connection.send(publish_of("a")));
  server.connection.send(Puback{1, Reason::success, {}});
  EXPECT_TRUE(server.sent().empty()) << "[MQTT-3.14.4-1]";

  End old_server = open_server(Version::v3_1_1);
  old_server.connection.disconnect(Reason::session_taken_over);
  EXPECT_TRUE(old_server.sent().empty());

  End old_client = open_client(connect_of(Version::v3_1_1));
  old_client.connection.disconnect(Reason::success);
  EXPECT_EQ(old_client.sent(), from("E0 00"));

  End failing = open_client(connect_of(Version::v3_1_1));
  failing.connection.disconnect(Reason::disconnect_with_will);
  EXPECT_TRUE(failing.sent().empty()) << "a DISCONNECT would discard the will";
}

TEST(DisconnectSent, LeavesItsReasonStringOutWhenTooLarge) {  // [MQTT-3.14.2-3]
  Connect connect = connect_of(Version::v5);
  connect.properties.maximum_packet_size = 8;
  End end = open_server(connect);
  end.connection.disconnect(Reason::server_busy, "long enough");
  EXPECT_EQ(end.sent(), from("E0 01 89"));
}

// -- abort ----------------------------------------------------------------------------------------------------------------------

const char secret[] = "the what of an error";

Buffer after_abort(End end, std::uint8_t code) {
  end.connection.abort({Blame::peer_misbehaved, secret, code});
  EXPECT_EQ(end.connection.state(), State::Closed);
  Buffer sent = end.sent();
  EXPECT_EQ(as_text(sent).find(secret), std::string_view::npos);
  return sent;
}

End undecided_server(Version version) {
  End end(Role::server);
  end.receive_packet(connect_of(version));
  return end;
}

TEST(Abort, AnswersWithConnackBeforeOpen) {
  EXPECT_EQ(after_abort(undecided_server(Version::v5), 0x87), from("20 03 00 87 00"));
  EXPECT_EQ(after_abort(undecided_server(Version::v5), 0), from("20 03 00 80 00"));
  EXPECT_EQ(after_abort(undecided_server(Version::v5), 0x8D), from("20 03 00 80 00")) << "CONNACK does not have it";
  EXPECT_EQ(after_abort(undecided_server(Version::v3_1_1), 0x86), from("20 02 00 04"));
  EXPECT_EQ(after_abort(undecided_server(Version::v3_1_1), 0), from("20 02 00 03"));
  EXPECT_TRUE(after_abort(undecided_server(Version::v3_1_1), 0x82).empty()) << "MQTT 3.1.1 [MQTT-3.1.4-1]";
}

TEST(Abort, AnswersWithDisconnectWhenOpen) {
  EXPECT_EQ(after_abort(open_server(Version::v5), 0x81), from("E0 01 81"));
  EXPECT_EQ(after_abort(open_server(Version::v5), 0), from("E0 01 80"));
  EXPECT_EQ(after_abort(open_server(Version::v5), 0x86), from("E0 01 80")) << "DISCONNECT does not have it";
  EXPECT_EQ(after_abort(open_client(connect_of(Version::v5)), 0x82), from("E0 01 82"));
  EXPECT_EQ(after_abort(open_client(connect_of(Version::v5)), 0x8D), from("E0 01 80")) << "only servers say so";
  EXPECT_TRUE(after_abort(open_server(Version::v3_1_1), 0x81).empty());
  EXPECT_TRUE(after_abort(open_client(connect_of(Version::v3_1_1)), 0x81).empty());
}

TEST(Abort, SaysNothingToWhoHasNotSaidConnect) {
  EXPECT_TRUE(after_abort(End(Role::server), 0x81).empty());
  EXPECT_TRUE(after_abort(End(Role::client), 0x81).empty());
}

TEST(Abort, TellsAnUnknownVersionSoInAFormItMayUnderstand) {  // [MQTT-3.1.2-1] [MQTT-3.1.2-2]
  auto answer_to = [](std::string_view form) {
    End end(Role::server);
    EXPECT_EQ(end.receive(packet(0x10, form)), 0x84);
    EXPECT_EQ(end.last_error.blame, Blame::peer_incompatible);
    end.connection.abort(end.last_error);
    return end.sent();
  };
  EXPECT_EQ(answer_to("00 04 'MQTT' 06 02 00 00 00 00 00"), from("20 03 00 84 00"));
  EXPECT_EQ(answer_to("00 04 'MQTT' 03 02 00 00 00 00"), from("20 02 00 01"));
  EXPECT_EQ(answer_to("00 04 'HTTP' 05 02 00 00 00 00"), from("20 02 00 01"));
}

TEST(Abort, AnswersAMalformedConnectInItsOwnVersion) {
  auto answer_to = [](std::string_view form) {
    End end(Role::server);
    EXPECT_TRUE(end.receive(packet(0x10, form)));
    end.connection.abort(end.last_error);
    return end.sent();
  };
  EXPECT_EQ(answer_to("00 04 'MQTT' 05 03 00 00 00 00 00"), from("20 03 00 81 00"));
  EXPECT_EQ(answer_to("00 04 'MQTT' 04 00 00 00 00 00"), from("20 02 00 02"));
  EXPECT_TRUE(answer_to("00 04 'MQTT' 04 03 00 00 00 00").empty());
  EXPECT_TRUE(answer_to("00 04 'MQ'").empty());
}

// -- what is sent ---------------------------------------------------------------------------------------------------------------

TEST(Sending, ObeysThePeersMaximumPacketSize) {  // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
  Connect connect = connect_of(Version::v5);
  connect.properties.maximum_packet_size = 10;
  End end = open_server(connect);
  EXPECT_TRUE(end.connection.send(publish_of("abcd"))) << "10 bytes";
  EXPECT_EQ(end.sent().size(), 10u);
  EXPECT_FALSE(end.connection.send(publish_of("abcde")));
  Puback p{1, Reason::quota_exceeded, {}};
  p.properties.reason_string = "too long";
  p.properties.user = {{"a", "b"}};
  end.connection.send(p);
  EXPECT_EQ(end.sent(), from("40 03 00 01 97"));
}

TEST(Sending, ExplainsNothingToAPeerThatDidNotAsk) {  // [MQTT-3.1.2-29]
  Connect connect = connect_of(Version::v5);
  connect.properties.request_problem_information = false;
  End end = open_server(connect);
  Puback p{1, Reason::quota_exceeded, {}};
  p.properties.reason_string = "r";
  end.connection.send(p);
  EXPECT_EQ(end.sent(), from("40 03 00 01 97"));
  Publish publish = publish_of("a");
  publish.properties.user = {{"n", "v"}};
  end.connection.send(publish);
  EXPECT_EQ(end.sent(), from("30 0C 00 01 'a' 07 26 00 01 'n' 00 01 'v' 'x'"));
  end.connection.disconnect(Reason::server_busy, "r");
  EXPECT_EQ(end.sent(), from("E0 06 89 04 1F 00 01 'r'"));
}

// -- time -----------------------------------------------------------------------------------------------------------------------

TEST(Time, GivesALoginTenSeconds) {
  End end(Role::server);
  EXPECT_EQ(end.connection.deadline(), 11'000u);
  EXPECT_EQ(end.tick_after(9'999), std::nullopt);
  end.receive_packet(connect_of(Version::v5));
  EXPECT_EQ(end.connection.deadline(), 11'000u) << "the whole login counts";
  EXPECT_EQ(end.tick_after(1), 0x80);
  end.connection.abort(end.last_error);
  EXPECT_EQ(end.sent(), from("20 03 00 80 00"));
}

TEST(Time, TheServerWaitsOneAndAHalfKeepAlives) {  // [MQTT-3.1.2-22]
  Connect connect = connect_of(Version::v5);
  connect.keep_alive = 10;
  End end = open_server(connect);
  EXPECT_EQ(end.tick_after(14'999), std::nullopt);
  end.receive("C0 00");
  EXPECT_EQ(end.sent(), from("D0 00"));  // [MQTT-3.12.4-1]
  EXPECT_EQ(end.tick_after(14'999), std::nullopt);
  end.receive("30");  // no packet, only the beginning of one
  EXPECT_EQ(end.tick_after(1), 0x8D);
  end.connection.abort(end.last_error);
  EXPECT_EQ(end.sent(), from("E0 01 8D"));
}

TEST(Time, NoKeepAliveNoDeadline) {
  End server = open_server(Version::v5);
  EXPECT_EQ(server.connection.deadline(), UINT64_MAX);
  EXPECT_EQ(server.tick_after(1'000'000'000), std::nullopt);
  End client = open_client(connect_of(Version::v5));
  EXPECT_EQ(client.connection.deadline(), UINT64_MAX);
  EXPECT_EQ(End(Role::client).connection.deadline(), UINT64_MAX);
}

TEST(Time, TheServerMayDecideTheKeepAlive) {  // [MQTT-3.1.2-21]
  End end = open_server(Version::v5);
  end.connection.set_keep_alive(4, end.now);
  EXPECT_EQ(end.connection.deadline(), end.now.steady + 6000);
  End said(Role::server);
  said.receive_packet(connect_of(Version::v5));
  Connack connack;
  connack.properties.server_keep_alive = 4;
  said.connection.send(connack);
  EXPECT_EQ(said.connection.deadline(), said.now.steady + 6000);
}

End client_with_keep_alive() {
  Connect connect = connect_of(Version::v3_1_1);
  connect.keep_alive = 10;
  return open_client(connect);
}

TEST(Time, TheClientPingsWithinTheKeepAlive) {  // [MQTT-3.1.2-20]
  End end = client_with_keep_alive();
  std::uint64_t due = end.connection.deadline();
  EXPECT_GT(due, end.now.steady + 5'000);
  EXPECT_LT(due, end.now.steady + 10'000);
  EXPECT_EQ(end.tick_after(due - end.now.steady - 1), std::nullopt);
  EXPECT_TRUE(end.sent().empty());
  EXPECT_EQ(end.tick_after(1), std::nullopt);
  EXPECT_EQ(end.sent(), from("C0 00"));
  EXPECT_EQ(end.receive("D0 00"), std::nullopt);
  EXPECT_EQ(end.connection.deadline(), end.now.steady + (due - 1000));
}

TEST(Time, TheClientGivesUpWhenItsPingIsNotAnswered) {
  End end = client_with_keep_alive();
  end.tick_after(9'000);
  EXPECT_EQ(end.sent(), from("C0 00"));
  EXPECT_TRUE(end.connection.send(publish_of("a"))) << "sending does not stand for an answer";
  EXPECT_EQ(end.tick_after(9'999), std::nullopt);
  EXPECT_EQ(end.tick_after(1), 0x8D);
}

TEST(Time, AClientThatOnlySendsNoticesADeadServerToo) {
  End end = client_with_keep_alive();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(end.tick_after(3'000), std::nullopt);
    end.connection.send(publish_of("a"));
  }
  Buffer sent = end.sent();
  EXPECT_TRUE(as_text(sent).find(as_text(from("C0 00"))) != std::string_view::npos);
}

TEST(Time, AnIdleConnectionHoldsNoMemoryForSending) {
  End end = open_server(Version::v3_1_1);
  end.connection.send(publish_of(std::string(500, 't')));
  end.sent();
  EXPECT_GE(end.connection.outbox().tail().capacity(), 500u);
  end.receive("C0 00");
  end.sent();
  EXPECT_LE(end.connection.outbox().tail().capacity(), 16u);
}

}  // namespace
}  // namespace sealmq::mqtt::test
