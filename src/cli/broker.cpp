// sealmq broker: the broker, in the foreground until it is told to end.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <iostream>

#include "base/text.h"
#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/command.h"
#include "cli/registry_choice.h"
#include "cli/settings_text.h"
#include "cli/stray_signals.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "registry/open_registry.h"
#include "server/broker_server.h"
#include "server/self_check.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "run the broker",
    .text =
        R"(Serves MQTT until SIGTERM or SIGINT; SIGHUP reads the configuration and the files of TLS again. Tells where it listens and then `ready` on standard error.

Without a configuration it listens on 127.0.0.1:1883. On every topic it accepts messages that an identity on its list has signed, and no others.

A listener of the configuration, whose url may also be mqtts://, ws://, wss:// or unix:/PATH; --help-settings lists all keys:

  [[listener]]
  url = "mqtts://0.0.0.0:8883"
  cert = "chain.pem"              # in PEM, with the chain
  key = "server.key"
  anonymous = false               # nobody without a login)",
    .synopsis = "[-c FILE] [--data DIR] [-p PORT] [option]...",
    .examples = R"($ sealmq broker -p 0
listening on mqtt://127.0.0.1:40123
ready
)",
};

constexpr std::chrono::minutes longest_making_of_a_key{15};  // systemd waits for 90 seconds otherwise

struct Options {
  RegistryChoice place;
  std::optional<std::uint16_t> port;
  std::optional<std::string> bind;
  std::optional<std::uint32_t> threads;
  std::string keystore;
  std::string log_format;
  bool allow_plain = false;
  bool check = false;
  bool help_settings = false;
  bool json = false;
  bool verbose = false;
};

/// The file, and what the command line says beside it.
Result<server::Configuration> load(const Options& options) {
  server::Configuration configuration = TRY(find_configuration(options.place));
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
  if (const auto reopened = log.reopen(); !reopened) log.error(reopened.error().what + "; it goes on in the former file");
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
  ignore_stray_signals();
  allow_many_descriptors();
  const bool is_json = configuration.log_format == "json";
  const auto log = TRY(server::open_log({.verbose = options.verbose,
                                         .format = is_json ? server::LogFormat::json : server::LogFormat::text,
                                         .to_system = configuration.log_to == "syslog",
                                         .file = configuration.log_file}));
  const auto service = std::make_shared<const server::ServiceNotify>(server::ServiceNotify::from_environment());
  crypto::OsRandom random;

  const DataFolder folder = TRY(open_data_folder(configuration.data));
  if (server::needs_rabin(configuration) && !exists(folder.rabin_key())) {
    log->info("making a Rabin key, which takes seconds, on a small machine a minute");
    service->starting(longest_making_of_a_key, "making a Rabin key");
  }
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
Result<> check(const server::Configuration& configuration, bool json) {
  const auto warnings = server::warnings(configuration);
  auto problems = server::find_problems(configuration);
  const auto first_warning =
      std::ranges::stable_partition(problems, [](const server::Problem& problem) { return !problem.is_warning; }).begin();
  const bool is_sound = first_warning == problems.begin();
  if (json) {
    for (const std::string& line : warnings) std::cout << "{\"warning\":" << json_quoted(line) << "}\n";
    for (const auto& problem : problems)
      std::cout << (problem.is_warning ? "{\"warning\":" : "{\"problem\":") << json_quoted(problem.what)
                << ",\"next\":" << json_quoted(problem.next) << "}\n";
    std::cout << "{\"sound\":" << (is_sound ? "true" : "false") << ",\"problems\":" << first_warning - problems.begin() << "}\n";
  } else {
    for (const std::string& line : warnings) notice("warning: " + line);
    for (std::size_t i = is_sound ? 0 : 1; i < problems.size(); ++i)
      notice((problems[i].is_warning ? "warning: " : "") + problems[i].what +
             (problems[i].next.empty() ? "" : "\nhint: " + problems[i].next));
  }
  if (is_sound) return {};
  const server::Problem& first = problems.front();
  return first.next.empty() ? fail(first.blame, first.what) : fail_with_hint(first.blame, first.what, first.next);
}

Result<> run(const Options& options) {
  if (options.help_settings) {
    std::cout << (options.json ? settings_json() : settings_help());
    return {};
  }
  const server::Configuration configuration = TRY(load(options));
  return options.check ? check(configuration, options.json) : serve(options, configuration);
}

}  // namespace

void add_broker(Command& app, int& exit_code) {
  Command& command = app.add("broker", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.option("-c,--config", options->place.configuration, "FILE",
                 "configuration; if not given, sealmq.toml in the data folder if it is there");
  add_data_option(command, options->place.data);
  command
      .option("--registry", options->place.url, "URL",
              "the list of identities for several brokers, postgresql://USER@HOST/DATABASE")
      ->envname("SEALMQ_REGISTRY");
  command.option("--keystore", options->keystore, "URI",
                 "at the first start: makes the broker's keys in a PKCS#11 token, "
                 "'pkcs11:token=NAME?module-path=FILE&pin-source=FILE'; broker.key then says where they are");
  command.option("-p,--port", options->port, "PORT",
                 "listens on this port instead of the configuration's listeners; 0 picks a free one");
  command.option("--bind", options->bind, "ADDRESS", "listens on this address instead of them (127.0.0.1 if only -p is given)");
  command.flag("--allow-plain", options->allow_plain,
               "lets MQTT without protection use every topic for which no more specific row decides");
  command.option("--threads", options->threads, "N", "shards, one thread each; 0: as many as there are processors")
      ->check(within(0, 256));
  command.choice("--log-format", options->log_format, {"text", "json"}, "one line each");
  command.flag("-v,--verbose", options->verbose, "tells more");
  command.heading("Instead of serving");
  command.flag("--check", options->check,
               "only tells whether the configuration, and the files that belong to it, are sound; starts and changes nothing");
  command.flag("--help-settings", options->help_settings, "every setting of the configuration, with type, default and meaning");
  add_json_option(command, options->json);
  command.callback([&command, options, &exit_code] {
    options->place.data_given = command.option("--data")->count() > 0;
    exit_code = finish(run(*options));
  });
}

}  // namespace sealmq::cli
