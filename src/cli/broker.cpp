// sealmq broker: the broker, in the foreground until it is told to end.
#include <sys/resource.h>

#include <csignal>
#include <iostream>

#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/command.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "registry/open_registry.h"
#include "server/broker_server.h"
#include "server/self_check.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage =
    R"(usage: sealmq broker [-c FILE] [--data DIR] [-p PORT] [--bind ADDR] [--allow-plain] [--threads N]
                     [--registry URL] [--keystore URI] [--log-format text|json] [-v]
       sealmq broker --check [-c FILE]
       sealmq broker --help-settings

serves MQTT until SIGTERM or SIGINT; SIGHUP reads the configuration and the files of TLS again. Tells where it listens and then `ready` on standard error.
Without a configuration: 127.0.0.1:1883, and every topic to every hardened scheme that names the author of a message.

  -c FILE          configuration; if not given, sealmq.toml in the data folder if it is there
  --data DIR       the broker's data folder (or SEALMQ_DATA), ./sealmq-data if not given
  --registry URL   the list of identities: postgresql://USER@HOST/DATABASE (or SEALMQ_REGISTRY); for several brokers
  --keystore URI   at the first start: makes the broker's keys in a PKCS#11 token, 'pkcs11:token=NAME?module-path=FILE&pin-source=FILE';
                   broker.key then says where they are
  -p PORT          listens on this port instead of the configuration's listeners; 0 picks a free one
  --bind ADDR      listens on this address instead of them, 127.0.0.1 if only -p is given
  --allow-plain    lets MQTT without protection use every topic for which no more specific row decides
  --log-format F   text or json, one line each
  --threads N      shards, one thread each; 0: as many as there are processors
  --check          only tells whether the configuration, and the files that belong to it, are sound; starts and changes nothing
  --help-settings  every setting of the configuration, with type, default and meaning
  -v               tells more

a listener of the configuration, whose url may also be mqtts://, ws://, wss:// or unix:/PATH:

  [[listener]]
  url = "mqtts://0.0.0.0:8883"
  cert = "chain.pem"              # mqtts and wss: in PEM, with the chain; key: its private key
  key = "server.key"
  client_ca = "devices.pem"       # who signs clients' certificates; client_crl: which of them are revoked
  require_certificate = true      # without, clients may show one
  psk_file = "devices.psk"        # lines of identity:hexadecimal key
  hop = "offered"                 # what protects connections after a login by a scheme: "none"; "hpp1" or "hrl1" lets nobody else in
  insecure_channel = false        # mqtt and ws: true lets such a login in without
  proxy_protocol = true           # not unix: a load balancer tells for whom it connects (version 2)
  path = "/mqtt"                  # ws and wss
  origins = ["https://app.example"]   # ws and wss: pages that browsers may connect from; without, all
  mode = "0660"                   # unix: permissions of the socket, "0600" if not said

  $ sealmq broker -p 0
  listening on mqtt://127.0.0.1:40123
  ready
)";

struct Options {
  std::string file;
  std::string data;
  bool data_given = false;
  std::optional<std::uint16_t> port;
  std::optional<std::string> bind;
  std::optional<std::uint32_t> threads;
  std::string registry;
  std::string keystore;
  std::string log_format;
  bool allow_plain = false;
  bool check = false;
  bool help_settings = false;
  bool verbose = false;
};

/// The file, and what the command line says beside it.
Result<server::Configuration> load(const Options& options) {
  std::string file = options.file;
  if (file.empty() && exists(DataFolder{options.data}.configuration())) file = DataFolder{options.data}.configuration();
  server::Configuration configuration = file.empty() ? server::Configuration() : TRY(server::read_configuration(file));

  if (options.data_given || configuration.data.empty()) configuration.data = options.data;
  if (!options.registry.empty()) configuration.registry = options.registry;
  if (!configuration.registry.empty()) TRY(check_registry_url(configuration.registry));
  if (!options.log_format.empty()) configuration.log_format = options.log_format;
  if (options.threads) configuration.threads = *options.threads;
  if (options.port || options.bind) configuration.listeners = {{options.bind.value_or("127.0.0.1"), options.port.value_or(1883)}};
  if (options.allow_plain) server::allow_plain(configuration);
  TRY(server::make_policy(configuration));
  return configuration;
}

/// Every connection is a descriptor; the usual soft limit of 1024 is there for programs that use select().
void allow_many_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Signals that wait() fetches instead of their interrupting some thread. To be made before there are threads.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set_, signal);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  int wait() const {
    int signal = 0;
    ::sigwait(&set_, &signal);
    return signal;
  }

 private:
  sigset_t set_{};
};

void warn(server::Log& log, const server::Configuration& configuration) {
  for (const std::string& line : server::warnings(configuration)) log.warning(line);
}

void reload(server::BrokerServer& broker, server::Log& log, const Options& options) {
  const auto configuration = load(options);
  const Result<> reloaded = configuration ? broker.reload(*configuration) : Result<>(Failure(configuration.error()));
  if (!reloaded) return log.error("nothing is reloaded: " + reloaded.error().what);
  warn(log, *configuration);
}

/// For scripts, which wait for these lines; among lines of JSON they are JSON too.
void tell_start(const server::BrokerServer& broker, server::Log* json) {
  std::vector<std::string> urls = broker.urls();
  if (const std::string url = broker.admin_url(); !url.empty()) urls.push_back(url);
  for (const std::string& url : urls) {
    const server::LogField fields[] = {{"url", url}};
    if (json != nullptr)
      json->event(server::Severity::info, "listening", fields, "listening on " + url);
    else
      std::cerr << "listening on " + url + "\n";
  }
  if (json != nullptr)
    json->event(server::Severity::info, "ready", {}, "ready");
  else
    std::cerr << "ready\n";
}

Result<> serve(const Options& options, const server::Configuration& configuration) {
  const Signals signals;
  allow_many_descriptors();
  const bool is_json = configuration.log_format == "json";
  const auto log = server::make_stderr_log(options.verbose, is_json ? server::LogFormat::json : server::LogFormat::text);
  const auto service = std::make_shared<const server::ServiceNotify>(server::ServiceNotify::from_environment());
  crypto::OsRandom random;

  const DataFolder folder = TRY(open_data_folder(configuration.data));
  auto parts = TRY(server::open_parts(folder, configuration, random, options.keystore, pin_asker()));
  auto broker = server::BrokerServer::start(configuration, std::move(parts), random, *log, service);
  if (!broker && broker.error().what.starts_with("cannot listen on "))
    return fail_with_hint(Blame::environment, broker.error().what, "-p PORT listens on another port, -p 0 on a free one");
  if (!broker) return Failure(broker.error());

  warn(*log, configuration);
  tell_start(**broker, is_json ? log.get() : nullptr);
  service->ready("serving");

  while (signals.wait() == SIGHUP) {
    service->reloading();
    reload(**broker, *log, options);
    service->ready("serving");
  }
  service->stopping();
  (*broker)->stop();
  return {};
}

/// Every problem, not only the first; the exit code is that of the first.
Result<> check(const server::Configuration& configuration) {
  for (const std::string& line : server::warnings(configuration)) notice("warning: " + line);
  const auto problems = server::find_problems(configuration);
  for (std::size_t i = 1; i < problems.size(); ++i)
    notice(problems[i].what + (problems[i].next.empty() ? "" : "\nhint: " + problems[i].next));
  if (problems.empty()) return {};
  const server::Problem& first = problems.front();
  return first.next.empty() ? fail(first.blame, first.what) : fail_with_hint(first.blame, first.what, first.next);
}

Result<> run(const Options& options) {
  if (options.help_settings) {
    std::cout << server::settings_help();
    return {};
  }
  const server::Configuration configuration = TRY(load(options));
  return options.check ? check(configuration) : serve(options, configuration);
}

}  // namespace

void add_broker(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("broker", "the broker");
  set_usage(*command, usage);
  auto options = std::make_shared<Options>();
  command->add_option("-c", options->file);
  add_data_option(*command, options->data);
  command->add_option("--registry", options->registry)->envname("SEALMQ_REGISTRY");
  command->add_option("--keystore", options->keystore);
  command->add_option("-p", options->port);
  command->add_option("--bind", options->bind);
  command->add_option("--threads", options->threads)->check(CLI::Range(0, 256));
  command->add_option("--log-format", options->log_format)->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--allow-plain", options->allow_plain);
  command->add_flag("--check", options->check);
  command->add_flag("--help-settings", options->help_settings);
  command->add_flag("-v", options->verbose);
  command->callback([command, options, &exit_code] {
    options->data_given = command->count("--data") > 0;
    exit_code = finish(run(*options));
  });
}

}  // namespace sealmq::cli
