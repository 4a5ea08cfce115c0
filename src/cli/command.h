// What every subcommand shares: exit codes, how errors are told, and the shape of its file.
//
// The file of a subcommand has one function, add_<name>(app, exit_code). It adds the subcommand and leaves a callback that runs
// it and sets the exit code; `exit_code` outlives the parsing.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <string>
#include <string_view>

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

/// Replaces the list of options that --help would print by the usage text of the subcommand.
void set_usage(CLI::App& app, const char* usage);

/// --data DIR, the same in every subcommand.
void add_data_option(CLI::App& app, std::string& data);

std::uint64_t wall_milliseconds();
bool is_in_environment(const char* variable);

void add_authority(CLI::App& app, int& exit_code);
void add_broker(CLI::App& app, int& exit_code);
void add_card(CLI::App& app, int& exit_code);
void add_demo(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);
void add_identity(CLI::App& app, int& exit_code);
/// Subcommands of identity.
void add_identity_join(CLI::App& identity, int& exit_code);
void add_identity_password(CLI::App& identity, int& exit_code);
void add_key(CLI::App& app, int& exit_code);
void add_pub(CLI::App& app, int& exit_code);
void add_sub(CLI::App& app, int& exit_code);
void add_version(CLI::App& app, int& exit_code);

}  // namespace sealmq::cli
