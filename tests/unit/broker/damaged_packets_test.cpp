// A hundred thousand damaged packets, each on a connection of its own, and what becomes of them beside what the standards' own
// text says (support/mqtt_judge.h): nothing that breaks a rule is let through, the reason is one that a broken rule has, and
// nothing that is in order is refused. The same ones in each run; --gtest_random_seed=N tries others.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/text.h"
#include "support/broker_bench.h"
#include "support/mqtt_judge.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Version;

Buffer packet(std::uint8_t first, std::initializer_list<std::uint8_t> body) {
  Buffer bytes{first, static_cast<std::uint8_t>(body.size())};
  bytes.insert(bytes.end(), body);
  return bytes;
}

/// Packets in order, with every property that a client may send.
std::vector<Buffer> seeds(Version version) {
  std::vector<Buffer> all;
  const auto encoded = [&](const auto& p) { mqtt::encode(p, version, all.emplace_back()); };
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    mqtt::Publish publish{};
    publish.topic = "a/b";
    publish.payload = as_bytes("payload");
    publish.qos = qos;
    publish.packet_id = static_cast<std::uint16_t>(qos == QoS::at_most_once ? 0 : 7);
    encoded(publish);
    publish.retain = true;
    publish.topic = "t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    publish.properties.payload_format_indicator = 1;
    publish.properties.message_expiry_interval = 60;
    publish.properties.content_type = "text";
    publish.properties.response_topic = "answer/here";
    publish.properties.correlation_data = as_bytes("which");
    publish.properties.topic_alias = 3;
    publish.properties.user = {{"n", "v"}, {"n", ""}};
    encoded(publish);
  }
  const mqtt::Properties said = [] {
    mqtt::Properties properties;
    properties.reason_string = "why";
    properties.user = {{"n", "v"}};
    return properties;
  }();
  encoded(mqtt::Puback{.packet_id = 7, .properties = {}});
  encoded(mqtt::Puback{.packet_id = 7, .reason = mqtt::Reason::quota_exceeded, .properties = said});
  encoded(mqtt::Pubrec{.packet_id = 7, .properties = {}});
  encoded(mqtt::Pubrec{.packet_id = 7, .reason = mqtt::Reason::not_authorized, .properties = said});
  encoded(mqtt::Pubrel{.packet_id = 7, .properties = {}});
  encoded(mqtt::Pubrel{.packet_id = 7, .reason = mqtt::Reason::packet_identifier_not_found, .properties = said});
  encoded(mqtt::Pubcomp{.packet_id = 7, .properties = {}});
  mqtt::Properties identified;
  identified.subscription_identifiers = {300};
  identified.user = {{"n", "v"}};
  encoded(mqtt::Subscribe{.packet_id = 9, .properties = {}, .entries = {{"a/+/c", {.qos = QoS::at_least_once}}}});
  encoded(mqtt::Subscribe{
      .packet_id = 9, .properties = identified, .entries = {{"a/#", {.qos = QoS::exactly_once}}, {"+", {}}, {"b", {}}}});
  encoded(mqtt::Subscribe{.packet_id = 9, .properties = {}, .entries = {{"$share/g/a/+", {.qos = QoS::at_least_once}}}});
  encoded(mqtt::Unsubscribe{.packet_id = 9, .properties = {}, .filters = {"a/+/c", "b"}});
  all.push_back(packet(0xC0, {}));
  encoded(mqtt::Disconnect{});
  if (version != Version::v5) return all;
  mqtt::Disconnect with_will{.reason = mqtt::Reason::disconnect_with_will, .properties = said};
  with_will.properties.session_expiry_interval = 0;
  encoded(with_will);
  all.push_back(packet(0xF0, {0x18, 0}));                            // AUTH
  all.push_back(packet(0x30, {0, 1, 'a', 5, 0x23, 0, 3, 0x01, 1}));  // cut at once by what is done below
  all.push_back(packet(0x82, {0, 9, 0, 0, 1, 'a', 0x2E}));           // every option
  return all;
}

class Damage {
 public:
  explicit Damage(std::uint32_t seed) : chance_(seed) {}

  Buffer of(Buffer bytes) {
    const std::size_t times = 1 + below(3);
    for (std::size_t i = 0; i < times; ++i) once(bytes);
    // Most often the length fits, so that what is inside is looked at.
    if (below(8) != 0 && bytes.size() >= 2 && bytes.size() < 130) bytes[1] = static_cast<std::uint8_t>(bytes.size() - 2);
    return bytes;
  }
  std::size_t below(std::size_t most) { return chance_() % most; }

 private:
  std::uint8_t byte() {
    constexpr std::uint8_t telling[] = {0,   1,   2,   3,   4,    0x0B, 0x11, 0x1F, 0x23, 0x26,
                                        '#', '+', '/', '$', 0x7F, 0x80, 0x81, 0xC0, 0xED, 0xFF};
    return below(2) == 0 ? telling[below(std::size(telling))] : static_cast<std::uint8_t>(chance_());
  }
  void once(Buffer& bytes) {
    const std::size_t at = below(bytes.size());
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0:
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ 1U << below(8));
        break;
      case 1:
        bytes[at] = byte();
        break;
      case 2:
        bytes[at] = static_cast<std::uint8_t>(bytes[at] + (below(2) == 0 ? 1 : -1));
        break;
      case 3:
        bytes.insert(place, byte());
        break;
      case 4:
        if (bytes.size() > 2) bytes.erase(place);
        break;
      case 5:
        if (at > 1) bytes.resize(at);
        break;
      case 6: {
        const Buffer part(place, bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), at + 1 + below(8))));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())), part.begin(), part.end());
      }
    }
  }
  std::mt19937 chance_;
};

/// One connection after the other to a shard, read with no decoder but the few lines below.
class Broker {
 public:
  struct Outcome {
    bool closed = false;
    std::optional<std::uint8_t> reason;  // of DISCONNECT
  };
  Outcome send(Version version, Bytes bytes) {
    broker::Shard& shard = bench_.shard(0);
    const auto connection = shard.open({.address = "test"}, bench_.now);
    Buffer connect;
    mqtt::Connect hello;
    hello.version = version;
    hello.client_id = "c";
    mqtt::encode(hello, connect);
    shard.receive(connection, connect, bench_.now);
    answers(connection);
    shard.receive(connection, bytes, bench_.now);
    Outcome outcome;
    const Buffer said = answers(connection);
    // The last packet, if it is a DISCONNECT: 0xE0, length, reason.
    for (std::size_t at = 0; at + 2 <= said.size() && said[at + 1] < 0x80; at += 2U + said[at + 1])
      if (said[at] == 0xE0) outcome.reason = said[at + 1] == 0 ? 0 : said[at + 2];
    outcome.closed = !shard.effects().closing.empty();
    shard.gone(connection, bench_.now);
    shard.take_changes(bench_.now);
    shard.effects() = {};
    return outcome;
  }
  static constexpr std::uint16_t aliases = 32;

 private:
  Buffer answers(broker::ConnectionId connection) {
    Buffer all;
    mqtt::Outbox* outbox = bench_.shard(0).outbox(connection);
    while (outbox != nullptr && !outbox->empty()) {
      iovec parts[8];
      const std::size_t count = outbox->gather(parts);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        append(all, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        size += parts[i].iov_len;
      }
      outbox->consume(size);
    }
    return all;
  }
  BrokerBench bench_;
};

class DamagedPackets : public ::testing::TestWithParam<Version> {};
INSTANTIATE_TEST_SUITE_P(Versions, DamagedPackets, ::testing::Values(Version::v5, Version::v3_1_1),
                         [](const auto& its) { return its.param == Version::v5 ? "v5" : "v3_1_1"; });

TEST_P(DamagedPackets, NoneIsLetThroughAndEachIsToldByAReasonThatTheStandardHas) {
  const bool is_5 = GetParam() == Version::v5;
  const std::size_t rounds = is_5 ? 80'000 : 20'000;
  const auto whole = seeds(GetParam());
  Broker broker;
  Damage damage(1 + static_cast<std::uint32_t>(GTEST_FLAG_GET(random_seed)));
  std::size_t wrong = 0, right = 0, uncertain = 0, mistakes = 0;
  std::map<std::uint8_t, std::size_t> told;
  for (std::size_t round = 0; round < rounds && mistakes < 10; ++round) {
    const Buffer bytes = damage.of(whole[damage.below(whole.size())]);
    const auto verdict = MqttJudge(is_5 ? 5 : 4, Broker::aliases).judge(bytes);
    const auto outcome = broker.send(GetParam(), bytes);
    if (!verdict.is_certain) {
      ++uncertain;
      continue;
    }
    bool is_good = true;
    if (verdict.codes.empty()) {
      ++right;
      is_good = outcome.closed == verdict.leaves && !outcome.reason;
    } else {
      ++wrong;
      is_good = outcome.closed && (is_5 ? outcome.reason && verdict.codes.contains(*outcome.reason) : !outcome.reason);
      if (outcome.reason) ++told[*outcome.reason];
    }
    if (is_good) continue;
    ++mistakes;
    std::string allowed;
    for (const auto code : verdict.codes) allowed += " " + to_hex(Bytes(&code, 1));
    ADD_FAILURE() << to_hex(bytes) << (outcome.closed ? " ends the connection" : " is let through") << " with "
                  << (outcome.reason ? to_hex(Bytes(&*outcome.reason, 1)) : "no reason")
                  << "; allowed:" << (verdict.codes.empty() ? verdict.leaves ? " to leave" : " to go on" : allowed);
  }
  RecordProperty("wrong", std::to_string(wrong));
  RecordProperty("right", std::to_string(right));
  RecordProperty("uncertain", std::to_string(uncertain));
  EXPECT_GT(wrong, rounds / 2);
  EXPECT_GT(right, rounds / 20) << "nor does it refuse everything";
  EXPECT_LT(uncertain, rounds / 5);
  if (is_5) {
    for (const int code : {0x81, 0x82, 0x94}) EXPECT_GT(told[static_cast<std::uint8_t>(code)], 0U) << code;
  }
}

}  // namespace
}  // namespace sealmq::testing
