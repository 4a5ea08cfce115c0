// What our decoder says of packets, for comparison with another one: differential.mjs. A line in is `VERSION HEX`, one whole
// packet or less; a line out is what was decoded in the names of mqtt-packet, or why not.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/text.h"
#include "mqtt/packet.h"

namespace sealmq::mqtt {
namespace {

using nlohmann::json;

json of(bool value) {
  return value;
}
json of(std::uint8_t value) {
  return value != 0;  // the one property of this type is a flag
}
json of(std::uint16_t value) {
  return value;
}
json of(std::uint32_t value) {
  return value;
}
json of(QoS value) {
  return static_cast<int>(value);
}
json of(std::string_view value) {
  return value;
}
json of(Bytes value) {
  return to_hex(value);
}

json of(const Properties& p) {
  json out = json::object();
  auto add = [&](const char* name, const auto& member) {
    if (member) out[name] = of(*member);
  };
  add("payloadFormatIndicator", p.payload_format_indicator);
  add("messageExpiryInterval", p.message_expiry_interval);
  add("contentType", p.content_type);
  add("responseTopic", p.response_topic);
  add("correlationData", p.correlation_data);
  add("sessionExpiryInterval", p.session_expiry_interval);
  add("assignedClientIdentifier", p.assigned_client_identifier);
  add("serverKeepAlive", p.server_keep_alive);
  add("authenticationMethod", p.authentication_method);
  add("authenticationData", p.authentication_data);
  add("requestProblemInformation", p.request_problem_information);
  add("willDelayInterval", p.will_delay_interval);
  add("requestResponseInformation", p.request_response_information);
  add("responseInformation", p.response_information);
  add("serverReference", p.server_reference);
  add("reasonString", p.reason_string);
  add("receiveMaximum", p.receive_maximum);
  add("topicAliasMaximum", p.topic_alias_maximum);
  add("topicAlias", p.topic_alias);
  add("maximumQoS", p.maximum_qos);
  add("retainAvailable", p.retain_available);
  add("maximumPacketSize", p.maximum_packet_size);
  add("wildcardSubscriptionAvailable", p.wildcard_subscription_available);
  add("subscriptionIdentifiersAvailable", p.subscription_identifiers_available);
  add("sharedSubscriptionAvailable", p.shared_subscription_available);
  if (!p.subscription_identifiers.empty()) out["subscriptionIdentifier"] = p.subscription_identifiers;
  for (const auto& user : p.user) out["userProperties"].push_back({user.name, user.value});
  return out;
}

json reasons_of(const std::vector<Reason>& reasons) {
  json out = json::array();
  for (Reason reason : reasons) out.push_back(static_cast<int>(reason));
  return out;
}

json of(const Connect& p) {
  json out{{"protocolVersion", static_cast<int>(p.version)},
           {"bridgeMode", p.bridge},
           {"clean", p.clean_start},
           {"keepalive", p.keep_alive},
           {"clientId", p.client_id},
           {"properties", of(p.properties)}};
  if (p.will)
    out["will"] = {{"topic", p.will->topic},
                   {"payload", of(p.will->payload)},
                   {"qos", of(p.will->qos)},
                   {"retain", p.will->retain},
                   {"properties", of(p.will->properties)}};
  if (p.user_name) out["username"] = *p.user_name;
  if (p.password) out["password"] = of(*p.password);
  return out;
}
json of(const Connack& p) {
  return {{"sessionPresent", p.session_present}, {"reasonCode", static_cast<int>(p.reason)}, {"properties", of(p.properties)}};
}
json of(const Publish& p) {
  json out{{"dup", p.dup},     {"qos", of(p.qos)},         {"retain", p.retain},
           {"topic", p.topic}, {"payload", of(p.payload)}, {"properties", of(p.properties)}};
  if (p.qos != QoS::at_most_once) out["messageId"] = p.packet_id;
  return out;
}
template <PacketType type>
json of(const Acknowledgement<type>& p) {
  return {{"messageId", p.packet_id}, {"reasonCode", static_cast<int>(p.reason)}, {"properties", of(p.properties)}};
}
json of(const Subscribe& p) {
  json out{{"messageId", p.packet_id}, {"properties", of(p.properties)}, {"subscriptions", json::array()}};
  for (const auto& [filter, options] : p.entries)
    out["subscriptions"].push_back({{"topic", filter},
                                    {"qos", of(options.qos)},
                                    {"nl", options.no_local},
                                    {"rap", options.retain_as_published},
                                    {"rh", static_cast<int>(options.retain_handling)}});
  return out;
}
json of(const Suback& p) {
  return {{"messageId", p.packet_id}, {"granted", reasons_of(p.reasons)}, {"properties", of(p.properties)}};
}
json of(const Unsubscribe& p) {
  return {{"messageId", p.packet_id}, {"unsubscriptions", p.filters}, {"properties", of(p.properties)}};
}
json of(const Unsuback& p) {
  return {{"messageId", p.packet_id}, {"granted", reasons_of(p.reasons)}, {"properties", of(p.properties)}};
}
json of(const Pingreq&) {
  return json::object();
}
json of(const Pingresp&) {
  return json::object();
}
json of(const Disconnect& p) {
  return {{"reasonCode", static_cast<int>(p.reason)}, {"properties", of(p.properties)}};
}
json of(const Auth& p) {
  return {{"reasonCode", static_cast<int>(p.reason)}, {"properties", of(p.properties)}};
}

json refused(const Error& error) {
  return {{"refused", error.what}, {"code", error.code}};
}

json verdict(Version version, Bytes bytes) {
  auto header = decode_header(bytes, version);
  if (!header) return refused(header.error());
  if (!*header || bytes.size() < (*header)->size + (*header)->remaining) return {{"incomplete", true}};
  auto packet = decode(**header, bytes.subspan((*header)->size, (*header)->remaining), version);
  if (!packet) return refused(packet.error());
  json fields = std::visit([](const auto& p) { return of(p); }, *packet);
  return {{"type", name((*header)->type)}, {"packet", std::move(fields)}};
}

}  // namespace
}  // namespace sealmq::mqtt

int main() {
  using namespace sealmq;
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    auto bytes = from_hex(std::string_view(line).substr(std::min<std::size_t>(2, line.size())));
    if (!bytes || line.empty()) return 1;
    std::cout << mqtt::verdict(static_cast<mqtt::Version>(line[0] - '0'), *bytes).dump() << '\n';
  }
}
