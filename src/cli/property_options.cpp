#include "cli/property_options.h"

#include <charconv>
#include <limits>
#include <span>

#include "base/text.h"
#include "base/try.h"
#include "cli/command.h"

namespace sealmq::cli {
namespace {

using Words = std::span<const std::string>;
using Texts = std::vector<std::pair<std::string, std::string>>;

template <class Number>
Result<> read(const std::string& word, Number& out, std::uint64_t least = 0,
              std::uint64_t most = std::numeric_limits<Number>::max()) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size() || value < least || value > most)
    return fail(Blame::caller_misused,
                "not a number of " + std::to_string(least) + " to " + std::to_string(most) + ": " + printable(word));
  out = static_cast<Number>(value);
  return {};
}

Result<> read(const std::string& word, std::chrono::seconds& out) {
  std::uint32_t seconds = 0;
  TRY(read(word, seconds));
  out = std::chrono::seconds(seconds);
  return {};
}

/// mosquitto_pub takes PUBLISH too.
std::string in_small_letters(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

Failure unknown(const std::string& packet, const std::string& property) {
  return fail_with_hint(Blame::caller_misused,
                        "no property " + printable(property) + " of " + printable(packet) + " can be given",
                        "sealmq pub --help-all and sealmq sub --help-all list them");
}

Result<> set(MessageProperties& message, const std::string& packet, const std::string& name, const std::string& value) {
  if (name == "content-type") return message.content_type = value, Result<>{};
  if (name == "response-topic") return message.response_topic = value, Result<>{};
  if (name == "correlation-data") return message.correlation_data = to_buffer(as_bytes(value)), Result<>{};
  if (name == "message-expiry-interval") return read(value, message.expiry.emplace());
  if (name == "payload-format-indicator") {
    std::uint8_t is_text = 0;
    TRY(read(value, is_text, 0, 1));
    message.is_text = is_text == 1;
    return {};
  }
  return unknown(packet, name);
}

Texts* user_properties_of(const std::string& packet, const PropertyTargets& targets) {
  if (packet == "connect") return &targets.connect->user_properties;
  if (packet == "will") return &targets.connect->will->user_properties;
  if (packet == "publish" && targets.publish != nullptr) return &targets.publish->user_properties;
  if (packet == "subscribe" && targets.subscribe != nullptr) return &targets.subscribe->user_properties;
  return nullptr;
}

Result<> apply(const std::string& packet, const std::string& name, Words values, const PropertyTargets& targets) {
  if (packet == "will" && !targets.connect->will)
    return fail_with_hint(Blame::caller_misused, "a will needs a topic", "--will-topic TOPIC");
  if (name == "user-property") {
    Texts* texts = user_properties_of(packet, targets);
    if (texts == nullptr) return unknown(packet, name);
    if (values.size() != 2) return fail(Blame::caller_misused, "a user property has a name and a value");
    texts->emplace_back(values[0], values[1]);
    return {};
  }
  if (values.size() != 1) return fail(Blame::caller_misused, "the property " + printable(name) + " has one value");
  const std::string& value = values[0];
  if (packet == "connect") {
    if (name == "session-expiry-interval") return read(value, targets.connect->session_expiry);
    if (name == "receive-maximum") return read(value, targets.connect->receive_maximum, 1);
    if (name == "maximum-packet-size") return read(value, targets.connect->maximum_packet_size, 1);
  }
  if (packet == "will") {
    if (name == "will-delay-interval") return read(value, targets.connect->will->delay);
    return set(targets.connect->will->properties, packet, name, value);
  }
  if (packet == "publish" && targets.publish != nullptr) {
    if (name == "topic-alias") return read(value, targets.publish->topic_alias, 1);
    return set(targets.publish->properties, packet, name, value);
  }
  if (packet == "subscribe" && targets.subscribe != nullptr && name == "subscription-identifier")
    return read(value, targets.subscribe->identifier, 1, 268'435'455);
  return unknown(packet, name);
}

}  // namespace

void add_property_option(Command& command, PropertyOptions& options, const char* description) {
  command.option("-D,--property", options, "PACKET PROPERTY VALUE", description)->type_size(3, 4);
}

Result<> apply(const PropertyOptions& options, const PropertyTargets& targets) {
  if (!options.empty() && targets.connect->version != mqtt::Version::v5)
    return fail(Blame::caller_misused, "MQTT 3 has no properties: -D");
  for (const auto& words : options) {
    if (words.size() < 3) return fail(Blame::caller_misused, "-D needs a packet, a property and a value");
    TRY(apply(in_small_letters(words[0]), in_small_letters(words[1]), Words(words).subspan(2), targets));
  }
  return {};
}

}  // namespace sealmq::cli
