// Several clients send any bytes, and often proper packets, to a broker of one shard, one of three, and one with a store; time
// passes and connections break. Whatever comes: no crash and no leak; the counts of what is present agree with what is; a QoS 2
// message is delivered at most once in a session; and when all are gone nothing of them is left.
#include <cstdlib>
#include <map>
#include <set>

#include "base/reader.h"
#include "base/text.h"
#include "support/broker_bench.h"

using namespace sealmq;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// A client's side of QoS 2, which outlives its connections.
struct Received {
  std::set<std::uint16_t> held;        ///< PUBLISH came and PUBREL did not
  std::set<std::string> exactly_once;  ///< payloads, each of which was published once
};

constexpr std::string_view ids[] = {"a", "b", "c", "d"};
constexpr std::string_view topics[] = {"t", "t/u", "v", "t/u/w"};
constexpr std::string_view filters[] = {"t", "t/#", "#", "+", "t/+", "v", "+/u/#", "/"};

class Play {
 public:
  Play(Bytes input, std::size_t shards, bool durable)
      : shards_(shards), broker_(shards, settings(durable)), in_(input), salt_(input.size()) {
    for (std::uint8_t octet : input) salt_ = (salt_ ^ octet) * 0x100000001B3ULL;
    broker_.allow({"sl1", "plain"}, {"sl1", "plain"});
    for (std::size_t i = 0; i < std::size(clients_); ++i) clients_[i] = &broker_.dial(i);
  }

  void run() {
    // Each step: one byte says who and what.
    for (int i = 0; i < 200 && in_.remaining() > 0; ++i) {
      std::uint8_t what = in_.u8();
      const std::uint64_t before = steps();
      step(what & 3, what >> 2 & 7, what >> 5);
      require(steps() - before <= most_steps);  // nothing that few bytes ask for is dear
      for (std::size_t who = 0; who < std::size(clients_); ++who) look_at(who);
      check_counters();
    }
    for (auto* client : clients_)
      if (!client->closed) broker_.cut(*client);
    broker_.advance((settings().maximum_session_expiry + 1) * 1000);
    auto counters = broker_.counters();
    require(counters.connections == 0 && counters.sessions == 0 && counters.subscriptions == 0);
  }

 private:
  static constexpr std::uint64_t most_steps = 20'000;
  std::uint64_t steps() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < shards_; ++i) sum += broker_.shard(i).steps();
    return sum;
  }
  static broker::Settings settings(bool durable = false) {
    broker::Settings settings;
    settings.durable = durable;
    settings.maximum_retained = 20;
    settings.maximum_queued_messages = 20;
    settings.maximum_subscriptions = 10;
    settings.maximum_session_expiry = 10;
    return settings;
  }

  void step(std::size_t who, unsigned what, unsigned how) {
    testing::TestClient*& client = clients_[who];
    switch (what) {
      case 0:
        if (!client->closed) broker_.cut(*client);
        client = &broker_.dial(how);
        logged_in_[who].reset();
        break;
      case 1:
        broker_.advance(std::uint64_t{250} * how);
        break;
      case 2:
        client->acknowledges = !client->acknowledges;
        break;
      case 3:
        log_in(who, how);
        break;
      case 5:
        if (logged_in_[who] && !client->closed) publish(*client, how);
        break;
      case 6:
        if (logged_in_[who] && !client->closed) subscribe(*client, how);
        break;
      case 7:
        if (logged_in_[who] && !client->closed)
          broker_.send(*client, mqtt::Pubrel{.packet_id = static_cast<std::uint16_t>(1 + how), .properties = {}});
        break;
      default: {  // anything
        Bytes bytes = in_.bytes(std::min<std::size_t>(in_.u16(), in_.remaining()));
        if (client->closed) break;
        if (!client->connack) client->opaque = true;
        if (client->opaque) knows_sessions_ = false;  // it may be anybody now
        broker_.send_bytes(*client, bytes);
      }
    }
  }

  void log_in(std::size_t who, unsigned how) {
    testing::TestClient& client = *clients_[who];
    if (client.closed || client.connack || client.opaque) return;
    std::size_t id = (how & 1) + (how & 4) / 2;
    mqtt::Connect packet;
    packet.client_id = ids[id];
    packet.clean_start = (how & 2) != 0;
    packet.properties.session_expiry_interval = 5;
    packet.will = mqtt::Will{topics[id], as_bytes("gone"), mqtt::QoS::at_least_once, false, {}};
    Buffer bytes;
    mqtt::encode(packet, bytes);
    for (std::size_t other = 0; other < std::size(clients_); ++other)  // what it got until now belongs to the old session
      if (logged_in_[other] == id) look_at(other);
    broker_.send_bytes(client, bytes);
    if (!client.connack || *client.connack != mqtt::Reason::success) return;
    for (auto& other : logged_in_)
      if (other == id) other.reset();
    logged_in_[who] = id;
    if (!client.session_present) received_[id] = {};
    look_at(who);
  }

  /// A payload that comes once. QoS 2 is sent twice, as a client does that lost the answer.
  void publish(testing::TestClient& client, unsigned how) {
    std::string payload = to_hex(as_bytes(std::to_string(salt_ ^ ++published_ * 0x9E3779B97F4A7C15ULL)));
    std::uint8_t where = in_.u8();
    mqtt::Publish packet;
    packet.topic = topics[where & 3];
    packet.payload = as_bytes(payload);
    packet.qos = static_cast<mqtt::QoS>(how % 3);
    packet.packet_id = static_cast<std::uint16_t>(packet.qos == mqtt::QoS::at_most_once ? 0 : 1 + (where >> 2 & 7));
    if ((where & 0x20) != 0) packet.properties.message_expiry_interval = where >> 6;
    broker_.send(client, packet);
    packet.dup = true;
    if (packet.qos == mqtt::QoS::exactly_once && !client.closed) broker_.send(client, packet);
  }

  void subscribe(testing::TestClient& client, unsigned how) {
    std::uint8_t options = in_.u8();
    if ((options & 0xC0) == 0xC0)
      return broker_.send(client, mqtt::Unsubscribe{.packet_id = 8, .properties = {}, .filters = {filters[how]}});
    broker_.subscribe(client, filters[how],
                      {.qos = static_cast<mqtt::QoS>(options % 3),
                       .no_local = (options & 4) != 0,
                       .retain_as_published = (options & 8) != 0,
                       .retain_handling = static_cast<mqtt::RetainHandling>((options >> 4 & 3) % 3)});
  }

  /// Takes note of what a client got since the last time.
  void look_at(std::size_t who) {
    testing::TestClient& client = *clients_[who];
    auto publishes = std::exchange(client.publishes, {});
    auto answers = std::exchange(client.answers, {});
    if (!logged_in_[who] || !knows_sessions_) return;
    Received& received = received_[*logged_in_[who]];
    for (const auto& got : publishes) {
      if (got.qos != mqtt::QoS::exactly_once) continue;
      require(got.packet_id != 0);
      if (received.held.insert(got.packet_id).second)
        require(got.retain || got.payload == "gone" || got.payload.size() < 16 ||
                received.exactly_once.insert(got.payload).second);
      else
        require(got.dup);
    }
    for (const auto& answer : answers)
      if (answer.type == mqtt::PacketType::pubrel) received.held.erase(answer.packet_id);
    if (client.closed) logged_in_[who].reset();
  }

  void check_counters() {
    auto counters = broker_.counters();
    std::size_t open = 0;
    for (auto* client : clients_) open += client->closed ? 0 : 1;
    require(counters.connections == open);
    require(counters.sessions <= 200 && counters.subscriptions <= counters.sessions * settings().maximum_subscriptions);
    require(counters.retained <= settings().maximum_retained);
  }

  const std::size_t shards_;
  testing::BrokerBench broker_;
  testing::TestClient* clients_[4];
  std::optional<std::size_t> logged_in_[4];  ///< as whom
  Received received_[std::size(ids)];
  bool knows_sessions_ = true;
  Reader in_;
  std::uint64_t salt_;
  std::uint64_t published_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Play({data, size}, 1, false).run();
  Play({data, size}, 3, false).run();
  Play({data, size}, 3, true).run();
  return 0;
}
