// sealmq identity password: for clients that know user name and password only.
#include <unistd.h>

#include <iostream>

#include "base/text.h"
#include "base/try.h"
#include "cli/audit.h"
#include "cli/command.h"
#include "cli/password.h"
#include "cli/registry_choice.h"
#include "cli/secret_line.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "registry/data_folder.h"
#include "sealmq/registry.h"
#include "server/password_file.h"
#include "server/recoverable_passwords.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "let a client without keys log in",
    .text =
        R"(Lets a client that has no keys log in as NAME by user name and password; it gets NAME's rights on topics that policy
opens to plain MQTT. The password is asked for twice on a terminal; otherwise it is the first line of standard input.
A running broker takes it from the next login on.

A client that logs in by a scheme (pmqtt) proves the same password without sending it.)",
    .examples = R"($ sealmq identity enroll dashboard --password-only --subscribe 'plant/#'
$ sealmq identity password dashboard
)",
};

Result<Secret> new_password() {
  if (::isatty(STDIN_FILENO) == 0) return read_secret_line("");
  auto first = TRY(read_secret_line("password: "));
  auto second = TRY(read_secret_line("again: "));
  if (!same(first.reveal(), second.reveal())) return fail(Blame::caller_misused, "these are two different passwords");
  return first;
}

struct Options {
  RegistryChoice registry;
  std::string name;
  bool remove = false;
  bool recoverable = false;
  bool json = false;
};

void print_done(std::string_view what, const Options& options) {
  if (options.json)
    std::cout << "{\"name\":" << json_quoted(options.name) << ",\"password\":\"" << what
              << "\",\"recoverable\":" << (options.recoverable ? "true" : "false") << "}\n";
  else
    std::cout << what << (options.recoverable && !options.remove ? " the recoverable password of " : " the password of ")
              << options.name << '\n';
}

Result<> run(const Options& options) {
  const std::string& name = options.name;
  const BrokerPlace place = TRY(find_place(options.registry));
  const DataFolder folder = TRY(find_data_folder(place.folder.path));
  const std::string& file = place.passwords;
  if (options.remove) {
    const bool was_there = options.recoverable ? TRY(server::remove_recoverable_password(folder.recoverable_passwords(), name))
                                               : TRY(server::remove_password(file, name));
    if (!was_there) return fail(Blame::caller_misused, name + " has no password");
    print_done("removed", options);
    return record(options.registry, "password", name, "removed");
  }
  const auto registry = TRY(open_registry(options.registry));
  const auto known = TRY(registry->find(name));
  if (!known)
    return fail_with_hint(Blame::caller_misused, name + " is not on the broker's list",
                          "sealmq identity enroll " + name + " --password-only, or NAME.pub for one with keys");
  Secret password = TRY(new_password());
  if (options.recoverable) {
    notice("warning: this password can be read by whoever gets " + folder.recoverable_passwords() +
           "\nhint: use it nowhere else; a scheme without @paper needs no such file");
    TRY(server::set_recoverable_password(folder.recoverable_passwords(), name, std::move(password)));
    print_done("set", options);
    return record(options.registry, "password", name, "set, recoverable");
  }
  crypto::OsRandom random;
  const auto entry = TRY(server::hash_password(password.reveal(), random, server::cost_for(known->kind)));
  TRY(server::set_password(file, name, entry));
  print_done("set", options);
  return record(options.registry, "password", name, "set");
}

}  // namespace

Result<> forget_passwords(const RegistryChoice& choice, const std::string& name) {
  const BrokerPlace place = TRY(find_place(choice));
  TRY(server::remove_password(place.passwords, name));
  TRY(server::remove_recoverable_password(place.folder.recoverable_passwords(), name));
  return {};
}

void add_identity_password(Command& identity, int& exit_code) {
  Command& command = identity.add("password", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.argument("NAME", options->name, "an identity, as it is called on the list");
  command.flag("--remove", options->remove, "takes the password away");
  command.flag("--recoverable", options->recoverable,
               "for clients of pmqtt@paper alone: keeps the password itself, in a file of its own that only that profile reads. "
               "Whoever gets the file has the password");
  add_json_option(command, options->json);
  add_registry_options(command, options->registry);
  command.callback([options, &exit_code] { exit_code = finish(run(*options)); });
}

}  // namespace sealmq::cli
