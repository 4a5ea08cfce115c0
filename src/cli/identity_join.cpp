// sealmq identity join: puts a key on a broker's list with a ticket, from where the key is.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/secret_line.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "keystore/fingerprint.h"
#include "schemes/malina/join.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

using malina::JoinStatus;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view answers_topic = "$sl/inbox";  // "this connection", to every broker
constexpr auto patience = 10s;

struct Options {
  ClientOptions client;
  std::string code;  // typed
  std::string code_file;
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
  bool json = false;
};

/// Typed, in a file, in SEALMQ_TICKET, or else from standard input: asked for, if that is a terminal.
Result<Secret> find_code(const Options& options) {
  if (!options.code.empty()) {
    notice(
        "warning: other users of this machine can read a ticket on the command line\nhint: set SEALMQ_TICKET, or leave CODE out");
    return Secret(as_bytes(options.code));
  }
  if (!options.code_file.empty()) return read_private_file(options.code_file, wants_ticket);
  if (const char* code = std::getenv("SEALMQ_TICKET"); code != nullptr && *code != '\0')  // NOLINT(concurrency-mt-unsafe)
    return Secret(as_bytes(code));
  return read_secret_line("code of the ticket: ");
}

Result<malina::Ticket> read_code(const Secret& found) {
  const auto text = as_text(found.reveal());
  const auto bytes = from_hex(trimmed(text.substr(0, text.find('\n'))));
  malina::Ticket ticket{};
  if (!bytes || bytes->size() != ticket.size())
    return fail_with_hint(Blame::caller_misused, "this is not the code of a ticket",
                          "sealmq identity ticket NAME, at the broker, prints one: 32 hexadecimal digits");
  std::copy(bytes->begin(), bytes->end(), ticket.begin());
  return ticket;
}

class Joining {
 public:
  static Result<Joining> prepare(const Options& options) {
    Joining joining;
    joining.is_paper_ = options.client.scheme.ends_with("@paper");
    if (options.client.key.empty()) return fail_with_hint(Blame::caller_misused, "whose key is to join?", "--key NAME.key");
    if (options.client.broker_key.empty())
      return fail_with_hint(Blame::caller_misused, "the request is sealed for one broker", "--broker-key broker.pub");
    const auto ticket = TRY(read_code(TRY(find_code(options))));
    joining.key_ = TRY(open_keys(options.client.key, *joining.random_, pin_asker()));
    joining.broker_ = TRY(read_broker_identity(options.client.broker_key, options.client.unproved));
    const Now now{.steady = 0, .wall = wall_milliseconds()};
    const auto make = joining.is_paper_ ? malina::paper_join_request : malina::join_request;
    joining.request_.emplace(
        TRY(make(ticket, {options.publish, options.subscribe}, *joining.key_, joining.broker_, *joining.random_, now)));
    return joining;
  }

  Result<JoinStatus> ask(Client& client) {
    TRY(client.subscribe(answers_topic, {.qos = mqtt::QoS::at_least_once}));
    TRY(client.publish(malina::join_topic, request_->frame, {.qos = mqtt::QoS::at_least_once}));
    for (const auto end = Clock::now() + patience; Clock::now() < end;) {
      const auto message = TRY(client.receive(std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now())));
      if (!message || message->topic != answers_topic) continue;
      const auto read = is_paper_ ? malina::read_paper_join_answer : malina::read_join_answer;
      // What is not an answer to this request may be anybody's.
      if (auto status = read(message->payload, request_->answer_key, key_->identity().keys.schnorr)) return *status;
    }
    return fail_with_hint(
        Blame::environment, "the broker has not answered the request",
        "it may have another key than " + broker_.id + " in this file, or a configuration that lets nobody join");
  }

  const PublicIdentity& identity() const { return key_->identity(); }
  const BrokerIdentity& broker() const { return broker_; }

 private:
  std::unique_ptr<crypto::OsRandom> random_ = std::make_unique<crypto::OsRandom>();
  std::unique_ptr<KeyStore> key_;
  BrokerIdentity broker_;
  std::optional<malina::JoinRequest> request_;
  bool is_paper_ = false;
};

Result<> run(const Options& options) {
  auto joining = TRY(Joining::prepare(options));
  // The request protects itself.
  ConnectOptions connect = TRY(plain_connect_options(options.client, {"--scheme", "--key", "--broker-key"}));
  auto client = TRY(Client::connect(std::move(connect)));
  const JoinStatus status = TRY(joining.ask(client));
  static_cast<void>(client.disconnect());  // everything that was wanted is there
  const bool accepted = status == JoinStatus::accepted;
  const std::string print = fingerprint(joining.identity().keys);
  if (options.json)
    std::cout << nlohmann::ordered_json{{"joined", accepted}, {"broker", joining.broker().id}, {"fingerprint", print}}.dump()
              << '\n';
  else if (accepted)
    std::cout << "joined " << joining.broker().id << " with " << print << '\n';
  if (!accepted)
    return fail_with_hint(
        Blame::not_authorised,
        "the broker refuses: the ticket is unknown, used or expired, or does not allow these topics, or the key "
        "is on the list already",
        "a ticket is used up by its first use; sealmq identity ticket NAME, at the broker, makes another");
  return {};
}

}  // namespace

void add_identity_join(Command& identity, int& exit_code) {
  const auto options = std::make_shared<Options>();  // the callback owns it
  Command& join = identity.add(
      "join",
      {.summary = "put a key on a broker's list with a ticket",
       .text =
           R"(Asks a broker, over the network, to put NAME.key on its list by the code of a ticket. It gets all rights that the
ticket allows, or those that are named. Exit 3 if the broker refuses.)",
       .synopsis = "[CODE] --key NAME.key --broker-key broker.pub [option]...",
       .examples = "$ sealmq identity join --key boiler-7.key --broker-key broker.pub\n"});
  join.argument("CODE", options->code,
                "of sealmq identity ticket; this machine's other users can see it. Without: SEALMQ_TICKET, or asked for")
      ->required(false);
  join.option("--ticket-file", options->code_file, "FILE", "the code is its first line; for its owner only")
      ->excludes(join.option("CODE"));
  join.option("--publish", options->publish, "FILTER", "only this right of the ticket");
  join.option("--subscribe", options->subscribe, "FILTER", "only this right of the ticket");
  add_json_option(join, options->json);
  add_client_options(join, options->client, "--to");
  join.callback([options, &exit_code] {
    const auto result = run(*options);
    exit_code = result ? static_cast<int>(exit_done) : tell(with_hint(result.error(), options->client).value());
  });
}

}  // namespace sealmq::cli
