// One struct per MQTT Control Packet, for every version; `encode` and `decode` mirror each other in the .cpp of each packet.
//
// Strings, payloads and properties are views: after decode they point into the input, before encode into the caller's data.
// Nobody keeps a packet; what must live longer is copied into a type of its own.
//
// decode is as strict as the standards: malformed UTF-8, NUL, reserved flags, a property that the packet does not allow or that
// stands twice, a packet identifier of 0, an impossible QoS, left-over bytes are errors whose `code` is the reason code the
// standard names (Malformed Packet 0x81 or Protocol Error 0x82 mostly). encode never fails: its caller has built a legal packet.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "mqtt/types.h"
#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::mqtt {

struct UserProperty {
  std::string_view name;
  std::string_view value;
  bool operator==(const UserProperty&) const = default;
};

/// MQTT 5 section 2.2.2.2. Which packet may carry which is checked by decode. MQTT 3 packets have none.
struct Properties {
  std::optional<std::uint8_t> payload_format_indicator;        // 0x01
  std::optional<std::uint32_t> message_expiry_interval;        // 0x02 seconds
  std::optional<std::string_view> content_type;                // 0x03
  std::optional<std::string_view> response_topic;              // 0x08
  std::optional<Bytes> correlation_data;                       // 0x09
  std::vector<std::uint32_t> subscription_identifiers;         // 0x0B 1..268435455, several only in PUBLISH to a client
  std::optional<std::uint32_t> session_expiry_interval;        // 0x11 seconds
  std::optional<std::string_view> assigned_client_identifier;  // 0x12
  std::optional<std::uint16_t> server_keep_alive;              // 0x13 seconds
  std::optional<std::string_view> authentication_method;       // 0x15
  std::optional<Bytes> authentication_data;                    // 0x16
  std::optional<bool> request_problem_information;             // 0x17
  std::optional<std::uint32_t> will_delay_interval;            // 0x18 seconds
  std::optional<bool> request_response_information;            // 0x19
  std::optional<std::string_view> response_information;        // 0x1A
  std::optional<std::string_view> server_reference;            // 0x1C
  std::optional<std::string_view> reason_string;               // 0x1F
  std::optional<std::uint16_t> receive_maximum;                // 0x21 never 0
  std::optional<std::uint16_t> topic_alias_maximum;            // 0x22
  std::optional<std::uint16_t> topic_alias;                    // 0x23 never 0
  std::optional<QoS> maximum_qos;                              // 0x24 0 or 1
  std::optional<bool> retain_available;                        // 0x25
  std::vector<UserProperty> user;                              // 0x26 order kept
  std::optional<std::uint32_t> maximum_packet_size;            // 0x27 never 0
  std::optional<bool> wildcard_subscription_available;         // 0x28
  std::optional<bool> subscription_identifiers_available;      // 0x29
  std::optional<bool> shared_subscription_available;           // 0x2A

  friend bool operator==(const Properties& a, const Properties& b);  ///< binary data by content
};

struct Will {
  std::string_view topic;
  Bytes payload;
  QoS qos = QoS::at_most_once;
  bool retain = false;
  Properties properties;
};

struct Connect {
  Version version = Version::v5;
  bool bridge = false;  ///< MQTT 3 bridges set bit 7 of the protocol level (mosquitto and others)
  bool clean_start = true;
  std::uint16_t keep_alive = 0;  ///< seconds, 0: off
  std::string_view client_id;
  std::optional<Will> will;
  std::optional<std::string_view> user_name;
  std::optional<Bytes> password;
  Properties properties;
};

struct Connack {
  bool session_present = false;
  Reason reason = Reason::success;
  Properties properties;
};

struct Publish {
  bool dup = false;
  QoS qos = QoS::at_most_once;
  bool retain = false;
  std::string_view topic;
  std::uint16_t packet_id = 0;  ///< 0 exactly for QoS 0
  Bytes payload;
  Properties properties;
};

/// PUBACK, PUBREC, PUBREL and PUBCOMP have one form. A success without properties is two bytes long in every version.
template <PacketType type_>
struct Acknowledgement {
  static constexpr PacketType type = type_;
  std::uint16_t packet_id = 0;
  Reason reason = Reason::success;  ///< always success in MQTT 3
  Properties properties;
};
using Puback = Acknowledgement<PacketType::puback>;
using Pubrec = Acknowledgement<PacketType::pubrec>;
using Pubrel = Acknowledgement<PacketType::pubrel>;
using Pubcomp = Acknowledgement<PacketType::pubcomp>;

enum class RetainHandling : std::uint8_t { send = 0, send_if_new = 1, do_not_send = 2 };

struct SubscriptionOptions {
  QoS qos = QoS::at_most_once;
  bool no_local = false;             ///< MQTT 5
  bool retain_as_published = false;  ///< MQTT 5
  RetainHandling retain_handling = RetainHandling::send;
  bool operator==(const SubscriptionOptions&) const = default;
};

struct SubscribeEntry {
  std::string_view filter;
  SubscriptionOptions options;
};

struct Subscribe {
  std::uint16_t packet_id = 0;
  Properties properties;
  std::vector<SubscribeEntry> entries;  ///< at least one
};

struct Suback {
  std::uint16_t packet_id = 0;
  Properties properties;
  std::vector<Reason> reasons;  ///< one per entry; any error is 0x80 in MQTT 3.1.1
};

struct Unsubscribe {
  std::uint16_t packet_id = 0;
  Properties properties;
  std::vector<std::string_view> filters;  ///< at least one
};

struct Unsuback {
  std::uint16_t packet_id = 0;
  Properties properties;
  std::vector<Reason> reasons;  ///< not on the wire in MQTT 3
};

struct Pingreq {};
struct Pingresp {};

struct Disconnect {
  Reason reason = Reason::success;
  Properties properties;
};

struct Auth {
  Reason reason = Reason::success;
  Properties properties;
};

using Packet = std::variant<Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Suback, Unsubscribe, Unsuback,
                            Pingreq, Pingresp, Disconnect, Auth>;

/// The first bytes of every packet.
struct FixedHeader {
  PacketType type{};
  std::uint8_t flags = 0;       ///< the low four bits
  std::uint32_t remaining = 0;  ///< bytes that follow
  std::uint8_t size = 0;        ///< of this header, 2..5
};

/// Nothing while the header is not complete; an error if it cannot be one: type 0, AUTH before MQTT 5, wrong reserved flags, a
/// Remaining Length of more than four bytes or (as [MQTT-1.5.5-1] asks of encoders) not minimal.
Result<std::optional<FixedHeader>> decode_header(Bytes in, Version version);

/// Of the fixed header in front of a packet that encode() has made.
std::size_t header_size(Bytes packet);

/// Body decoders: `body` is exactly the `remaining` bytes. CONNECT tells its own version.
Result<Connect> decode_connect(Bytes body);
Result<Connack> decode_connack(Bytes body, Version version);
/// Never allocates unless there are user properties or subscription identifiers.
Result<Publish> decode_publish(std::uint8_t flags, Bytes body, Version version);
template <class Ack>
Result<Ack> decode_ack(Bytes body, Version version);  // Puback, Pubrec, Pubrel, Pubcomp
Result<Subscribe> decode_subscribe(Bytes body, Version version);
Result<Suback> decode_suback(Bytes body, Version version);
Result<Unsubscribe> decode_unsubscribe(Bytes body, Version version);
Result<Unsuback> decode_unsuback(Bytes body, Version version);
Result<Disconnect> decode_disconnect(Bytes body, Version version);
Result<Auth> decode_auth(Bytes body);
/// Any of them; what tests, fuzzers and tools use.
Result<Packet> decode(const FixedHeader& header, Bytes body, Version version);

/// Appends the whole packet, fixed header included.
void encode(const Connect& packet, Buffer& out);
void encode(const Connack& packet, Version version, Buffer& out);
void encode(const Publish& packet, Version version, Buffer& out);
template <PacketType type>
void encode(const Acknowledgement<type>& packet, Version version, Buffer& out);
void encode(const Subscribe& packet, Version version, Buffer& out);
void encode(const Suback& packet, Version version, Buffer& out);
void encode(const Unsubscribe& packet, Version version, Buffer& out);
void encode(const Unsuback& packet, Version version, Buffer& out);
void encode(const Pingreq& packet, Version version, Buffer& out);
void encode(const Pingresp& packet, Version version, Buffer& out);
void encode(const Disconnect& packet, Version version, Buffer& out);
void encode(const Auth& packet, Version version, Buffer& out);
void encode(const Packet& packet, Version version, Buffer& out);

/// Appends an encoded MQTT 5 PUBLISH, which has no Topic Alias, once more with one; without the topic's name unless `named`.
void encode_with_alias(Bytes publish, std::uint16_t packet_id, bool dup, std::uint16_t alias, bool named, Buffer& out);

/// Bytes that encode() will append for this PUBLISH.
std::size_t encoded_size(const Publish& packet, Version version);

}  // namespace sealmq::mqtt
