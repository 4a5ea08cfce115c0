// sealmq sub: prints the messages of its subscriptions.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/message_format.h"
#include "cli/property_options.h"
#include "client/open_scheme.h"
#include "keystore/file_access.h"
#include "mqtt/topic.h"
#include "sealmq/client.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* usage_start =
    R"(usage: sealmq sub -t FILTER... [-v | -F FORMAT | --json] [-q QOS] [-C COUNT] [-W SECONDS] [option]...

prints messages, one a line, until it is interrupted; connects again when the broker goes away

  -t FILTER           what to subscribe to (repeatable); -T FILTER: what not to print of it (repeatable)
  -q QOS              at most (0)
  -v                  prints topic and payload
  -F FORMAT           %t topic  %p payload  %x payload in hexadecimal  %l its length  %q qos  %r retained
                      %m packet id  %C content type  %D correlation data  %E expiry  %F payload format
                      %P user properties  %R response topic  %S subscription identifiers  %X as %x in capitals
                      %f verified author  %s scheme  %g what was checked  %U and %I the time  %% per cent  \n \t
  --json              one JSON object a line
  -N                  no newline after a message
  -d                  says on standard error what it is subscribed to, once the broker has answered
  -C COUNT            ends after so many messages
  -W SECONDS          ends with exit code 27 after so long
  -R                  does not print retained messages; --retained-only: ends at the first that is not retained
  -D subscribe PROPERTY VALUE  subscription-identifier, user-property NAME VALUE (MQTT 5, repeatable)
  -D connect PROPERTY VALUE    session-expiry-interval, receive-maximum, maximum-packet-size, user-property
  -D will PROPERTY VALUE       will-delay-interval, content-type, response-topic, correlation-data, message-expiry-interval,
                      payload-format-indicator, user-property
  --evidence DIR      keeps of each message what `sealmq authority report` needs, a file each, on the disk before it is printed
  --from NAME.pub     the other end, for end-to-end schemes; for others a publisher to accept, all others being refused (repeatable))";

constexpr const char* usage_end = R"(
A message that does not verify is not printed: standard error has a line `refused: TOPIC: why`.

exit codes: 0 done, 1 usage, 2 cannot connect, 3 not authorised, 4 refused otherwise, 27 -W ran out

  $ sealmq sub -t 'plant/#' -v
  $ sealmq sub -t vitals -F '%f: %p' --scheme pmqtt --key doctor.key --from patient1.pub
  $ sealmq sub -t 'plant/#' --json --scheme sl1 --key desk.key --broker-key broker.pub --from boiler-7.pub
)";

constexpr auto longest_pause = 30s;  // between attempts to connect again

struct Options {
  ClientOptions client;
  std::vector<std::string> filters;
  std::vector<std::string> hidden;
  bool verbose = false;
  bool json = false;
  bool debug = false;
  bool no_newline = false;
  bool no_retained = false;
  bool retained_only = false;
  std::uint64_t count = 0;
  double seconds = 0;
  std::string format;
  std::string evidence;  // a folder
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

class Subscriber {
 public:
  explicit Subscriber(const Options& options, std::vector<std::string> filters)
      : options_(options), filters_(std::move(filters)), to_terminal_(::isatty(STDOUT_FILENO) != 0) {
    if (options.seconds > 0)
      end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  }

  Result<int> run() {
    format_ = TRY(MessageFormat::parse(options_.format.empty() ? (options_.verbose ? "%t %p" : "%p") : options_.format));
    ConnectOptions connect = TRY(connect_options(options_.client));
    if (!options_.evidence.empty()) TRY(check_uses(options_.client.scheme, {Named::evidence}, {}));
    TRY(apply(options_.properties, {.connect = &connect, .subscribe = &subscribe_}));
    connect.keep_evidence = !options_.evidence.empty();
    if (connect.keep_evidence && ::mkdir(options_.evidence.c_str(), 0700) != 0 && errno != EEXIST)
      return fail(Blame::environment, "cannot make the folder " + options_.evidence + ": " + error_text(errno));
    subscribe_.qos = static_cast<mqtt::QoS>(options_.client.qos);
    connect.on_refused = [](const RefusedMessage& refused) {
      std::cerr << "refused: " + printable(refused.topic, 200) + ": " + refused.why + "\n";
    };
    Client client = TRY(Client::connect(std::move(connect)));
    auto result = subscribe(client);
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
    if (done_ || interrupted != 0) return Over::done;
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
      if (options_.debug) notice("subscribed to " + printable(filter, 200));
    }
    return {};
  }

  Result<> receive(Client& client) {
    auto message = TRY(client.receive(patience(200ms)));
    if (!message) return {};
    if (options_.retained_only && !message->retain) {
      done_ = true;
      return {};
    }
    if (options_.no_retained && message->retain) return {};
    for (const auto& hidden : options_.hidden)
      if (mqtt::matches(hidden, message->topic)) return {};
    if (++printed_ == options_.count) done_ = true;
    return print(*message);
  }

  Result<> print(const ReceivedMessage& message) {
    TRY(keep_evidence(message));
    if (!message.notice.empty()) notice("warning: " + printable(message.topic, 200) + ": " + message.notice);
    std::string text = options_.json ? to_json(message) : format_.apply(message, wall_milliseconds());
    std::cout << (to_terminal_ && !options_.json ? harmless(std::move(text)) : text);
    if (!options_.no_newline) std::cout << '\n';
    if (!std::cout.flush()) return fail(Blame::environment, "cannot write the messages");
    return {};
  }

  /// For its owner only: it holds the message.
  Result<> keep_evidence(const ReceivedMessage& message) {
    if (message.evidence.empty()) return {};
    const std::string path = options_.evidence + "/" + std::to_string(wall_milliseconds()) + "-" + std::to_string(::getpid()) +
                             "-" + std::to_string(++kept_) + ".evidence";
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
  bool to_terminal_;
  bool done_ = false;
  std::uint64_t printed_ = 0;
  std::uint64_t kept_ = 0;
};

Result<int> run(const Options& options) {
  auto filters = options.filters;
  if (auto topic = TRY(topic_of_url(options.client)); !topic.empty()) filters.push_back(topic);
  if (filters.empty()) return fail_with_hint(Blame::caller_misused, "nothing to subscribe to", "-t FILTER");
  for (const auto& hidden : options.hidden)
    if (!mqtt::is_topic_filter(hidden)) return fail(Blame::caller_misused, "not a topic filter: " + printable(hidden));
  end_on_signals();
  return Subscriber(options, std::move(filters)).run();
}

}  // namespace

void add_sub(CLI::App& app, int& exit_code) {
  static const std::string usage = usage_start + ClientOptions::usage() + usage_end;
  auto* command = app.add_subcommand("sub", "print messages");
  set_usage(*command, usage.c_str());
  const auto options = std::make_shared<Options>();  // the callback owns it
  add_client_options(*command, options->client, "--from");
  command->add_option("-t,--topic", options->filters)->allow_extra_args(false);
  command->add_option("-T,--filter-out", options->hidden)->allow_extra_args(false);
  auto* verbose = command->add_flag("-v,--verbose", options->verbose);
  auto* json = command->add_flag("--json", options->json);
  command->add_option("-F,--format", options->format)->excludes(verbose)->excludes(json);
  command->add_option("--evidence", options->evidence);
  command->add_flag("-N", options->no_newline);
  command->add_flag("-d,--debug", options->debug);
  command->add_flag("-R", options->no_retained)->excludes(command->add_flag("--retained-only", options->retained_only));
  command->add_option("-C", options->count)->check(CLI::PositiveNumber);
  command->add_option("-W", options->seconds)->check(CLI::PositiveNumber);
  add_property_option(*command, options->properties);
  command->callback([options, &exit_code] {
    auto result = run(*options);
    exit_code = result ? *result : tell(with_hint(result.error(), options->client).value());
  });
}

}  // namespace sealmq::cli
