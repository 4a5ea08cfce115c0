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
  const Buffer request = TRY(make_request(evidence, options.reason, *key, now()));
  if (!options.output.empty()) return write_new_file(options.output, as_text(request), Audience::owner);
  if (!TRY(read_shown(request)).has_requester)
    return fail_with_hint(Blame::caller_misused,
                          "a complaint as published is not signed, so the authority takes none from a topic", "-o FILE");
  return send(options, request);
}

}  // namespace

void add_authority_evidence(CLI::App& authority, int& exit_code) {
  const auto options = std::make_shared<Options>();  // the callbacks own it
  auto* report = authority.add_subcommand("report");
  add_client_options(*report, options->client, "--to");
  report->add_option("FILE", options->file);
  report->add_option("--message", options->message);
  report->add_option("--reason", options->reason)->required();
  report->add_option("-t,--topic", options->topic);
  report->add_option("-o", options->output);
  report->callback([options, &exit_code] {
    const auto result = run_report(*options);
    exit_code = result ? static_cast<int>(exit_done) : tell(with_hint(result.error(), options->client).value());
  });

  const auto add = [&](const char* word, Result<> (*run)(const Options&)) {
    auto* command = authority.add_subcommand(word);
    add_folder_option(*command, options->folder);
    add_registry_options(*command, options->registry);
    command->add_flag("--json", options->json);
    command->callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return command;
  };
  add("trace", run_trace)->add_option("FILE", options->file)->required();
  add("complaints", run_complaints)->add_option("--close", options->number);
}

}  // namespace sealmq::cli
