// sealmq identity: makes keys, and keeps the broker's list of who may do what.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.h"
#include "cli/command.h"
#include "crypto/ecdsa.h"
#include "crypto/random.h"
#include "crypto/schnorr.h"
#include "keystore/file_access.h"
#include "keystore/fingerprint.h"
#include "mqtt/topic.h"
#include "registry/data_folder.h"
#include "sealmq/keystore.h"
#include "sealmq/registry.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage = R"(usage: sealmq identity new NAME [--kind device|service|person] [-o FILE]
       sealmq identity show FILE
       sealmq identity enroll NAME.pub [--publish FILTER]... [--subscribe FILTER]... [--scheme NAME]...
       sealmq identity list
       sealmq identity allow NAME [--publish FILTER]... [--subscribe FILTER]... [--scheme NAME]...
       sealmq identity deny NAME [--publish FILTER]... [--subscribe FILTER]... [--scheme NAME]...
       sealmq identity revoke NAME --reason TEXT
       sealmq identity restore NAME
       sealmq identity password NAME [--remove]

new      makes a private key on this machine: NAME.key, for its owner only, and NAME.pub
show     tells what a .key or .pub file holds, never a secret
enroll   puts NAME.pub on the broker's list; a running broker notices by itself
list     who is on the list, with which rights
allow    adds rights; deny takes away rights that were given in the same words
revoke   ends everything the identity has at the broker, now and from now on
restore  takes a revocation back
password lets a client without keys log in by user name and password

  -o FILE             where new puts the private key; the public one goes beside it
  --publish FILTER    topics it may publish to, such as plant/7/# (repeatable)
  --subscribe FILTER  topics it may subscribe to (repeatable)
  --scheme NAME       schemes it may use (repeatable); none: every hardened one
  --reason TEXT       kept with the identity and in the audit log
  --data DIR          the broker's data folder (or SEALMQ_DATA), ./sealmq-data if not given
  --json              one JSON object a line

  $ sealmq identity new boiler-7
  $ sealmq identity enroll boiler-7.pub --publish 'plant/7/#'
  $ sealmq identity list
  $ sealmq identity revoke boiler-7 --reason 'stolen from the yard'
)";

using Json = nlohmann::ordered_json;

struct Options {
  std::string name;  // also the FILE of show and enroll
  std::string kind = "device";
  std::string key_path;
  std::string data;
  std::string reason;
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
  std::vector<std::string> schemes;
  bool json = false;
};

void print(const Json& line) {
  std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

Json to_json(const PublicIdentity& identity) {
  return {{"name", identity.name},
          {"kind", name(identity.kind)},
          {"fingerprint", fingerprint(identity.keys)},
          {"public", to_line(identity)}};
}

Json to_json(const Identity& identity) {
  Json json = to_json(static_cast<const PublicIdentity&>(identity));
  json.update({{"status", name(identity.status)},
               {"publish", identity.publish},
               {"subscribe", identity.subscribe},
               {"schemes", identity.schemes},
               {"revocation_reason", identity.revocation_reason},
               {"changed", identity.changed}});
  return json;
}

void print_change(std::string_view done, const Identity& identity, const Options& options) {
  if (options.json) return print(to_json(identity));
  std::cout << done << " " << identity.name << " " << fingerprint(identity.keys) << '\n';
}

// -- files ---------------------------------------------------------------------------------------------------------------------

std::string pub_path_for(const std::string& key_path) {
  constexpr std::string_view ending = ".key";
  return (key_path.ends_with(ending) ? key_path.substr(0, key_path.size() - ending.size()) : key_path) + ".pub";
}

Result<> run_new(const Options& options) {
  crypto::OsRandom random;
  const auto key_path = options.key_path.empty() ? options.name + ".key" : options.key_path;
  const auto pub_path = pub_path_for(key_path);
  const auto identity = TRY(create_key_files(options.name, *kind_from(options.kind), key_path, pub_path, random));
  if (options.json) {
    auto json = to_json(identity);
    json.update({{"key", key_path}, {"pub", pub_path}});
    print(json);
  } else {
    std::cout << to_line(identity) << '\n' << fingerprint(identity.keys) << '\n';
  }
  return {};
}

void show(const PublicIdentity& identity, bool holds_secret, bool json) {
  if (json) {
    auto line = to_json(identity);
    line["private"] = holds_secret;
    return print(line);
  }
  std::cout << "name         " << identity.name << "\nkind         " << name(identity.kind) << "\nholds        "
            << (holds_secret ? "private keys" : "public keys") << "\nfingerprint  " << fingerprint(identity.keys)
            << "\npublic       " << to_line(identity) << '\n';
}

void show(const BrokerIdentity& broker, bool json) {
  if (json)
    return print(
        {{"broker", broker.id}, {"ecdsa-p256", fingerprint_of(broker.ecdsa)}, {"ecdh-p256", fingerprint_of(broker.agreement)}});
  std::cout << "broker       " << broker.id << "\nholds        public keys\necdsa-p256   " << fingerprint_of(broker.ecdsa)
            << "\necdh-p256    " << fingerprint_of(broker.agreement) << '\n';
}

enum class FileKind { identity, broker, key };

Result<FileKind> kind_of_file(const std::string& path) {
  auto text = TRY(read_public_file(path));
  const auto has_line = [&text](std::string_view start) {
    return text.starts_with(start) || text.find("\n" + std::string(start)) != text.npos;
  };
  const auto kind = has_line("sealmq-identity ") ? FileKind::identity : has_line("broker ") ? FileKind::broker : FileKind::key;
  wipe(text.data(), text.size());
  return kind;
}

Result<> run_show(const Options& options) {
  crypto::OsRandom random;
  switch (TRY(kind_of_file(options.name))) {
    case FileKind::identity:
      show(TRY(read_public_identity(options.name)), false, options.json);
      break;
    case FileKind::broker:
      show(TRY(read_broker_identity(options.name)), options.json);
      break;
    case FileKind::key:
      show(TRY(open_key_file(options.name, random))->identity(), true, options.json);
      break;
  }
  return {};
}

// -- the list ------------------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<Registry>> open_registry(const DataFolder& folder) {
  return open_sqlite_registry(folder.registry());
}

/// For commands that make no sense on an empty list: a wrong --data shall not leave a new folder behind.
Result<DataFolder> existing_folder(const Options& options) {
  auto folder = find_data_folder(options.data);
  if (!folder)
    return fail_with_hint(folder.error().blame, folder.error().what, "--data DIR or SEALMQ_DATA names the broker's data folder");
  return folder;
}

Result<> check_points(const PublicKeys& keys) {
  const bool good = crypto::schnorr::VerifyingKey::from_id(keys.schnorr) && crypto::ecdsa::VerifyingKey::from_sec1(keys.ecdsa) &&
                    crypto::Point::decode(keys.agreement);
  if (!good) return fail(Blame::caller_misused, "a key is not a point of the curve");
  return {};
}

Result<> run_enroll(const Options& options) {
  Identity identity{TRY(read_public_identity(options.name))};
  TRY(check_points(identity.keys));
  identity.publish = options.publish;
  identity.subscribe = options.subscribe;
  identity.schemes = options.schemes;
  identity.changed = wall_milliseconds();
  const auto folder = TRY(open_data_folder(options.data));
  TRY(TRY(open_registry(folder))->add(identity));
  print_change("enrolled", identity, options);
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all.append(all.empty() ? "" : ",").append(printable(word));
  return all.empty() ? "-" : all;
}

Result<> run_list(const Options& options) {
  const auto folder = TRY(existing_folder(options));
  const auto all = TRY(TRY(open_registry(folder))->list());
  if (options.json) {
    for (const auto& identity : all) print(to_json(identity));
    return {};
  }
  std::vector<std::array<std::string, 6>> rows{{"name", "kind", "status", "publish", "subscribe", "schemes"}};
  for (const auto& identity : all) {
    rows.push_back({identity.name, std::string(name(identity.kind)), std::string(name(identity.status)), joined(identity.publish),
                    joined(identity.subscribe), identity.schemes.empty() ? "every hardened one" : joined(identity.schemes)});
  }
  std::array<std::size_t, 6> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) std::cout << row[i] << std::string(widths[i] - row[i].size() + 2, ' ');
    std::cout << row.back() << '\n';
  }
  return {};
}

Result<> need_some_right(const Options& options) {
  if (!options.publish.empty() || !options.subscribe.empty() || !options.schemes.empty()) return {};
  return fail(Blame::caller_misused, "nothing to change: name --publish, --subscribe or --scheme");
}

Result<> run_change(const Options& options, std::string_view done, const std::function<Result<>(Identity&)>& change) {
  const auto folder = TRY(existing_folder(options));
  const auto changed = TRY(TRY(open_registry(folder))->change(options.name, [&](Identity& identity) -> Result<> {
    identity.changed = wall_milliseconds();
    return change(identity);
  }));
  print_change(done, changed, options);
  return {};
}

Result<> run_allow(const Options& options) {
  TRY(need_some_right(options));
  const auto add = [](std::vector<std::string>& to, const std::vector<std::string>& words) {
    for (const auto& word : words) {
      if (std::find(to.begin(), to.end(), word) == to.end()) to.push_back(word);
    }
  };
  return run_change(options, "changed", [&](Identity& identity) -> Result<> {
    if (identity.schemes.empty() && !options.schemes.empty()) {
      notice(identity.name + " was allowed every hardened scheme and is now limited to those named");
    }
    add(identity.publish, options.publish);
    add(identity.subscribe, options.subscribe);
    add(identity.schemes, options.schemes);
    return {};
  });
}

/// Refuses what was not given in these words: somebody who denies plant/7/a to a holder of plant/7/# must learn that it does
/// nothing.
Result<> take_away(std::vector<std::string>& from, const std::vector<std::string>& words, std::string_view what) {
  for (const auto& word : words) {
    if (std::erase(from, word) == 0) {
      return fail_with_hint(Blame::caller_misused, "there is no right to " + std::string(what) + " " + printable(word),
                            "sealmq identity list shows the rights as they were given");
    }
  }
  return {};
}

Result<> run_deny(const Options& options) {
  TRY(need_some_right(options));
  return run_change(options, "changed", [&](Identity& identity) -> Result<> {
    TRY(take_away(identity.publish, options.publish, "publish to"));
    TRY(take_away(identity.subscribe, options.subscribe, "subscribe to"));
    if (options.schemes.empty()) return {};
    if (identity.schemes.empty()) {
      return fail_with_hint(Blame::caller_misused,
                            identity.name + " may use every hardened scheme, and has no list to take one from",
                            "sealmq identity allow " + identity.name + " --scheme NAME limits it to those named");
    }
    TRY(take_away(identity.schemes, options.schemes, "use"));
    // An empty list would mean all of them.
    if (identity.schemes.empty()) {
      return fail_with_hint(Blame::caller_misused, "these are all schemes that " + identity.name + " may use",
                            "sealmq identity revoke " + identity.name + " takes everything away");
    }
    return {};
  });
}

// -- revocation ----------------------------------------------------------------------------------------------------------------

std::string counted(std::uint64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string in_milliseconds(std::uint64_t microseconds) {
  char text[32];
  std::snprintf(text, sizeof text, microseconds < 10'000 ? "%.1f ms" : "%.0f ms", static_cast<double>(microseconds) / 1000);
  return text;
}

void print_revoked(const Options& options, const std::optional<RevocationReport>& report) {
  if (options.json) {
    Json json{{"revoked", options.name}, {"carried_out", report.has_value()}};
    if (report) {
      json.update({{"microseconds", report->microseconds},
                   {"sessions", report->sessions},
                   {"subscriptions", report->subscriptions},
                   {"queued", report->queued},
                   {"retained", report->retained},
                   {"groups", report->groups}});
    }
    return print(json);
  }
  std::cout << "revoked " << options.name;
  if (report) {
    std::cout << " in " << in_milliseconds(report->microseconds) << ": " << counted(report->sessions, "session") << ", "
              << counted(report->subscriptions, "subscription") << ", " << report->queued << " queued, " << report->retained
              << " retained, " << counted(report->groups, "group");
  }
  std::cout << '\n';
}

Result<RevocationReport> wait_for_report(Registry& registry, std::uint64_t order) {
  using namespace std::chrono_literals;
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (true) {
    if (const auto report = TRY(registry.report_of(order))) return *report;
    if (std::chrono::steady_clock::now() > deadline) {
      return fail_with_hint(Blame::environment, "the identity is revoked, but the broker has not carried it out within 5 s",
                            "the broker's log says why; a restart carries it out too");
    }
    std::this_thread::sleep_for(5ms);
  }
}

Result<> run_revoke(const Options& options) {
  const auto folder = TRY(existing_folder(options));
  const auto registry = TRY(open_registry(folder));
  const auto order = TRY(registry->revoke(options.name, options.reason, wall_milliseconds()));
  if (broker_runs(folder)) {
    print_revoked(options, TRY(wait_for_report(*registry, order)));
  } else {
    print_revoked(options, std::nullopt);
    notice("no broker runs on " + folder.path + "; the next one to start there carries it out");
  }
  return {};
}

Result<> run_restore(const Options& options) {
  std::string reason;
  TRY(run_change(options, "restored", [&](Identity& identity) -> Result<> {
    if (identity.status != Status::revoked) return fail(Blame::caller_misused, identity.name + " is not revoked");
    reason = std::exchange(identity.revocation_reason, {});
    identity.status = Status::active;
    return {};
  }));
  notice("warning: whoever has the key of " + options.name + " can use it again; it was revoked for: " + printable(reason));
  return {};
}

// -- options -------------------------------------------------------------------------------------------------------------------

std::string check_filter(const std::string& filter) {
  return mqtt::is_topic_filter(filter) ? "" : printable(filter) + " is not a topic filter";
}

std::string check_scheme(const std::string& scheme) {
  return find_scheme(scheme) != nullptr ? "" : "no scheme is called " + printable(scheme);
}

void add_rights_options(CLI::App& command, Options& options) {
  // One value an option: `--publish a b` would otherwise take the name that follows.
  command.add_option("--publish", options.publish)->allow_extra_args(false)->check(check_filter);
  command.add_option("--subscribe", options.subscribe)->allow_extra_args(false)->check(check_filter);
  command.add_option("--scheme", options.schemes)->allow_extra_args(false)->check(check_scheme);
}

}  // namespace

void add_identity(CLI::App& app, int& exit_code) {
  auto* identity = app.add_subcommand("identity", "make keys; say who may do what");
  set_usage(*identity, usage);
  identity->require_subcommand(1);

  const auto options = std::make_shared<Options>();  // the callbacks own it
  const auto add = [&](const char* word, const char* argument, Result<> (*run)(const Options&)) {
    auto* command = identity->add_subcommand(word);
    if (argument != nullptr) command->add_option(argument, options->name)->required();
    command->add_flag("--json", options->json);
    command->callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return command;
  };

  auto* make = add("new", "NAME", run_new);
  make->add_option("--kind", options->kind)->check(CLI::IsMember({"device", "service", "person"}));
  make->add_option("-o", options->key_path);
  add("show", "FILE", run_show);
  auto* enroll = add("enroll", "FILE", run_enroll);
  auto* list = add("list", nullptr, run_list);
  auto* allow = add("allow", "NAME", run_allow);
  auto* deny = add("deny", "NAME", run_deny);
  auto* revoke = add("revoke", "NAME", run_revoke);
  auto* restore = add("restore", "NAME", run_restore);
  for (auto* command : {enroll, allow, deny}) add_rights_options(*command, *options);
  for (auto* command : {enroll, list, allow, deny, revoke, restore}) add_data_option(*command, options->data);
  revoke->add_option("--reason", options->reason)->required();
  add_identity_password(*identity, exit_code);
}

}  // namespace sealmq::cli
