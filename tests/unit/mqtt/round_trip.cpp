// decode(encode(p)) == p for packets of every type and version, made at random.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>

#include "mqtt/properties.h"
#include "unit/mqtt/packet_support.h"
#include "unit/mqtt/same_packet.h"

namespace sealmq::mqtt::test {
namespace {

/// Makes legal packets. Owns the text that their views point to.
class Maker {
 public:
  explicit Maker(Version version) : version_(version) {}

  template <class T>
  T any() {
    return *rc::gen::arbitrary<T>();
  }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return *rc::gen::elementOf(std::vector<T>(values));
  }
  std::uint32_t between(std::uint32_t low, std::uint32_t high) { return *rc::gen::inRange<std::uint32_t>(low, high + 1); }
  template <class T>
  T nonzero() {
    return *rc::gen::nonZero<T>();
  }
  bool coin() { return any<bool>(); }

  std::string_view text(std::size_t at_least = 0) {
    static const std::vector<std::string> pieces = {
        "a", "Z", "/", " ", "é", "€", "𝄞", "\xEF\xBB\xBF", "$", "long-long-long-long-long-long"};
    std::string out;
    std::size_t count = at_least + between(0, 6);
    for (std::size_t i = 0; i < count; ++i) out += *rc::gen::elementOf(pieces);
    return kept_.emplace_back(std::move(out));
  }
  std::string_view filter() {
    std::string out(text(1));
    if (coin()) out = "+/" + out;
    if (coin()) out += "/#";
    if (coin()) out = "$share/group/" + out;
    return kept_.emplace_back(std::move(out));
  }
  Bytes binary() {
    auto content = any<std::vector<std::uint8_t>>();
    return as_bytes(kept_.emplace_back(content.begin(), content.end()));
  }
  QoS qos() { return static_cast<QoS>(between(0, 2)); }

  /// A reason that the packet may carry, in this version.
  Reason reason(PacketType packet) {
    std::vector<Reason> fitting;
    for (unsigned number = 0; number < 256; ++number)
      if (may_carry(packet, static_cast<Reason>(number))) fitting.push_back(static_cast<Reason>(number));
    return *rc::gen::elementOf(fitting);
  }

  Properties properties(Carrier carrier) {
    Properties p;
    if (version_ != Version::v5) return p;
    bool message = carrier == Carrier::publish || carrier == Carrier::will;
    bool connect = carrier == Carrier::connect, connack = carrier == Carrier::connack, publish = carrier == Carrier::publish;
    bool login = connect || connack || carrier == Carrier::auth;
    if (message && coin()) p.payload_format_indicator = static_cast<std::uint8_t>(coin());
    if (message && coin()) p.message_expiry_interval = any<std::uint32_t>();
    if (message && coin()) p.content_type = text();
    if (message && coin()) p.response_topic = text(1);
    if (message && coin()) p.correlation_data = binary();
    for (unsigned i = between(0, publish ? 3 : carrier == Carrier::subscribe ? 1 : 0); i > 0; --i)
      p.subscription_identifiers.push_back(one_of<std::uint32_t>({1, 127, 128, 16383, 16384, 2097152, 268435455}));
    if ((connect || connack || carrier == Carrier::disconnect) && coin()) p.session_expiry_interval = any<std::uint32_t>();
    if (connack && coin()) p.assigned_client_identifier = text();
    if (connack && coin()) p.server_keep_alive = any<std::uint16_t>();
    if (login && coin()) p.authentication_method = text();
    if (p.authentication_method && coin()) p.authentication_data = binary();
    if (connect && coin()) p.request_problem_information = coin();
    if (carrier == Carrier::will && coin()) p.will_delay_interval = any<std::uint32_t>();
    if (connect && coin()) p.request_response_information = coin();
    if (connack && coin()) p.response_information = text();
    if ((connack || carrier == Carrier::disconnect) && coin()) p.server_reference = text();
    bool has_reason = !message && !connect && carrier != Carrier::subscribe && carrier != Carrier::unsubscribe;
    if (has_reason && coin()) p.reason_string = text();
    if ((connect || connack) && coin()) p.receive_maximum = nonzero<std::uint16_t>();
    if ((connect || connack) && coin()) p.topic_alias_maximum = any<std::uint16_t>();
    if (publish && coin()) p.topic_alias = nonzero<std::uint16_t>();
    if (connack && coin()) p.maximum_qos = coin() ? QoS::at_least_once : QoS::at_most_once;
    if (connack && coin()) p.retain_available = coin();
    for (unsigned i = between(0, 2); i > 0; --i) p.user.push_back({text(), text()});
    if ((connect || connack) && coin()) p.maximum_packet_size = nonzero<std::uint32_t>();
    if (connack && coin()) p.wildcard_subscription_available = coin();
    if (connack && coin()) p.subscription_identifiers_available = coin();
    if (connack && coin()) p.shared_subscription_available = coin();
    return p;
  }

  Connect connect() {
    Connect p;
    p.version = version_;
    p.bridge = version_ != Version::v5 && coin();
    p.clean_start = coin();
    p.keep_alive = any<std::uint16_t>();
    p.client_id = version_ == Version::v3_1 ? "at-least-one" : text(p.clean_start ? 0 : 1);
    if (coin()) p.will = Will{text(1), binary(), qos(), coin(), properties(Carrier::will)};
    if (coin()) p.user_name = text();
    if ((p.user_name || version_ == Version::v5) && coin()) p.password = binary();
    p.properties = properties(Carrier::connect);
    return p;
  }

  Connack connack() {
    Connack p;
    p.reason = reason(PacketType::connack);
    if (version_ != Version::v5)
      p.reason = one_of({Reason::success, Reason::unsupported_protocol_version, Reason::client_identifier_not_valid,
                         Reason::server_unavailable, Reason::bad_user_name_or_password, Reason::not_authorized});
    p.session_present = p.reason == Reason::success && version_ != Version::v3_1 && coin();
    p.properties = properties(Carrier::connack);
    return p;
  }

  Publish publish() {
    Publish p;
    p.qos = qos();
    p.dup = p.qos != QoS::at_most_once && coin();
    p.retain = coin();
    p.packet_id = p.qos == QoS::at_most_once ? std::uint16_t{0} : nonzero<std::uint16_t>();
    p.payload = binary();
    p.properties = properties(Carrier::publish);
    p.topic = text(p.properties.topic_alias ? 0 : 1);
    return p;
  }

  template <class Ack>
  Ack acknowledgement() {
    Ack p;
    p.packet_id = nonzero<std::uint16_t>();
    if (version_ == Version::v5) p.reason = reason(Ack::type);
    p.properties = properties(static_cast<Carrier>(Ack::type));
    return p;
  }

  Subscribe subscribe() {
    Subscribe p{nonzero<std::uint16_t>(), properties(Carrier::subscribe), {}};
    for (unsigned i = between(1, 4); i > 0; --i) {
      SubscribeEntry entry{filter(), {qos()}};
      if (version_ == Version::v5)
        entry.options = {qos(), coin() && !entry.filter.starts_with("$share/"), coin(),
                         static_cast<RetainHandling>(between(0, 2))};
      p.entries.push_back(entry);
    }
    return p;
  }

  Suback suback() {
    Suback p{nonzero<std::uint16_t>(), properties(Carrier::suback), {}};
    for (unsigned i = between(1, 4); i > 0; --i)
      p.reasons.push_back(version_ == Version::v5 ? reason(PacketType::suback)
                                                  : one_of({Reason::success, Reason::granted_qos_1, Reason::granted_qos_2,
                                                            Reason::unspecified_error}));
    return p;
  }

  Unsubscribe unsubscribe() {
    Unsubscribe p{nonzero<std::uint16_t>(), properties(Carrier::unsubscribe), {}};
    for (unsigned i = between(1, 4); i > 0; --i) p.filters.push_back(filter());
    return p;
  }

  Unsuback unsuback() {
    Unsuback p{nonzero<std::uint16_t>(), properties(Carrier::unsuback), {}};
    if (version_ == Version::v5)
      for (unsigned i = between(1, 4); i > 0; --i) p.reasons.push_back(reason(PacketType::unsuback));
    return p;
  }

  Disconnect disconnect() {
    Disconnect p;
    if (version_ == Version::v5) p.reason = reason(PacketType::disconnect);
    p.properties = properties(Carrier::disconnect);
    return p;
  }

  Auth auth() { return {reason(PacketType::auth), properties(Carrier::auth)}; }

 private:
  Version version_;
  std::deque<std::string> kept_;
};

class RoundTrip : public testing::TestWithParam<Version> {
 protected:
  template <class Make>
  void keeps(Make make) {
    EXPECT_TRUE(rc::check([&] {
      Maker maker(GetParam());
      Packet before = make(maker);
      Buffer bytes = encoded(before, GetParam());
      auto after = decode_whole(bytes, GetParam());
      if (!after) RC_FAIL(after.error().what);
      RC_ASSERT(same(before, *after));
      if (auto* publish = std::get_if<Publish>(&before)) RC_ASSERT(encoded_size(*publish, GetParam()) == bytes.size());
    }));
  }
};

TEST_P(RoundTrip, Connect) {
  keeps([](Maker& maker) { return maker.connect(); });
}
TEST_P(RoundTrip, Connack) {
  keeps([](Maker& maker) { return maker.connack(); });
}
TEST_P(RoundTrip, Publish) {
  keeps([](Maker& maker) { return maker.publish(); });
}
TEST_P(RoundTrip, Puback) {
  keeps([](Maker& maker) { return maker.acknowledgement<Puback>(); });
}
TEST_P(RoundTrip, Pubrec) {
  keeps([](Maker& maker) { return maker.acknowledgement<Pubrec>(); });
}
TEST_P(RoundTrip, Pubrel) {
  keeps([](Maker& maker) { return maker.acknowledgement<Pubrel>(); });
}
TEST_P(RoundTrip, Pubcomp) {
  keeps([](Maker& maker) { return maker.acknowledgement<Pubcomp>(); });
}
TEST_P(RoundTrip, Subscribe) {
  keeps([](Maker& maker) { return maker.subscribe(); });
}
TEST_P(RoundTrip, Suback) {
  keeps([](Maker& maker) { return maker.suback(); });
}
TEST_P(RoundTrip, Unsubscribe) {
  keeps([](Maker& maker) { return maker.unsubscribe(); });
}
TEST_P(RoundTrip, Unsuback) {
  keeps([](Maker& maker) { return maker.unsuback(); });
}
TEST_P(RoundTrip, Disconnect) {
  keeps([](Maker& maker) { return maker.disconnect(); });
}
TEST_P(RoundTrip, Pings) {
  keeps([](Maker& maker) -> Packet {
    if (maker.coin()) return Pingreq{};
    return Pingresp{};
  });
}

INSTANTIATE_TEST_SUITE_P(EveryVersion, RoundTrip, testing::ValuesIn(versions), [](auto& chosen) {
  return std::string(chosen.param == Version::v5 ? "V5" : chosen.param == Version::v3_1 ? "V3_1" : "V3_1_1");
});

RC_GTEST_PROP(RoundTripOfAuth, Holds, ()) {
  Maker maker(Version::v5);
  Auth before = maker.auth();
  Buffer bytes = encoded(before, Version::v5);
  auto after = decode_whole(bytes, Version::v5);
  RC_ASSERT(after.has_value());
  RC_ASSERT(same(Packet(before), *after));
}

// A payload beyond each length of the Remaining Length, with the properties counted too.
TEST(RoundTripOfSizes, HoldsAtEveryStepOfTheRemainingLength) {
  for (std::size_t size : {120u, 121u, 122u, 123u, 124u, 125u, 16375u, 16380u, 16385u, 2097140u, 2097150u, 2097160u}) {
    Buffer payload(size, 0x5A);
    for (Version version : versions) {
      Publish before;
      before.topic = "t/x";
      before.payload = payload;
      Buffer bytes = encoded(before, version);
      EXPECT_EQ(encoded_size(before, version), bytes.size());
      auto after = decode_whole(bytes, version);
      ASSERT_TRUE(after) << after.error().what;
      EXPECT_TRUE(same(Packet(before), *after)) << size;
    }
  }
}

TEST(RoundTripOfSizes, HoldsForPropertiesOfMoreThan127Bytes) {
  std::string value(300, 'v');
  Puback before;
  before.packet_id = 7;
  before.properties.user = {{"name", value}};
  Buffer bytes = encoded(before, Version::v5);
  auto after = decode_whole(bytes, Version::v5);
  ASSERT_TRUE(after) << after.error().what;
  EXPECT_TRUE(same(Packet(before), *after));
}

}  // namespace
}  // namespace sealmq::mqtt::test
