// A broker and clients of SCACAuth.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/random.h"
#include "keystore/software_keys.h"
#include "support/wired_client.h"

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

/// A client of SCACAuth.
class ScacClient : public WiredClient {
 public:
  ScacClient(ScacBench& bench, std::string_view scheme_name, KeyStore& keys, SchemeOptions scheme_options = {})
      : WiredClient(bench.broker) {
    auto made = find_scheme(scheme_name)->client_side(bench.client_ports(keys, std::move(scheme_options)));
    EXPECT_TRUE(made) << (made ? "" : made.error().what);
    if (made) scheme = *std::move(made);
  }
  ScacClient(ScacBench& bench, std::string_view scheme_name) : ScacClient(bench, scheme_name, *bench.keys) {}

  void publish(std::string_view topic, std::string_view text, mqtt::QoS qos = mqtt::QoS::exactly_once) {
    const auto asked = session->publish(topic, as_bytes(text), {.qos = qos}, bench_.now);
    EXPECT_TRUE(asked) << asked.error().what;
    move();
  }
  void subscribe(std::string_view filter, mqtt::QoS qos = mqtt::QoS::exactly_once) {
    const auto asked = session->subscribe(filter, {.qos = qos}, bench_.now);
    EXPECT_TRUE(asked) << asked.error().what;
    move();
    const auto granted = take<Subscribed>();
    EXPECT_TRUE(granted && !is_error(granted->reason));
  }
  std::string got() {
    const auto arrival = take<Arrival>();
    return arrival ? std::string(as_text(arrival->message.payload)) : "(nothing)";
  }
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

}  // namespace sealmq::testing
