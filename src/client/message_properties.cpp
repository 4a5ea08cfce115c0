#include "client/message_properties.h"

#include "base/text.h"
#include "base/try.h"
#include "mqtt/topic.h"

namespace sealmq {
namespace {

bool says_nothing(const MessageProperties& properties) {
  return !properties.is_text && !properties.expiry && properties.content_type.empty() && properties.response_topic.empty() &&
         properties.correlation_data.empty();
}

Result<> need_v5(mqtt::Version version, bool is_used, const char* what) {
  if (version == mqtt::Version::v5 || !is_used) return {};
  return fail(Blame::caller_misused, std::string("MQTT 3 has no ") + what);
}

}  // namespace

Result<> check_properties(const UserProperties& properties) {
  for (const auto& [key, value] : properties)
    if (!is_mqtt_utf8(key) || !is_mqtt_utf8(value) || key.size() > 65535 || value.size() > 65535)
      return fail(Blame::caller_misused, "a user property is not a text that mqtt can carry");
  return {};
}

Result<> check_properties(const MessageProperties& properties) {
  if (!is_mqtt_utf8(properties.content_type) || properties.content_type.size() > 65535)
    return fail(Blame::caller_misused, "the content type is not a text that mqtt can carry");
  if (!properties.response_topic.empty() && !mqtt::is_topic_name(properties.response_topic))  // [MQTT-3.3.2-14]
    return fail(Blame::caller_misused, "the response topic is not a topic name");
  if (properties.correlation_data.size() > 65535) return fail(Blame::caller_misused, "the correlation data are too large");
  return {};
}

Result<> check_version(mqtt::Version version, const ConnectOptions& options) {
  // Without clean_start its sessions last as long as the broker likes, whatever time is wished.
  TRY(need_v5(version, options.clean_start && options.session_expiry.count() > 0, "session that begins anew and lasts"));
  TRY(need_v5(version, !options.user_properties.empty(), "user properties"));
  if (!options.will) return {};
  TRY(need_v5(version, options.will->delay.count() > 0, "will that waits"));
  TRY(need_v5(version, !options.will->user_properties.empty(), "user properties"));
  return need_v5(version, !says_nothing(options.will->properties), "properties of messages");
}

Result<> check_version(mqtt::Version version, const PublishOptions& options) {
  TRY(need_v5(version, !options.user_properties.empty(), "user properties"));
  TRY(need_v5(version, !says_nothing(options.properties), "properties of messages"));
  return need_v5(version, options.topic_alias != 0, "topic aliases");
}

Result<> check_version(mqtt::Version version, const SubscribeOptions& options) {
  TRY(need_v5(version, options.no_local, "subscriptions without what one has published oneself"));
  TRY(need_v5(version, options.retain_as_published, "subscriptions that keep the retain flag"));
  TRY(need_v5(version, options.retained != RetainedMessages::send, "choice of retained messages"));
  TRY(need_v5(version, options.identifier != 0, "subscription identifiers"));
  return need_v5(version, !options.user_properties.empty(), "user properties");
}

void put(const UserProperties& properties, mqtt::Properties& out) {
  for (const auto& [key, value] : properties) out.user.push_back({key, value});
}

void put(const MessageProperties& properties, mqtt::Properties& out) {
  if (properties.is_text) out.payload_format_indicator = 1;
  out.message_expiry_interval = properties.expiry;
  if (!properties.content_type.empty()) out.content_type = properties.content_type;
  if (!properties.response_topic.empty()) out.response_topic = properties.response_topic;
  if (!properties.correlation_data.empty()) out.correlation_data = properties.correlation_data;
}

MessageProperties copy_of(const mqtt::Properties& properties) {
  MessageProperties copy;
  copy.is_text = properties.payload_format_indicator == 1;
  copy.expiry = properties.message_expiry_interval;
  copy.content_type = properties.content_type.value_or("");
  copy.response_topic = properties.response_topic.value_or("");
  copy.correlation_data = to_buffer(properties.correlation_data.value_or(Bytes{}));
  return copy;
}

}  // namespace sealmq
