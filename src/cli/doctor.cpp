// sealmq doctor: what a broker supports, and what is misconfigured.
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/doctor_probe.h"
#include "cli/registry_choice.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "net/address.h"
#include "registry/data_folder.h"
#include "sealmq/keystore.h"
#include "server/self_check.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "what a broker supports, and what is misconfigured",
    .text =
        R"(Tells what a broker supports, what a client without any key may do there, and what is misconfigured, with the next
command to type. It publishes and subscribes only under a topic with a random name. Works with any MQTT broker.

With --data it also looks at a broker's data folder and configuration on this machine.)",
    .examples = R"($ sealmq doctor -p 1883
mqtt 5                   yes
...
finding: clients without any key may publish
  next: sealmq broker without --allow-plain
)",
    .exit_codes = "0 nothing is wrong, 1 something is, 2 cannot connect",
};

struct Options {
  ClientOptions client;
  std::string broker_key;
  RegistryChoice place;
  bool json = false;
};

struct Finding {
  std::string what;
  std::string next;
};

class Report {
 public:
  explicit Report(bool json) : json_(json) {}

  void fact(const std::string& check, const std::string& value) {
    if (json_)
      print({{"check", check}, {"value", value}, {"ok", true}});
    else
      std::cout << check << std::string(check.size() < 24 ? 25 - check.size() : 1, ' ') << value << '\n';
  }
  /// Also something that is wrong. `next` is the command to type.
  void finding(const std::string& check, const std::string& what, const std::string& next) {
    ++findings_;
    if (json_)
      print({{"check", check}, {"ok", false}, {"finding", what}, {"next", next}});
    else
      told_.push_back({what, next});
  }
  /// Answers the exit code.
  int end() const {
    for (const Finding& finding : told_) {
      std::cout << "finding: " << finding.what << '\n';
      if (!finding.next.empty()) std::cout << "  next: " << finding.next << '\n';
    }
    if (!json_ && findings_ == 0) std::cout << "nothing is wrong\n";
    return findings_ == 0 ? exit_done : exit_usage;
  }

 private:
  static void print(const nlohmann::ordered_json& line) { std::cout << line.dump() << '\n'; }

  bool json_;
  std::size_t findings_ = 0;
  std::vector<Finding> told_;
};

std::string yes_or_no(bool value) {
  return value ? "yes" : "no";
}

std::string random_name() {
  crypto::OsRandom random;
  std::array<std::uint8_t, 8> octets{};
  random.fill(octets);
  return "sealmq-doctor-" + to_hex(octets);
}

// -- the broker -----------------------------------------------------------------------------------------------------------------

void tell_announced(Report& report, const Announced& announced) {
  report.fact("receive maximum", std::to_string(announced.receive_maximum));
  report.fact("maximum packet size",
              announced.maximum_packet_size ? std::to_string(*announced.maximum_packet_size) : "not limited");
  report.fact("maximum qos", std::to_string(static_cast<int>(announced.maximum_qos)));
  report.fact("topic aliases", std::to_string(announced.topic_alias_maximum));
  report.fact("retained messages", yes_or_no(announced.retain));
  report.fact("wildcard subscriptions", yes_or_no(announced.wildcards));
  report.fact("shared subscriptions", yes_or_no(announced.shared));
  report.fact("subscription identifiers", yes_or_no(announced.subscription_identifiers));
}

struct Anonymous {
  bool may_login = false;
  bool may_subscribe = false;
  bool may_publish = false;
};

/// With topics of its own only. What it retains it erases again.
Anonymous try_as_anybody(Report& report, Probe& probe) {
  Anonymous may{.may_login = true};
  const std::string topic = random_name(), payload = random_name();
  const auto granted = probe.subscribe(topic + "/#");
  may.may_subscribe = granted && !is_error(*granted);
  report.fact("anonymous subscribe", !granted            ? granted.error().what
                                     : may.may_subscribe ? "yes"
                                                         : std::string(mqtt::name(*granted)));
  if (!granted) return may;
  const auto published = probe.publish(topic + "/a", payload, false);
  if (!published) {
    report.fact("anonymous publish", published.error().what);
    return may;
  }
  may.may_publish = !is_error(*published);
  report.fact("anonymous publish", may.may_publish ? "yes" : std::string(mqtt::name(*published)));
  if (!may.may_publish || !may.may_subscribe) return may;
  const auto came = probe.arrives(topic + "/a", payload);
  report.fact("anonymous round trip", yes_or_no(came && came->has_value()));
  if (probe.announced().retain && probe.publish(topic + "/r", payload, true)) {
    (void)probe.arrives(topic + "/r", payload);
    (void)probe.subscribe(topic + "/r");
    const auto kept = probe.arrives(topic + "/r", payload);
    report.fact("retained round trip", yes_or_no(kept && kept->value_or(false)));
    (void)probe.publish(topic + "/r", "", true);
  }
  if (probe.announced().shared) {
    const auto shared = probe.subscribe("$share/" + topic + "/" + topic + "/s");
    report.fact("shared round trip",
                shared ? (is_error(*shared) ? std::string(mqtt::name(*shared)) : "granted") : shared.error().what);
  }
  return may;
}

/// Sockets of this machine that listen on the port beyond the loopback interface (proc(5), /proc/net/tcp).
bool listens_beyond_this_machine(std::uint16_t port) {
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string number, local, remote, state;
      words >> number >> local >> remote >> state;
      const auto colon = local.rfind(':');
      if (state != "0A" || colon == std::string::npos) continue;
      if (std::strtoul(local.c_str() + colon + 1, nullptr, 16) != port) continue;
      const std::string address = local.substr(0, colon);
      const bool is_local = address.size() == 8
                                ? address.ends_with("7F")
                                : address == "00000000000000000000000001000000" ||
                                      (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"));
      if (!is_local) return true;
    }
  }
  return false;
}

Result<net::Destination> destination_of(const ClientOptions& options) {
  return net::destination_of(TRY(net::parse_url(url_of(options))), options.tls, options.proxy);
}

/// Why nobody answered in MQTT.
void tell_silence(Report& report, const net::Destination& to, const std::string& trouble) {
  const bool with_tls = to.tls != nullptr, has_tls = Probe::speaks_tls(to);
  if (with_tls && !has_tls)
    report.finding("tls", "this port does not speak TLS", "sealmq doctor -h HOST -p PORT, without options of TLS");
  else if (with_tls && trouble.find("certificate") != trouble.npos)
    report.finding("certificate", trouble, "--cafile FILE names who signed it; -h is to be the name in it");
  else if (!with_tls && has_tls)
    report.finding("tls", "this port speaks TLS", "sealmq doctor --cafile FILE with the certificate of who signed the broker's");
  else
    report.finding("versions", "speaks neither MQTT 5 nor 3.1.1, if it is an MQTT broker at all: " + trouble,
                   "sealmq doctor -h HOST -p PORT");
}

Result<> look_at_broker(Report& report, const Options& options) {
  const net::Destination to = TRY(destination_of(options.client));
  const bool with_tls = to.tls != nullptr, is_private = with_tls || to.transport == net::Transport::unix_socket;
  report.fact("broker", net::to_text(to));
  Anonymous may;
  std::string trouble, encryption;
  bool speaks_5 = false, speaks_311 = false;
  struct Tried {
    mqtt::Version version;
    const char* name;
  };
  for (const Tried& tried :
       {Tried{mqtt::Version::v5, "mqtt 5"}, Tried{mqtt::Version::v3_1_1, "mqtt 3.1.1"}, Tried{mqtt::Version::v3_1, "mqtt 3.1"}}) {
    auto probe = Probe::login(to, tried.version, random_name().substr(0, 23));
    if (!probe && probe.error().what.starts_with("cannot ")) return Failure(probe.error());
    if (!probe) {
      trouble = probe.error().what;
      report.fact(tried.name, "no: " + trouble);
      continue;
    }
    const mqtt::Reason reason = (*probe)->announced().reason;
    encryption = (*probe)->encryption();
    const bool speaks = reason != mqtt::Reason::unsupported_protocol_version;
    report.fact(tried.name, !is_error(reason) ? "yes" : (speaks ? "yes, but login: " : "no: ") + std::string(mqtt::name(reason)));
    if (tried.version == mqtt::Version::v5) speaks_5 = speaks;
    if (tried.version == mqtt::Version::v3_1_1) speaks_311 = speaks;
    if (is_error(reason) || may.may_login) continue;
    if (tried.version == mqtt::Version::v5) tell_announced(report, (*probe)->announced());
    may = try_as_anybody(report, **probe);
  }
  report.fact("clock", "cannot be checked over MQTT");
  if (!speaks_5 && !speaks_311) {
    tell_silence(report, to, trouble);
    return {};
  }
  if (may.may_publish)
    report.finding("anonymous publish", "clients without any key or password may publish",
                   "anonymous = false on the [[listener]] (mosquitto: allow_anonymous false); or no --allow-plain, and no row "
                   "that takes \"plain\" for what is not public");
  if (may.may_subscribe)
    report.finding("anonymous subscribe", "clients without any key or password may subscribe",
                   "anonymous = false on the [[listener]] (mosquitto: allow_anonymous false); or no --allow-plain, and no row "
                   "that gives \"plain\" for what is not public");
  if (is_private) {
    report.fact("encryption", with_tls ? encryption : "a socket of this machine");
    return {};
  }
  const bool is_here = net::is_loopback(to.host);
  const bool is_open = !is_here || listens_beyond_this_machine(to.port);
  report.fact("reached without encryption", is_open ? "from other machines" : "from this machine only");
  if (is_open)
    report.finding(
        "encryption",
        "this port takes MQTT without encryption from other machines: names, passwords and what no scheme encrypts can be read",
        "a listener with url = \"mqtts://...\", and this one at 127.0.0.1 only");
  return {};
}

// -- files on this machine ------------------------------------------------------------------------------------------------------

void look_at_broker_key(Report& report, const Options& options, const std::optional<DataFolder>& folder) {
  const auto key = read_broker_identity(options.broker_key);
  if (!key) return report.finding("broker key", key.error().what, "copy broker.pub from the broker's data folder again");
  report.fact("broker key", key->id);
  if (!folder) return;
  const auto own = read_broker_identity(folder->broker_pub(), true);
  if (own && (own->id != key->id || own->ecdsa != key->ecdsa || own->agreement != key->agreement))
    report.finding("broker key", options.broker_key + " belongs to another broker than " + folder->path,
                   "cp " + folder->broker_pub() + " " + options.broker_key);
}

/// Null if nothing here was named.
std::optional<server::Configuration> configuration_here(Report& report, const RegistryChoice& place) {
  if (!place.data_given && place.configuration.empty()) return {};
  auto read = find_configuration(place);
  if (read) return *std::move(read);
  report.finding("configuration", read.error().what,
                 "sealmq broker --check " + (place.configuration.empty() ? "--data " + place.data : "-c " + place.configuration));
  server::Configuration configuration;
  configuration.data = place.data;
  return configuration;
}

void look_at_data(Report& report, const server::Configuration& configuration) {
  const DataFolder folder{configuration.data};
  if (!exists(folder.path))
    return report.finding("data folder", folder.path + " is not there", "sealmq broker --data " + folder.path);
  report.fact("data folder", folder.path + (broker_runs(folder) ? ", a broker works in it" : ", no broker works in it"));
  for (const server::Problem& problem : server::find_problems(configuration)) report.finding("files", problem.what, problem.next);
  for (const std::string& line : server::warnings(configuration)) report.finding("configuration", line, "");
}

Result<int> run(const Options& options) {
  Report report(options.json);
  TRY(look_at_broker(report, options));
  const auto configuration = configuration_here(report, options.place);
  if (!options.broker_key.empty())
    look_at_broker_key(report, options, configuration ? std::optional(DataFolder{configuration->data}) : std::nullopt);
  if (configuration) look_at_data(report, *configuration);
  return report.end();
}

}  // namespace

void add_doctor(Command& app, int& exit_code) {
  Command& command = app.add("doctor", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  add_address_options(command, options->client);
  add_tls_options(command, options->client);
  command.heading("Files");
  command.option("--broker-key", options->broker_key, "broker.pub",
                 "as devices have it: is it sound, and that of the data folder");
  add_place_options(command, options->place);
  add_json_option(command, options->json);
  command.callback([options, &exit_code] {
    const auto ended = run(*options);
    exit_code = ended ? *ended : tell(ended.error());
    if (!ended) exit_code = exit_environment;
  });
}

}  // namespace sealmq::cli
