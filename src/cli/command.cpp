#include "cli/command.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>

#include "base/text.h"
#include "cli/colour.h"

namespace sealmq::cli {

Command::Command(const char* word, const About& about) : CLI::App(about.summary, word), about_(about) {
  set_help_flag("--help", "prints this help");  // -h is the host, as in mosquitto_pub
  set_help_all_flag("--help-all", "prints every option");
}

Command& Command::add(const char* word, const About& about) {
  auto owned = std::make_shared<Command>(word, about);
  Command& added = *owned;
  added.parent_ = this;
  CLI::App::add_subcommand(std::move(owned));
  commands_.push_back(&added);
  return added;
}

CLI::Option* Command::choice(const char* names, std::string& variable, const std::vector<std::string>& words,
                             const char* description) {
  std::string value;
  for (const auto& word : words) value.append(value.empty() ? "" : "|").append(word);
  return option(names, variable, value.c_str(), description)
      ->check(CLI::Validator(
          [words, value](const std::string& given) {
            return std::ranges::find(words, given) != words.end() ? std::string() : given + " is not one of " + value;
          },
          ""));
}

void Command::take_profile() {
  takes_profile_ = true;
  // Both are carried out before the rest is parsed.
  CLI::App::add_option_function<std::string>(
      "--profile", [](const std::string&) {},
      "takes options from ~/.config/sealmq/NAME, one a line, unless they are given here (profile)")
      ->type_name("NAME");
  CLI::App::add_flag_function(
      "--no-profile", [](std::int64_t) {}, "takes none");
}

Command* Command::find(std::string_view word) const {
  const auto found = std::ranges::find(commands_, word, [](const Command* command) { return command->get_name(); });
  return found == commands_.end() ? nullptr : *found;
}

std::string Command::path() const {
  return parent_ == nullptr ? get_name() : parent_->path() + " " + get_name();
}

CLI::Validator more_than_zero() {
  return {[](const std::string& given) {
            double value = 0;
            const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
            const bool is_whole = error == std::errc() && end == given.data() + given.size();
            return is_whole && value > 0 ? std::string() : given + " is not a number above 0";
          },
          ""};
}

CLI::Validator within(std::int64_t least, std::int64_t most) {
  return {[=](const std::string& given) {
            std::int64_t value = 0;
            const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
            const bool is_whole = error == std::errc() && end == given.data() + given.size();
            return is_whole && value >= least && value <= most
                       ? std::string()
                       : given + " is not a number of " + std::to_string(least) + " to " + std::to_string(most);
          },
          ""};
}

CLI::Validator time_span(std::uint64_t most_days) {
  return {[=](std::string& given) {
            const std::uint64_t most = most_days * 86'400;
            std::uint64_t count = 0;
            const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), count);
            const std::string_view unit(end, static_cast<std::size_t>(given.data() + given.size() - end));
            const std::uint64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86'400 : 0;
            if (error != std::errc() || seconds == 0 || count == 0 || count > most / seconds)
              return printable(given, 100) + " is not a time such as 30m, 12h or 7d, " + std::to_string(most_days) +
                     " days at most";
            given = std::to_string(count * seconds);
            return std::string();
          },
          ""};
}

int exit_code_for(Blame blame) {
  switch (blame) {
    case Blame::caller_misused:
      return exit_usage;
    case Blame::environment:
      return exit_environment;
    case Blame::not_authorised:
      return exit_not_authorised;
    case Blame::peer_misbehaved:
    case Blame::peer_incompatible:
      break;
  }
  return exit_not_verified;
}

Failure fail_with_hint(Blame blame, std::string_view what, std::string_view hint) {
  return fail(blame, std::string(what).append("\nhint: ").append(hint));
}

namespace {

/// What has happened, what to do next, or both.
void write(std::string_view text, std::string_view colour) {
  constexpr std::string_view begins = "hint: ";
  const bool colours = takes_colours(STDERR_FILENO);
  const std::size_t hint = text.starts_with(begins) ? 0 : std::min(text.find("\nhint: "), text.size() - 1) + 1;
  if (hint > 0) std::cerr << painted(colours, colour, "sealmq: ") << text.substr(0, hint - (hint < text.size() ? 1 : 0)) << '\n';
  if (hint < text.size()) std::cerr << painted(colours, bold, begins) << text.substr(hint + begins.size()) << '\n';
}

}  // namespace

int tell(const Error& error) {
  write(error.what, red);
  return exit_code_for(error.blame);
}

void notice(std::string_view text) {
  write(text, text.starts_with("warning: ") ? yellow : "");
}

CLI::Option* add_data_option(Command& command, std::string& data) {
  data = "./sealmq-data";
  return command.option("--data", data, "DIR", "the broker's data folder")->capture_default_str()->envname("SEALMQ_DATA");
}

void add_unproved_option(Command& command, bool& unproved) {
  command.flag("--unproved", unproved, "takes a .pub file that does not prove that its maker holds its keys");
}

void add_json_option(Command& command, bool& json) {
  command.flag("--json", json, "one JSON object a line");
}

std::uint64_t wall_milliseconds() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
}

}  // namespace sealmq::cli
