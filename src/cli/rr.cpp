// sealmq rr: publishes a request and prints the response, as mosquitto_rr does.
#include "cli/rr.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <iostream>
#include <memory>

#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/message_format.h"
#include "cli/message_source.h"
#include "crypto/random.h"
#include "sealmq/client.h"

namespace sealmq::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr About about{
    .summary = "publish a request and print the response",
    .text =
        R"(Publishes a request of MQTT 5 with a response topic and correlation data. Prints the first message on that topic
that has the same correlation data.)",
    .synopsis = "-t TOPIC -e TOPIC (-m TEXT | -f FILE | -s | -n) [option]...",
    .examples = "$ sealmq rr -t plant/7/ask -e plant/7/answer -m pressure\n",
    .exit_codes = "0 done, 1 usage, 2 cannot connect, 3 not authorised, 4 refused otherwise, 27 -W ran out",
};

struct Options {
  ClientOptions client;
  MessageSource source;
  std::string topic;
  std::string response_topic;
  std::string format = "%p";
  double seconds = 30;
  bool json = false;
};

Result<int> run(const Options& options) {
  const auto format = TRY(MessageFormat::parse(options.format));
  const std::string request = TRY(read_message(options.source));
  ConnectOptions connect = TRY(connect_options(options.client));
  if (connect.version != mqtt::Version::v5)
    return fail_with_hint(Blame::caller_misused, "older versions of MQTT have no requests", "-V 5");
  connect.on_refused = [json = options.json](const RefusedMessage& refused) { print_refused(refused, json); };
  Client client = TRY(Client::connect(std::move(connect)));

  const auto qos = static_cast<mqtt::QoS>(options.client.qos);
  TRY(client.subscribe(options.response_topic, {.qos = qos, .retained = RetainedMessages::do_not_send}));
  PublishOptions publish{.qos = qos};
  publish.properties.response_topic = options.response_topic;
  std::array<std::uint8_t, 12> chance{};
  crypto::OsRandom().fill(chance);
  publish.properties.correlation_data = to_buffer(as_bytes(to_hex(chance)));  // that a shell can answer with
  TRY(client.publish(options.topic, request, publish));

  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  while (Clock::now() < end) {
    const auto message = TRY(client.receive(std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now())));
    if (!message || message->properties.correlation_data != publish.properties.correlation_data) continue;
    std::string text = options.json ? to_json(*message) : format.apply(*message, wall_milliseconds());
    const bool to_terminal = ::isatty(STDOUT_FILENO) == 1;
    std::cout << (to_terminal && !options.json ? harmless(std::move(text)) : text) << '\n';
    (void)client.disconnect();  // the answer is there
    return exit_done;
  }
  return exit_timed_out;
}

}  // namespace

void add_rr(Command& app, int& exit_code) {
  Command& command = app.add("rr", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.heading("Request");
  command.option("-t,--topic", options->topic, "TOPIC", "where the request goes")->required();
  add_message_source(command, options->source, false);
  command.option("-q,--qos", options->client.qos, "0|1|2", "quality of service")->check(within(0, 2))->capture_default_str();
  command.heading("Response");
  command.option("-e,--response-topic", options->response_topic, "TOPIC", "where the response is to come")->required();
  command.option("-W", options->seconds, "SECONDS", "how long to wait for it")->check(more_than_zero())->capture_default_str();
  auto* format = command.option("-F,--format", options->format, "FORMAT", "prints what it says, as sealmq sub does");
  add_json_option(command, options->json);
  format->excludes("--json");
  add_client_options(command, options->client, "--to");
  command.take_protection_from_profile();
  command.callback([options, &exit_code] {
    const auto result = run(*options);
    exit_code = result ? *result : tell(with_hint(result.error(), options->client).value());
  });
}

}  // namespace sealmq::cli
