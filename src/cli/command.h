// What every subcommand shares: how it is declared, exit codes, how errors are told, and the shape of its file.
//
// The file of a subcommand has one function, add_<name>(parent, exit_code). It adds the subcommand and leaves a callback that
// runs it and sets the exit code; `exit_code` outlives the parsing.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sealmq/result.h"

namespace sealmq::cli {

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

/// A command or a group of them. An option has a heading, a description, and the name of its value, from which completion knows
/// what to offer: FILE or NAME.pub a file, DIR a folder, SCHEME a scheme, text|json one of these words.
class Command : public CLI::App {
 public:
  Command(const char* word, const About& about);

  /// A subcommand, which this one owns.
  Command& add(const char* word, const About& about);

  /// Options that are added from now on stand under it.
  void heading(const char* words) { option_defaults()->group(words); }

  /// One value each time; a vector can be given repeatedly.
  template <class T>
  CLI::Option* option(const char* names, T& variable, const char* value, const char* description) {
    CLI::Option* added = CLI::App::add_option(names, variable, description)->type_name(value);
    if constexpr (std::is_same_v<T, std::vector<std::string>>) added->allow_extra_args(false);
    return added;
  }
  /// One of these words.
  CLI::Option* choice(const char* names, std::string& variable, const std::vector<std::string>& words, const char* description);
  CLI::Option* flag(const char* names, bool& variable, const char* description) {
    return CLI::App::add_flag(names, variable, description);
  }
  /// What follows without an option's name. Required, until it is told otherwise.
  template <class T>
  CLI::Option* argument(const char* name, T& variable, const char* description) {
    return CLI::App::add_option(name, variable, description)->required();
  }
  /// Those without a description.
  template <class... T>
  CLI::Option* add_option(T&&...) = delete;
  template <class... T>
  CLI::Option* add_flag(T&&...) = delete;

  const About& about() const { return about_; }
  const Command* parent() const { return parent_; }
  const std::vector<Command*>& commands() const { return commands_; }
  /// Null if there is none.
  Command* find(std::string_view word) const;
  /// `sealmq key share`.
  std::string path() const;
  /// It does nothing without one of its commands.
  bool is_group() const { return get_require_subcommand_min() > 0; }
  /// It connects, and takes options from the profile of whoever calls it.
  void take_profile();
  bool takes_profile() const { return takes_profile_; }
  /// Also what stands under Protection; to commands whose messages protect themselves that does not apply.
  void take_protection_from_profile() { takes_protection_ = true; }
  bool takes_protection() const { return takes_protection_; }
  /// On the command line, not in the environment or a profile.
  bool is_typed(const CLI::Option* option) const { return typed_.contains(option); }
  void set_typed(std::set<const CLI::Option*> typed) { typed_ = std::move(typed); }
  /// Commands for programs, which help does not list.
  void hide() { group(""); }
  bool is_hidden() const { return get_group().empty(); }

 private:
  About about_;
  const Command* parent_ = nullptr;
  std::vector<Command*> commands_;
  bool takes_profile_ = false;
  bool takes_protection_ = false;
  std::set<const CLI::Option*> typed_;
};

/// Validator of numbers that must be more than 0.
CLI::Validator more_than_zero();
/// Validator of whole numbers; says the limits in words.
CLI::Validator within(std::int64_t least, std::int64_t most);
/// Takes `30m`, `12h` or `7d`, and puts the seconds in its place.
CLI::Validator time_span(std::uint64_t most_days);

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
CLI::Option* add_data_option(Command& command, std::string& data);
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
