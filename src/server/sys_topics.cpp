#include "server/sys_topics.h"

#include <cstdio>
#include <numeric>

#include "sealmq/scheme.h"

namespace sealmq::server {
namespace {

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::uint64_t sum(const std::array<std::uint64_t, 16>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

}  // namespace

std::vector<std::pair<std::string, std::string>> sys_topics(const Totals& totals, const Loads& loads, std::string_view version) {
  const broker::Counters& c = totals.counters;
  const auto publish = static_cast<std::size_t>(mqtt::PacketType::publish);
  const std::uint64_t away = c.sessions - std::min(c.sessions, totals.clients);
  std::vector<std::pair<std::string, std::string>> topics;
  const auto text = [&](const char* name, std::string value) {
    topics.emplace_back(std::string("$SYS/broker/") + name, std::move(value));
  };
  const auto number = [&](const char* name, std::uint64_t value) { text(name, std::to_string(value)); };
  const auto load = [&](const char* name, const Load& value) {
    const char* windows[] = {"1min", "5min", "15min"};
    for (std::size_t i = 0; i < std::size(windows); ++i)
      text((std::string("load/") + name + "/" + windows[i]).c_str(), two_digits(value.per_minute()[i]));
  };

  text("version", "sealmq version " + std::string(version));
  text("uptime", std::to_string(totals.uptime) + " seconds");

  number("clients/total", c.sessions);
  number("clients/connected", totals.clients);
  number("clients/active", totals.clients);  // an older name of the same
  number("clients/disconnected", away);
  number("clients/inactive", away);  // likewise
  number("clients/expired", c.expired_sessions);
  number("clients/maximum", totals.maximum_clients);

  number("messages/received", sum(c.packets.received));
  number("messages/sent", sum(c.packets.sent));
  number("messages/stored", c.retained + c.queued + c.inflight);
  number("messages/inflight", c.inflight);
  number("publish/messages/received", c.packets.received[publish]);
  number("publish/messages/sent", c.packets.sent[publish]);
  number("publish/messages/dropped", sum_of_drops(c));
  number("publish/bytes/received", c.published_bytes);
  number("publish/bytes/sent", c.delivered_bytes);
  number("bytes/received", c.bytes_received);
  number("bytes/sent", c.bytes_sent);

  number("subscriptions/count", c.subscriptions);
  number("retained messages/count", c.retained);
  number("store/messages/count", c.retained + c.queued + c.inflight);
  number("store/messages/bytes", c.retained_bytes + c.queued_bytes);
  number("heap/current", resident_bytes());
  number("heap/current size", resident_bytes());  // an older name of the same
  number("heap/maximum", totals.maximum_resident_bytes);

  load("messages/received", loads.messages_received);
  load("messages/sent", loads.messages_sent);
  load("publish/received", loads.publish_received);
  load("publish/sent", loads.publish_sent);
  load("publish/dropped", loads.publish_dropped);
  load("bytes/received", loads.bytes_received);
  load("bytes/sent", loads.bytes_sent);
  load("sockets", loads.sockets);
  load("connections", loads.connections);
  return topics;
}

std::vector<std::pair<std::string, std::string>> sys_topics(const std::vector<BridgeState>& bridges) {
  std::vector<std::pair<std::string, std::string>> topics;
  for (const BridgeState& bridge : bridges)
    topics.emplace_back("$SYS/broker/connection/" + bridge.name + "/state", bridge.remote_connected ? "1" : "0");
  return topics;
}

bool sys_topics_are_readable(const broker::Policy& policy) {
  return policy.may_subscribe_somewhere("$SYS/#", all_schemes().size() - 1);  // as plain MQTT, which stands last
}

}  // namespace sealmq::server
