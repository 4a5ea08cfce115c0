// A broker and clients of SCACAuth, with somebody between each of them who may drop, double and change whole packets.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "client/session.h"
#include "crypto/random.h"
#include "keystore/software_keys.h"
#include "support/broker_bench.h"

namespace sealmq::testing {

inline const nlohmann::json& scacauth_vectors() {
  static const nlohmann::json vectors = [] {
    std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/scacauth.json");
    return nlohmann::json::parse(file);
  }();
  return vectors;
}
inline Buffer scacauth_vector(const char* name) {
  return from_hex(scacauth_vectors().at(name).get<std::string>()).value();
}

/// Keys of a whole identity, whose RSA key is one of the vectors': "client" or "broker".
inline std::unique_ptr<KeyStore> scacauth_keys(std::string_view name, Kind kind, const std::string& rsa, Random& random) {
  class NoSequence final : public SequenceCounter {
   public:
    Result<std::uint64_t> next() override { return 1; }
  };
  auto keys = PrivateKeys::generate(random);
  if (!rsa.empty())
    keys.rsa = crypto::rsa::PrivateKey::from_exponent(scacauth_vector((rsa + "_n").c_str()),
                                                      Secret(scacauth_vector((rsa + "_d").c_str())))
                   .value();
  return std::make_unique<SoftwareKeys>(std::string(name), kind, std::move(keys), std::make_unique<NoSequence>(), random);
}

class ScacBench {
 public:
  /// Every topic is for both profiles, and for plain MQTT if `plain`.
  explicit ScacBench(SchemeOptions broker_options = {}, bool plain = false) : options(std::move(broker_options)) {
    enroll(*keys);
    std::vector<std::string_view> names = {"scacauth", "scacauth@paper"};
    if (plain) names.push_back("plain");
    broker.allow(names, names);
  }

  void enroll(const KeyStore& of) {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = of.identity();
    identity.publish = identity.subscribe = {"#"};
    identity.schemes = {"scacauth", "scacauth@paper", "plain"};
    broker.enroll(identity);
  }

  ClientPorts client_ports(KeyStore& of, SchemeOptions client_options = {}) {
    return {&of, broker_identity(broker_key->identity()), {}, broker.random, std::move(client_options)};
  }

  crypto::OsRandom random;  // not the one that clients have, which would make the same keys
  SchemeOptions options;
  std::unique_ptr<KeyStore> broker_key = scacauth_keys("broker-1", Kind::broker, "broker", random);
  std::unique_ptr<KeyStore> keys = scacauth_keys("CLIENTE1", Kind::device, "client", random);
  BrokerBench broker{1, {}, nullptr, [this](broker::Ports& ports) {
                       BrokerPorts its{*broker_key, random};
                       its.options = options;
                       const auto all = all_schemes();
                       for (std::size_t i = 0; i < all.size(); ++i)
                         if (all[i].info->login_protects) ports.schemes[i] = all[i].broker_side(its);
                     }};
};

/// A client, its connections one after the other, and what passes by.
class ScacClient {
 public:
  using Packets = std::vector<Buffer>;
  /// What becomes of one packet.
  using Meddle = std::function<Packets(Buffer packet)>;

  ScacClient(ScacBench& bench, std::string_view scheme_name, KeyStore& keys, SchemeOptions scheme_options = {}) : bench_(bench) {
    auto made = find_scheme(scheme_name)->client_side(bench.client_ports(keys, std::move(scheme_options)));
    EXPECT_TRUE(made) << (made ? "" : made.error().what);
    if (made) scheme = *std::move(made);
  }
  ScacClient(ScacBench& bench, std::string_view scheme_name) : ScacClient(bench, scheme_name, *bench.keys) {}

  void connect() {
    if (!session) session.emplace(options, scheme.get());
    const auto started = session->start(bench_.broker.now);
    ASSERT_TRUE(started) << started.error().what;
    at_broker = &bench_.broker.dial();
    at_broker->opaque = true;
    taken_ = 0;
    unread_[0].clear();
    unread_[1].clear();
    move();
  }
  /// Moves bytes until nobody has any.
  void move() {
    for (bool again = true; again;) {
      again = false;
      append(unread_[0], written());
      for (auto& packet : pass(unread_[0], to_broker)) {
        from_client.push_back(packet);
        if (!at_broker->closed) bench_.broker.send_bytes(*at_broker, packet);
        again = true;
      }
      if (at_broker->everything.size() > taken_) {
        append(unread_[1], Bytes(at_broker->everything).subspan(taken_));
        taken_ = at_broker->everything.size();
        again = true;
      }
      for (auto& packet : pass(unread_[1], to_client)) {
        from_broker.push_back(packet);
        session->receive(packet, bench_.broker.now);
        again = true;
      }
    }
    for (auto& event : session->take_events()) {
      if (auto* arrival = std::get_if<Arrival>(&event); arrival != nullptr && takes) session->take(arrival->receipt);
      events.push_back(std::move(event));
    }
    if (!session->outbox().empty()) move();
  }
  /// The transport breaks.
  void cut() {
    session->connection_lost({Blame::environment, "cut", 0});
    (void)written();
    bench_.broker.cut(*at_broker);
    for (auto& event : session->take_events()) events.push_back(std::move(event));
  }
  void publish(std::string_view topic, std::string_view text, mqtt::QoS qos = mqtt::QoS::exactly_once) {
    const auto asked = session->publish(topic, as_bytes(text), {.qos = qos}, bench_.broker.now);
    EXPECT_TRUE(asked) << asked.error().what;
    move();
  }
  void subscribe(std::string_view filter, mqtt::QoS qos = mqtt::QoS::exactly_once) {
    const auto asked = session->subscribe(filter, {.qos = qos}, bench_.broker.now);
    EXPECT_TRUE(asked) << asked.error().what;
    move();
    const auto granted = take<Subscribed>();
    EXPECT_TRUE(granted && !is_error(granted->reason));
  }
  template <class Event>
  std::optional<Event> take() {
    for (auto at = events.begin(); at != events.end(); ++at)
      if (auto* event = std::get_if<Event>(&*at)) {
        Event found = std::move(*event);
        events.erase(at);
        return found;
      }
    return std::nullopt;
  }
  std::string got() {
    const auto arrival = take<Arrival>();
    return arrival ? std::string(as_text(arrival->message.payload)) : "(nothing)";
  }
  /// The last of such packets that went there, as it stands on the wire.
  static Buffer last(const Packets& packets, mqtt::PacketType type) {
    for (auto at = packets.rbegin(); at != packets.rend(); ++at)
      if ((*at)[0] >> 4 == static_cast<int>(type)) return *at;
    return {};
  }
  template <class Packet, class Decode>
  static Packet decoded(const Buffer& packet, Decode decode) {
    const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
    return decode(Bytes(packet).subspan(header.size), mqtt::Version::v5).value();
  }
  std::string causes() const {
    std::string text;
    for (const auto& cause : bench_.broker.journal.causes) text += "broker: " + cause + "; ";
    for (const auto& event : events)
      if (const auto* closed = std::get_if<Closed>(&event)) text += "client: " + closed->error.what;
    return text;
  }

  ConnectOptions options;
  std::unique_ptr<ClientScheme> scheme;
  std::optional<ClientSession> session;
  TestClient* at_broker = nullptr;
  Meddle to_broker, to_client;
  Packets from_client, from_broker;  // as they arrived
  std::vector<ClientEvent> events;
  bool takes = true;

 private:
  Buffer written() {
    Buffer out;
    while (!session->outbox().empty()) {
      iovec parts[4];
      const std::size_t count = session->outbox().gather(parts);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        append(out, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        size += parts[i].iov_len;
      }
      session->outbox().consume(size);
    }
    return out;
  }
  /// Whole packets; records too, which begin like a PUBLISH of no kind and have a length of their own.
  static Packets pass(Buffer& unread, const Meddle& meddle) {
    Packets out;
    while (!unread.empty()) {
      std::size_t size = unread.size();
      if (unread[0] != 0x17) {
        const auto header = mqtt::decode_header(unread, mqtt::Version::v5);
        if (header && *header) size = (*header)->size + (*header)->remaining;
        if (header && (!*header || size > unread.size())) break;
      }
      Buffer packet(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(size));
      unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(size));
      if (!meddle) {
        out.push_back(std::move(packet));
        continue;
      }
      for (auto& passed : meddle(std::move(packet))) out.push_back(std::move(passed));
    }
    return out;
  }

  ScacBench& bench_;
  std::size_t taken_ = 0;
  Buffer unread_[2];
};

/// A packet with its user properties as `change` leaves them; others as they are.
template <class Packet>
Buffer with_properties(const Buffer& packet, const std::function<void(std::vector<mqtt::UserProperty>&)>& change) {
  const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
  if (header.type != Packet::type) return packet;
  auto decoded = mqtt::decode_ack<Packet>(Bytes(packet).subspan(header.size), mqtt::Version::v5).value();
  change(decoded.properties.user);
  Buffer out;
  mqtt::encode(decoded, mqtt::Version::v5, out);
  return out;
}

inline bool is(mqtt::PacketType type, const Buffer& packet) {
  return packet[0] >> 4 == static_cast<int>(type);
}

}  // namespace sealmq::testing
