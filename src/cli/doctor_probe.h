// One conversation with a broker to find out what it can do, and nothing that others notice: it subscribes and publishes only
// under a topic with a random name.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "net/dial.h"
#include "sealmq/mqtt.h"
#include "sealmq/result.h"

namespace sealmq::cli {

/// What CONNACK says.
struct Announced {
  mqtt::Reason reason = mqtt::Reason::success;
  std::uint16_t receive_maximum = 65535;
  std::optional<std::uint32_t> maximum_packet_size;
  std::uint16_t topic_alias_maximum = 0;
  mqtt::QoS maximum_qos = mqtt::QoS::exactly_once;
  bool retain = true;
  bool wildcards = true;
  bool shared = true;
  bool subscription_identifiers = true;
  std::optional<std::uint16_t> keep_alive;
};

class Probe {
 public:
  /// Errors: environment when there is no connection or no answer; others when the peer does not speak MQTT, or not this version.
  static Result<std::unique_ptr<Probe>> login(const net::Destination& to, mqtt::Version version, const std::string& client_id);
  /// Whether something answers there as TLS does; its certificate does not matter.
  static bool speaks_tls(const net::Destination& to);
  virtual ~Probe() = default;

  virtual const Announced& announced() const = 0;
  /// Version and key exchange of TLS; empty: none.
  virtual std::string encryption() const = 0;
  /// The reason in the acknowledgement. Errors: as login.
  virtual Result<mqtt::Reason> subscribe(const std::string& filter) = 0;
  virtual Result<mqtt::Reason> publish(const std::string& topic, const std::string& payload, bool retain) = 0;
  /// Whether a message of that topic and payload came, and if so with which retain flag.
  virtual Result<std::optional<bool>> arrives(const std::string& topic, const std::string& payload) = 0;
};

}  // namespace sealmq::cli
