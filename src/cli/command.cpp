#include "cli/command.h"

#include <chrono>
#include <cstdlib>
#include <iostream>

namespace sealmq::cli {

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

int tell(const Error& error) {
  std::cerr << "sealmq: " << error.what << '\n';
  return exit_code_for(error.blame);
}

void notice(std::string_view text) {
  std::cerr << "sealmq: " << text << '\n';
}

void set_usage(CLI::App& app, const char* usage) {
  // Subcommands added from now on take it over.
  app.formatter_fn([usage](const CLI::App*, const std::string&, CLI::AppFormatMode) { return std::string(usage); });
}

void add_data_option(CLI::App& app, std::string& data) {
  data = "./sealmq-data";
  app.add_option("--data", data, "the broker's data folder")->envname("SEALMQ_DATA");
}

std::uint64_t wall_milliseconds() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
}

// Nothing in this program changes the environment.
bool is_in_environment(const char* variable) {
  return std::getenv(variable) != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace sealmq::cli
