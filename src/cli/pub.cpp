// sealmq pub: publishes messages.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <thread>

#include "base/file_kind.h"
#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/property_options.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage_start =
    R"(usage: sealmq pub -t TOPIC (-m TEXT | -f FILE | -l | -s | -n) [-q QOS] [-r] [--repeat N] [option]...

publishes a message; with -q 1 or 2 it ends well only when the broker has taken responsibility for it

  -t TOPIC            where to
  -m TEXT             the message; -f FILE: what is in a file; -s: what comes on standard input; -n: an empty one
  -l                  every line of standard input that is not empty is a message
  -q QOS              0, 1 or 2 (0)
  -r                  the broker keeps it for later subscribers
  --repeat N          sends it N times, --repeat-delay SECONDS apart
  --user-property NAME=VALUE   goes with it, unprotected (MQTT 5, repeatable)
  -D publish PROPERTY VALUE    content-type, response-topic, correlation-data, message-expiry-interval,
                      payload-format-indicator, topic-alias; user-property NAME VALUE (MQTT 5, unprotected, repeatable)
  -D connect PROPERTY VALUE    session-expiry-interval, receive-maximum, maximum-packet-size, user-property
  -D will PROPERTY VALUE       will-delay-interval and all of publish but topic-alias
  --to NAME.pub       the other end, for end-to-end schemes (repeatable)
  -W SECONDS          how long to wait for what the other end has to answer (30); -q 1 and 2 then end well only when it has the message;
                      likewise for topic keys that wait at the broker)";

constexpr const char* usage_end = R"(
exit codes: 0 done, 1 usage, 2 cannot connect, 3 not authorised, 4 refused otherwise, 27 -W ran out

  $ sealmq pub -t plant/7/pressure -m 4.2
  $ sealmq pub -t plant/7/pressure -m 4.2 -q 1 --scheme sl1 --key boiler-7.key --broker-key broker.pub
  $ sealmq pub -t vitals -m 72 -q 1 --scheme pmqtt --key patient1.key --to doctor.pub
  $ tail -f readings.txt | sealmq pub -L mqtt://broker.example/plant/7/log -l
)";

struct Options {
  ClientOptions client;
  std::string topic;
  std::string text;
  std::string file;
  bool lines = false;
  bool whole_input = false;
  bool empty = false;
  bool retain = false;
  unsigned repeat = 1;
  double repeat_delay = 0;
  double partner_seconds = 30;
  std::vector<std::string> user_properties;
  PropertyOptions properties;
};

Result<PublishOptions> publish_options(const Options& options) {
  PublishOptions publish;
  publish.qos = static_cast<mqtt::QoS>(options.client.qos);
  publish.retain = options.retain;
  for (const auto& property : options.user_properties) {
    auto equals = property.find('=');
    if (equals == property.npos) return fail(Blame::caller_misused, "not NAME=VALUE: " + printable(property));
    publish.user_properties.emplace_back(property.substr(0, equals), property.substr(equals + 1));
  }
  return publish;
}

Result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string all{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return fail(Blame::environment, "cannot read " + printable(name));
  return all;
}

Result<std::string> message_of(const Options& options) {
  if (options.whole_input) {
    auto all = TRY(read_all(std::cin, "standard input"));
    if (all.empty() && !options.retain)
      return fail_with_hint(Blame::caller_misused, "nothing came on standard input", "-n sends an empty message");
    return all;
  }
  if (options.file.empty()) return options.text;
  std::ifstream file(options.file, std::ios::binary);
  if (!file || std::filesystem::is_directory(options.file))
    return fail(Blame::environment, "cannot read " + printable(options.file));
  auto message = TRY(read_all(file, options.file));
  TRY(check_no_secret(options.file, message));
  return message;
}

Result<> publish_lines(Client& client, const std::string& topic, const PublishOptions& publish) {
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) TRY(client.publish(topic, line, publish));
  }
  return {};
}

Result<> publish_message(Client& client, const std::string& topic, const std::string& message, const PublishOptions& publish,
                         const Options& options) {
  for (unsigned i = 0; i < options.repeat; ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::duration<double>(options.repeat_delay));
    TRY(client.publish(topic, message, publish));
  }
  return {};
}

bool is_between_partners(const Options& options) {
  const Scheme* scheme = find_scheme(options.client.scheme);
  return scheme != nullptr && scheme->info->between_partners;
}

/// An error of publishing that came when -W ran out, which has a code of its own.
class PatienceOver {
 public:
  explicit PatienceOver(std::chrono::milliseconds patience) : end_(std::chrono::steady_clock::now() + patience) {}
  bool explains(const Error& error) const {
    return error.blame == Blame::environment && std::chrono::steady_clock::now() >= end_;
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

Result<int> run(const Options& options) {
  const std::string topic_in_url = TRY(topic_of_url(options.client));
  if (!topic_in_url.empty() && !options.topic.empty()) return fail(Blame::caller_misused, "-t and the URL both name a topic");
  const std::string& topic = options.topic.empty() ? topic_in_url : options.topic;
  if (topic.empty()) return fail_with_hint(Blame::caller_misused, "no topic", "-t TOPIC");
  PublishOptions publish = TRY(publish_options(options));
  std::string message;
  if (!options.lines) message = TRY(message_of(options));
  ConnectOptions connect = TRY(connect_options(options.client));
  TRY(apply(options.properties, {.connect = &connect, .publish = &publish}));
  const bool has_partners = is_between_partners(options);
  connect.partner_timeout = std::chrono::milliseconds(static_cast<std::int64_t>(options.partner_seconds * 1000));
  const Scheme* const scheme = find_scheme(options.client.scheme);
  const bool takes_keys = scheme != nullptr && scheme->info->has_topic_keys;
  if (has_partners || takes_keys)  // others are told nothing, and have nothing to tell
    connect.on_refused = [](const RefusedMessage& refused) {
      std::cerr << "refused: " + printable(refused.topic, 200) + ": " + refused.why + "\n";
    };
  const PatienceOver patience(connect.partner_timeout);
  Client client = TRY(Client::connect(std::move(connect)));
  auto published =
      options.lines ? publish_lines(client, topic, publish) : publish_message(client, topic, message, publish, options);
  if (!published && (has_partners || takes_keys) && patience.explains(published.error())) {
    tell(published.error());
    return exit_timed_out;
  }
  TRY(std::move(published));
  TRY(client.disconnect());
  return exit_done;
}

}  // namespace

void add_pub(CLI::App& app, int& exit_code) {
  static const std::string usage = usage_start + ClientOptions::usage() + usage_end;
  auto* command = app.add_subcommand("pub", "publish messages");
  set_usage(*command, usage.c_str());
  const auto options = std::make_shared<Options>();  // the callback owns it
  add_client_options(*command, options->client, "--to");
  command->add_option("-t,--topic", options->topic);
  auto* source = command->add_option_group("message");
  source->add_option("-m,--message", options->text);
  source->add_option("-f,--file", options->file);
  source->add_flag("-l,--stdin-line", options->lines);
  source->add_flag("-s,--stdin-file", options->whole_input);
  source->add_flag("-n,--null-message", options->empty);
  source->require_option(1);
  command->add_flag("-r,--retain", options->retain);
  command->add_option("-W", options->partner_seconds)->check(CLI::PositiveNumber);
  command->add_option("--repeat", options->repeat);
  command->add_option("--repeat-delay", options->repeat_delay)->check(CLI::NonNegativeNumber);
  command->add_option("--user-property", options->user_properties)->allow_extra_args(false);
  add_property_option(*command, options->properties);
  command->callback([options, &exit_code] {
    auto result = run(*options);
    exit_code = result ? *result : tell(with_hint(result.error(), options->client).value());
  });
}

}  // namespace sealmq::cli
