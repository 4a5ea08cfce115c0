// The program `sealmq`: finds the subcommand and hands over to its file.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cctype>
#include <iostream>

#include "cli/bench.h"
#include "cli/command.h"

namespace sealmq::cli {
namespace {

/// CLI11 begins its sentences with a capital, unless with the name of an argument: "NAME is required".
std::string lower_first(std::string text) {
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0)
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

/// The words up to the subcommand that refused its options.
std::string command_in_use(const CLI::App& app) {
  std::string words = app.get_name();
  for (const auto* sub : app.get_subcommands()) words += " " + command_in_use(*sub);
  return words;
}

int run(int argc, char** argv) {
  CLI::App app("MQTT with messages that protect themselves", "sealmq");
  int exit_code = exit_done;
  app.set_help_flag("--help", "print this help");  // -h is the host, as in mosquitto_pub
  app.require_subcommand(1);
  add_authority(app, exit_code);
  add_broker(app, exit_code);
  add_card(app, exit_code);
  add_identity(app, exit_code);
  add_key(app, exit_code);
  add_pub(app, exit_code);
  add_sub(app, exit_code);
  add_bench(app, exit_code);
  add_demo(app, exit_code);
  add_doctor(app, exit_code);
  add_version(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help, std::cout, std::cerr);
  } catch (const CLI::ParseError& error) {
    return tell(fail_with_hint(Blame::caller_misused, lower_first(error.what()), command_in_use(app) + " --help").value());
  }
  if (!std::cout.flush()) return tell({Blame::environment, "cannot write the results"});
  return exit_code;
}

}  // namespace
}  // namespace sealmq::cli

int main(int argc, char** argv) {
  try {
    return sealmq::cli::run(argc, argv);
  } catch (const std::exception& bug) {
    std::cerr << "sealmq: " << bug.what() << '\n';
    return sealmq::cli::exit_environment;
  }
}
