// What one packet makes a shard do, in steps (Shard::steps): subscriptions, retained messages, queues and sessions of several
// clients are built up, and no packet of any type may cost more than Shard::most_steps, as ARCHITECTURE.md says. Each new number
// of steps of a packet type counts as something new to the fuzzer, so it looks for dearer ones.
#include <bit>
#include <cstdlib>

#include "base/reader.h"
#include "support/broker_bench.h"

using namespace sealmq;

namespace {

constexpr std::size_t packet_types = 16, marks = 256;

#if defined(__clang__) && defined(__linux__)
__attribute__((section("__libfuzzer_extra_counters")))
#endif
std::uint8_t reached[packet_types * marks];

/// Four marks for each doubling.
void tell(std::size_t type, std::uint64_t steps) {
  const auto doubled = static_cast<std::size_t>(std::bit_width(steps));
  const std::size_t rest = doubled > 3 ? steps >> (doubled - 4) & 7U : 0;
  reached[type * marks + doubled * 4 % marks / 4 * 4 + rest / 2] = 1;
}

class Play {
 public:
  explicit Play(Bytes input) : in_(input) {
    for (std::size_t i = 0; i < std::size(clients_); ++i) clients_[i] = &broker_.connect(lasting(i, true));
  }

  void run() {
    for (int i = 0; i < 64 && in_.remaining() > 0; ++i) {
      const std::uint8_t what = in_.u8();
      testing::TestClient*& client = clients_[what & 3];
      client->acknowledges = false;
      if (client->closed) client = &broker_.connect(lasting(what & 3, false));
      if (client->publishes.size() > 200) client->publishes.clear();
      client->answers.clear();
      step(*client, what >> 2 & 7, what >> 5);
    }
  }

 private:
  static constexpr std::string_view words[] = {"a", "+", "b", "", "$share", "#", "c", "long-level-of-a-topic"};

  /// Levels by three bits each.
  std::string name(bool is_filter, std::size_t salt) {
    std::string made;
    const std::size_t levels = 1 + in_.u8() % 24;
    std::uint64_t bits = in_.u64() + salt * 0x9E3779B97F4A7C15ULL;
    for (std::size_t level = 0; level < levels; ++level, bits = bits >> 3 | bits << 61) {
      std::string_view word = words[bits & 7];
      if (word == "#" && (!is_filter || level + 1 != levels)) word = "d";
      if (word == "+" && !is_filter) word = "a";
      if (word == "$share" && (!is_filter || level != 0 || levels < 3)) word = "e";
      made.append(level == 0 ? "" : "/").append(word);
    }
    return made.empty() ? "a" : made;
  }
  std::vector<std::string> names(unsigned how) {
    std::vector<std::string> made;
    const std::size_t count = how == 0 ? 1 : std::size_t{1} << how;
    Reader at = in_;
    for (std::size_t i = 0; i < count; ++i) {
      in_ = at;
      made.push_back(name(true, i));
    }
    return made;
  }

  void step(testing::TestClient& client, unsigned what, unsigned how) {
    Buffer bytes;
    std::string topic;
    switch (what) {
      case 0:
      case 1: {
        const auto filters = names(how);
        mqtt::Subscribe packet{.packet_id = 1, .properties = {}, .entries = {}};
        for (const auto& filter : filters) packet.entries.push_back({filter, {.qos = static_cast<mqtt::QoS>(what)}});
        mqtt::encode(packet, client.version, bytes);
        break;
      }
      case 2: {
        const auto filters = names(how);
        mqtt::encode(mqtt::Unsubscribe{.packet_id = 1, .properties = {}, .filters = {filters.begin(), filters.end()}},
                     client.version, bytes);
        break;
      }
      case 3: {  // many retained messages
        for (std::size_t i = 0; i < std::size_t{4} << how; ++i)
          broker_.publish(client, name(false, i), "x", mqtt::QoS::at_most_once, true);
        return;
      }
      case 4:
      case 5: {
        topic = name(false, how);
        mqtt::Publish packet;
        packet.topic = topic;
        packet.payload = in_.bytes(std::min<std::size_t>(in_.remaining(), how));
        packet.qos = static_cast<mqtt::QoS>(how % 3);
        packet.packet_id = static_cast<std::uint16_t>(packet.qos == mqtt::QoS::at_most_once ? 0 : 1);
        packet.retain = what == 5;
        mqtt::encode(packet, client.version, bytes);
        break;
      }
      case 6:
        if (how > 3) return broker_.advance(std::uint64_t{500} * how);
        acknowledge(client, how, bytes);
        break;
      default:
        if (how == 7) return come_again(client);
        if (how == 6)
          mqtt::encode(mqtt::Disconnect{.reason = mqtt::Reason::disconnect_with_will, .properties = {}}, client.version, bytes);
        else if (how == 5)
          mqtt::encode(mqtt::Auth{}, client.version, bytes);
        else
          append(bytes, in_.bytes(std::min<std::size_t>(in_.u16(), in_.remaining())));
    }
    if (!bytes.empty() && !client.closed) measure(client, bytes);
  }

  /// PUBACK, PUBREC, PUBREL or PUBCOMP: of a message that came, or of any.
  void acknowledge(testing::TestClient& client, unsigned which, Buffer& bytes) {
    std::uint16_t id = in_.u8();
    if (!client.publishes.empty()) id = client.publishes[id % client.publishes.size()].packet_id;
    if (which == 0) mqtt::encode(mqtt::Puback{.packet_id = id, .properties = {}}, client.version, bytes);
    if (which == 1) {
      const auto reason = in_.u8() % 2 == 0 ? mqtt::Reason::success : mqtt::Reason::unspecified_error;
      mqtt::encode(mqtt::Pubrec{.packet_id = id, .reason = reason, .properties = {}}, client.version, bytes);
    }
    if (which == 2) mqtt::encode(mqtt::Pubrel{.packet_id = id, .properties = {}}, client.version, bytes);
    if (which == 3) mqtt::encode(mqtt::Pubcomp{.packet_id = id, .properties = {}}, client.version, bytes);
  }

  /// The last byte of a name tells which of the four it is.
  static mqtt::Connect lasting(std::size_t which, bool clean) {
    static constexpr std::string_view names[] = {"client-0", "client-1", "client-2", "client-3"};
    mqtt::Connect packet;
    packet.client_id = names[which];
    packet.clean_start = clean;
    packet.properties.session_expiry_interval = 3600;
    packet.will = mqtt::Will{"a/a/a", as_bytes("gone"), mqtt::QoS::at_least_once, true, {}};
    return packet;
  }
  /// Goes on with the session, or throws it away; whoever was there with it is ended.
  void come_again(testing::TestClient& client) {
    const std::size_t which = static_cast<std::size_t>(client.client_id.back() - '0');
    Buffer bytes;
    mqtt::encode(lasting(which, in_.u8() % 2 == 0), bytes);
    testing::TestClient& fresh = broker_.dial();
    fresh.client_id = client.client_id;
    measure(fresh, bytes);
    clients_[which] = &fresh;
  }

  void measure(testing::TestClient& client, const Buffer& bytes) {
    broker::Shard& shard = broker_.shard(client.shard);
    const std::uint64_t before = shard.steps();
    shard.receive(client.connection, bytes, broker_.now);
    const std::uint64_t taken = shard.steps() - before;
    tell(bytes[0] >> 4, taken);
    if (taken > broker::Shard::most_steps) std::abort();
    broker_.advance(1);  // and what is left of it
  }

  testing::BrokerBench broker_;
  testing::TestClient* clients_[4];
  Reader in_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Play({data, size}).run();
  return 0;
}
