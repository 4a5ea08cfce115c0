// sealmq card: smart cards, real or simulated.
#include "cli/card.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/command.h"
#include "crypto/random.h"
#include "keystore/apdu_card.h"
#include "keystore/card_commands.h"
#include "keystore/fingerprint.h"
#include "keystore/key_uri.h"
#include "keystore/pcsc_reader.h"
#include "keystore/pin.h"
#include "sealmq/keystore.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "smart cards, real or simulated",
    .text =
        R"(A PIN that is asked for comes from the terminal, or from SEALMQ_PIN. The last try before a card locks itself is left
to a person.)",
    .examples = R"($ sealmq card simulate --folder my-card &
$ sealmq card init boiler07
$ sealmq identity enroll boiler07.pub --publish 'plant/7/#' --scheme scacauth
)",
};

using Json = nlohmann::ordered_json;

struct Options {
  std::string name;
  std::string reader;
  std::string broker_key;
  std::string key_path;
  std::string kind = "device";
  bool pin = false;
  bool json = false;
};

std::string pub_path_for(const std::string& key_path) {
  constexpr std::string_view ending = ".key";
  return (key_path.ends_with(ending) ? key_path.substr(0, key_path.size() - ending.size()) : key_path) + ".pub";
}

/// What a new card gets besides its keys.
struct Extras {
  Buffer broker;  ///< its RSA modulus
  Secret pin;
};

/// Before keys are replaced.
Result<Extras> find_extras(const Options& options) {
  Extras extras;
  if (!options.broker_key.empty()) {
    extras.broker = TRY(read_broker_identity(options.broker_key)).rsa;
    if (extras.broker.empty())
      return fail_with_hint(Blame::caller_misused, options.broker_key + " holds no RSA key; the card is as it was",
                            "a broker makes one when a [[topic]] of its configuration names scacauth@paper; without "
                            "--broker-key the card is for scacauth");
  }
  if (!options.pin) return extras;
  extras.pin = TRY(new_pin());
  if (extras.pin.size() < 4 || extras.pin.size() > 16)
    return fail(Blame::caller_misused, "the PIN of a card has 4 to 16 characters");
  return extras;
}

Result<> finish_card(const Options& options, const Extras& extras) {
  if (extras.broker.empty() && extras.pin.empty()) return {};
  const auto channel = TRY(card::open_reader(options.reader, true));
  auto applet = TRY(card::Applet::select(*channel));
  Pins pins("the smart card", "", pin_asker());
  TRY(applet.verify(pins));
  if (!extras.broker.empty()) TRY(applet.put_broker_key(extras.broker));
  if (extras.pin.empty()) return {};
  const auto status = TRY(applet.status({card::class_iso, card::ins_change_pin, 1, 1, to_buffer(extras.pin.reveal())}));
  if (status != card::status_done) return fail(Blame::caller_misused, "this card takes no PIN");
  return {};
}

Result<> run_init(const Options& options) {
  crypto::OsRandom random;
  const std::string key_path = options.key_path.empty() ? options.name + ".key" : options.key_path;
  const Extras extras = TRY(find_extras(options));
  const auto identity = TRY(create_keys(
      {options.name, *kind_from(options.kind), key_path, pub_path_for(key_path), 0, to_text(KeyUri(CardUri{options.reader}))},
      random, pin_asker()));
  TRY(finish_card(options, extras));
  if (options.json)
    std::cout << Json{{"name", identity.name},
                      {"fingerprint", fingerprint(identity.keys)},
                      {"public", to_line(identity)},
                      {"key", key_path},
                      {"pub", pub_path_for(key_path)}}
                     .dump()
              << '\n';
  else
    std::cout << to_line(identity) << '\n' << fingerprint(identity.keys) << '\n';
  return {};
}

struct Seen {
  std::string uid;
  Buffer rsa;
  std::optional<std::array<std::uint8_t, 33>> ecdsa;
  std::optional<unsigned> tries;
  std::string trouble;
};

Result<Seen> look_at(const std::string& reader) {
  Seen seen;
  const auto channel = TRY(card::open_reader(reader, false));
  auto applet = TRY(card::Applet::select(*channel));
  if (const auto uid = applet.uid()) seen.uid = *uid;
  seen.rsa = TRY(applet.rsa_modulus());
  seen.ecdsa = TRY(applet.ecdsa_key());
  seen.tries = TRY(applet.tries_left());
  return seen;
}

std::string pin_in_words(const std::optional<unsigned>& tries) {
  if (!tries) return "none";
  return *tries == 0 ? "locked" : std::to_string(*tries) + " tries left";
}

void print(const card::ReaderState& reader, const Seen& seen, bool json) {
  const auto print_of = [](Bytes key) { return key.empty() ? std::string("none") : fingerprint_of(key); };
  const Bytes ecdsa = seen.ecdsa ? Bytes(*seen.ecdsa) : Bytes();
  if (json) {
    Json line{{"reader", reader.name}, {"card", reader.has_card}};
    if (reader.has_card) line["atr"] = to_hex(reader.atr);
    if (!seen.trouble.empty())
      line["trouble"] = seen.trouble;
    else if (reader.has_card)
      line.update(
          {{"uid", seen.uid}, {"rsa", print_of(seen.rsa)}, {"ecdsa-p256", print_of(ecdsa)}, {"pin", pin_in_words(seen.tries)}});
    std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    return;
  }
  std::cout << "reader       " << printable(reader.name) << '\n';
  if (!reader.has_card) {
    std::cout << "card         none\n";
    return;
  }
  std::cout << "card         " << to_hex(reader.atr) << '\n';
  if (!seen.trouble.empty()) {
    std::cout << "trouble      " << seen.trouble << '\n';
    return;
  }
  std::cout << "uid          " << (seen.uid.empty() ? "none" : seen.uid) << "\nrsa          " << print_of(seen.rsa)
            << "\necdsa-p256   " << print_of(ecdsa) << "\npin          " << pin_in_words(seen.tries) << '\n';
}

Result<> run_info(const Options& options) {
  bool any = false;
  for (const auto& reader : TRY(card::list_readers())) {
    if (!reader.name.starts_with(options.reader)) continue;
    any = true;
    Seen seen;
    if (reader.has_card) {
      auto looked = look_at(reader.name);
      if (looked)
        seen = *std::move(looked);
      else
        seen.trouble = looked.error().what;
    }
    print(reader, seen, options.json);
  }
  if (!any) return fail(Blame::environment, "there is no card reader " + printable(options.reader));
  return {};
}

}  // namespace

void add_card(Command& app, int& exit_code) {
  Command& card = app.add("card", about);
  card.require_subcommand();
  const auto options = std::make_shared<Options>();  // the callbacks own it
  const auto add = [&](const char* word, const About& its, Result<> (*run)(const Options&)) -> Command& {
    Command& command = card.add(word, its);
    command.option("--reader", options->reader, "READER", "the beginning of a reader's name; without, the first one with a card");
    add_json_option(command, options->json);
    command.callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return command;
  };
  Command& init = add(
      "init",
      {.summary = "make keys on a card",
       .text =
           R"(Makes new keys on the card in a reader and gives it a UID, which is NAME. Writes NAME.key, which says where the keys
are, and NAME.pub. Keys that are on the card are replaced.)",
       .examples = "$ sealmq card init boiler07\n"},
      run_init);
  init.argument("NAME", options->name, "8 of 0-9 A-Z a-z");
  init.option("--broker-key", options->broker_key, "broker.pub", "whose RSA key the card is to know");
  init.choice("--kind", options->kind, {"device", "service", "person"}, "what it is of")->capture_default_str();
  init.option("-o,--output", options->key_path, "FILE", "instead of NAME.key");
  init.flag("--pin", options->pin, "gives the card a PIN, asked for twice or in SEALMQ_NEW_PIN; a simulated card takes one");
  add("info",
      {.summary = "what is in the readers",
       .text = "What is in the readers: UID, public keys, and what the card can do.",
       .examples = "$ sealmq card info\n"},
      run_info);
  add_card_simulate(card, exit_code);
  add_card_bench(card, exit_code);
}

}  // namespace sealmq::cli
