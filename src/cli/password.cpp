// sealmq identity password: for clients that know user name and password only.
#include <termios.h>
#include <unistd.h>

#include <iostream>

#include "base/try.h"
#include "cli/audit.h"
#include "cli/command.h"
#include "cli/registry_choice.h"
#include "crypto/random.h"
#include "registry/data_folder.h"
#include "sealmq/registry.h"
#include "server/password_file.h"
#include "server/recoverable_passwords.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage = R"(usage: sealmq identity password NAME [--remove] [--recoverable]

Lets a client that has no keys log in as NAME by user name and password; it gets NAME's rights on topics that policy opens to
plain MQTT. The password is asked for twice on a terminal; otherwise it is the first line of standard input. A running broker
takes it from the next login on.

A client that logs in by a scheme (pmqtt) proves the same password without sending it.

  --recoverable       for clients of pmqtt@paper alone: keeps the password itself, in a file of its own that only that profile
                      reads. Whoever gets the file has the password
  --remove            takes the password away
  --data DIR          the broker's data folder (or SEALMQ_DATA), ./sealmq-data if not given
  --registry URL      where the list is, if not there (or SEALMQ_REGISTRY)

  $ sealmq identity password dashboard
)";

constexpr std::size_t longest = 1024;

/// No echo while it is typed.
class QuietTerminal {
 public:
  QuietTerminal() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::cerr << '\n';
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

 private:
  termios before_{};
};

Result<Secret> read_line() {
  Buffer line;
  line.reserve(longest + 1);  // a Buffer that grows leaves copies
  for (int c = std::cin.get(); c != EOF && c != '\n'; c = std::cin.get()) {
    if (line.size() >= longest) return fail(Blame::caller_misused, "a password has at most 1024 bytes");
    line.push_back(static_cast<std::uint8_t>(c));
  }
  if (line.empty()) return fail(Blame::caller_misused, "no password was given");
  return Secret(std::move(line));
}

Result<Secret> ask(const char* question) {
  std::cerr << question << std::flush;
  const QuietTerminal quiet;
  return read_line();
}

Result<Secret> new_password() {
  if (::isatty(STDIN_FILENO) == 0) return read_line();
  auto first = TRY(ask("password: "));
  auto second = TRY(ask("again: "));
  if (!same(first.reveal(), second.reveal())) return fail(Blame::caller_misused, "these are two different passwords");
  return first;
}

struct Options {
  RegistryChoice registry;
  std::string name;
  bool remove = false;
  bool recoverable = false;
};

Result<> run(const Options& options) {
  const std::string& name = options.name;
  const DataFolder folder = TRY(find_data_folder(options.registry.data));
  if (options.remove) {
    const bool was_there = options.recoverable ? TRY(server::remove_recoverable_password(folder.recoverable_passwords(), name))
                                               : TRY(server::remove_password(folder.passwords(), name));
    if (!was_there) return fail(Blame::caller_misused, name + " has no password");
    std::cout << "removed the password of " << name << '\n';
    return record(options.registry, "password", name, "removed");
  }
  const auto registry = TRY(open_registry(options.registry));
  const auto known = TRY(registry->find(name));
  if (!known)
    return fail_with_hint(Blame::caller_misused, name + " is not on the broker's list",
                          "sealmq identity new " + name + ", then sealmq identity enroll " + name + ".pub");
  Secret password = TRY(new_password());
  if (options.recoverable) {
    notice("warning: this password can be read by whoever gets " + folder.recoverable_passwords() +
           "\nhint: use it nowhere else; a scheme without @paper needs no such file");
    TRY(server::set_recoverable_password(folder.recoverable_passwords(), name, std::move(password)));
    std::cout << "set the recoverable password of " << name << '\n';
    return {};
  }
  crypto::OsRandom random;
  const auto entry = TRY(server::hash_password(password.reveal(), random));
  TRY(server::set_password(folder.passwords(), name, entry));
  std::cout << "set the password of " << name << '\n';
  return record(options.registry, "password", name, "set");
}

}  // namespace

void add_identity_password(CLI::App& identity, int& exit_code) {
  auto* command = identity.add_subcommand("password");
  set_usage(*command, usage);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command->add_option("NAME", options->name)->required();
  command->add_flag("--remove", options->remove);
  command->add_flag("--recoverable", options->recoverable);
  add_registry_options(*command, options->registry);
  command->callback([options, &exit_code] { exit_code = finish(run(*options)); });
}

}  // namespace sealmq::cli
