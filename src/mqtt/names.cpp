// The table of reason codes, MQTT 5 section 2.4: number, name, packets.
#include <array>

#include "mqtt/wire.h"

namespace sealmq::mqtt {
namespace {

constexpr std::uint16_t in(PacketType packet) {
  return static_cast<std::uint16_t>(1u << static_cast<unsigned>(packet));
}

constexpr auto connack = in(PacketType::connack), puback = in(PacketType::puback), pubrec = in(PacketType::pubrec),
               pubrel = in(PacketType::pubrel), pubcomp = in(PacketType::pubcomp), suback = in(PacketType::suback),
               unsuback = in(PacketType::unsuback), disconnect = in(PacketType::disconnect), auth = in(PacketType::auth);

struct Row {
  Reason reason;
  std::string_view name;
  int packets;
};

constexpr Row table[] = {
    {Reason::success, "Success", connack | puback | pubrec | pubrel | pubcomp | suback | unsuback | disconnect | auth},
    {Reason::granted_qos_1, "Granted QoS 1", suback},
    {Reason::granted_qos_2, "Granted QoS 2", suback},
    {Reason::disconnect_with_will, "Disconnect with Will Message", disconnect},
    {Reason::no_matching_subscribers, "No matching subscribers", puback | pubrec},
    {Reason::no_subscription_existed, "No subscription existed", unsuback},
    {Reason::continue_authentication, "Continue authentication", auth},
    {Reason::reauthenticate, "Re-authenticate", auth},
    {Reason::unspecified_error, "Unspecified error", connack | puback | pubrec | suback | unsuback | disconnect},
    {Reason::malformed_packet, "Malformed Packet", connack | disconnect},
    {Reason::protocol_error, "Protocol Error", connack | disconnect},
    {Reason::implementation_specific_error, "Implementation specific error",
     connack | puback | pubrec | suback | unsuback | disconnect},
    {Reason::unsupported_protocol_version, "Unsupported Protocol Version", connack},
    {Reason::client_identifier_not_valid, "Client Identifier not valid", connack},
    {Reason::bad_user_name_or_password, "Bad User Name or Password", connack},
    {Reason::not_authorized, "Not authorized", connack | puback | pubrec | suback | unsuback | disconnect},
    {Reason::server_unavailable, "Server unavailable", connack},
    {Reason::server_busy, "Server busy", connack | disconnect},
    {Reason::banned, "Banned", connack},
    {Reason::server_shutting_down, "Server shutting down", disconnect},
    {Reason::bad_authentication_method, "Bad authentication method", connack | disconnect},
    {Reason::keep_alive_timeout, "Keep Alive timeout", disconnect},
    {Reason::session_taken_over, "Session taken over", disconnect},
    {Reason::topic_filter_invalid, "Topic Filter invalid", suback | unsuback | disconnect},
    {Reason::topic_name_invalid, "Topic Name invalid", connack | puback | pubrec | disconnect},
    {Reason::packet_identifier_in_use, "Packet Identifier in use", puback | pubrec | suback | unsuback},
    {Reason::packet_identifier_not_found, "Packet Identifier not found", pubrel | pubcomp},
    {Reason::receive_maximum_exceeded, "Receive Maximum exceeded", disconnect},
    {Reason::topic_alias_invalid, "Topic Alias invalid", disconnect},
    {Reason::packet_too_large, "Packet too large", connack | disconnect},
    {Reason::message_rate_too_high, "Message rate too high", disconnect},
    {Reason::quota_exceeded, "Quota exceeded", connack | puback | pubrec | suback | disconnect},
    {Reason::administrative_action, "Administrative action", disconnect},
    {Reason::payload_format_invalid, "Payload format invalid", connack | puback | pubrec | disconnect},
    {Reason::retain_not_supported, "Retain not supported", connack | disconnect},
    {Reason::qos_not_supported, "QoS not supported", connack | disconnect},
    {Reason::use_another_server, "Use another server", connack | disconnect},
    {Reason::server_moved, "Server moved", connack | disconnect},
    {Reason::shared_subscriptions_not_supported, "Shared Subscriptions not supported", suback | disconnect},
    {Reason::connection_rate_exceeded, "Connection rate exceeded", connack | disconnect},
    {Reason::maximum_connect_time, "Maximum connect time", disconnect},
    {Reason::subscription_identifiers_not_supported, "Subscription Identifiers not supported", suback | disconnect},
    {Reason::wildcard_subscriptions_not_supported, "Wildcard Subscriptions not supported", suback | disconnect},
};

/// Index by number, made by the compiler from the table.
constexpr auto row_of = [] {
  std::array<const Row*, 256> rows{};
  for (const Row& row : table) rows[code(row.reason)] = &row;
  return rows;
}();

}  // namespace

bool may_carry(PacketType packet, Reason reason) {
  const Row* row = row_of[code(reason)];
  return row != nullptr && (row->packets & in(packet)) != 0;
}

std::string_view name(Reason reason) {
  const Row* row = row_of[code(reason)];
  return row != nullptr ? row->name : "Unknown reason code";
}

std::string_view name(PacketType type) {
  constexpr std::string_view names[] = {"reserved", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
                                        "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
                                        "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};
  return names[static_cast<unsigned>(type) & 15];
}

std::string_view name(Version version) {
  switch (version) {
    case Version::v3_1:
      return "MQTT 3.1";
    case Version::v3_1_1:
      return "MQTT 3.1.1";
    case Version::v5:
      return "MQTT 5.0";
  }
  return "unknown MQTT version";
}

}  // namespace sealmq::mqtt
