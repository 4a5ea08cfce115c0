#include "server/settings.h"

#include <algorithm>

#include "sealmq/scheme.h"

namespace sealmq::server {
namespace {

using broker::Settings;
using mqtt::Limits;

constexpr std::uint64_t any_16 = UINT16_MAX;
constexpr std::uint64_t any_32 = UINT32_MAX;
constexpr std::uint64_t any_64 = INT64_MAX;  // as far as integers go in TOML
constexpr std::uint64_t largest_packet = 268'435'460;

template <auto Member>
Setting::Place top(Configuration& configuration) {
  return &(configuration.*Member);
}
template <auto Member>
Setting::Place admin(Configuration& configuration) {
  return &(configuration.admin.*Member);
}
template <auto Member>
Setting::Place limit(Configuration& configuration) {
  return &(configuration.limits.*Member);
}
template <auto Member>
Setting::Place connection_limit(Configuration& configuration) {
  return &(configuration.limits.limits.*Member);
}

template <auto Member>
Setting::Place gate_limit(Configuration& configuration) {
  return &(configuration.gate.*Member);
}

constexpr std::string_view durabilities[] = {"disk", "memory"};

constexpr std::string_view log_formats[] = {"text", "json"};
constexpr std::string_view log_places[] = {"stderr", "syslog"};

constexpr std::span<const std::string_view> any_text{};
constexpr bool is_path = true;

constexpr Setting table[] = {
    {"", "data", top<&Configuration::data>, 0, 0, "folder of the registry, sessions and key; ./sealmq-data if not said", any_text,
     is_path},
    {"", "registry", top<&Configuration::registry>, 0, 0,
     "postgresql://USER@HOST/DATABASE, shared by several brokers; a file in the data folder if not said"},
    {"", "threads", top<&Configuration::threads>, 0, 256, "shards, one thread each; 0: as many as there are processors"},

    {"", "password_file", top<&Configuration::password_file>, 0, 0,
     "user names and passwords, made by `sealmq identity password`; the file `passwords` of the data folder if not said",
     any_text, is_path},
    {"", "topic_keys", top<&Configuration::topic_keys>, 0, 0,
     "folder of the topic keys that this broker opens messages with, made by `sealmq key new`; none if not said", any_text,
     is_path},
    {"", "authority", top<&Configuration::authority>, 0, 0,
     ".pub file of the revocation authority whose orders are carried out; none if not said", any_text, is_path},
    {"", "complaints", top<&Configuration::complaints>, 0, 0,
     "topic on which the broker asks that authority about authors who publish what they may not (authority serve --complaints); "
     "none if not said"},
    {"", "durability", top<&Configuration::durability>, 0, 0,
     "disk: sessions, messages and retained messages outlive the broker; memory: they do not", durabilities},
    {"", "queue_qos0_messages", limit<&Settings::queue_qos0>, 0, 0,
     "true: messages of QoS 0 wait for clients that are away and have a session, within the same bounds, but not over a restart"},
    {"", "sys_interval", top<&Configuration::sys_interval>, 0, 86400,
     "seconds between two publications of $SYS/broker/...; 0: never. A [[topic]] row for $SYS/# says who may read them"},
    {"", "log_format", top<&Configuration::log_format>, 0, 0, "one line each", log_formats},
    {"", "log_to", top<&Configuration::log_to>, 0, 0, "standard error, or the system's log as a daemon", log_places},
    {"", "log_file", top<&Configuration::log_file>, 0, 0, "lines are appended to this file instead; opened anew on SIGHUP",
     any_text, is_path},

    {"admin", "url", admin<&Admin::url>, 0, 0, "http://HOST:PORT for /metrics, /healthz, /readyz; none if not said"},
    {"admin", "token_file", admin<&Admin::token_file>, 0, 0,
     "file with the token that these pages ask for; needed beyond loopback", any_text, is_path},

    {"limits", "maximum_packet_size", connection_limit<&Limits::maximum_packet_size>, 64, largest_packet,
     "bytes of one packet from a client"},
    {"limits", "receive_maximum", connection_limit<&Limits::receive_maximum>, 1, any_16,
     "QoS 1 and 2 messages a client may send unacknowledged"},
    {"limits", "topic_alias_maximum", connection_limit<&Limits::topic_alias_maximum>, 0, any_16,
     "topic aliases a client may use on one connection"},
    {"limits", "connect_timeout", connection_limit<&Limits::connect_timeout>, 10, any_32,
     "milliseconds for a handshake (TLS, HTTP), and then again until the login has ended"},
    {"limits", "maximum_inflight", limit<&Settings::maximum_inflight>, 1, any_16,
     "QoS 1 and 2 messages unacknowledged towards one client"},
    {"limits", "maximum_queued_messages", limit<&Settings::maximum_queued_messages>, 0, any_32,
     "messages waiting for one session beyond those in flight"},
    {"limits", "maximum_queued_bytes", limit<&Settings::maximum_queued_bytes>, 0, any_64, "the same in bytes"},
    {"limits", "outbox_high_water", limit<&Settings::outbox_high_water>, 1, any_64,
     "unwritten bytes of a client from which QoS 0 messages to it are dropped"},
    {"limits", "maximum_keep_alive", limit<&Settings::maximum_keep_alive>, 0, any_16,
     "seconds between packets that an MQTT 5 client may ask for at most; 0: no bound"},
    {"limits", "maximum_session_expiry", limit<&Settings::maximum_session_expiry>, 0, any_32,
     "seconds a session may outlive its connection"},
    {"limits", "maximum_sessions", limit<&Settings::maximum_sessions>, 1, any_64, "sessions in one shard, connected or not"},
    {"limits", "maximum_subscriptions", limit<&Settings::maximum_subscriptions>, 1, any_64, "subscriptions of one session"},
    {"limits", "maximum_levels", limit<&Settings::maximum_levels>, 1, any_16, "levels of a topic name or filter"},
    {"limits", "maximum_retained", limit<&Settings::maximum_retained>, 0, any_64, "retained messages"},
    {"limits", "maximum_retained_bytes", limit<&Settings::maximum_retained_bytes>, 0, any_64, "the same in bytes"},
    {"limits", "maximum_memory", top<&Configuration::maximum_memory>, 0, any_64,
     "bytes kept on behalf of clients, in all shards; 0: half of the machine's memory"},
    {"limits", "maximum_connections", gate_limit<&GateLimits::maximum_connections>, 0, any_64,
     "connections at a time; 0: no bound but that on open files"},
    {"limits", "connections_per_address", gate_limit<&GateLimits::connections_per_address>, 0, any_64,
     "the same from one IPv4 address or IPv6 /64; 0: no bound"},
    {"limits", "connects_per_second_per_address", gate_limit<&GateLimits::connects_per_second_per_address>, 0, any_32,
     "new connections from there, with bursts of ten times as many; 0: no bound"},
    {"limits", "publish_rate", limit<&Settings::publish_rate>, 0, any_32,
     "messages a second from one client, beyond which it is not read for a while; 0: no bound"},
    {"limits", "publish_burst", limit<&Settings::publish_burst>, 0, any_32,
     "messages at once beyond that rate; 0: one second's worth"},
    {"limits", "publish_bytes_rate", limit<&Settings::publish_bytes_rate>, 0, any_32,
     "bytes a second in messages of one client, likewise; 0: no bound"},
    {"limits", "slow_consumer_timeout", limit<&Settings::slow_consumer_timeout>, 0, any_32,
     "seconds after which a client at outbox_high_water that takes no byte is ended; 0: never"},
    {"limits", "maximum_topic_nodes", limit<&Settings::maximum_topic_nodes>, 1, any_64,
     "levels in the tree of subscriptions of one shard"},
    {"limits", "maximum_wildcards", limit<&Settings::maximum_wildcards>, 0, any_16, "'+' in one topic filter"},
    {"limits", "topic_alias_maximum_out", limit<&Settings::topic_alias_maximum_out>, 0, any_16,
     "topic aliases used towards one client that allows them"},
    {"limits", "maximum_logins", limit<&Settings::maximum_logins>, 1, any_64, "logins undecided at the same time in one shard"},
    {"limits", "failures_until_disconnect", limit<&Settings::failures_until_disconnect>, 1, any_32,
     "messages failing verification within a minute that end a connection"},
};

constexpr RowKey rows[] = {
    {"listener", "url", "text", "", "mqtt://, mqtts://, ws:// or wss:// and HOST:PORT, or unix:/PATH; needed"},
    {"listener", "cert", "text or list", "",
     "mqtts and wss: certificate in PEM, with the chain; of several the one for the host that the client names"},
    {"listener", "key", "text or list", "", "mqtts and wss: its private key; of several certificates in the same order"},
    {"listener", "ocsp_response", "text or list", "",
     "mqtts and wss: what the authority says of it, in DER, for clients that ask; read again when it changes"},
    {"listener", "sni", "text: first|strict", "first",
     "mqtts and wss: a client that names a host without a certificate here gets the first one, or is refused"},
    {"listener", "alpn", "text: offered|require", "offered",
     "mqtts and wss: a client that names protocols must name mqtt, or http/1.1 on wss; require: it must name some"},
    {"listener", "min_version", "text: 1.2|1.3", "1.2", "mqtts and wss: of TLS"},
    {"listener", "max_age", "text", "",
     "mqtts and wss: how long a connection by TLS 1.2, whose keys cannot be changed, may last: 24h, 7d; it ends when nothing is "
     "on "
     "its way"},
    {"listener", "groups", "text: default|both|classic", "default",
     "mqtts and wss: key exchange with ML-KEM-768 beside X25519 where this OpenSSL has it (3.5), likewise with both shares "
     "welcome, or without ML-KEM"},
    {"listener", "client_ca", "text", "", "mqtts and wss: who signs certificates of clients"},
    {"listener", "client_crl", "text", "", "mqtts and wss: which of these certificates are revoked"},
    {"listener", "require_certificate", "truth", "false", "mqtts and wss: every client must show one; else it may"},
    {"listener", "psk_file", "text", "",
     "mqtts and wss: lines of identity:hexadecimal key, for clients without certificates; ` raw` behind a key for programs that "
     "derive none from it"},
    {"listener", "psk_suites", "text: standard|legacy", "standard",
     "mqtts and wss: legacy also takes suites with CBC or without forward secrecy, for old devices"},
    {"listener", "identity", "text: none|cn|san|san-uri|san-dns|spki|psk", "none",
     "mqtts and wss: which name that TLS has proven is the client's identity: the certificate's common name, the first of its "
     "alternative names that can be one, NAME of its only mqtt://client/NAME, its only DNS name, SHA-256 of its key whoever "
     "signed "
     "it, or the identity of its pre-shared key"},
    {"listener", "bind_client_id", "truth", "true",
     "mqtts and wss: whom TLS proves has a client identifier that is its name, or begins with it and ':'"},
    {"listener", "anonymous", "truth", "",
     "false: whoever proves no identity, by a scheme, a password or TLS, is refused; true: it comes in and may do what policy "
     "leaves to plain MQTT. Without it: true, but false once password_file, or identity, client_ca or psk_file here, is said"},
    {"listener", "hop", "text: offered|none|hpp1|ratchet|hrl1", "offered",
     "what protects connections after a login by a scheme: what the client offers, nothing, the payloads, each of them under a "
     "key "
     "of its own, or everything; hpp1, ratchet and hrl1 let nobody else in"},
    {"listener", "insecure_channel", "truth", "false",
     "true lets a login by a scheme go on without protection where TLS gives none"},
    {"listener", "proxy_protocol", "truth", "false", "not unix: a load balancer tells for whom it connects (version 1 or 2)"},
    {"listener", "proxy_from", "list of texts", "",
     "with proxy_protocol or forwarded_for: addresses or networks (10.0.0.0/8) of the load balancers, whose word is taken. With "
     "proxy_protocol others are closed. Needed beyond loopback"},
    {"listener", "forwarded_for", "truth", "false",
     "ws and wss: a proxy of proxy_from tells for whom it connects in X-Forwarded-For; others count by their own address"},
    {"listener", "path", "text, or list of texts", "/mqtt", "ws and wss: where the upgrade is asked for"},
    {"listener", "origins", "list of texts", "",
     "ws and wss: pages that browsers may connect from; * are all; without it those of the same host"},
    {"listener", "mode", "text", "0600", "unix: permissions of the socket"},

    {"topic", "filter", "text", "",
     "topics of this row; the most specific one counts, and what none matches is refused; needed, or else a pattern"},
    {"topic", "pattern", "text", "",
     "the same with whole levels %u, the name of whoever logged in, and %c, a client identifier that its login binds"},
    {"topic", "own", "text: publish|subscribe|both", "both", "of a pattern: on topics that are another one's, this is refused"},
    {"topic", "publish", "list of schemes", "none", "schemes a message may come in by; plain is MQTT without protection"},
    {"topic", "subscribe", "list of schemes", "none", "schemes it may leave by"},
    {"topic", "multicast", "truth", "false", "subscribers of one filter are a group, by schemes that have groups"},
    {"topic", "publish_qos", "list of 0, 1, 2", "all", "QoS that messages may come in with"},
    {"topic", "subscribe_qos", "list of 0, 1, 2", "all", "QoS that may be subscribed with; the highest bounds what leaves"},
    {"topic", "deny_publish", "list of texts", "none",
     "names of identities, or anonymous for who has not logged in, who may not publish to any topic of the filter, whatever "
     "other "
     "rows and rights say"},
    {"topic", "deny_subscribe", "list of texts", "none", "the same for what they may not get"},
    {"topic", "login", "list of logins", "any",
     "logins that open these topics: password, tls (certificate or pre-shared key) and schemes that log in. Without it any will "
     "do, and none where a listener lets clients in without; a published form (NAME@paper) opens only what names it"},
    {"topic", "require", "text, or list of texts", "nothing",
     "what logins must have proved, such as \"key+password\"; of a list, one is enough"},
    {"topic", "login_age", "text", "any", "how long ago the last login may be: 30s, 15m, 12h, 7d"},

    {"role", "name", "text", "", "as identity enroll|allow --role names it; needed"},
    {"role", "publish", "list of filters", "none", "topics that who has the role may publish to, beside its own"},
    {"role", "subscribe", "list of filters", "none", "topics it may subscribe to"},
    {"role", "publish_pattern", "list of patterns", "none", "likewise, with whole levels %u and %c"},
    {"role", "subscribe_pattern", "list of patterns", "none", "likewise"},
    {"role", "publish_qos", "list of 0, 1, 2", "all", "QoS it may publish to all of these with"},
    {"role", "subscribe_qos", "list of 0, 1, 2", "all", "QoS it may subscribe to all of these with"},

    {"bridge", "name", "text", "", "of the bridge; a policy row or right that names it applies to what it passes on; needed"},
    {"bridge", "url", "text", "", "the other broker; needed"},
    {"bridge", "other_urls", "list of texts", "none", "more addresses of it, each tried when the one before cannot be reached"},
    {"bridge", "version", "text: 5|3.1.1|3.1", "5", "of MQTT"},
    {"bridge", "client_id", "text", "sealmq-bridge-NAME", "there"},
    {"bridge", "user", "text", "", "user name there"},
    {"bridge", "password_file", "text", "", "its password; for its owner only"},
    {"bridge", "cafile", "text", "", "who may have signed the other broker's certificate"},
    {"bridge", "pins", "list of texts", "",
     "hashes of public keys, one of which the other broker's certificates must have (--pin)"},
    {"bridge", "psk_file", "text", "", "one line of identity:key as in psk_file of a listener, instead of certificates"},
    {"bridge", "cert", "text", "", "mqtts and wss: certificate of this bridge in PEM, with the chain"},
    {"bridge", "key", "text", "", "mqtts and wss: its private key"},
    {"bridge", "alpn", "text", "",
     "mqtts and wss: name of the protocol inside, where the other broker asks for another than mqtt"},
    {"bridge", "keep_alive", "number", "60", "seconds after which a silent connection is asked whether it is there; 0: never"},
    {"bridge", "clean_start", "truth", "false", "true: the other broker keeps nothing while the connection is down"},
    {"bridge", "state_topic", "text", "", "there, retained: 1 while the bridge is connected, 0 when it is not"},
    {"bridge", "topics", "tables", "", "[[bridge.topics]], at least one"},
    {"bridge.topics", "filter", "text", "", "what to pass on; needed"},
    {"bridge.topics", "direction", "text: in|out|both", "out", "from there, to there, or both"},
    {"bridge.topics", "qos", "number", "1", "quality of service, at most"},
    {"bridge.topics", "local_prefix", "text", "", "before the filter, and before each name, here"},
    {"bridge.topics", "remote_prefix", "text", "", "and there"},
};

}  // namespace

std::span<const Setting> settings() {
  return table;
}

bool Setting::is_text() const {
  Configuration any;
  return std::holds_alternative<std::string*>(place(any));
}

bool Setting::is_truth() const {
  Configuration any;
  return std::holds_alternative<bool*>(place(any));
}

std::string Setting::full_name() const {
  return table.empty() ? std::string(name) : std::string(table) + "." + std::string(name);
}

std::string Setting::value_in(const Configuration& configuration) const {
  Configuration copy = configuration;
  return std::visit(
      [](const auto* value) {
        if constexpr (std::is_same_v<decltype(value), const std::string*>)
          return *value;
        else if constexpr (std::is_same_v<decltype(value), const bool*>)
          return std::string(*value ? "true" : "false");
        else
          return std::to_string(*value);
      },
      place(copy));
}

void Setting::set_number(Configuration& configuration, std::uint64_t value) const {
  std::visit(
      [&]<class T>(T* number) {
        if constexpr (!std::is_same_v<T, std::string>) *number = static_cast<T>(value);
      },
      place(configuration));
}

std::span<const RowKey> row_keys() {
  return rows;
}

bool is_row_key(std::string_view table, std::string_view name) {
  return std::ranges::any_of(rows, [&](const RowKey& key) { return key.table == table && key.name == name; });
}

std::vector<Key> configuration_keys() {
  const Configuration defaults;
  std::vector<Key> keys;
  for (const Setting& setting : settings()) {
    std::string type = setting.is_text() ? "text" : setting.is_truth() ? "truth" : "number";
    for (const auto choice : setting.choices) type.append(type == "text" ? ": " : "|").append(choice);
    keys.push_back({setting.table.empty() ? "" : "[" + std::string(setting.table) + "]", std::string(setting.name), type,
                    setting.value_in(defaults), std::string(setting.help)});
  }
  for (const RowKey& key : row_keys())
    keys.push_back({"[[" + std::string(key.table) + "]]", std::string(key.name), std::string(key.type), std::string(key.standard),
                    std::string(key.help)});
  for (const Scheme& scheme : all_schemes()) {
    if (scheme.info->profile == Profile::paper) continue;  // the options are those of both profiles
    for (const SchemeOption& option : scheme.info->options)
      keys.push_back({"[scheme." + std::string(scheme.info->name) + "]", std::string(option.name),
                      option.is_file ? "@FILE" : "text, number or truth", "", std::string(option.help)});
  }
  return keys;
}

}  // namespace sealmq::server
