#include "cli/program.h"

#include <algorithm>
#include <cctype>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>

#include "base/text.h"
#include "base/try.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/man_pages.h"
#include "cli/nearest.h"
#include "cli/profile.h"
#include "cli/rr.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "MQTT with messages that protect themselves",
    .text = "MQTT with messages that protect themselves: broker, clients, and the keys of both.",
    .synopsis = "COMMAND [option]...",
    .examples = R"($ sealmq demo
$ sealmq broker --allow-plain
$ sealmq sub -t 'plant/#' -v
$ sealmq pub -t plant/7/pressure -m 4.2
)",
};

/// CLI11 begins its sentences with a capital, unless with the name of an argument: "NAME is required".
std::string lower_first(std::string text) {
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0)
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

Failure unknown(std::string_view kind, const std::string& word, const std::vector<std::string>& known, const Command& of) {
  std::string what = "unknown " + std::string(kind) + " " + printable(word, 100);
  if (const std::string meant = nearest(word, known); !meant.empty()) what += "; did you mean " + meant + "?";
  return fail_with_hint(Blame::caller_misused, what, of.path() + " --help");
}

Failure unknown_command(const std::string& word, const Command& of) {
  std::vector<std::string> known;
  for (const Command* command : of.commands())
    if (!command->is_hidden()) known.push_back(command->word());
  return unknown("command", word, known, of);
}

/// The command that the first words name. CLI11 would only say that one is missing.
Result<Command*> find_command(Command& app, std::span<const std::string> words) {
  Command* command = &app;
  for (const std::string& word : words) {
    if (command->commands().empty() || word.starts_with('-')) break;
    Command* next = command->find(word);
    if (next == nullptr && !command->is_group()) break;
    if (next == nullptr) return unknown_command(word, *command);
    command = next;
  }
  return command;
}

/// What is left over after parsing, in the words of whoever typed it.
Failure refuse_rest(const Command& command) {
  const auto rest = command.remaining();
  for (const std::string& word : rest) {
    if (word.size() < 2 || word[0] != '-') continue;
    std::vector<std::string> known{"--help", "--help-all"};
    for (const auto& option : options_of(command)) known.insert(known.end(), option.names.begin(), option.names.end());
    return unknown("option", word.substr(0, word.find('=')), known, command);
  }
  return fail_with_hint(Blame::caller_misused, "one word too many: " + printable(rest.empty() ? "" : rest.front(), 100),
                        command.path() + " --help");
}

/// Itself and what is under it, an object a line.
void print_json(const Command& command) {
  if (command.is_hidden()) return;
  nlohmann::ordered_json line{{"command", command.path()},
                              {"summary", command.about().summary},
                              {"group", command.is_group()},
                              {"profile", command.takes_profile()}};
  line["options"] = nlohmann::ordered_json::array();
  for (const OptionText& option : options_of(command))
    line["options"].push_back({{"names", option.names},
                               {"value", option.value},
                               {"description", option.description},
                               {"heading", option.heading},
                               {"required", option.required}});
  std::cout << line.dump() << '\n';
  for (const Command* sub : command.commands()) print_json(*sub);
}

void add_help(Command& app, int& exit_code) {
  struct Options {
    std::vector<std::string> words;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();  // the callback owns it
  Command& command =
      app.add("help", {.summary = "what a command does, and its options", .examples = "$ sealmq help key share\n"});
  command.argument("COMMAND", options->words, "its words")->required(false)->expected(0, 3);
  add_json_option(command, options->json);
  command.callback([options, &app, &exit_code] {
    const auto found = find_command(app, options->words);
    if (!found)
      exit_code = tell(found.error());
    else if (options->json)
      print_json(**found);
    else
      std::cout << help(**found, true);
  });
}

Result<> run(Command& app, std::vector<std::string> words) {
  Command& command = *TRY(find_command(app, words));
  command.set_typed(typed_options(command, own_words(command, words)));
  const bool asks_for_help =
      std::ranges::any_of(words, [](const std::string& word) { return word == "--help" || word == "--help-all"; });
  if (command.is_group() && !asks_for_help) {
    const auto rest = own_words(command, words);
    return rest.empty() ? fail_with_hint(Blame::caller_misused, command.path() + " needs a command", command.path() + " --help")
                        : unknown("option", rest.front(), {"--help", "--help-all"}, command);
  }
  if (command.takes_profile() && !asks_for_help) words = TRY(with_profile(app, command, std::move(words)));
  const auto parsed = app.parse(std::move(words));
  if (!parsed) return fail_with_hint(Blame::caller_misused, lower_first(parsed.error().what), command.path() + " --help");
  switch (*parsed) {
    case Command::Parsed::done:
      break;
    case Command::Parsed::asks_for_help:
      std::cout << help(command, false);
      break;
    case Command::Parsed::asks_for_all_help:
      std::cout << help(command, true);
      break;
    case Command::Parsed::has_more_words:
      return refuse_rest(command);
  }
  return {};
}

int parse_and_run(std::vector<std::string> words) {
  int exit_code = exit_done;
  Command app("sealmq", about);
  app.require_subcommand();
  add_pub(app, exit_code);
  add_sub(app, exit_code);
  add_rr(app, exit_code);
  add_broker(app, exit_code);
  add_identity(app, exit_code);
  add_key(app, exit_code);
  add_authority(app, exit_code);
  add_card(app, exit_code);
  add_doctor(app, exit_code);
  add_bench(app, exit_code);
  add_demo(app, exit_code);
  add_completion(app, exit_code);
  add_help(app, exit_code);
  add_version(app, exit_code);
  add_man_pages(app, exit_code);
  if (words.empty()) words = {"--help"};
  // For the scripts of completion. What has been typed so far need not be parsed.
  if (words.front() == "complete" && words.size() > 1) {
    std::cout << completions(app, std::span(words).subspan(2)) << std::flush;
    return exit_done;
  }
  if (words.front() == "--version" || words.front() == "-V") words.front() = "version";
  if (const auto done = run(app, words); !done) return tell(done.error());
  if (!std::cout.flush()) return tell({Blame::environment, "cannot write the results"});
  return exit_code;
}

}  // namespace

int run_program(std::vector<std::string> words) {
  try {
    return parse_and_run(std::move(words));
  } catch (const std::exception& bug) {
    return tell({Blame::environment, bug.what()});
  }
}

}  // namespace sealmq::cli
