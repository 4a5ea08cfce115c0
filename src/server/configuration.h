// Configuration: what an operator can say in sealmq.toml. Read strictly: whatever is not understood is an error with its place.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/shard.h"
#include "net/forwarded.h"
#include "net/tls.h"
#include "net/url.h"
#include "net/websocket_upgrade.h"
#include "sealmq/identity.h"
#include "server/connection_gate.h"

namespace sealmq::server {

/// Which name that the transport has proven is the client's identity.
/// In the order of their words in the configuration.
enum class IdentityFrom : std::uint8_t {
  nothing,
  common_name,       ///< CN of its certificate
  alternative_name,  ///< the first of its certificate's SANs (DNS, URI, email) that can be a name on the list
  uri,               ///< NAME of the only SAN `URI:mqtt://client/NAME`
  dns,               ///< the only SAN that is a DNS name
  certificate_key,   ///< SHA-256 of its certificate's SubjectPublicKeyInfo in hexadecimal, whoever signed it
  shared_key,        ///< the identity of its pre-shared key
};

/// `path:line:column` in the configuration file, for errors that show later. Where a row stands is no difference between two.
struct Place {
  std::string text{};
  bool operator==(const Place&) const { return true; }
};

struct Listener {
  std::string host;
  std::uint16_t port = 1883;  ///< 0: a free one
  net::Transport transport = net::Transport::tcp;
  std::string socket_path{};  ///< of a Unix domain socket
  unsigned mode = 0600;       ///< likewise
  net::ProxyRules proxy{};
  net::UpgradeRules upgrade{};  ///< WebSocket
  net::TlsServerSettings tls{};
  IdentityFrom identity = IdentityFrom::nothing;
  std::uint64_t max_age = 0;   ///< milliseconds that a connection by TLS 1.2 may last; 0: for ever
  bool bind_client_id = true;  ///< whom TLS proves has client identifiers that begin with its name
  broker::HopRule hop = broker::HopRule::as_offered;
  bool insecure_channel = false;    ///< who logs in by a scheme may go on without protection, also where TLS gives none
  std::optional<bool> anonymous{};  ///< whoever proves no identity may come in, and do what policy leaves to nobody in particular
  Place place{};
  bool operator==(const Listener&) const = default;
};

struct TopicRow {
  std::string filter;
  std::vector<std::string> publish;  ///< names of schemes
  std::vector<std::string> subscribe;
  bool multicast = false;               ///< subscribers of one filter are a group, by schemes that have groups
  std::string pattern{};                ///< in the filter's place; empty: none
  broker::Own own = broker::Own::both;  ///< of a pattern
  QosSet publish_qos{};
  QosSet subscribe_qos{};
  std::vector<std::string> login{};         ///< names of logins; empty: any
  std::vector<Factors> require{};           ///< one of them; empty: nothing
  std::uint64_t login_age = 0;              ///< milliseconds; 0: any
  std::vector<std::string> deny_publish{};  ///< names of identities, or broker::nobody_named
  std::vector<std::string> deny_subscribe{};
  /// As people call it.
  const std::string& name() const { return pattern.empty() ? filter : pattern; }
  bool operator==(const TopicRow&) const = default;
};

/// Rights that several identities have.
struct RoleRow {
  std::string name;
  Rights publish;
  Rights subscribe;
  bool operator==(const RoleRow&) const = default;
};
using Roles = std::vector<RoleRow>;

/// Adds the rights of its roles to those of each identity. A role that is not there gives none.
void add_roles(std::vector<Identity>& identities, const Roles& roles);

/// Monitoring over HTTP.
struct Admin {
  std::string url;         ///< `http://HOST:PORT`; empty: none
  std::string token_file;  ///< who asks must know what it holds; needed beyond the loopback interface
};

enum class BridgeDirection : std::uint8_t { in, out, both };

struct BridgeTopic {
  std::string filter;
  BridgeDirection direction = BridgeDirection::out;
  mqtt::QoS qos = mqtt::QoS::at_least_once;  ///< at most
  std::string local_prefix;                  ///< before `filter`, and before each name, here
  std::string remote_prefix;                 ///< and there
  bool operator==(const BridgeTopic&) const = default;
};

/// Another broker with which messages are exchanged.
struct BridgeSettings {
  std::string name;  ///< as of an identity
  std::string url;
  std::vector<std::string> other_urls;  ///< of the same broker, with or without TLS as `url`; tried when the one before fails
  std::string version = "5";
  std::string client_id;          ///< there; empty: `sealmq-bridge-NAME`
  std::string user;               ///< there; empty: none
  std::string password_file;      ///< for its owner only
  std::string cafile;             ///< whom to believe who the other broker is
  std::vector<std::string> pins;  ///< TlsOptions::pins
  std::string psk_file;           ///< one line of identity:key, instead of certificates
  std::string cert;               ///< of this bridge
  std::string key;                ///< its private key
  std::string alpn;               ///< name of the protocol inside TLS
  std::uint16_t keep_alive = 60;  ///< seconds; 0: off
  bool clean_start = false;       ///< nothing is kept there while the connection is down
  std::string state_topic;        ///< there: "1", and "0" by a Will; empty: none
  std::vector<BridgeTopic> topics;
  Place place{};
  bool operator==(const BridgeSettings&) const = default;
};

/// Default: one listener on the loopback interface, every topic to every hardened scheme that names the author.
struct Configuration {
  Configuration();

  std::string data;      ///< empty: not said
  std::string registry;  ///< URL of a database; empty: a file in the data folder
  std::uint32_t threads = 0;
  std::string topic_keys;           ///< folder; empty: none
  std::string password_file;        ///< empty: `passwords` in the data folder
  std::string durability = "disk";  ///< or "memory"
  std::uint32_t sys_interval = 10;  ///< seconds; 0: no $SYS topics
  std::string log_format = "text";
  std::string log_to = "stderr";  ///< or "syslog"
  std::string log_file;           ///< empty: none
  Admin admin;
  std::vector<Listener> listeners;
  std::vector<TopicRow> topics;
  Roles roles;
  std::vector<BridgeSettings> bridges;
  SchemeOptions scheme_options;
  std::string authority;   ///< .pub file of the revocation authority; empty: none
  std::string complaints;  ///< topic on which it is asked about misuse; empty: it is not
  broker::Settings limits;
  GateLimits gate{.connects_per_second_per_address = 500};
  std::size_t maximum_memory = 0;  ///< bytes kept on behalf of clients; 0: half of the machine's memory
};

/// Errors: caller_misused; the text begins with `path:line:column: `.
Result<Configuration> parse_configuration(std::string_view text, const std::string& path);
/// Errors: also environment, when the file cannot be read.
Result<Configuration> read_configuration(const std::string& path);

/// `mqtt://HOST[:PORT]`, likewise mqtts, ws and wss, with a path for the last two; `unix:/PATH`. Errors: caller_misused.
Result<Listener> parse_listener(std::string_view text);

bool needs_tls(const Listener& listener);
/// Whether `listener`, on all addresses of IPv6, has to leave those of IPv4 to the other one.
bool shares_port_with(const Listener& listener, const Listener& other);

/// As the listener says; otherwise not where the configuration names a way to prove who one is: password_file, and of the
/// listener identity, client_ca or psk_file.
bool lets_in_anonymous(const Configuration& configuration, const Listener& listener);

/// Lets unprotected MQTT use every topic for which no more specific row decides; and read $SYS, as long as every listener is on
/// the loopback interface.
void allow_plain(Configuration& configuration);

/// How many shards, one thread each.
std::size_t shard_count(const Configuration& configuration);
/// The rows as the broker's core takes them. Errors: as Policy::make.
Result<std::shared_ptr<const broker::Policy>> make_policy(const Configuration& configuration);

/// Whether some row names a scheme that needs Rabin keys.
bool needs_rabin(const Configuration& configuration);
/// Those that the policy names, for people; empty: none.
std::string schemes_signing_on_shards(const Configuration& configuration);
/// Whether some row names a scheme whose messages the broker opens with keys of topics.
bool needs_topic_keys(const Configuration& configuration);
/// Likewise an RSA key.
bool needs_rsa(const Configuration& configuration);
/// Some [[topic]] row names this scheme.
bool is_named(const Configuration& configuration, const SchemeInfo& scheme);

/// That no bridge's pre-shared key is one of a listener, which would make this broker both ends of it. Errors: caller_misused; as
/// net::read_psk_lines.
Result<> check_bridge_keys(const Configuration& configuration);

/// One line for each scheme of the rows that is there for study only, with its known weaknesses; and for who may come in where
/// that may not be what is meant.
std::vector<std::string> warnings(const Configuration& configuration);

/// Of those on the list: rows that ask for logins or factors of which nobody there is capable, and roles that are not there.
/// `with_password`: who has one.
std::vector<std::string> warnings_about(const std::vector<Identity>& identities, const std::set<std::string>& with_password,
                                        const Configuration& configuration);

struct Difference {
  std::string what;
  bool needs_restart;
};
/// Those options of schemes that change while the broker runs, as they are in `after`, and the others as in `before`.
SchemeOptions changed_options(const SchemeOptions& before, const SchemeOptions& after);

std::vector<Difference> differences(const Configuration& before, const Configuration& after);

}  // namespace sealmq::server
