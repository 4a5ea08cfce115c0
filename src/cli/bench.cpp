// sealmq bench: load and cost figures of any MQTT broker, with plain clients.
#include "cli/bench.h"
#include "base/try.h"
#include "cli/ask_pin.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/bench_load.h"
#include "cli/command.h"
#include "crypto/random.h"
#include "schemes/pmqtt/login_client.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "load and cost figures of any MQTT broker",
    .text =
        R"(Measures any MQTT broker under load. Without --rate a new message is sent as soon as fewer than --window are on their
way, and throughput is the result. With --rate messages are sent when due, latency counts from then and is the result.
Publishers and subscribers are plain clients; a SealMQ broker lets them in when started with --allow-plain.

The commands count and compare without a broker.)",
    .synopsis = "[URL] [--hold N | --churn N | --rate N] [option]...",
    .examples = R"($ sealmq broker -p 1883 --allow-plain &
$ sealmq bench --publishers 50 --seconds 5 --pid $!
$ sealmq bench --rate 20000 --busy
$ sealmq bench --hold 10000 --pid $!
)",
};

struct Settings {
  std::string url = "mqtt://127.0.0.1:1883";
  TlsOptions tls;
  load::TrafficOptions traffic;
  unsigned qos = 0;
  std::string version = "311";
  unsigned hold = 0;
  unsigned churn = 0;
  bool login = false;
  std::string login_scheme;
  std::string user_name, key, broker_key;
  int pid = 0;
  double seconds = 0;
  bool json = false;
  bool verbose = false;
};

/// A result: names and values, as a table for people or as one JSON object a line.
class Results {
 public:
  void add(const std::string& name, nlohmann::ordered_json value, const std::string& unit = "") {
    rows_.push_back({name, std::move(value), unit});
  }

  void print_json() const {
    nlohmann::ordered_json object;
    for (const Row& row : rows_) object[row.name] = row.value;
    std::cout << object.dump() << '\n';
  }

  void print_table() const {
    for (const Row& row : rows_) {
      std::string label = row.name;
      std::replace(label.begin(), label.end(), '_', ' ');
      std::cout << std::left << std::setw(28) << label << text_of(row.value) << (row.unit.empty() ? "" : " ") << row.unit << '\n';
    }
  }

 private:
  struct Row {
    std::string name;
    nlohmann::ordered_json value;
    std::string unit;
  };

  static std::string text_of(const nlohmann::ordered_json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_number_float()) return value.dump();
    std::ostringstream text;
    text << std::setprecision(4) << value.get<double>();
    return text.str();
  }

  std::vector<Row> rows_;
};

void add_latency(Results& results, const load::Histogram& latency) {
  const auto microseconds = [](std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; };
  results.add("latency_p50_us", microseconds(latency.quantile(0.5)));
  results.add("latency_p90_us", microseconds(latency.quantile(0.9)));
  results.add("latency_p99_us", microseconds(latency.quantile(0.99)));
  results.add("latency_p999_us", microseconds(latency.quantile(0.999)));
  results.add("latency_max_us", microseconds(latency.largest()));
}

Results results_of(const Settings& settings, const load::TrafficReport& report) {
  const load::TrafficOptions& options = settings.traffic;
  Results results;
  results.add("bench", "traffic");
  results.add("publishers", options.publishers);
  results.add("subscribers", options.subscribers);
  results.add("topics", options.pairs ? options.publishers : 1);
  results.add("qos", settings.qos);
  results.add("size", options.size, "bytes");
  if (options.rate > 0) results.add("rate", options.rate, "messages/s");
  if (options.rate == 0) results.add("window", options.window, "messages");
  results.add("seconds", report.seconds);
  results.add("deliveries", report.deliveries);
  results.add("deliveries_per_second", static_cast<std::uint64_t>(report.per_second()));
  add_latency(results, report.latency);
  if (const auto cost = report.broker_cpu_per_million()) {
    results.add("broker_cpu_s", *report.broker_cpu);
    results.add("broker_cpu_s_per_million", *cost);
    results.add("broker_cores", *report.broker_cpu / report.seconds);
  }
  results.add("generator_cores", report.generator_cpu / report.seconds);
  results.add("sent", report.sent);
  results.add("received", report.received);
  results.add("lost", report.lost);
  results.add("repeated", report.repeated);
  results.add("refused", report.refused);
  if (options.rate > 0) results.add("unsent", report.unsent);
  return results;
}

Results results_of(const load::HoldReport& report) {
  Results results;
  results.add("bench", "hold");
  results.add("connections", report.connections);
  results.add("seconds_to_open", report.seconds);
  if (const auto cost = report.kib_per_connection()) {
    results.add("resident_before_kib", *report.resident_before_kib);
    results.add("resident_kib", *report.resident_kib);
    results.add("kib_per_connection", *cost);
  }
  return results;
}

Results results_of(const Settings& settings, const load::ChurnReport& report) {
  Results results;
  results.add("bench", "churn");
  results.add("connects", report.connects);
  results.add("parallel", settings.traffic.parallel);
  results.add("seconds", report.seconds);
  results.add("connects_per_second", static_cast<std::uint64_t>(report.per_second()));
  add_latency(results, report.latency);
  if (report.broker_cpu) {
    results.add("broker_cpu_us_per_connect", *report.broker_cpu / static_cast<double>(report.connects) * 1e6);
  }
  return results;
}

/// Who logs in, for as long as the run takes.
struct LoginParty {
  crypto::OsRandom random;
  std::unique_ptr<KeyStore> key;
  Secret password;
  std::optional<pmqtt::ClientLogins> logins;
  std::unique_ptr<ClientScheme> scheme;
};

Result<> prepare_login_by(const Scheme& scheme, LoginParty& party, ClientPorts ports, load::Common& options) {
  party.scheme = TRY(scheme.client_side(std::move(ports)));
  if (party.scheme->client_id().empty()) return fail(Blame::caller_misused, "bench cannot log in by this scheme");
  options.client_id = party.scheme->client_id();
  options.exactly_once = scheme.info->exactly_once;
  options.parallel = 1;
  options.login = [&party](const std::string& client_id) {
    ClientLoginRequest request;
    request.client_id = client_id;
    return party.scheme->begin_login(request);
  };
  return {};
}

Result<> prepare_login(const Settings& settings, LoginParty& party, load::Common& options) {
  party.key = TRY(open_keys(settings.key, party.random, pin_asker()));
  auto broker = TRY(read_broker_identity(settings.broker_key));
  const char* password = std::getenv("SEALMQ_PASSWORD");  // NOLINT(concurrency-mt-unsafe)
  party.password = Secret(as_bytes(password != nullptr ? password : ""));
  options.version = mqtt::Version::v5;
  ClientPorts ports{party.key.get(), std::move(broker), {}, party.random};
  if (!settings.login_scheme.empty()) {
    const Scheme* scheme = find_scheme(settings.login_scheme);
    if (scheme == nullptr) return fail(Blame::caller_misused, "no scheme is called " + settings.login_scheme);
    return prepare_login_by(*scheme, party, std::move(ports), options);
  }
  party.logins.emplace(std::move(ports));
  options.user_name = settings.user_name;
  options.login = [&party, user = settings.user_name](const std::string& client_id) {
    ClientLoginRequest request;
    request.client_id = client_id;
    request.user_name = user;
    request.password = &party.password;
    return party.logins->begin(request);
  };
  return {};
}

/// What would be ignored is refused: who names it believes that it is measured.
Result<> check_login_options(const Settings& settings) {
  if (!settings.login && !settings.user_name.empty())
    return fail_with_hint(Blame::caller_misused, "-u is of use with --login only", "--login -u NAME");
  const bool logs_in = settings.login || !settings.login_scheme.empty();
  if (!logs_in && !(settings.key.empty() && settings.broker_key.empty()))
    return fail_with_hint(Blame::caller_misused, "--key and --broker-key are of use with a login only",
                          "--login -u NAME, or --login-scheme NAME");
  return {};
}

Result<Results> measure(Settings& settings) {
  load::TrafficOptions& options = settings.traffic;
  options.broker = TRY(load::resolve(settings.url, settings.tls));
  options.version = settings.version.ends_with('5') ? mqtt::Version::v5 : mqtt::Version::v3_1_1;
  options.qos = static_cast<mqtt::QoS>(settings.qos);
  LoginParty party;
  TRY(check_login_options(settings));
  if (settings.login || !settings.login_scheme.empty()) TRY(prepare_login(settings, party, options));
  if (settings.pid > 0) options.pid = settings.pid;
  const load::Progress progress = [quiet = !settings.verbose && ::isatty(STDERR_FILENO) == 0](const std::string& line) {
    if (!quiet) notice(line);
  };
  if (settings.hold > 0) {
    load::HoldOptions hold;
    static_cast<load::Common&>(hold) = options;
    hold.connections = settings.hold;
    hold.seconds = settings.seconds;
    return results_of(TRY(load::run_hold(hold, progress)));
  }
  if (settings.churn > 0) {
    load::ChurnOptions churn;
    static_cast<load::Common&>(churn) = options;
    churn.connects = settings.churn;
    if (settings.seconds > 0) churn.seconds = settings.seconds;
    return results_of(settings, TRY(load::run_churn(churn, progress)));
  }
  if (options.pairs && options.subscribers == 1) options.subscribers = options.publishers;
  if (settings.seconds > 0) options.seconds = settings.seconds;
  return results_of(settings, TRY(load::run_traffic(options, progress)));
}

Result<> run(Settings& settings) {
  const Result<Results> results = measure(settings);
  if (!results) {
    const Error& error = results.error();
    if (error.blame != Blame::not_authorised) return Failure(error);
    return fail_with_hint(error.blame, error.what, "a SealMQ broker lets plain clients in when started with --allow-plain");
  }
  settings.json ? results->print_json() : results->print_table();
  return {};
}

}  // namespace

void add_bench(Command& app, int& exit_code) {
  auto settings = std::make_shared<Settings>();
  load::TrafficOptions& traffic = settings->traffic;
  Command& bench = app.add("bench", about);
  bench.argument("URL", settings->url, "mqtt://HOST:PORT, mqtts://, ws://, wss:// or unix:")
      ->required(false)
      ->capture_default_str();
  bench.heading("Load");
  bench.option("--publishers", traffic.publishers, "N", "connections that publish")->capture_default_str();
  bench.option("--subscribers", traffic.subscribers, "N", "connections that subscribe; each gets every message")
      ->capture_default_str();
  bench.flag("--pairs", traffic.pairs, "one topic for each publisher and its subscriber, not one for all");
  bench.option("-q,--qos", settings->qos, "0|1|2", "quality of service of both sides")
      ->check(within(0, 2))
      ->capture_default_str();
  bench.choice("-V,--protocol-version", settings->version, {"311", "5", "mqttv311", "mqttv5"}, "MQTT version")
      ->capture_default_str();
  bench.option("--size", traffic.size, "BYTES", "of payload, 16 to 1048576")->capture_default_str();
  Option* window = bench.option("--window", traffic.window, "N", "messages on their way, in all")
                       ->check(more_than_zero())
                       ->capture_default_str();
  bench.option("--rate", traffic.rate, "N", "messages a second, in all; then latency is the result")->check(more_than_zero());
  bench
      .option("--seconds", settings->seconds, "SECONDS",
              "how long to measure (5); with --hold, to go on holding (0); with --churn, at most (10)")
      ->check(more_than_zero());
  bench.option("--warm-up", traffic.warm_up, "SECONDS", "load before measuring")->check(not_negative())->capture_default_str();
  bench.option("-t,--topic", traffic.topic, "TOPIC", "of all, or with --pairs before a number; made up for the run if not given");
  bench.flag("--persistent", traffic.persistent,
             "the subscribers' sessions are meant to outlive their connections, so that the broker has to store them");
  bench.flag("--busy", traffic.busy, "never sleeps, for a load generator that has a core of its own");
  bench.heading("Connections");
  Option* hold = bench.option("--hold", settings->hold, "N", "opens N connections, then reads the memory of the broker")
                     ->check(more_than_zero());
  Option* churn = bench.option("--churn", settings->churn, "N", "connects and disconnects N times")->check(more_than_zero());
  bench.option("--parallel", traffic.parallel, "N", "connections being opened at the same time")
      ->check(more_than_zero())
      ->capture_default_str();
  bench.heading("Login");
  Option* login = bench.flag("--login", settings->login,
                             "with --hold and --churn: each connection logs in by PMQTT-2, as -u NAME with --key and "
                             "--broker-key; the password is in SEALMQ_PASSWORD, and hashed once. The listener needs "
                             "insecure_channel = true, or hop = \"none\" and TLS");
  login->needs(bench.option("-u,--username", settings->user_name, "NAME", "who logs in"));
  Option* key = bench.option("--key", settings->key, "NAME.key", "its private keys");
  Option* broker_key = bench.option("--broker-key", settings->broker_key, "broker.pub", "tells the broker from others");
  login->needs(key)->needs(broker_key);
  bench
      .option("--login-scheme", settings->login_scheme, "SCHEME",
              "with --churn: by scacauth or scacauth@paper, without -u, one connection after the other")
      ->excludes(login)
      ->needs(key)
      ->needs(broker_key);
  bench.heading("TLS");
  bench.option("--tls-cert", settings->tls.cert, "FILE", "certificate of the clients");
  bench.option("--tls-key", settings->tls.key, "FILE", "its private key");
  bench.option("--cafile", settings->tls.ca_file, "FILE", "who signed the broker's certificate");
  bench.flag("--insecure", settings->tls.insecure, "does not check that the certificate is for this host");
  bench.heading("Output");
  bench
      .option("--pid", settings->pid, "PID",
              "process of the broker: measures its CPU time over the same interval, and its memory")
      ->check(more_than_zero());
  hold->excludes(churn)->excludes(window);
  churn->excludes(window);
  add_json_option(bench, settings->json);
  bench.flag("-v,--verbose", settings->verbose, "progress even if standard error is no terminal");
  add_bench_costs(bench, exit_code);
  add_bench_ciphers(bench, exit_code);
  bench.callback([settings, &bench, &exit_code] {
    if (!bench.has_parsed_command()) exit_code = finish(run(*settings));
  });
}

}  // namespace sealmq::cli
