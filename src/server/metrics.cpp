#include "server/metrics.h"

#include <algorithm>
#include <cstdio>
#include <ranges>

namespace sealmq::server {
namespace {

/// Label values as the format wants them; ours are words of this program and names from the configuration.
std::string label_value(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return escaped;
}

std::string words(std::string_view name) {
  std::string text(name);
  std::ranges::replace(text, ' ', '_');
  return text;
}

class Page {
 public:
  void counter(const char* name, const char* help) { family(name, help, "counter"); }
  void gauge(const char* name, const char* help) { family(name, help, "gauge"); }

  void value(std::uint64_t number, std::string_view label = {}, std::string_view value_of_label = {}) {
    line(label, value_of_label, std::to_string(number));
  }
  void seconds(double number) {
    char digits[64];
    std::snprintf(digits, sizeof digits, "%.3f", number);
    line({}, {}, digits);
  }
  /// Two labels, already written.
  void labelled(const std::string& labels, std::uint64_t number) {
    text_ += name_ + "{" + labels + "} " + std::to_string(number) + "\n";
  }

  void simple_counter(const char* name, const char* help, std::uint64_t number) {
    counter(name, help);
    value(number);
  }
  void simple_gauge(const char* name, const char* help, std::uint64_t number) {
    gauge(name, help);
    value(number);
  }

  std::string take() { return std::move(text_); }

 private:
  void family(const char* name, const char* help, const char* type) {
    name_ = name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
  }
  void line(std::string_view label, std::string_view value_of_label, const std::string& number) {
    text_ += name_;
    if (!label.empty()) text_ += "{" + std::string(label) + "=\"" + label_value(value_of_label) + "\"}";
    text_ += " " + number + "\n";
  }

  std::string name_;
  std::string text_;
};

template <class Kind, std::size_t size>
void each(Page& page, const char* label, const std::array<std::uint64_t, size>& counts) {
  for (std::size_t i = 0; i < size; ++i) page.value(counts[i], label, words(name(static_cast<Kind>(i))));
}

void packets(Page& page, const std::array<std::uint64_t, 16>& counts) {
  for (std::size_t type = 1; type < counts.size(); ++type) {
    std::string word(mqtt::name(static_cast<mqtt::PacketType>(type)));
    std::ranges::transform(word, word.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    page.value(counts[type], "type", word);
  }
}

void by_qos(Page& page, const std::array<std::uint64_t, 3>& counts) {
  for (std::size_t qos = 0; qos < counts.size(); ++qos) page.value(counts[qos], "qos", std::to_string(qos));
}

void of_broker(Page& page, const Totals& totals) {
  const broker::Counters& c = totals.counters;
  page.simple_gauge("sealmq_connections", "Open connections, logged in or not.", c.connections);
  page.simple_gauge("sealmq_clients_connected", "Clients that are logged in.", totals.clients);
  page.simple_gauge("sealmq_clients_maximum", "The most clients that were logged in at once since the start.",
                    totals.maximum_clients);
  page.simple_gauge("sealmq_sessions", "Sessions, of connected and of absent clients.", c.sessions);
  page.simple_gauge("sealmq_subscriptions", "Subscriptions of all sessions.", c.subscriptions);
  page.simple_gauge("sealmq_retained_messages", "Retained messages.", c.retained);
  page.simple_gauge("sealmq_retained_bytes", "Memory of retained messages.", c.retained_bytes);
  page.simple_gauge("sealmq_inflight_messages", "QoS 1 and 2 messages sent to clients and not finished.", c.inflight);
  page.simple_gauge("sealmq_queued_messages", "Messages that wait for a client beyond those in flight.", c.queued);
  page.simple_gauge("sealmq_queued_bytes", "Memory of messages that wait for a client.", c.queued_bytes);

  page.simple_counter("sealmq_bytes_received_total", "Bytes read from clients.", c.bytes_received);
  page.simple_counter("sealmq_bytes_sent_total", "Bytes written to clients.", c.bytes_sent);
  page.counter("sealmq_packets_received_total", "MQTT packets from clients.");
  packets(page, c.packets.received);
  page.counter("sealmq_packets_sent_total", "MQTT packets to clients.");
  packets(page, c.packets.sent);
  page.counter("sealmq_messages_received_total", "Messages of clients that were admitted.");
  by_qos(page, c.published_by_qos);
  page.counter("sealmq_messages_sent_total", "Messages sent to subscribers.");
  by_qos(page, c.delivered_by_qos);
  page.simple_counter("sealmq_message_bytes_received_total", "Payloads of admitted messages.", c.published_bytes);
  page.simple_counter("sealmq_message_bytes_sent_total", "PUBLISH packets to subscribers, whole.", c.delivered_bytes);

  page.simple_counter("sealmq_logins_total", "Connections that were accepted.", c.logins);
  page.simple_counter("sealmq_logins_slowed_total", "Tries of passwords that were held back: many had failed at the name.",
                      c.slowed_logins);
  page.counter("sealmq_disconnects_total", "Connections of logged in clients that ended, by reason.");
  each<broker::Ending>(page, "reason", c.ended);
  page.simple_counter("sealmq_sessions_expired_total", "Sessions whose client stayed away too long.", c.expired_sessions);
  page.counter("sealmq_tls_handshakes_total", "TLS handshakes, by the group of their key exchange.");
  for (const auto& [group, count] : totals.key_exchanges) page.value(count, "group", group);
  page.counter("sealmq_refused_total", "What was refused, by cause.");
  each<broker::Refusal>(page, "cause", totals.refused);
  page.counter("sealmq_dropped_total", "Messages that a subscriber did not get, by cause.");
  each<broker::Drop>(page, "cause", c.dropped);
}

void of_bridges(Page& page, const std::vector<BridgeState>& bridges) {
  if (bridges.empty()) return;
  page.gauge("sealmq_bridge_connected", "Whether a bridge reaches the other broker.");
  for (const auto& bridge : bridges) page.value(bridge.remote_connected ? 1 : 0, "bridge", bridge.name);
  const auto row = [&](const BridgeState& bridge, const char* label, const char* value) {
    return "bridge=\"" + label_value(bridge.name) + "\"," + label + "=\"" + value + "\"";
  };
  page.counter("sealmq_bridge_messages_total", "Messages passed on by a bridge, by direction.");
  for (const auto& bridge : bridges) {
    page.labelled(row(bridge, "direction", "in"), bridge.messages_in);
    page.labelled(row(bridge, "direction", "out"), bridge.messages_out);
  }
  page.counter("sealmq_bridge_dropped_total", "Messages that a bridge did not pass on, by cause.");
  for (const auto& bridge : bridges) {
    page.labelled(row(bridge, "cause", "loop"), bridge.loops);
    page.labelled(row(bridge, "cause", "refused"), bridge.refused);
    page.labelled(row(bridge, "cause", "away"), bridge.lost);
  }
}

}  // namespace

std::string metrics_text(const Totals& totals, const ProcessFigures& process, std::size_t shards, std::size_t answering,
                         const std::vector<ComponentState>& components, const std::vector<BridgeState>& bridges,
                         std::string_view version) {
  Page page;
  page.gauge("sealmq_build_info", "1, with the version as a label.");
  page.value(1, "version", version);
  page.simple_gauge("sealmq_uptime_seconds", "Since the start.", totals.uptime);
  page.simple_gauge("sealmq_shards", "Shards, one thread each.", shards);
  page.simple_gauge("sealmq_shards_answering", "Shards that answered within two seconds.", answering);
  page.gauge("sealmq_component_ready", "Whether a part of the broker can do its work, as /readyz tells.");
  for (const ComponentState& component : components) page.value(component.ok ? 1 : 0, "component", words(component.name));
  of_broker(page, totals);
  of_bridges(page, bridges);
  page.counter("process_cpu_seconds_total", "Processor time, of user and system.");
  page.seconds(process.cpu_seconds);
  page.simple_gauge("process_resident_memory_bytes", "Resident memory.", process.resident_bytes);
  page.simple_gauge("process_open_fds", "Open file descriptors.", process.open_descriptors);
  page.simple_gauge("process_max_fds", "The most of them that are allowed.", process.maximum_descriptors);
  page.simple_gauge("process_threads", "Threads.", process.threads);
  page.gauge("process_start_time_seconds", "When the broker started, in seconds since 1970.");
  page.seconds(static_cast<double>(totals.started) / 1000);
  return page.take();
}

}  // namespace sealmq::server
