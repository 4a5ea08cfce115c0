// sealmq identity: keeps the broker's list of who may do what. The keys themselves: identity_keys.cpp.
#include <algorithm>
#include <iostream>

#include "base/text.h"
#include "base/try.h"
#include "cli/audit.h"
#include "cli/broker_progress.h"
#include "cli/command.h"
#include "cli/identity_output.h"
#include "cli/password.h"
#include "cli/registry_choice.h"
#include "cli/rights_options.h"
#include "crypto/ecdsa.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "crypto/schnorr.h"
#include "keystore/fingerprint.h"
#include "mqtt/topic.h"
#include "sealmq/keystore.h"
#include "sealmq/registry.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "make keys; say who may do what",
    .text =
        "Makes keys, and keeps the broker's list of who may do what. A running broker goes by the list when the command ends.",
    .examples = R"($ sealmq identity new boiler-7
$ sealmq identity enroll boiler-7.pub --publish 'plant/7/#'
$ sealmq identity list
$ sealmq identity revoke boiler-7 --reason 'stolen from the yard'
)",
};

struct Options {
  std::string name;
  std::string kind = "device";
  RegistryChoice registry;
  std::string reason;
  std::uint64_t expires = 3600;    // seconds from now
  std::vector<std::string> files;  // of enroll
  std::string new_keys;            // of rekey
  bool password_only = false;
  RightsOptions rights;
  bool against_authority = false;  // of restore
  bool unproved = false;
  bool json = false;
};

/// Some log in by a password, and have no key.
std::string fingerprint_or_none(const PublicKeys& keys) {
  return keys == PublicKeys() ? "without keys" : fingerprint(keys);
}

Json to_json(const Rights& rights) {
  Json list = Json::array();
  for (const Right& right : rights) {
    Json qos = Json::array();
    for (const auto one : {mqtt::QoS::at_most_once, mqtt::QoS::at_least_once, mqtt::QoS::exactly_once})
      if (right.qos.contains(one)) qos.push_back(static_cast<int>(one));
    list.push_back({{"filter", right.filter}, {"pattern", right.is_pattern}, {"qos", std::move(qos)}});
  }
  return list;
}

Json to_json(const Identity& identity) {
  Json json = cli::to_json(static_cast<const PublicIdentity&>(identity));
  json.update({{"status", name(identity.status)},
               {"publish", to_json(identity.publish)},
               {"subscribe", to_json(identity.subscribe)},
               {"schemes", identity.schemes},
               {"require", to_text(identity.require)},
               {"roles", identity.roles},
               {"card", identity.in_card},
               {"revocation_reason", identity.revocation_reason},
               {"revoked_here", identity.revoked_here},
               {"order", identity.ordered == 0 ? Json() : Json(identity.ordered)},
               {"against_order", identity.against_order},
               {"changed", identity.changed},
               {"proved", identity.keys == PublicKeys() ? Json() : Json(!identity.proof.empty())}});
  return json;
}

void print_change(std::string_view done, const Identity& identity, const Options& options) {
  if (options.json) return print(to_json(identity));
  std::cout << done << " " << identity.name << " " << fingerprint_or_none(identity.keys) << '\n';
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

/// When it ends the brokers go by what was changed, so that the next command finds it so.
Result<> in_force(Registry& registry, const Options& options, Result<> recorded) {
  if (is_idle_file(options.registry)) return recorded;
  auto waited = wait_until_in_force(registry);
  if (!waited && !recorded) notice(recorded.error().what);
  return waited ? recorded : waited;
}

/// What is done is told, whatever comes of the rest; it ends when the brokers go by it, so that the next command finds it so.
Result<> conclude(Registry& registry, const Options& options, const Identity& identity, const Deed& deed) {
  print_change(deed.done, identity, options);
  if (!deed.warning.empty()) notice("warning: " + deed.warning);
  return in_force(registry, options, record(options.registry, deed.what, identity.name, deed.text));
}

Result<IdentityFile> read_new_keys(const std::string& path, bool unproved, const std::vector<std::string>& schemes) {
  TRY(read_public_identity(path, unproved));
  auto file = TRY(read_identity_file(path));
  TRY(check_points(file.identity.keys));
  TRY(check_keys_for_schemes(file.identity, schemes));
  return file;
}

Result<Identity> to_enroll(const Options& options, const std::string& file) {
  Identity identity;
  if (options.password_only) {
    identity.name = file;
  } else {
    auto read = TRY(read_new_keys(file, options.unproved, options.rights.schemes));
    static_cast<PublicIdentity&>(identity) = std::move(read.identity);
    identity.proof = std::move(read.proof);
  }
  identity.publish = options.rights.to_publish();
  identity.subscribe = options.rights.to_subscribe();
  identity.schemes = options.rights.schemes;
  identity.require = options.rights.factors();
  identity.roles = options.rights.roles;
  identity.in_card = options.rights.card;
  identity.changed = wall_milliseconds();
  return identity;
}

/// Whatever can be found wrong is, before the first is on the list.
Result<> run_enroll(const Options& options) {
  std::vector<Identity> identities;
  for (const auto& file : options.files) identities.push_back(TRY(to_enroll(options, file)));
  const auto registry = TRY(open_or_make_registry(options.registry));
  for (const auto& identity : identities)
    if (TRY(registry->find(identity.name))) return fail(Blame::caller_misused, "the name " + identity.name + " is taken");
  Result<> outcome;
  for (const auto& identity : identities) {
    outcome = registry->add(identity);
    if (!outcome) break;
    print_change("enrolled", identity, options);
    outcome = record(options.registry, "enroll", identity.name, options.rights.in_words());
    if (!outcome) break;
  }
  return in_force(*registry, options, std::move(outcome));
}

/// Nothing but the hash of the code is kept: who reads the registry cannot join with it.
Result<> run_ticket(const Options& options) {
  crypto::OsRandom random;
  std::array<std::uint8_t, 16> code{};
  random.fill(code);
  const auto now = wall_milliseconds();
  const Ticket ticket{options.name,
                      *kind_from(options.kind),
                      options.rights.to_publish(),
                      options.rights.to_subscribe(),
                      options.rights.schemes,
                      now + options.expires * 1000,
                      options.unproved};
  const auto registry = TRY(open_or_make_registry(options.registry));
  TRY(registry->add_ticket(crypto::sha256(code), ticket, now));
  if (options.json)
    print({{"ticket", to_hex(code)}, {"name", ticket.name}, {"kind", name(ticket.kind)}, {"expires", ticket.expires}});
  else
    std::cout << to_hex(code) << '\n';
  return record(options.registry, "ticket", ticket.name, options.rights.in_words());
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all.append(all.empty() ? "" : ",").append(printable(word));
  return all.empty() ? "-" : all;
}

std::string joined(const Rights& rights) {
  std::string all;
  for (const Right& right : rights) all.append(all.empty() ? "" : ",").append(in_words(right));
  return all.empty() ? "-" : all;
}

Result<> run_list(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto all = TRY(registry->list());
  if (options.json) {
    for (const auto& identity : all) print(to_json(identity));
    return {};
  }
  using Row = std::vector<std::string>;
  // What few identities have is a column where some have it.
  const bool roles = std::ranges::any_of(all, [](const Identity& its) { return !its.roles.empty(); });
  const bool logins = std::ranges::any_of(all, [](const Identity& its) { return its.in_card || its.require != Factors(); });
  const auto row_of = [&](Row common, std::string its_roles, std::string its_login, std::string id) {
    if (roles) common.push_back(std::move(its_roles));
    if (logins) common.push_back(std::move(its_login));
    common.push_back(std::move(id));
    return common;
  };
  std::vector<Row> rows{row_of({"name", "kind", "status", "publish", "subscribe", "schemes"}, "roles", "login", "id")};
  for (const auto& identity : all) {
    std::string status(name(identity.status));
    if (identity.against_order) status += " against order " + std::to_string(identity.ordered);
    if (identity.proof.empty() && identity.keys != PublicKeys()) status += ", unproved";
    std::string login = identity.in_card ? "key in a card" : "";
    if (identity.require != Factors()) login.append(login.empty() ? "" : ", ").append("needs ").append(to_text(identity.require));
    rows.push_back(row_of({identity.name, std::string(name(identity.kind)), std::move(status), joined(identity.publish),
                           joined(identity.subscribe), identity.schemes.empty() ? "all" : joined(identity.schemes)},
                          joined(identity.roles), login.empty() ? "-" : std::move(login), short_id(identity.keys)));
  }
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) std::cout << row[i] << std::string(widths[i] - row[i].size() + 2, ' ');
    std::cout << row.back() << '\n';
  }
  return {};
}

Result<> run_ticket_list(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto now = wall_milliseconds();
  for (const auto& ticket : TRY(registry->tickets(now))) {
    if (options.json) {
      print({{"name", ticket.name},
             {"kind", name(ticket.kind)},
             {"publish", to_json(ticket.publish)},
             {"subscribe", to_json(ticket.subscribe)},
             {"schemes", ticket.schemes},
             {"expires", ticket.expires}});
      continue;
    }
    const auto rights = rights_in_words(ticket.publish, ticket.subscribe, ticket.schemes);
    std::cout << ticket.name << "  expires in " << (ticket.expires - now + 59'999) / 60'000 << " min"
              << (rights.empty() ? "" : "  ") << rights << '\n';
  }
  return {};
}

Result<> run_ticket_cancel(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto count = TRY(registry->cancel_tickets(options.name));
  if (count == 0)
    return fail_with_hint(Blame::caller_misused, "there is no ticket for " + printable(options.name),
                          "sealmq identity ticket list shows those that can be used");
  if (options.json)
    print({{"name", options.name}, {"cancelled", count}});
  else
    std::cout << "cancelled " << count << (count == 1 ? " ticket of " : " tickets of ") << options.name << '\n';
  return record(options.registry, "ticket-cancel", options.name, std::to_string(count));
}

Result<> need_some_right(const Options& options) {
  if (!options.rights.are_empty()) return {};
  return fail(Blame::caller_misused,
              "nothing to change: name --publish, --subscribe, a pattern, --scheme, --role, --card or --require");
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

Result<> run_allow(const Options& options) {
  TRY(need_some_right(options));
  return run_change(options, {"changed", "allow", options.rights.in_words(), {}}, [&](Identity& identity) -> Result<> {
    allow(identity, options.rights);
    return {};
  });
}

Result<> run_deny(const Options& options) {
  TRY(need_some_right(options));
  return run_change(options, {"changed", "deny", options.rights.in_words(), {}},
                    [&](Identity& identity) { return deny(identity, options.rights); });
}

// -- revocation ----------------------------------------------------------------------------------------------------------------

/// Waits until the brokers have ended what the order is about.
Result<> carry_out(Registry& registry, const Options& options, std::string_view done, std::uint64_t order) {
  if (is_idle_file(options.registry)) {
    print_ended(done, options.name, TRY(registry.progress(order)), options.json);
    notice("no broker runs on " + TRY(find_place(options.registry)).folder.path + "; the next one to start there carries it out");
    return {};
  }
  const Progress progress = TRY(wait_for_brokers(registry, order));
  print_ended(done, options.name, progress, options.json);
  if (progress.done.empty() && progress.owed.empty()) notice("no broker works with this registry yet");
  return tell_missing(progress);
}

Result<> run_revoke(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto order = TRY(registry->revoke(options.name, options.reason, wall_milliseconds()));
  const auto recorded = record(options.registry, "revoke", options.name, options.reason);
  if (!recorded) notice(recorded.error().what);  // who waits for the revocation hears of that first
  return carry_out(*registry, options, "revoked", order);
}

Result<> run_rekey(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto known = TRY(registry->find(options.name));
  if (!known) return fail(Blame::caller_misused, "no identity " + printable(options.name) + " on the list");
  const auto file = TRY(read_new_keys(options.new_keys, options.unproved, known->schemes));
  const PublicIdentity& fresh = file.identity;
  if (fresh.name != options.name)
    return fail_with_hint(Blame::caller_misused, options.new_keys + " is that of " + fresh.name + ", not of " + options.name,
                          "sealmq identity new " + options.name + " -o FILE makes keys for this name");
  const auto order = TRY(registry->rekey(fresh, file.proof, wall_milliseconds()));
  const auto recorded =
      record(options.registry, "rekey", options.name, fingerprint_or_none(known->keys) + " -> " + fingerprint(fresh.keys));
  if (!recorded) notice(recorded.error().what);
  return carry_out(*registry, options, "rekeyed", order);
}

/// The password goes first: whoever gets the name next must not get it.
Result<> run_remove(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  if (!TRY(registry->find(options.name)))
    return fail(Blame::caller_misused, "no identity " + printable(options.name) + " on the list");
  TRY(forget_passwords(options.registry, options.name));
  const auto order = TRY(registry->remove(options.name, wall_milliseconds()));
  const auto recorded = record(options.registry, "remove", options.name, "");
  if (!recorded) notice(recorded.error().what);
  return carry_out(*registry, options, "removed", order);
}

Result<> run_restore(const Options& options) {
  const auto registry = TRY(open_registry(options.registry));
  const auto before = TRY(registry->find(options.name));
  if (!before) return fail(Blame::caller_misused, "no identity " + printable(options.name) + " on the list");
  const auto restored = registry->restore(options.name, options.against_authority, wall_milliseconds());
  if (!restored && before->ordered != 0 && !options.against_authority)
    return fail_with_hint(restored.error().blame, restored.error().what,
                          "sealmq authority restore " + options.name +
                              ", where the authority is, takes it back; --against-authority does not wait for that");
  if (!restored) return Failure(restored.error());
  Deed deed{"restored", "restore", "was revoked for: " + before->revocation_reason, {}};
  if (restored->against_order)
    deed.text = "against order " + std::to_string(restored->ordered) + " of the authority; " + deed.text;
  deed.warning = "whoever has the key of " + options.name + " can use it again; " + (restored->against_order ? "" : "it ") +
                 printable(deed.text);
  return conclude(*registry, options, *restored, deed);
}

// -- options -------------------------------------------------------------------------------------------------------------------

constexpr About about_enroll{
    .summary = "put NAME.pub on the broker's list",
    .examples = R"($ sealmq identity enroll boiler-7.pub --publish 'plant/7/#'
$ sealmq identity enroll dashboard --password-only --subscribe 'plant/#'
)",
};
constexpr About about_ticket{
    .summary = "print a one-time code to join with",
    .text = "Prints a code with which NAME can put a key of its own on the list, once.",
    .examples = "$ sealmq identity ticket boiler-7 --publish 'plant/7/#' --expires 12h\n",
};
constexpr About about_ticket_list{
    .summary = "the tickets that can be used",
    .examples = "$ sealmq identity ticket list\n",
};
constexpr About about_ticket_cancel{
    .summary = "make NAME's tickets worthless",
    .examples = "$ sealmq identity ticket cancel boiler-7\n",
};
constexpr About about_list{
    .summary = "who is on the list, with which rights",
    .examples = "$ sealmq identity list --json\n",
};
constexpr About about_allow{
    .summary = "add rights",
    .examples = "$ sealmq identity allow boiler-7 --subscribe 'plant/7/set'\n",
};
constexpr About about_deny{
    .summary = "take away rights that were given in the same words",
    .examples = "$ sealmq identity deny boiler-7 --subscribe 'plant/7/set'\n",
};
constexpr About about_revoke{
    .summary = "end everything an identity has",
    .text =
        R"(Ends everything the identity has at the broker, now and from now on. Returns when the running broker has carried it
out, and tells how long that took and what it ended.)",
    .examples = "$ sealmq identity revoke boiler-7 --reason 'stolen from the yard'\n",
};
constexpr About about_restore{
    .summary = "take a revocation back",
    .examples = "$ sealmq identity restore boiler-7\n",
};
constexpr About about_rekey{
    .summary = "give NAME new keys",
    .text = "Gives NAME other keys. It keeps its rights, and the former keys are revoked for good.",
    .examples = R"($ sealmq identity new boiler-7 -o new/boiler-7.key
$ sealmq identity rekey boiler-7 new/boiler-7.pub
)",
};
constexpr About about_remove{
    .summary = "take NAME off the list",
    .text =
        R"(Takes NAME off the list, with its rights and its password. What it has at the broker ends, and the name is free
again.)",
    .examples = "$ sealmq identity remove boiler-7\n",
};

}  // namespace

void add_identity(Command& app, int& exit_code) {
  Command& identity = app.add("identity", about);
  identity.require_subcommand();

  const auto options = std::make_shared<Options>();  // the callbacks own it
  const auto add = [&](const char* word, const About& its, Result<> (*run)(const Options&)) -> Command& {
    Command& command = identity.add(word, its);
    add_json_option(command, options->json);
    command.callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return command;
  };

  add_identity_keys(identity, exit_code);
  Command& enroll = add("enroll", about_enroll, run_enroll);
  Command& ticket = add("ticket", about_ticket, run_ticket);
  Command& tickets = ticket.add("list", about_ticket_list);
  Command& cancel = ticket.add("cancel", about_ticket_cancel);
  add_identity_join(identity, exit_code);
  Command& list = add("list", about_list, run_list);
  Command& allow = add("allow", about_allow, run_allow);
  Command& deny = add("deny", about_deny, run_deny);
  Command& revoke = add("revoke", about_revoke, run_revoke);
  Command& restore = add("restore", about_restore, run_restore);
  Command& rekey = add("rekey", about_rekey, run_rekey);
  Command& remove = add("remove", about_remove, run_remove);
  add_identity_password(identity, exit_code);

  for (Command* command : {&ticket, &cancel, &allow, &deny, &revoke, &restore, &rekey, &remove})
    command->argument("NAME", options->name, "an identity, as it is called on the list");
  enroll.argument("FILE", options->files, "NAME.pub of each, or names with --password-only");
  enroll.flag("--password-only", options->password_only,
              "names without keys, which log in by a password (sealmq identity password NAME)");
  rekey.argument("NEW.pub", options->new_keys, "its new keys, made by sealmq identity new NAME");
  ticket.option("NAME")->required(false);
  for (Command* command : {&tickets, &cancel}) {
    add_json_option(*command, options->json);
    command->fallthrough();
  }
  ticket.callback([=, &ticket, &tickets, &cancel, &exit_code] {
    if (options->name.empty() && !tickets.parsed()) {
      exit_code = finish(fail_with_hint(Blame::caller_misused, "NAME is required", ticket.path() + " --help"));
      return;
    }
    exit_code = finish(tickets.parsed()  ? run_ticket_list(*options)
                       : cancel.parsed() ? run_ticket_cancel(*options)
                                         : run_ticket(*options));
  });

  ticket.choice("--kind", options->kind, {"device", "service", "person"}, "what it is")->capture_default_str();
  ticket.option("--expires", options->expires, "TIME", "how long it can be used, such as 30m, 12h or 7d, 30 days at most (1h)")
      ->transform(time_span(30));
  revoke.option("--reason", options->reason, "TEXT", "kept with the identity and in the audit log")->required();
  for (Command* command : {&enroll, &rekey}) add_unproved_option(*command, options->unproved);
  ticket.flag("--unproved", options->unproved, "also for a program that does not prove each of the keys it brings");
  restore.flag("--against-authority", options->against_authority,
               "also what the revocation authority has revoked; that stands in the audit log and in the list");
  for (Command* command : {&enroll, &ticket, &allow, &deny})
    add_rights_options(*command, options->rights, command != &ticket, command == &deny);
  for (Command* command : {&enroll, &ticket, &list, &allow, &deny, &revoke, &restore, &rekey, &remove})
    add_registry_options(*command, options->registry);
}

}  // namespace sealmq::cli
