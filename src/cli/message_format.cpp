#include "cli/message_format.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace sealmq::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view fields = "tpxXlqrmCDEFPRSUIfsgjJ";

Result<char> unescaped(char c) {
  constexpr std::string_view names = "ntr\\0ae";
  constexpr std::string_view values("\n\t\r\\\0\a\x1b", names.size());
  auto at = names.find(c);
  if (at == names.npos) return fail(Blame::caller_misused, std::string("the format has an unknown escape \\") + c);
  return values[at];
}

std::string iso_time(std::uint64_t wall) {
  const auto seconds = static_cast<std::time_t>(wall / 1000);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", &parts);
  return text.data();
}

std::string unix_time(std::uint64_t wall) {
  std::string milliseconds = std::to_string(wall % 1000);
  return std::to_string(wall / 1000) + "." + std::string(3 - milliseconds.size(), '0') + milliseconds;
}

/// NAME:VALUE, as mosquitto_sub prints them.
std::string user_properties_of(const ReceivedMessage& message) {
  std::string out;
  for (const auto& [name, value] : message.user_properties)
    out.append(out.empty() ? "" : " ").append(name).append(":").append(value);
  return out;
}

std::string identifiers_of(const ReceivedMessage& message) {
  std::string out;
  for (auto identifier : message.subscription_identifiers) out.append(out.empty() ? "" : " ").append(std::to_string(identifier));
  return out;
}

/// The object that mosquitto_sub prints.
std::string as_mosquitto_sub(const ReceivedMessage& message, std::uint64_t wall, bool payload_is_json) {
  Json json{{"tst", iso_time(wall)},
            {"topic", message.topic},
            {"qos", static_cast<int>(message.qos)},
            {"retain", message.retain ? 1 : 0},
            {"payloadlen", message.payload.size()}};
  if (message.qos != mqtt::QoS::at_most_once) json["mid"] = message.packet_id;
  Json properties;
  const MessageProperties& its = message.properties;
  if (its.is_text) properties["payload-format-indicator"] = 1;
  if (its.expiry) properties["message-expiry-interval"] = *its.expiry;
  if (!its.content_type.empty()) properties["content-type"] = its.content_type;
  if (!its.response_topic.empty()) properties["response-topic"] = its.response_topic;
  if (!its.correlation_data.empty()) properties["correlation-data"] = as_text(its.correlation_data);
  for (const auto& [name, value] : message.user_properties) properties["user-properties"].push_back({{name, value}});
  for (const auto identifier : message.subscription_identifiers) properties["subscription-identifier"].push_back(identifier);
  if (!properties.is_null()) json["properties"] = properties;
  json["payload"] = as_text(message.payload);
  if (payload_is_json)
    if (auto parsed = Json::parse(message.payload, nullptr, false); !parsed.is_discarded()) json["payload"] = std::move(parsed);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string field_of(char field, const ReceivedMessage& message, std::uint64_t wall) {
  switch (field) {
    case 't':
      return message.topic;
    case 'p':
      return std::string(as_text(message.payload));
    case 'x':
      return to_hex(message.payload);
    case 'l':
      return std::to_string(message.payload.size());
    case 'q':
      return std::to_string(static_cast<int>(message.qos));
    case 'r':
      return message.retain ? "1" : "0";
    case 'X': {
      std::string hex = to_hex(message.payload);
      for (char& c : hex) c = static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
      return hex;
    }
    case 'm':
      return message.qos == mqtt::QoS::at_most_once ? "" : std::to_string(message.packet_id);
    case 'C':
      return message.properties.content_type;
    case 'D':
      return std::string(as_text(message.properties.correlation_data));
    case 'E':
      return message.properties.expiry ? std::to_string(*message.properties.expiry) : "";
    case 'F':
      return message.properties.is_text ? "1" : "";
    case 'P':
      return user_properties_of(message);
    case 'R':
      return message.properties.response_topic;
    case 'S':
      return identifiers_of(message);
    case 'U':
      return unix_time(wall);
    case 'I':
      return iso_time(wall);
    case 'j':
      return as_mosquitto_sub(message, wall, false);
    case 'J':
      return as_mosquitto_sub(message, wall, true);
    case 'f':
      return message.author;
    case 's':
      return message.scheme;
    case 'g':
      return message.checked;
    default:
      return {};
  }
}

}  // namespace

Result<MessageFormat> MessageFormat::parse(std::string_view text) {
  MessageFormat format;
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '%' && c != '\\') {
      literal += c;
      continue;
    }
    if (++i == text.size()) return fail(Blame::caller_misused, std::string("the format ends with ") + c);
    if (c == '\\') {
      literal += TRY(unescaped(text[i]));
    } else if (text[i] == '%') {
      literal += '%';
    } else if (fields.find(text[i]) != fields.npos) {
      if (!literal.empty()) format.pieces_.push_back({0, std::exchange(literal, {})});
      format.pieces_.push_back({text[i], {}});
    } else {
      return fail(Blame::caller_misused, "the format has an unknown field %" + printable(text.substr(i, 1)));
    }
  }
  if (!literal.empty()) format.pieces_.push_back({0, std::move(literal)});
  return format;
}

std::string MessageFormat::apply(const ReceivedMessage& message, std::uint64_t wall) const {
  std::string out;
  for (const auto& piece : pieces_) out += piece.field == 0 ? piece.text : field_of(piece.field, message, wall);
  return out;
}

std::string to_json(const ReceivedMessage& message, bool pretty) {
  const bool is_text = is_mqtt_utf8(as_text(message.payload));
  Json json;
  json["topic"] = message.topic;
  json["payload"] = is_text ? std::string(as_text(message.payload)) : to_base64(message.payload);
  json["payload_encoding"] = is_text ? "utf8" : "base64";
  json["from"] = message.author;
  json["scheme"] = message.scheme;
  json["verified"] = message.verified;
  json["qos"] = static_cast<int>(message.qos);
  json["retain"] = message.retain;
  return json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace);
}

std::string harmless(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) text[i] = '.';
    // U+0080..U+009F, which some terminals obey too, are C2 80..C2 9F in UTF-8.
    const bool is_c1 = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) text.replace(i, 2, ".");
  }
  return text;
}

}  // namespace sealmq::cli
