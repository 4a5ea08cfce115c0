// sealmq identity: makes keys, and keeps the broker's list of who may do what.
#include <charconv>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/audit.h"
#include "cli/broker_progress.h"
#include "cli/command.h"
#include "cli/registry_choice.h"
#include "crypto/ecdsa.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "crypto/schnorr.h"
#include "keystore/file_access.h"
#include "keystore/fingerprint.h"
#include "keystore/key_reference.h"
#include "keystore/key_uri.h"
#include "mqtt/topic.h"
#include "schemes/malina/pinned.h"
#include "sealmq/keystore.h"
#include "sealmq/registry.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage =
    R"(usage: sealmq identity new NAME [--kind device|service|person] [--keystore URI] [--rsa BITS] [-o FILE]
       sealmq identity show FILE
       sealmq identity enroll NAME.pub [--publish FILTER]... [--subscribe FILTER]... [--scheme NAME]...
       sealmq identity ticket NAME [--kind KIND] [--publish FILTER]... [--subscribe FILTER]... [--scheme NAME]...
                                   [--expires TIME]
       sealmq identity join CODE --key NAME.key --broker-key broker.pub [-h HOST] [-p PORT]
                                 [--publish FILTER]... [--subscribe FILTER]...
       sealmq identity list
       sealmq identity allow NAME [--publish FILTER]... [--subscribe FILTER]... [--scheme NAME]...
       sealmq identity deny NAME [--publish FILTER]... [--subscribe FILTER]... [--scheme NAME]...
       sealmq identity revoke NAME --reason TEXT
       sealmq identity restore NAME
       sealmq identity password NAME [--remove]

new      makes a private key on this machine: NAME.key, for its owner only, and NAME.pub
show     tells what a .key or .pub file holds, never a secret
enroll   puts NAME.pub on the broker's list; a running broker goes by it when the command ends
ticket   prints a code with which NAME can put a key of its own on the list, once
join     asks a broker, over the network, to put NAME.key on its list by such a code, with all rights that the ticket allows or with
         those that are named; exit 3 if it refuses. Options of the connection as in sealmq pub
list     who is on the list, with which rights
allow    adds rights; deny takes away rights that were given in the same words
revoke   ends everything the identity has at the broker, now and from now on
restore  takes a revocation back
password lets a client without keys log in by user name and password

  -o FILE             where new puts the private key; the public one goes beside it
  --keystore URI      new: makes the keys in a token, 'pkcs11:token=plant?module-path=/usr/lib/softhsm/libsofthsm2.so', or on a
                      smart card, pcsc:READER; NAME.key then only says where they are. A PIN comes from the terminal, a file
                      (pin-source=file:PATH in the URI) or SEALMQ_PIN
  --rsa BITS          new: an RSA key besides, of 2048, 3072 or 4096 bits, for schemes that want one
  --publish FILTER    topics it may publish to, such as plant/7/# (repeatable)
  --subscribe FILTER  topics it may subscribe to (repeatable)
  --scheme NAME       schemes it may use (repeatable); none: every hardened one
  --expires TIME      how long a ticket can be used, such as 30m, 12h or 7d (30 days at most); 1h if not given
  --reason TEXT       kept with the identity and in the audit log
  --data DIR          the broker's data folder (or SEALMQ_DATA), ./sealmq-data if not given
  --registry URL      postgresql://USER@HOST/DATABASE (or SEALMQ_REGISTRY), if the list is not in the data folder; what
                      sealmq.toml in the data folder says if not given
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
  std::string keystore;
  unsigned rsa_bits = 0;
  RegistryChoice registry;
  std::string reason;
  std::uint64_t expires = 3'600'000;  // milliseconds from now
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
  std::vector<std::string> schemes;
  bool json = false;
};

void print(const Json& line) {
  std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

/// As receivers of its messages show an author whom they have not pinned.
std::string short_id(const PublicKeys& keys) {
  return is_there(keys.schnorr) ? malina::short_id(keys.schnorr) : "-";
}

Json to_json(const PublicIdentity& identity) {
  return {{"name", identity.name},
          {"kind", name(identity.kind)},
          {"fingerprint", fingerprint(identity.keys)},
          {"id", short_id(identity.keys)},
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
  const auto identity = TRY(create_keys(
      {options.name, *kind_from(options.kind), key_path, pub_path, options.rsa_bits, options.keystore}, random, pin_asker()));
  if (options.json) {
    auto json = to_json(identity);
    json.update({{"key", key_path}, {"pub", pub_path}});
    print(json);
  } else {
    std::cout << to_line(identity) << '\n' << fingerprint(identity.keys) << '\n';
  }
  return {};
}

/// `keystore`: the address of the private keys, where they are in a token or card.
void show(const PublicIdentity& identity, bool holds_secret, const std::string& keystore, bool json) {
  if (json) {
    auto line = to_json(identity);
    line["private"] = holds_secret;
    if (!keystore.empty()) line["keystore"] = keystore;
    return print(line);
  }
  const std::string_view holds = !keystore.empty() ? "the address of private keys"
                                 : holds_secret    ? "private keys"
                                                   : "public keys";
  std::cout << "name         " << identity.name << "\nkind         " << name(identity.kind) << "\nholds        " << holds << '\n';
  if (!keystore.empty()) std::cout << "keys in      " << keystore << '\n';
  std::cout << "fingerprint  " << fingerprint(identity.keys) << "\nid           " << short_id(identity.keys) << "\npublic       "
            << to_line(identity) << '\n';
}

void show(const BrokerIdentity& broker, bool json) {
  if (json)
    return print(
        {{"broker", broker.id}, {"ecdsa-p256", fingerprint_of(broker.ecdsa)}, {"ecdh-p256", fingerprint_of(broker.agreement)}});
  std::cout << "broker       " << broker.id << "\nholds        public keys\necdsa-p256   " << fingerprint_of(broker.ecdsa)
            << "\necdh-p256    " << fingerprint_of(broker.agreement) << '\n';
}

constexpr WantedFile wants_keys{
    "NAME.key, NAME.pub or broker.pub is wanted",
    {FileKind::private_keys, FileKind::key_reference, FileKind::public_identity, FileKind::broker_identity}};

/// Also when the token or card is away; then opening it says why.
Result<> show_reference(const Options& options, const PublicIdentity& identity, const std::string& keystore) {
  crypto::OsRandom random;
  const auto opened = open_keys(options.name, random, pin_asker());
  show(identity, true, keystore, options.json);
  return opened ? Result<>() : Failure(opened.error());
}

Result<> run_show(const Options& options) {
  crypto::OsRandom random;
  if (is_key_uri(options.name)) {
    const auto uri = TRY(parse_key_uri(options.name));
    const auto keys = TRY(open_keys(options.name, random, pin_asker()));
    show(keys->identity(), true, std::holds_alternative<FileUri>(uri) ? std::string() : to_text(uri), options.json);
    return {};
  }
  const Secret content(as_bytes(TRY(read_public_file(options.name, wants_keys))));
  const auto text = as_text(content.reveal());
  switch (kind_of_file(text)) {
    case FileKind::public_identity:
      show(TRY(read_public_identity(options.name)), false, {}, options.json);
      break;
    case FileKind::broker_identity:
      show(TRY(read_broker_identity(options.name)), options.json);
      break;
    case FileKind::key_reference:
      if (const auto reference = parse_key_reference(text))
        return show_reference(options, reference->identity, to_text(reference->uri));
      [[fallthrough]];  // opening it says what is wrong with it
    default:
      show(TRY(open_keys(options.name, random, pin_asker()))->identity(), true, {}, options.json);
  }
  return {};
}

// -- the list ------------------------------------------------------------------------------------------------------------------

std::string given_rights(const Options& options) {
  return rights_in_words(options.publish, options.subscribe, options.schemes);
}

Result<> check_points(const PublicKeys& keys) {
  const bool good = (!is_there(keys.schnorr) || crypto::schnorr::VerifyingKey::from_id(keys.schnorr)) &&
                    (!is_there(keys.ecdsa) || crypto::ecdsa::VerifyingKey::from_sec1(keys.ecdsa)) &&
                    (!is_there(keys.agreement) || crypto::Point::decode(keys.agreement)) &&
                    (keys.rsa.empty() || crypto::rsa::PublicKey::from_modulus(keys.rsa));
  if (!good) return fail(Blame::caller_misused, "a key is not a point of the curve");
  return {};
}

/// What a token or card cannot do is told here, not when the first message is refused.
Result<> check_keys_for_schemes(const PublicIdentity& identity, const std::vector<std::string>& schemes) {
  if (is_there(identity.keys.schnorr)) return {};
  const auto wants_schnorr = [](std::string_view scheme) {
    return scheme.starts_with("sl1") || scheme.starts_with("sl2") || scheme.starts_with("sl3");
  };
  constexpr std::string_view hint =
      "scacauth and pmqtt sign with keys that tokens and cards can hold; keys in a file can do everything";
  for (const auto& scheme : schemes)
    if (wants_schnorr(scheme))
      return fail_with_hint(Blame::caller_misused,
                            scheme + " wants Schnorr signatures, and " + identity.name + " has no key for them", hint);
  if (schemes.empty())
    notice("warning: " + identity.name + " has no Schnorr key: sl1, sl2 and sl3 are not for it\nhint: " + std::string(hint));
  return {};
}

struct Deed {
  std::string_view done;  ///< as it is told
  std::string_view what;  ///< as it stands in the audit log
  std::string text;
  std::string warning;  ///< empty: none
};

/// What is done is told, whatever comes of the rest; it ends when the brokers go by it, so that the next command finds it so.
Result<> conclude(Registry& registry, const Options& options, const Identity& identity, const Deed& deed) {
  print_change(deed.done, identity, options);
  if (!deed.warning.empty()) notice("warning: " + deed.warning);
  auto recorded = record(options.registry, deed.what, identity.name, deed.text);
  if (is_idle_file(options.registry)) return recorded;
  auto in_force = wait_until_in_force(registry);
  if (!in_force && !recorded) notice(recorded.error().what);
  return in_force ? recorded : in_force;
}

Result<> run_enroll(const Options& options) {
  Identity identity{TRY(read_public_identity(options.name))};
  TRY(check_points(identity.keys));
  TRY(check_keys_for_schemes(identity, options.schemes));
  identity.publish = options.publish;
  identity.subscribe = options.subscribe;
  identity.schemes = options.schemes;
  identity.changed = wall_milliseconds();
  const auto registry = TRY(open_or_make_registry(options.registry));
  TRY(registry->add(identity));
  return conclude(*registry, options, identity, {"enrolled", "enroll", given_rights(options), {}});
}

/// Nothing but the hash of the code is kept: who reads the registry cannot join with it.
Result<> run_ticket(const Options& options) {
  crypto::OsRandom random;
  std::array<std::uint8_t, 16> code{};
  random.fill(code);
  const auto now = wall_milliseconds();
  const Ticket ticket{options.name,      *kind_from(options.kind), options.publish,
                      options.subscribe, options.schemes,          now + options.expires};
  const auto registry = TRY(open_or_make_registry(options.registry));
  TRY(registry->add_ticket(crypto::sha256(code), ticket, now));
  if (options.json)
    print({{"ticket", to_hex(code)}, {"name", ticket.name}, {"kind", name(ticket.kind)}, {"expires", ticket.expires}});
  else
    std::cout << to_hex(code) << '\n';
  return record(options.registry, "ticket", ticket.name, given_rights(options));
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all.append(all.empty() ? "" : ",").append(printable(word));
  return all.empty() ? "-" : all;
}

Result<> run_list(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto all = TRY(registry->list());
  if (options.json) {
    for (const auto& identity : all) print(to_json(identity));
    return {};
  }
  std::vector<std::array<std::string, 7>> rows{{"name", "kind", "status", "publish", "subscribe", "schemes", "id"}};
  for (const auto& identity : all) {
    rows.push_back({identity.name, std::string(name(identity.kind)), std::string(name(identity.status)), joined(identity.publish),
                    joined(identity.subscribe), identity.schemes.empty() ? "all" : joined(identity.schemes),
                    short_id(identity.keys)});
  }
  std::array<std::size_t, 7> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) std::cout << row[i] << std::string(widths[i] - row[i].size() + 2, ' ');
    std::cout << row.back() << '\n';
  }
  return {};
}

/// Those of an identity without a list of its own (broker/access.cpp).
std::vector<std::string> hardened_schemes() {
  std::vector<std::string> names;
  for (const Scheme& scheme : all_schemes())
    if (scheme.info->profile == Profile::hardened) names.emplace_back(scheme.info->name);
  return names;
}

Result<> need_some_right(const Options& options) {
  if (!options.publish.empty() || !options.subscribe.empty() || !options.schemes.empty()) return {};
  return fail(Blame::caller_misused, "nothing to change: name --publish, --subscribe or --scheme");
}

/// `change` may still say what `deed` was.
Result<> run_change(const Options& options, const Deed& deed, const std::function<Result<>(Identity&)>& change) {
  const auto registry = TRY(open_registry(options.registry));
  const auto changed = TRY(registry->change(options.name, [&](Identity& identity) -> Result<> {
    identity.changed = wall_milliseconds();
    return change(identity);
  }));
  return conclude(*registry, options, changed, deed);
}

bool is_hardened(const std::string& scheme) {
  const auto all = hardened_schemes();
  return std::ranges::find(all, scheme) != all.end();
}

Result<> run_allow(const Options& options) {
  TRY(need_some_right(options));
  const auto add = [](std::vector<std::string>& to, const std::vector<std::string>& words) {
    for (const auto& word : words) {
      if (std::find(to.begin(), to.end(), word) == to.end()) to.push_back(word);
    }
  };
  return run_change(options, {"changed", "allow", given_rights(options), {}}, [&](Identity& identity) -> Result<> {
    // An empty list means all of these; what is allowed takes none of them away.
    if (identity.schemes.empty() && !std::ranges::all_of(options.schemes, is_hardened)) identity.schemes = hardened_schemes();
    if (identity.schemes.empty() && !options.schemes.empty())
      notice(identity.name + " may use all schemes already, but those as published\nhint: sealmq identity deny " + identity.name +
             " --scheme NAME takes one away");
    add(identity.publish, options.publish);
    add(identity.subscribe, options.subscribe);
    if (!identity.schemes.empty()) add(identity.schemes, options.schemes);
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
  return run_change(options, {"changed", "deny", given_rights(options), {}}, [&](Identity& identity) -> Result<> {
    TRY(take_away(identity.publish, options.publish, "publish to"));
    TRY(take_away(identity.subscribe, options.subscribe, "subscribe to"));
    if (options.schemes.empty()) return {};
    if (identity.schemes.empty()) identity.schemes = hardened_schemes();
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

Result<> run_revoke(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto order = TRY(registry->revoke(options.name, options.reason, wall_milliseconds()));
  const auto recorded = record(options.registry, "revoke", options.name, options.reason);
  if (!recorded) notice(recorded.error().what);  // who waits for the revocation hears of that first
  if (is_idle_file(options.registry)) {
    print_revoked(options.name, TRY(registry->progress(order)), options.json);
    notice("no broker runs on " + options.registry.data + "; the next one to start there carries it out");
    return {};
  }
  const Progress progress = TRY(wait_for_brokers(*registry, order));
  print_revoked(options.name, progress, options.json);
  if (progress.done.empty() && progress.owed.empty()) notice("no broker works with this registry yet");
  return tell_missing(progress);
}

Result<> run_restore(const Options& options) {
  Deed deed{"restored", "restore", {}, {}};
  return run_change(options, deed, [&](Identity& identity) -> Result<> {
    if (identity.status != Status::revoked) return fail(Blame::caller_misused, identity.name + " is not revoked");
    deed.text = "was revoked for: " + std::exchange(identity.revocation_reason, {});
    deed.warning = "whoever has the key of " + identity.name + " can use it again; it " + printable(deed.text);
    identity.status = Status::active;
    return {};
  });
}

// -- options -------------------------------------------------------------------------------------------------------------------

std::string check_filter(const std::string& filter) {
  return mqtt::is_topic_filter(filter) ? "" : printable(filter) + " is not a topic filter";
}

/// Replaces `30m` by its milliseconds.
std::string read_time(std::string& text) {
  static const std::map<char, std::uint64_t> units{{'s', 1000}, {'m', 60'000}, {'h', 3'600'000}, {'d', 86'400'000}};
  constexpr std::uint64_t longest = 30 * 86'400'000ULL;
  const auto unit = text.empty() ? units.end() : units.find(text.back());
  std::uint64_t count = 0;
  const auto end = text.data() + (text.empty() ? 0 : text.size() - 1);
  const auto [stopped, error] = std::from_chars(text.data(), end, count);
  if (unit == units.end() || error != std::errc() || stopped != end || count == 0 || count > longest / unit->second)
    return printable(text) + " is not a time such as 30m, 12h or 7d, 30 days at most";
  text = std::to_string(count * unit->second);
  return "";
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
  make->add_option("-o", options->key_path);
  make->add_option("--keystore", options->keystore);
  make->add_option("--rsa", options->rsa_bits)->check(CLI::IsMember({2048, 3072, 4096}));
  add("show", "FILE", run_show);
  auto* enroll = add("enroll", "FILE", run_enroll);
  auto* ticket = add("ticket", "NAME", run_ticket);
  auto* list = add("list", nullptr, run_list);
  auto* allow = add("allow", "NAME", run_allow);
  auto* deny = add("deny", "NAME", run_deny);
  auto* revoke = add("revoke", "NAME", run_revoke);
  auto* restore = add("restore", "NAME", run_restore);
  for (auto* command : {make, ticket})
    command->add_option("--kind", options->kind)->check(CLI::IsMember({"device", "service", "person"}));
  ticket->add_option("--expires", options->expires)->transform(CLI::Validator(read_time, "TIME"));
  for (auto* command : {enroll, ticket, allow, deny}) add_rights_options(*command, *options);
  for (auto* command : {enroll, ticket, list, allow, deny, revoke, restore}) add_registry_options(*command, options->registry);
  revoke->add_option("--reason", options->reason)->required();
  add_identity_join(*identity, exit_code);
  add_identity_password(*identity, exit_code);
}

}  // namespace sealmq::cli
