#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <optional>
#include <type_traits>

#include "base/text.h"
#include "cli/colour.h"

namespace sealmq::cli {

namespace {

CLI::Validator validator(const Check& check) {
  return {check.find_fault, check.kind};
}

}  // namespace

Option* Option::required(bool is) {
  parsed_.required(is);
  return this;
}

Option* Option::check(const Check& check) {
  parsed_.check(validator(check));
  return this;
}

Option* Option::check(std::function<std::string(const std::string&)> find_fault) {
  parsed_.check(std::move(find_fault));
  return this;
}

Option* Option::transform(const Check& check) {
  parsed_.transform(validator(check));
  return this;
}

Option* Option::excludes(Option* other) {
  parsed_.excludes(&other->parsed_);
  excluded_.insert(other);
  other->excluded_.insert(this);
  return this;
}

Option* Option::excludes(const char* other) {
  return excludes(owner_.option(other));
}

Option* Option::needs(Option* other) {
  parsed_.needs(&other->parsed_);
  return this;
}

Option* Option::needs(const char* other) {
  return needs(owner_.option(other));
}

Option* Option::capture_default_str() {
  parsed_.capture_default_str();
  return this;
}

Option* Option::envname(const char* variable) {
  parsed_.envname(variable);
  return this;
}

Option* Option::expected(int least, int most) {
  parsed_.expected(least, most);
  return this;
}

Option* Option::type_size(int least, int most) {
  parsed_.type_size(least, most);
  return this;
}

Option* Option::each(std::function<void(const std::string&)> callback) {
  parsed_.each(std::move(callback));
  return this;
}

std::size_t Option::count() const {
  return parsed_.count();
}

std::vector<std::string> Option::names() const {
  std::vector<std::string> names;
  for (const auto& name : parsed_.get_snames()) names.push_back("-" + name);
  for (const auto& name : parsed_.get_lnames()) names.push_back("--" + name);
  return names;
}

bool Option::has_name(const std::string& name) const {
  return parsed_.nonpositional() && parsed_.check_name(name);
}

std::string Option::value() const {
  if (!parsed_.nonpositional()) return parsed_.get_name(true);
  if (parsed_.get_items_expected_max() == 0) return "";
  const std::string type = parsed_.get_type_name();
  return type.substr(0, type.find(':'));  // without what its validators add
}

std::string Option::description() const {
  return parsed_.get_description();
}

std::string Option::default_value() const {
  return parsed_.get_default_str();
}

std::string Option::environment() const {
  return parsed_.get_envname();
}

std::string Option::heading() const {
  return parsed_.get_group();
}

bool Option::is_required() const {
  return parsed_.get_required();
}

bool Option::is_repeatable() const {
  return parsed_.get_expected_max() > 1;
}

std::size_t Option::least_values() const {
  return static_cast<std::size_t>(parsed_.get_items_expected_min());
}

Command::Command(const char* word, const About& about)
    : word_(word), about_(about), parser_(std::make_shared<CLI::App>(about.summary, word)) {
  keep(parser_->set_help_flag("--help", "prints this help"), true);  // -h is the host, as in mosquitto_pub
  keep(parser_->set_help_all_flag("--help-all", "prints every option"), true);
}

Command::~Command() = default;

Option* Command::keep(CLI::Option* added, bool is_help) {
  options_.emplace_back(new Option(*this, *added, is_help));
  return options_.back().get();
}

Command& Command::add(const char* word, const About& about) {
  Command& added = *owned_.emplace_back(std::make_unique<Command>(word, about));
  added.parent_ = this;
  parser_->add_subcommand(added.parser_);
  commands_.push_back(&added);
  return added;
}

void Command::heading(const char* words) {
  parser_->option_defaults()->group(words);
}

template <class T>
Option* Command::option(const char* names, T& variable, const char* value, const char* description) {
  CLI::Option* added = parser_->add_option(names, variable, description)->type_name(value);
  if constexpr (std::is_same_v<T, std::vector<std::string>>) added->allow_extra_args(false);
  return keep(added);
}

template <class T>
Option* Command::argument(const char* name, T& variable, const char* description) {
  return keep(parser_->add_option(name, variable, description)->required());
}

// Whatever values commands have.
template Option* Command::option(const char*, std::string&, const char*, const char*);
template Option* Command::option(const char*, std::vector<std::string>&, const char*, const char*);
template Option* Command::option(const char*, std::vector<std::vector<std::string>>&, const char*, const char*);
template Option* Command::option(const char*, int&, const char*, const char*);
template Option* Command::option(const char*, unsigned&, const char*, const char*);
template Option* Command::option(const char*, std::int64_t&, const char*, const char*);
template Option* Command::option(const char*, std::uint64_t&, const char*, const char*);
template Option* Command::option(const char*, std::uint16_t&, const char*, const char*);
template Option* Command::option(const char*, double&, const char*, const char*);
template Option* Command::option(const char*, std::optional<std::string>&, const char*, const char*);
template Option* Command::option(const char*, std::optional<std::uint16_t>&, const char*, const char*);
template Option* Command::option(const char*, std::optional<std::uint32_t>&, const char*, const char*);
template Option* Command::option(const char*, std::optional<std::uint64_t>&, const char*, const char*);
template Option* Command::argument(const char*, std::string&, const char*);
template Option* Command::argument(const char*, std::vector<std::string>&, const char*);

Option* Command::choice(const char* names, std::string& variable, const std::vector<std::string>& words,
                        const char* description) {
  std::string value;
  for (const auto& word : words) value.append(value.empty() ? "" : "|").append(word);
  return option(names, variable, value.c_str(), description)->check([words, value](const std::string& given) {
    return std::ranges::find(words, given) != words.end() ? std::string() : given + " is not one of " + value;
  });
}

Option* Command::flag(const char* names, bool& variable, const char* description) {
  return keep(parser_->add_flag(names, variable, description));
}

Option* Command::option(const char* name) {
  const CLI::Option* its = parser_->get_option(name);
  return std::ranges::find_if(options_, [&](const auto& option) { return &option->parsed_ == its; })->get();
}

std::vector<const Option*> Command::options() const {
  std::vector<const Option*> all;
  for (const auto& option : options_) all.push_back(option.get());
  return all;
}

void Command::hide() {
  is_hidden_ = true;
  parser_->group("");
}

void Command::callback(std::function<void()> run) {
  parser_->callback(std::move(run));
}

void Command::parse_complete_callback(std::function<void()> run) {
  parser_->parse_complete_callback(std::move(run));
}

void Command::fallthrough() {
  parser_->fallthrough();
}

void Command::require_subcommand() {
  parser_->require_subcommand(1);
}

bool Command::is_group() const {
  return parser_->get_require_subcommand_min() > 0;
}

void Command::take_profile() {
  takes_profile_ = true;
  // Both are carried out before the rest is parsed.
  keep(parser_
           ->add_option_function<std::string>(
               "--profile", [](const std::string&) {},
               "takes options from ~/.config/sealmq/NAME, one a line, unless they are given here (profile)")
           ->type_name("NAME"));
  keep(parser_->add_flag_function(
      "--no-profile", [](std::int64_t) {}, "takes none"));
}

Command* Command::find(std::string_view word) const {
  const auto found = std::ranges::find(commands_, word, [](const Command* command) { return command->word(); });
  return found == commands_.end() ? nullptr : *found;
}

std::string Command::path() const {
  return parent_ == nullptr ? word_ : parent_->path() + " " + word_;
}

Result<Command::Parsed> Command::parse(std::vector<std::string> words) {
  std::ranges::reverse(words);  // as the parser takes them
  try {
    parser_->parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    return Parsed::asks_for_help;
  } catch (const CLI::CallForAllHelp&) {
    return Parsed::asks_for_all_help;
  } catch (const CLI::ExtrasError&) {
    return Parsed::has_more_words;
  } catch (const CLI::ParseError& error) {
    return fail(Blame::caller_misused, error.what());
  }
  return Parsed::done;
}

bool Command::parsed() const {
  return parser_->parsed();
}

bool Command::has_parsed_command() const {
  return !parser_->get_subcommands().empty();
}

std::vector<std::string> Command::remaining() const {
  return parser_->remaining();
}

Check more_than_zero() {
  return {[](const std::string& given) {
            double value = 0;
            const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
            const bool is_whole = error == std::errc() && end == given.data() + given.size();
            return is_whole && value > 0 ? std::string() : given + " is not a number above 0";
          },
          ""};
}

Check not_negative() {
  return {[](std::string& given) { return CLI::NonNegativeNumber(given); }, CLI::NonNegativeNumber.get_description()};
}

Check one_of(const std::vector<int>& numbers) {
  const CLI::Validator check = CLI::IsMember(numbers);
  return {[check](std::string& given) { return check(given); }, check.get_description()};
}

Check within(std::int64_t least, std::int64_t most) {
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

Check time_span(std::uint64_t most_days) {
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

Option* add_data_option(Command& command, std::string& data) {
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
