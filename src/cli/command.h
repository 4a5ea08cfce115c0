// What every subcommand shares: how it is declared, exit codes, how errors are told, and the shape of its file.
//
// The file of a subcommand has one function, add_<name>(parent, exit_code). It adds the subcommand and leaves a callback that
// runs it and sets the exit code; `exit_code` outlives the parsing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/result.h"

// The parser's own classes: its header takes four seconds to compile, so command.cpp alone has it.
namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sealmq::cli {

class Command;

/// Documented, so that scripts can rely on them.
enum Exit : int {
  exit_done = 0,
  exit_usage = 1,
  exit_environment = 2,
  exit_not_authorised = 3,
  exit_not_verified = 4,  ///< verification failed, or the peer broke the protocol
  exit_timed_out = 27,
};

/// What a command says of itself; its options say the rest. Help, man page and completion are made from both.
struct About {
  const char* summary;        ///< half a line, for lists
  const char* text = "";      ///< paragraphs between empty lines; lines that begin with a space stay as they are
  const char* synopsis = "";  ///< empty: the arguments and the required options
  const char* examples = "";  ///< a session as it is typed, a line each
  const char* exit_codes = "0 done, 1 usage or refused input, 2 cannot connect, read or write, 3 not authorised, 4 not verified";
};

/// What a value has to be.
struct Check {
  std::function<std::string(std::string&)> find_fault;  ///< empty: none. It may also put another value in its place: transform()
  std::string kind;                                     ///< what errors call such a value
};

/// An option, a flag or an argument of one command, which owns it.
class Option {
 public:
  Option* required(bool is = true);
  Option* check(const Check& check);
  Option* check(std::function<std::string(const std::string&)> find_fault);
  Option* transform(const Check& check);
  /// Not together with that one.
  Option* excludes(Option* other);
  Option* excludes(const char* other);
  /// Only together with that one.
  Option* needs(Option* other);
  Option* needs(const char* other);
  /// The value that the variable has now is its default, which help tells.
  Option* capture_default_str();
  /// A variable of the environment that stands for it.
  Option* envname(const char* variable);
  /// How often it can be given.
  Option* expected(int least, int most);
  /// How many values it takes each time.
  Option* type_size(int least, int most);
  /// For every value that was given.
  Option* each(std::function<void(const std::string&)> callback);

  /// How many values were given.
  std::size_t count() const;

  /// `-t`, `--topic`; an argument has none.
  std::vector<std::string> names() const;
  bool has_name(const std::string& name) const;
  /// TOPIC, also of an argument; empty: a flag.
  std::string value() const;
  std::string description() const;
  std::string default_value() const;
  std::string environment() const;
  std::string heading() const;
  bool is_required() const;
  bool is_repeatable() const;
  /// --help and --help-all.
  bool is_help() const { return is_help_; }
  /// 0: a flag.
  std::size_t least_values() const;
  const std::set<const Option*>& excluded() const { return excluded_; }

 private:
  friend class Command;
  Option(Command& owner, CLI::Option& parsed, bool is_help) : owner_(owner), parsed_(parsed), is_help_(is_help) {}

  Command& owner_;
  CLI::Option& parsed_;
  std::set<const Option*> excluded_;
  bool is_help_;
};

/// A command or a group of them. An option has a heading, a description, and the name of its value, from which completion knows
/// what to offer: FILE or NAME.pub a file, DIR a folder, SCHEME a scheme, text|json one of these words.
class Command {
 public:
  Command(const char* word, const About& about);
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command();

  /// A subcommand, which this one owns.
  Command& add(const char* word, const About& about);

  /// Options that are added from now on stand under it.
  void heading(const char* words);

  /// One value each time; a vector can be given repeatedly. command.cpp lists the types.
  template <class T>
  Option* option(const char* names, T& variable, const char* value, const char* description);
  /// One of these words.
  Option* choice(const char* names, std::string& variable, const std::vector<std::string>& words, const char* description);
  Option* flag(const char* names, bool& variable, const char* description);
  /// What follows without an option's name. Required, until it is told otherwise.
  template <class T>
  Option* argument(const char* name, T& variable, const char* description);

  /// The one that has this name, which has been added.
  Option* option(const char* name);
  /// In the order in which they were added.
  std::vector<const Option*> options() const;

  /// What it does, after all words have been read.
  void callback(std::function<void()> run);
  /// Before that: its own words have been read.
  void parse_complete_callback(std::function<void()> run);
  /// Words that it does not know may be its parent's.
  void fallthrough();
  /// It does nothing without one of its commands.
  void require_subcommand();
  bool is_group() const;

  const std::string& word() const { return word_; }
  const About& about() const { return about_; }
  const Command* parent() const { return parent_; }
  const std::vector<Command*>& commands() const { return commands_; }
  /// Null if there is none.
  Command* find(std::string_view word) const;
  /// `sealmq key share`.
  std::string path() const;
  /// It connects, and takes options from the profile of whoever calls it.
  void take_profile();
  bool takes_profile() const { return takes_profile_; }
  /// Also what stands under Protection; to commands whose messages protect themselves that does not apply.
  void take_protection_from_profile() { takes_protection_ = true; }
  bool takes_protection() const { return takes_protection_; }
  /// On the command line, not in the environment or a profile.
  bool is_typed(const Option* option) const { return typed_.contains(option); }
  void set_typed(std::set<const Option*> typed) { typed_ = std::move(typed); }
  /// Commands for programs, which help does not list.
  void hide();
  bool is_hidden() const { return is_hidden_; }

  enum class Parsed { done, asks_for_help, asks_for_all_help, has_more_words };
  /// Reads the words, and runs what they call. Errors: caller_misused, in the words of the parser.
  Result<Parsed> parse(std::vector<std::string> words);
  /// It was among the words.
  bool parsed() const;
  /// So was one of its commands.
  bool has_parsed_command() const;
  /// The words that nobody knew.
  std::vector<std::string> remaining() const;

 private:
  Option* keep(CLI::Option* added, bool is_help = false);

  std::string word_;
  About about_;
  std::shared_ptr<CLI::App> parser_;
  std::vector<std::unique_ptr<Option>> options_;
  const Command* parent_ = nullptr;
  std::vector<std::unique_ptr<Command>> owned_;
  std::vector<Command*> commands_;
  bool takes_profile_ = false;
  bool takes_protection_ = false;
  bool is_hidden_ = false;
  std::set<const Option*> typed_;
};

/// A number that is more than 0.
Check more_than_zero();
/// A number that is not less than 0.
Check not_negative();
/// A whole number; says the limits in words.
Check within(std::int64_t least, std::int64_t most);
/// One of these numbers.
Check one_of(const std::vector<int>& numbers);
/// Takes `30m`, `12h` or `7d`, and puts the seconds in its place.
Check time_span(std::uint64_t most_days);

int exit_code_for(Blame blame);

/// An error that a person can do something about.
Failure fail_with_hint(Blame blame, std::string_view what, std::string_view hint);

/// `sealmq: …` and, if there is one, `hint: …` on standard error. Answers the exit code.
int tell(const Error& error);
/// Something worth knowing that is no error, on standard error.
void notice(std::string_view text);

/// For callbacks: `exit_code = finish(run(options))`.
inline int finish(const Result<>& result) {
  return result ? static_cast<int>(exit_done) : tell(result.error());
}

/// --data DIR, the same in every subcommand.
Option* add_data_option(Command& command, std::string& data);
/// --unproved, of commands that take NAME.pub.
void add_unproved_option(Command& command, bool& unproved);
/// --json, likewise.
void add_json_option(Command& command, bool& json);

std::uint64_t wall_milliseconds();

void add_authority(Command& app, int& exit_code);
void add_broker(Command& app, int& exit_code);
void add_card(Command& app, int& exit_code);
void add_demo(Command& app, int& exit_code);
void add_doctor(Command& app, int& exit_code);
void add_identity(Command& app, int& exit_code);
/// Subcommands of identity.
void add_identity_keys(Command& identity, int& exit_code);
void add_identity_join(Command& identity, int& exit_code);
void add_identity_password(Command& identity, int& exit_code);
void add_key(Command& app, int& exit_code);
void add_pub(Command& app, int& exit_code);
void add_sub(Command& app, int& exit_code);
void add_version(Command& app, int& exit_code);

}  // namespace sealmq::cli
