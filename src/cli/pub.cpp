// sealmq pub: publishes messages.
#include <chrono>
#include <iostream>
#include <limits>
#include <memory>
#include <thread>

#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/message_source.h"
#include "cli/property_options.h"
#include "cli/sending_progress.h"
#include "client/message_properties.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "publish messages",
    .text =
        R"(Publishes a message. With -q 1 or 2 it ends well only when the broker has taken responsibility for it; between
partners (--to) only when the other end has it.)",
    .synopsis = "-t TOPIC (-m TEXT | -f FILE | -l | -s | -n) [option]...",
    .examples = R"($ sealmq pub -t plant/7/pressure -m 4.2
$ sealmq pub -t plant/7/pressure -m 4.2 -q 1 --scheme sl1 \
    --key boiler-7.key --broker-key broker.pub
$ sealmq pub -t vitals -m 72 -q 1 --scheme pmqtt \
    --key patient1.key --to doctor.pub
$ tail -f readings.txt | sealmq pub -L mqtt://broker.example/plant/7/log -l
)",
    .exit_codes = "0 done, 1 usage, 2 cannot connect, 3 not authorised, 4 refused otherwise, 27 -W ran out",
};

constexpr const char* properties_help =
    "-D publish: content-type, response-topic, correlation-data, message-expiry-interval, payload-format-indicator, topic-alias, "
    "user-property NAME VALUE (unprotected). -D connect: session-expiry-interval, receive-maximum, maximum-packet-size, "
    "user-property. -D will: will-delay-interval and all of publish but topic-alias";

struct Options {
  ClientOptions client;
  std::string topic;
  MessageSource source;
  bool retain = false;
  unsigned repeat = 1;
  double repeat_delay = 0;
  double partner_seconds = 30;
  std::vector<std::string> user_properties;
  PropertyOptions properties;
  Habits habits;
  unsigned at_once = 0;
  bool json = false;
};

/// An error of publishing that came when -W ran out, which has a code of its own.
class Patience {
 public:
  explicit Patience(std::chrono::milliseconds patience) : patience_(patience) {}
  /// With each message.
  void begin() { end_ = std::chrono::steady_clock::now() + patience_; }
  bool explains(const Error& error) const {
    return error.blame == Blame::environment && std::chrono::steady_clock::now() >= end_;
  }

 private:
  std::chrono::milliseconds patience_;
  std::chrono::steady_clock::time_point end_;
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

/// Where messages go, and how.
struct Publishing {
  Client& client;
  const std::string& topic;
  PublishOptions how;
  Patience patience;
  const Options& options;
};

Result<> publish(Publishing& its, const std::string& message) {
  const PublishOptions& how = its.how;
  const Options& options = its.options;
  its.patience.begin();
  TRY(its.client.publish(its.topic, message, how));
  const bool is_taken = how.qos != mqtt::QoS::at_most_once;
  if (options.habits.debug)
    notice("published " + std::to_string(message.size()) + " bytes to " + printable(its.topic, 200) +
           (is_taken ? ", and the broker has them" : "; with -q 0 the broker does not say what becomes of them"));
  if (options.json)
    std::cout << "{\"topic\":" << json_quoted(its.topic) << ",\"bytes\":" << message.size() << ",\"qos\":" << options.client.qos
              << ",\"retain\":" << (how.retain ? "true" : "false")
              << ",\"scheme\":" << json_quoted(options.client.scheme.empty() ? "plain" : options.client.scheme)
              << ",\"acknowledged\":" << (is_taken ? "true" : "false") << "}\n"
              << std::flush;
  return {};
}

Result<> publish_lines(Publishing& its) {
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) TRY(publish(its, line));
  }
  return {};
}

Result<> publish_message(Publishing& its, const std::string& message) {
  for (unsigned i = 0; i < its.options.repeat; ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::duration<double>(its.options.repeat_delay));
    TRY(publish(its, message));
  }
  return {};
}

bool is_between_partners(const Options& options) {
  const Scheme* scheme = find_scheme(options.client.scheme);
  return scheme != nullptr && scheme->info->between_partners;
}

Result<int> run(const Options& options) {
  const std::string topic_in_url = TRY(topic_of_url(options.client));
  if (!topic_in_url.empty() && !options.topic.empty()) return fail(Blame::caller_misused, "-t and the URL both name a topic");
  const std::string& topic = options.topic.empty() ? topic_in_url : options.topic;
  if (topic.empty()) return fail_with_hint(Blame::caller_misused, "no topic", "-t TOPIC");
  PublishOptions publish = TRY(publish_options(options));
  const std::string message = TRY(read_message(options.source));
  if (options.source.whole_input && message.empty() && !options.retain)
    return fail_with_hint(Blame::caller_misused, "nothing came on standard input", "-n sends an empty message");
  ConnectOptions connect = TRY(connect_options(options.client));
  TRY(apply(options.properties, {.connect = &connect, .publish = &publish}));
  TRY(check_version(connect.version, publish));
  const bool has_partners = is_between_partners(options);
  connect.partner_timeout = std::chrono::milliseconds(static_cast<std::int64_t>(options.partner_seconds * 1000));
  const Scheme* const scheme = find_scheme(options.client.scheme);
  const bool takes_keys = scheme != nullptr && scheme->info->has_topic_keys;
  if (has_partners || takes_keys)  // others are told nothing, and have nothing to tell
    connect.on_refused = [json = options.json](const RefusedMessage& refused) { print_refused(refused, json); };
  connect.on_sending = [progress = SendingProgress(message.size())](std::size_t left) mutable { progress.show(left); };
  const Patience patience(connect.partner_timeout);
  Client client = TRY(Client::connect(std::move(connect)));
  if (options.habits.debug) notice("connected as " + printable(client.client_id(), 200));
  Publishing publishing{client, topic, std::move(publish), patience, options};
  auto published = options.source.lines ? publish_lines(publishing) : publish_message(publishing, message);
  if (!published && (has_partners || takes_keys) && publishing.patience.explains(published.error())) {
    const bool has_hint = published.error().what.find('\n') != std::string::npos;
    if (has_partners && !has_hint)
      tell(fail_with_hint(
               Blame::environment, published.error().what,
               "is it there? sealmq sub --scheme " + options.client.scheme + " --from YOU.pub has to run at the other end")
               .value());
    else
      tell(published.error());
    return exit_timed_out;
  }
  TRY(std::move(published));
  TRY(client.disconnect());
  return exit_done;
}

}  // namespace

void add_pub(Command& app, int& exit_code) {
  Command& command = app.add("pub", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.heading("Message");
  command.option("-t,--topic", options->topic, "TOPIC", "where to");
  add_message_source(command, options->source, true);
  command.option("-q,--qos", options->client.qos, "0|1|2", "quality of service")->check(within(0, 2))->capture_default_str();
  command.flag("-r,--retain", options->retain, "the broker keeps it for later subscribers");
  command
      .option("-W", options->partner_seconds, "SECONDS",
              "how long to wait for what the other end has to answer, and for topic keys that wait at the broker")
      ->check(more_than_zero())
      ->capture_default_str();
  command.option("--repeat", options->repeat, "N", "sends it N times")
      ->check(within(1, std::numeric_limits<unsigned>::max()))
      ->excludes("--stdin-line")
      ->capture_default_str();
  command.option("--repeat-delay", options->repeat_delay, "SECONDS", "so long apart")
      ->check(not_negative())
      ->needs("--repeat");
  add_json_option(command, options->json);
  add_client_options(command, options->client, "--to");
  add_session_options(command, options->client);
  command.heading("MQTT 5");
  command.option("--user-property", options->user_properties, "NAME=VALUE", "goes with the message, unprotected");
  add_property_option(command, options->properties, properties_help);
  add_habits(command, options->habits, options->client);
  command.option("-M", options->at_once, "N", "messages on their way at most; they are sent one after the other")
      ->check(more_than_zero());
  command.callback([options, &exit_code] {
    const auto result = run(*options);
    exit_code = result ? *result : finish_client(result.error(), options->client, options->habits);
  });
}

}  // namespace sealmq::cli
