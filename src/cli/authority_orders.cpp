// sealmq authority new, revoke, restore, orders: the authority's key, and what it orders.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.h"
#include "base/try.h"
#include "cli/authority_options.h"
#include "cli/broker_progress.h"
#include "cli/command.h"
#include "crypto/hash.h"
#include "crypto/identity_digest.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "keystore/fingerprint.h"
#include "registry/data_folder.h"
#include "schemes/malina/revocation.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;
using authority::Decision;
using authority::IssuedOrder;
using authority::Served;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr auto patience = 8s;  // for brokers to acknowledge

struct Options {
  std::string folder;
  RegistryChoice registry;
  std::string whom;
  bool unproved = false;
  std::string reason;
  std::uint64_t after = 0;
  bool json = false;
};

Json in_hex(const std::vector<KeyHash>& keys) {
  Json hashes = Json::array();
  for (const KeyHash& key : keys) hashes.push_back(to_hex(key));
  return hashes;
}

void print(const Json& line) {
  std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

Result<> run_new(const Options& options) {
  crypto::OsRandom random;
  const bool is_new = !exists(authority::AuthorityFolder{options.folder}.key());
  const OpenAuthority opened = TRY(open_or_make_authority(options.folder, random));
  const PublicIdentity& identity = opened.key->identity();
  if (!is_new) notice("there was one in " + options.folder + " already; nothing is changed");
  if (options.json)
    print({{"name", identity.name}, {"fingerprint", fingerprint(identity.keys)}, {"pub", opened.folder.pub()}});
  else
    std::cout << to_line(identity) << '\n' << fingerprint(identity.keys) << '\n';
  return {};
}

// -- whom

struct Whom {
  std::vector<KeyHash> keys;  // by which orders name it
  std::string name;           // empty: not known here
};

std::string described(const std::vector<KeyHash>& keys, const std::string& name) {
  if (!name.empty()) return name;
  return keys.empty() ? "nobody" : "key " + to_hex(keys.front());
}

Whom named(const PublicIdentity& identity) {
  return {crypto::key_hashes(identity.keys), identity.name};
}

/// NAME.pub, the ID of a Schnorr key in hexadecimal, or a name on the list.
Result<Whom> find_whom(const std::string& text, bool unproved, Registry* registry) {
  if (text.ends_with(".pub")) return named(TRY(read_public_identity(text, unproved)));
  std::vector<Identity> listed;
  if (registry != nullptr) listed = TRY(registry->list());
  const auto id = from_hex(text);
  if (id && id->size() == std::tuple_size_v<malina::Id>) {
    if (!is_there(*id)) return fail(Blame::caller_misused, "an ID of zeroes is nobody's");
    const auto known = std::ranges::find_if(listed, [&](const Identity& one) { return to_buffer(one.keys.schnorr) == *id; });
    if (known != listed.end()) return named(*known);
    return Whom{{crypto::key_hash(*id)}, {}};
  }
  for (const Identity& identity : listed)
    if (identity.name == text) return named(identity);
  if (registry != nullptr) return fail(Blame::caller_misused, "no identity " + printable(text) + " on the list");
  return fail_with_hint(Blame::caller_misused, "who " + printable(text) + " is cannot be seen from here",
                        "NAME.pub or the ID in hexadecimal says it; --data DIR or --registry URL names the list");
}

/// Somebody without a key logs in by a password alone.
Result<Whom> with_keys(Result<Whom> found) {
  if (found && found->keys.empty())
    return fail_with_hint(Blame::caller_misused, found->name + " has no key, by which orders name an identity",
                          "sealmq identity revoke, at the broker");
  return found;
}

/// A number is the order's own reason; words are for the ledger.
void set_reason(const std::string& text, Decision& decision) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number <= 255)
    decision.reason = static_cast<std::uint8_t>(number);
  else
    decision.remark = text;
}

// -- waiting

bool has_got(const Served& broker, std::uint64_t serial) {
  return broker.serial >= serial;
}

/// Until every broker that can be reached has acknowledged the order.
Result<std::vector<Served>> wait_until_told(authority::OrderLedger& ledger, std::uint64_t serial) {
  const auto deadline = Clock::now() + patience;
  while (true) {
    auto served = TRY(ledger.served());
    bool waits = false;
    for (const Served& broker : served) waits = waits || (!has_got(broker, serial) && broker.trouble.empty());
    if (!waits || Clock::now() > deadline) return served;
    std::this_thread::sleep_for(2ms);
  }
}

Result<> tell_untold(const std::vector<Served>& served, std::uint64_t serial) {
  bool is_silent = false;
  for (const Served& broker : served) {
    if (has_got(broker, serial)) continue;
    is_silent = is_silent || broker.trouble.empty();
    notice("warning: " + broker.broker + " has not got it: " + (broker.trouble.empty() ? "no answer" : broker.trouble));
  }
  if (is_silent) return fail(Blame::environment, "the order is given, but not every broker has answered in time");
  return {};
}

/// What the brokers of a registry made of the order: they report there.
Result<> wait_until_carried_out(Registry& registry, const OpenAuthority& its, const IssuedOrder& order, const Whom& whom,
                                bool json) {
  const auto authority = crypto::sha256(its.key->identity().keys.ecdsa);
  const auto deadline = Clock::now() + patience;
  while (TRY(registry.last_serial(authority)) < order.serial) {
    if (Clock::now() > deadline) return fail(Blame::environment, "the order has not come to this registry");
    std::this_thread::sleep_for(2ms);
  }
  const std::uint64_t number = whom.name.empty() ? 0 : TRY(registry.last_order(whom.name));
  if (order.decision.restores || number == 0) return {};
  const Progress progress = TRY(wait_for_brokers(registry, number));
  print_ended("revoked", whom.name, progress, json);
  return tell_missing(progress);
}

void print_order(const IssuedOrder& order, const Whom& whom, const std::vector<Served>& served, Clock::duration taken,
                 bool json) {
  const std::string action = order.decision.restores ? "restore" : "revoke";
  std::size_t told = 0;
  for (const Served& broker : served) told += has_got(broker, order.serial);
  if (json) {
    Json line{{"order", order.serial}, {"action", action}, {"keys", in_hex(whom.keys)}, {"name", whom.name}};
    line["brokers"] = Json::array();
    for (const Served& broker : served)
      line["brokers"].push_back(
          {{"broker", broker.broker}, {"acknowledged", has_got(broker, order.serial)}, {"trouble", broker.trouble}});
    line["milliseconds"] = std::chrono::duration<double, std::milli>(taken).count();
    return print(line);
  }
  std::cout << "order " << order.serial << ": " << action << " " << described(whom.keys, whom.name);
  if (told > 0)
    std::cout << "; acknowledged by " << told << (told == 1 ? " broker in " : " brokers in ")
              << std::chrono::ceil<std::chrono::milliseconds>(taken).count() << " ms";
  std::cout << '\n';
}

// -- deciding

Result<> decide(const Options& options, bool restores) {
  crypto::OsRandom random;
  const auto registry = TRY(visible_registry(options.registry));
  const OpenAuthority its = TRY(open_authority(options.folder, random));
  const Whom whom = TRY(with_keys(find_whom(options.whom, options.unproved, registry.get())));
  Decision decision;
  decision.restores = restores;
  decision.keys = whom.keys;
  decision.name = whom.name;
  decision.wall = wall_milliseconds();
  set_reason(options.reason, decision);

  const auto start = Clock::now();
  const IssuedOrder order =
      TRY(its.ledger->issue(decision, [&](std::uint64_t serial, const Decision& its_decision) -> Result<Buffer> {
        malina::Order made{.serial = serial, .time = its_decision.wall, .keys = its_decision.keys, .reason = its_decision.reason};
        made.action = its_decision.restores ? malina::Action::restore : malina::Action::revoke;
        return malina::revocation_order(made, *its.key);
      }));
  const bool is_served = is_locked(its.folder.lock());
  std::vector<Served> served;
  if (is_served) served = TRY(wait_until_told(*its.ledger, order.serial));
  print_order(order, whom, served, Clock::now() - start, options.json);
  if (restores)
    notice("warning: whoever has the key of " + described(whom.keys, whom.name) +
           " can use it again where the order is carried out");
  auto told = tell_untold(served, order.serial);
  const bool one_has_it = std::ranges::any_of(served, [&](const Served& broker) { return has_got(broker, order.serial); });
  const std::string nobody = "order " + std::to_string(order.serial) + " is written and not sent";
  if (!is_served)
    return fail_with_hint(Blame::environment, nobody, "sealmq authority serve --folder " + options.folder + " sends it");
  if (!one_has_it)
    return fail_with_hint(Blame::environment, nobody,
                          "the next time that serve reaches a broker it sends it; sealmq authority orders");
  if (registry != nullptr && one_has_it) TRY(wait_until_carried_out(*registry, its, order, whom, options.json));
  return told;
}

Result<> run_revoke(const Options& options) {
  return decide(options, false);
}
Result<> run_restore(const Options& options) {
  return decide(options, true);
}

// -- looking

Result<> run_orders(const Options& options) {
  crypto::OsRandom random;
  const OpenAuthority its = TRY(open_authority(options.folder, random));
  const auto registry = TRY(visible_registry(options.registry));
  std::map<KeyHash, std::string> names;
  if (registry != nullptr)
    for (const Identity& identity : TRY(registry->list()))
      for (const KeyHash& key : crypto::key_hashes(identity.keys)) names.emplace(key, identity.name);
  for (const IssuedOrder& order : TRY(its.ledger->after(options.after))) {
    const Decision& decision = order.decision;
    std::string name = decision.name;
    if (const auto known = decision.keys.empty() ? names.end() : names.find(decision.keys.front()); known != names.end())
      name = known->second;
    const std::string action = decision.restores ? "restore" : "revoke";
    if (options.json)
      print({{"order", order.serial},
             {"action", action},
             {"keys", in_hex(decision.keys)},
             {"name", name},
             {"reason", decision.reason},
             {"remark", decision.remark},
             {"time", decision.wall}});
    else
      std::cout << order.serial << "  " << action << "  " << described(decision.keys, name) << "  reason " << +decision.reason
                << (decision.remark.empty() ? "" : "  " + printable(decision.remark, 200)) << '\n';
  }
  for (const Served& broker : TRY(its.ledger->served()))
    notice(broker.broker + " has those up to " + std::to_string(broker.serial) +
           (broker.trouble.empty() ? "" : "; " + broker.trouble));
  return {};
}

}  // namespace

void add_authority_orders(Command& authority, int& exit_code) {
  const auto options = std::make_shared<Options>();  // the callbacks own it
  const auto add = [&](const char* word, const About& about, Result<> (*run)(const Options&)) -> Command& {
    Command& command = authority.add(word, about);
    add_folder_option(command, options->folder);
    add_json_option(command, options->json);
    command.callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return command;
  };
  add("new",
      {.summary = "make the authority's key",
       .text = "Makes the key: authority.key, for its owner only, and authority.pub, which brokers name in their configuration.",
       .examples = "$ sealmq authority new\n"},
      run_new);
  Command& revoke = add("revoke",
                        {.summary = "order all brokers to end an identity",
                         .text = "Orders all brokers to end everything of an identity; returns when they have.",
                         .examples = "$ sealmq authority revoke boiler-7.pub --reason 'stolen from the yard'\n"},
                        run_revoke);
  Command& restore =
      add("restore", {.summary = "take a revocation back", .examples = "$ sealmq authority restore boiler-7.pub\n"}, run_restore);
  Command& orders = add("orders",
                        {.summary = "list what was ordered",
                         .text = "What was ordered; on standard error, how far each broker has got.",
                         .examples = "$ sealmq authority orders --after 12\n"},
                        run_orders);
  constexpr const char* reason = "0 to 255: a part of the order; TEXT: kept in the folder of the authority";
  for (Command* command : {&revoke, &restore}) {
    command->argument("NAME", options->whom, "NAME.pub, an ID, or a NAME on the list");
    add_unproved_option(*command, options->unproved);
  }
  revoke.option("--reason", options->reason, "NUMBER|TEXT", reason)->required();
  restore.option("--reason", options->reason, "NUMBER|TEXT", reason);
  orders.option("--after", options->after, "NUMBER", "only orders after this one");
  for (Command* command : {&revoke, &restore, &orders}) add_registry_options(*command, options->registry);
}

}  // namespace sealmq::cli
