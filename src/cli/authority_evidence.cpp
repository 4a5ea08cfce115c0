// sealmq authority report, trace, complaints: a message that somebody complains about, and who wrote it.
#include <array>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "authority/complaint_book.h"
#include "base/text.h"
#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/authority_options.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/evidence.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "sealmq/client.h"
#include "sealmq/complaint.h"

namespace sealmq::cli {
namespace {

using authority::Complaint;
using authority::ComplaintBook;
using Json = nlohmann::ordered_json;

constexpr std::size_t longest_printed = 200;  // of a message, on a terminal

struct Options {
  std::string folder;
  RegistryChoice registry;
  ClientOptions client;
  std::string file;
  std::string message;
  std::string reason;
  std::string topic;
  std::string output;
  std::uint64_t number = 0;
  bool json = false;
};

Result<Buffer> read_file(const std::string& path) {
  const Secret text = TRY(read_private_file(path, wants_evidence, authority::maximum_complaint_size));
  return to_buffer(text.reveal());
}

Now now() {
  return {.steady = 0, .wall = wall_milliseconds()};
}

// -- by whom

struct Author {
  malina::Id id{};
  std::optional<Identity> known;
};

std::string described(const Author& author) {
  if (!author.known) return "id " + to_hex(author.id) + ", not on a list seen from here";
  return author.known->name + (author.known->status == Status::revoked ? " (revoked)" : "");
}

std::string requester_of(const Shown& shown, const std::vector<Identity>& listed) {
  for (const Identity& identity : listed)
    if (identity.keys.ecdsa == shown.requester) return identity.name;
  return "key " + to_hex(shown.requester);
}

/// Milliseconds since 1970.
std::string time_in_words(std::uint64_t wall) {
  const auto seconds = static_cast<std::time_t>(wall / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

void print(const Shown& shown, const Author& author, const std::vector<Identity>& listed, std::uint64_t number, bool json) {
  const bool is_text = is_mqtt_utf8(as_text(shown.message()));
  if (json) {
    Json line;
    if (number != 0) line["complaint"] = number;
    line["author"] = author.known ? author.known->name : std::string();
    line["id"] = to_hex(author.id);
    line["status"] = author.known ? Json(name(author.known->status)) : Json();
    line["level"] = static_cast<int>(shown.level());
    line["topic"] = shown.topic();
    line["payload"] = is_text ? std::string(as_text(shown.message())) : to_base64(shown.message());
    line["payload_encoding"] = is_text ? "utf8" : "base64";
    line["time"] = shown.time();
    line["reason"] = shown.reason;
    line["requester"] = shown.has_requester ? Json(requester_of(shown, listed)) : Json();
    std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    return;
  }
  if (number != 0) std::cout << "complaint   " << number << '\n';
  std::cout << "written by  " << described(author) << "\ntopic       " << printable(shown.topic(), longest_printed)
            << "\nmessage     " << printable(as_text(shown.message()), longest_printed) << "\ntime        "
            << time_in_words(shown.time()) << "\nby          sl" << static_cast<int>(shown.level())
            << (shown.paper ? ", as published" : "") << '\n';
  if (!shown.reason.empty()) std::cout << "reason      " << printable(shown.reason, longest_printed) << '\n';
  if (shown.has_requester) std::cout << "complains   " << requester_of(shown, listed) << '\n';
}

Result<std::vector<Identity>> listed_from_here(const RegistryChoice& choice) {
  const auto registry = TRY(visible_registry(choice));
  if (registry == nullptr) return std::vector<Identity>();
  return registry->list();
}

Result<> trace(Bytes file, std::uint64_t number, const OpenAuthority& its, const std::vector<Identity>& listed, bool json) {
  const Shown shown = TRY(read_shown(file));
  if (shown.level() == malina::Level::sl2 && shown.paper && listed.empty())
    return fail_with_hint(Blame::caller_misused, "the published SL2 names no author: those on the list have to be tried",
                          "--data DIR or --registry URL names the list");
  Author author;
  author.id = TRY(author_of(shown, *its.key, listed));
  author.known = find_by_id(listed, author.id);
  print(shown, author, listed, number, json);
  return {};
}

Result<> run_trace(const Options& options) {
  crypto::OsRandom random;
  const OpenAuthority its = TRY(open_authority(options.folder, random));
  const Buffer file = TRY(read_file(options.file));
  return trace(file, 0, its, TRY(listed_from_here(options.registry)), options.json);
}

Result<> run_complaints(const Options& options) {
  crypto::OsRandom random;
  const OpenAuthority its = TRY(open_authority(options.folder, random));
  const auto book = TRY(ComplaintBook::open(its.folder.complaints()));
  if (options.number != 0) return book->close(options.number);
  const auto listed = TRY(listed_from_here(options.registry));
  for (const Complaint& complaint : TRY(book->open_ones()))
    TRY(trace(complaint.frame, complaint.number, its, listed, options.json));
  return {};
}

// -- complaining

Result<> send(const Options& options, const Buffer& request) {
  // It protects itself: --key has signed it. By a scheme it also reaches a topic that policy closes to plain MQTT.
  ConnectOptions connect = options.client.scheme.empty() ? TRY(plain_connect_options(options.client, {"--key"}))
                                                         : TRY(connect_options(options.client));
  auto client = TRY(Client::connect(std::move(connect)));
  TRY(client.publish(options.topic, request, {.qos = mqtt::QoS::at_least_once}));
  return client.disconnect();
}

Result<> run_report(const Options& options) {
  const std::string& path = options.file.empty() ? options.message : options.file;
  if (path.empty()) return fail_with_hint(Blame::caller_misused, "no message to report", "--message FILE");
  if (options.client.key.empty()) return fail_with_hint(Blame::caller_misused, "a complaint is signed", "--key NAME.key");
  if (options.topic.empty() == options.output.empty())
    return fail_with_hint(Blame::caller_misused, "where is the complaint to go?",
                          "-o FILE, to be handed to the authority, or -t TOPIC at the broker");
  crypto::OsRandom random;
  const auto key = TRY(open_keys(options.client.key, random, pin_asker()));
  const Buffer evidence = TRY(read_file(path));
  const Buffer request = TRY(sign_complaint(evidence, options.reason, *key, now()));
  const auto tell_where = [&](const char* kind, const std::string& where) {
    if (options.json) std::cout << Json{{"complaint", request.size()}, {kind, where}}.dump() << '\n';
  };
  if (!options.output.empty()) {
    TRY(write_new_file(options.output, as_text(request), Audience::owner));
    tell_where("file", options.output);
    return {};
  }
  if (!TRY(read_shown(request)).has_requester)
    return fail_with_hint(Blame::caller_misused,
                          "a complaint as published is not signed, so the authority takes none from a topic", "-o FILE");
  TRY(send(options, request));
  tell_where("topic", options.topic);
  return {};
}

}  // namespace

void add_authority_evidence(Command& authority, int& exit_code) {
  const auto options = std::make_shared<Options>();  // the callbacks own it
  Command& report = authority.add(
      "report",
      {.summary = "sign a complaint about a message",
       .text =
           R"(Signs a complaint about a message that `sealmq sub --evidence DIR` has kept: into a file, or to a topic that `sealmq
authority serve --complaints` reads.)",
       .synopsis = "FILE --key NAME.key --reason TEXT (-o FILE | -t TOPIC) [option]...",
       .examples =
           "$ sealmq authority report kept/1.evidence --key desk.key \\\n    --reason 'threatens a patient' -o complaint\n"});
  report.argument("FILE", options->file, "the evidence")->required(false);
  report.option("--message", options->message, "FILE", "the same");
  report.option("--reason", options->reason, "TEXT", "goes into the complaint")->required();
  report.option("-t,--topic", options->topic, "TOPIC", "publishes the complaint here");
  report.option("-o,--output", options->output, "FILE", "writes it into this new file, to be handed to the authority");
  add_json_option(report, options->json);
  add_client_options(report, options->client, "--to");
  report.callback([options, &exit_code] {
    const auto result = run_report(*options);
    exit_code = result ? static_cast<int>(exit_done) : tell(with_hint(result.error(), options->client).value());
  });

  const auto add = [&](const char* word, const About& about, Result<> (*run)(const Options&)) -> Command& {
    Command& command = authority.add(word, about);
    command.callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return command;
  };
  Command& trace = add(
      "trace",
      {.summary = "tell who wrote a message",
       .text =
           R"(Who wrote the message in a complaint or in evidence: its signature is verified, what hides the author is opened.)",
       .examples = "$ sealmq authority trace complaint\n"},
      run_trace);
  trace.argument("FILE", options->file, "a complaint, or evidence");
  Command& complaints = add("complaints",
                            {.summary = "list the complaints that serve has taken",
                             .text = "The complaints that serve has taken, each verified, until they are closed.",
                             .examples = "$ sealmq authority complaints\n$ sealmq authority complaints --close 3\n"},
                            run_complaints);
  complaints.option("--close", options->number, "NUMBER", "closes this one");
  for (Command* command : {&trace, &complaints}) {
    add_folder_option(*command, options->folder);
    add_json_option(*command, options->json);
    add_registry_options(*command, options->registry);
  }
}

}  // namespace sealmq::cli
