// sealmq sub: prints the messages of its subscriptions.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/message_format.h"
#include "cli/property_options.h"
#include "client/message_properties.h"
#include "client/open_scheme.h"
#include "keystore/file_access.h"
#include "mqtt/topic.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr About about{
    .summary = "print messages",
    .text =
        R"(Prints the messages of its subscriptions, one a line, until it is interrupted. It connects again when the broker goes away.

A message that does not verify is not printed: standard error has a line `refused: TOPIC: why`.

FORMAT, as mosquitto_sub has it:
  %t topic  %p payload  %x, %X payload in hexadecimal  %l its length  %q qos
  %r retained  %m packet id  %U, %I the time  %% per cent  \n \t \e
  of MQTT 5: %C content type  %D correlation data  %E expiry  %F payload format
    %P user properties  %R response topic  %S subscription identifiers
    %j, %J all of it as JSON, with a payload that is a text, or JSON itself
  of schemes: %f verified author  %s scheme  %g what was checked)",
    .synopsis = "-t FILTER [-v | -F FORMAT | --json] [option]...",
    .examples = R"($ sealmq sub -t 'plant/#' -v
$ sealmq sub -t vitals -F '%f: %p' --scheme pmqtt \
    --key doctor.key --from patient1.pub
$ sealmq sub -t 'plant/#' --json --scheme sl1 \
    --key desk.key --broker-key broker.pub --from boiler-7.pub
)",
    .exit_codes = "0 done, 1 usage, 2 cannot connect, 3 not authorised, 4 refused otherwise, 27 -W ran out",
};

constexpr const char* properties_help =
    "-D subscribe: subscription-identifier, user-property NAME VALUE. -D connect: session-expiry-interval, receive-maximum, "
    "maximum-packet-size, user-property. -D will: will-delay-interval, content-type, response-topic, correlation-data, "
    "message-expiry-interval, payload-format-indicator, user-property";

constexpr auto longest_pause = 30s;  // between attempts to connect again

struct Options {
  ClientOptions client;
  std::vector<std::string> filters;
  std::vector<std::string> hidden;
  bool verbose = false;
  bool json = false;
  bool pretty = false;
  bool no_newline = false;
  bool no_retained = false;
  bool retained_only = false;
  std::uint64_t count = 0;
  double seconds = 0;
  std::string format;
  std::string evidence;  // a folder
  bool leaves = false;
  std::vector<std::string> unsubscribed;
  bool remove_retained = false;
  std::string retain_handling = "always";
  bool retain_as_published = false;
  double random_filter = 100;  // per cent
  Habits habits;
  PropertyOptions properties;
};

volatile sig_atomic_t interrupted = 0;

void end_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one ends it at once
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

/// What several connections of one command share.
struct Together {
  std::atomic<bool> done = false;
  std::mutex mutex;  // of what follows, and of standard output
  std::uint64_t printed = 0;
  std::uint64_t kept = 0;
};

class Subscriber {
 public:
  Subscriber(const Options& options, std::vector<std::string> filters, Together& together)
      : options_(options), filters_(std::move(filters)), together_(together), to_terminal_(::isatty(STDOUT_FILENO) != 0) {
    if (options.seconds > 0)
      end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  }

  Result<int> run() {
    format_ = TRY(MessageFormat::parse(options_.format.empty() ? (options_.verbose ? "%t %p" : "%p") : options_.format));
    ConnectOptions connect = TRY(connect_options(options_.client));
    if (!options_.evidence.empty()) TRY(check_uses(options_.client.scheme, {Named::evidence}, {}));
    TRY(apply(options_.properties, {.connect = &connect, .subscribe = &subscribe_}));
    connect.keep_evidence = !options_.evidence.empty();
    if (connect.keep_evidence && !make_folder(options_.evidence))
      return fail(Blame::environment, "cannot make the folder " + options_.evidence + ": " + error_text(errno));
    subscribe_.qos = static_cast<mqtt::QoS>(options_.client.qos);
    subscribe_.retain_as_published = options_.retain_as_published;
    subscribe_.retained = options_.retain_handling == "always" ? RetainedMessages::send
                          : options_.retain_handling == "new"  ? RetainedMessages::send_if_new
                                                               : RetainedMessages::do_not_send;
    TRY(check_version(connect.version, subscribe_));
    const bool is_plain = connect.scheme.empty() || connect.scheme == "plain";
    if (options_.remove_retained && !is_plain)
      return fail(Blame::caller_misused, "--remove-retained publishes empty messages, which no scheme protects");
    connect.on_refused = [json = options_.json](const RefusedMessage& refused) { print_refused(refused, json); };
    Client client = TRY(Client::connect(std::move(connect)));
    if (options_.habits.debug) notice("connected as " + printable(client.client_id(), 200));
    auto result = subscribe(client);
    if (options_.leaves) is_done_ = true;
    if (result) {
      while (over() == Over::no) {
        result = receive(client);
        if (!result && may_pass(result.error())) result = connect_again(client, result.error());
        if (!result) break;
      }
    }
    if (!result) return Failure(std::move(result).error());
    (void)client.disconnect();  // everything that was wanted is there
    return over() == Over::timed_out ? exit_timed_out : exit_done;
  }

 private:
  enum class Over { no, done, timed_out };

  Over over() const {
    if (is_done_ || together_.done || interrupted != 0) return Over::done;
    return end_ && Clock::now() >= *end_ ? Over::timed_out : Over::no;
  }

  /// The end of the next wait; short, because a signal does not end one.
  std::chrono::milliseconds patience(std::chrono::milliseconds wish) const {
    if (!end_) return wish;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(*end_ - Clock::now());
    return std::clamp(left, 0ms, wish);
  }

  Result<> subscribe(Client& client) {
    for (const auto& filter : filters_) {
      TRY(client.subscribe(filter, subscribe_));
      if (options_.habits.debug) notice("subscribed to " + printable(filter, 200));
    }
    for (const auto& filter : options_.unsubscribed) {
      TRY(client.unsubscribe(filter));
      if (options_.habits.debug) notice("unsubscribed from " + printable(filter, 200));
    }
    return {};
  }

  Result<> receive(Client& client) {
    auto message = TRY(client.receive(patience(200ms)));
    if (!message) return {};
    if (options_.retained_only && !message->retain) {
      is_done_ = true;
      return {};
    }
    if (options_.no_retained && message->retain) return {};
    for (const auto& hidden : options_.hidden)
      if (mqtt::matches(hidden, message->topic)) return {};
    if (options_.remove_retained && message->retain)
      TRY(client.publish(message->topic, std::string_view(), {.qos = mqtt::QoS::at_least_once, .retain = true}));
    if (options_.random_filter < 100 && std::uniform_real_distribution<>(0, 100)(chance_) >= options_.random_filter) return {};
    const std::lock_guard lock(together_.mutex);
    if (together_.done) return {};  // somebody else has printed the last one
    if (++together_.printed == options_.count) together_.done = true;
    return print(*message);
  }

  Result<> print(const ReceivedMessage& message) {
    TRY(keep_evidence(message));
    if (!message.notice.empty()) notice("warning: " + printable(message.topic, 200) + ": " + message.notice);
    std::string text = options_.json ? to_json(message, options_.pretty) : format_.apply(message, wall_milliseconds());
    std::cout << (to_terminal_ && !options_.json ? harmless(std::move(text)) : text);
    if (!options_.no_newline) std::cout << '\n';
    if (!std::cout.flush()) return fail(Blame::environment, "cannot write the messages");
    return {};
  }

  /// For its owner only: it holds the message.
  Result<> keep_evidence(const ReceivedMessage& message) {
    if (message.evidence.empty()) return {};
    const std::string path = options_.evidence + "/" + std::to_string(wall_milliseconds()) + "-" + std::to_string(::getpid()) +
                             "-" + std::to_string(++together_.kept) + ".evidence";
    return write_new_file(path, as_text(message.evidence), Audience::owner);
  }

  static bool may_pass(const Error& error) {
    // A broker that fell silent, and one that cannot be reached, may come back.
    return std::cout.good() &&
           (error.blame == Blame::environment || error.code == static_cast<std::uint8_t>(mqtt::Reason::keep_alive_timeout));
  }

  Result<> connect_again(Client& client, const Error& why) {
    notice(why.what + "; connecting again");
    for (std::chrono::milliseconds pause = 1s;; pause = std::min<std::chrono::milliseconds>(pause * 2, longest_pause)) {
      auto until = Clock::now() + patience(pause);
      while (Clock::now() < until && over() == Over::no) std::this_thread::sleep_for(50ms);
      if (over() != Over::no) return {};
      auto result = client.reconnect();
      if (result) result = subscribe(client);
      if (result || !may_pass(result.error())) return result;
    }
  }

  const Options& options_;
  std::vector<std::string> filters_;
  MessageFormat format_;
  SubscribeOptions subscribe_;
  std::optional<Clock::time_point> end_;
  Together& together_;
  bool to_terminal_;
  bool is_done_ = false;
  std::minstd_rand chance_{std::random_device()()};
};

/// By a proxy, subscriptions that are to be anonymous are not seen together: each has a connection of its own, and so a circuit.
bool keeps_apart(const ClientOptions& options) {
  const Scheme* scheme = find_scheme(options.scheme);
  return !options.proxy.empty() && scheme != nullptr && scheme->info->claims.hides_subscriber;
}

Result<int> run_apart(const Options& options, const std::vector<std::string>& filters) {
  Together together;
  std::vector<std::future<Result<int>>> all;
  for (const std::string& filter : filters)
    all.push_back(std::async(std::launch::async, [&options, &together, filter] {
      auto result = Subscriber(options, {filter}, together).run();
      if (!result) together.done = true;  // the others have nothing to wait for
      return result;
    }));
  Result<int> worst = static_cast<int>(exit_done);
  for (auto& one : all) {
    auto result = one.get();
    if (worst && (!result || *result != exit_done)) worst = std::move(result);
  }
  return worst;
}

Result<int> run(const Options& options) {
  auto filters = options.filters;
  if (auto topic = TRY(topic_of_url(options.client)); !topic.empty()) filters.push_back(topic);
  for (const auto& filter : options.unsubscribed)
    if (!mqtt::is_topic_filter(filter)) return fail(Blame::caller_misused, "not a topic filter: " + printable(filter));
  if (filters.empty() && options.unsubscribed.empty())
    return fail_with_hint(Blame::caller_misused, "nothing to subscribe to", "-t FILTER");
  for (const auto& hidden : options.hidden)
    if (!mqtt::is_topic_filter(hidden)) return fail(Blame::caller_misused, "not a topic filter: " + printable(hidden));
  end_on_signals();
  if (filters.size() > 1 && keeps_apart(options.client)) {
    if (!options.client.client_id.empty() || !options.unsubscribed.empty())
      return fail(Blame::caller_misused,
                  "each subscription has a connection of its own by a proxy: no -i and no -U with several -t");
    return run_apart(options, filters);
  }
  Together together;
  return Subscriber(options, std::move(filters), together).run();
}

}  // namespace

void add_sub(Command& app, int& exit_code) {
  Command& command = app.add("sub", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.heading("Messages");
  command.option("-t,--topic", options->filters, "FILTER", "what to subscribe to");
  command.option("-T,--filter-out", options->hidden, "FILTER", "what not to print of it");
  command.option("-q,--qos", options->client.qos, "0|1|2", "quality of service, at most")
      ->check(within(0, 2))
      ->capture_default_str();
  auto* only_new = command.flag("-R", options->no_retained, "does not print retained messages");
  command.flag("--retained-only", options->retained_only, "ends at the first message that is not retained")->excludes(only_new);
  command.option("-C", options->count, "COUNT", "ends after so many messages")->check(more_than_zero());
  command.option("-W", options->seconds, "SECONDS", "ends with exit code 27 after so long")->check(more_than_zero());

  command.heading("Output");
  auto* verbose = command.flag("-v,--verbose", options->verbose, "prints topic and payload");
  auto* format = command.option("-F,--format", options->format, "FORMAT", "prints what it says");
  add_json_option(command, options->json);
  for (auto* other : {verbose, command.option("--json")}) format->excludes(other);
  command.flag("--pretty", options->pretty, "each object of --json on several lines")->needs("--json");
  command.flag("-N", options->no_newline, "no newline after a message");
  command.option("--evidence", options->evidence, "DIR",
                 "keeps of each message what sealmq authority report needs, a file each, on the disk before it is printed");
  add_client_options(command, options->client, "--from");
  add_session_options(command, options->client);
  command.heading("MQTT 5");
  add_property_option(command, options->properties, properties_help);
  command
      .choice("--retain-handling", options->retain_handling, {"always", "new", "never"},
              "retained messages come at every subscription, at new ones, or never")
      ->capture_default_str();
  command.flag("--retain-as-published", options->retain_as_published, "messages keep the retain flag that they were sent with");
  add_habits(command, options->habits, options->client);
  command.flag("-E", options->leaves, "ends once the broker has answered every subscription");
  command.option("-U,--unsubscribe", options->unsubscribed, "FILTER", "ends this subscription of a session that was kept");
  command.flag("--remove-retained", options->remove_retained,
               "the broker is to forget each retained message that comes, by an empty one; without a scheme only");
  command.option("--random-filter", options->random_filter, "PERCENT", "prints so many messages of a hundred, by chance")
      ->check(more_than_zero());
  command.callback([options, &exit_code] {
    auto result = run(*options);
    exit_code = result ? *result : finish_client(result.error(), options->client, options->habits);
  });
}

}  // namespace sealmq::cli
