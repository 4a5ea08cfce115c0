// sealmq identity new, show and upgrade: makes keys, tells what a file of them holds, and proves them.
#include <algorithm>
#include <iostream>

#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/command.h"
#include "cli/identity_output.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "keystore/fingerprint.h"
#include "keystore/key_reference.h"
#include "keystore/key_uri.h"
#include "schemes/malina/pinned.h"
#include "sealmq/keystore.h"

namespace sealmq::cli {
namespace {

constexpr About about_new{
    .summary = "make a private key on this machine",
    .text =
        R"(Makes a private key on this machine: NAME.key, for its owner only, and NAME.pub. Prints the public line and its
fingerprint.)",
    .examples = "$ sealmq identity new boiler-7\n",
};
constexpr About about_show{
    .summary = "what a .key or .pub file holds",
    .text = "Tells what a .key or .pub file holds, never a secret.",
    .examples = "$ sealmq identity show boiler-7.pub\n",
};
constexpr About about_upgrade{
    .summary = "add to NAME.pub what older programs left out",
    .text =
        R"(Adds to NAME.pub the proof that whoever made it holds its keys. Commands that take such a file ask for that proof.)",
    .examples = "$ sealmq identity upgrade boiler-7.key\n",
};

struct Options {
  std::string name;  // also the FILE of show and upgrade
  std::string kind = "device";
  std::string key_path;
  std::string keystore;
  unsigned rsa_bits = 0;
  bool json = false;
};

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

void show(const IdentityFile& file, bool json) {
  if (json) {
    auto line = to_json(file.identity);
    line.update({{"private", false}, {"proved", !file.proof.empty()}});
    return print(line);
  }
  show(file.identity, false, {}, json);
  std::cout << "proved       " << (file.proof.empty() ? "no: sealmq identity upgrade NAME.key adds a proof" : "yes") << '\n';
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

/// What older programs made without a proof. Nothing else of a file that is there changes.
Result<> run_upgrade(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_keys(options.name, random, pin_asker()));
  const auto pub_path = pub_path_for(options.name);
  const std::string text = TRY(identity_file(*keys));
  if (std::ranges::count(text, '\n') < 2)
    return fail_with_hint(Blame::caller_misused,
                          "the keys of " + keys->identity().name + " sign nothing but logins, so they prove nothing",
                          "sealmq identity enroll --unproved takes the file as it is");
  if (!exists(pub_path)) {
    TRY(write_new_file(pub_path, text, Audience::everybody));
  } else {
    const auto file = TRY(read_identity_file(pub_path));
    if (file.identity != keys->identity()) return fail(Blame::caller_misused, pub_path + " is not that of " + options.name);
    if (file.proof.empty()) TRY(replace_file(pub_path, text, Audience::everybody));
  }
  const auto file = TRY(read_identity_file(pub_path));
  if (options.json) {
    auto line = to_json(file.identity);
    line.update({{"pub", pub_path}, {"proved", true}});
    print(line);
  } else {
    std::cout << pub_path << " proves the keys of " << file.identity.name << " " << fingerprint(file.identity.keys) << '\n';
  }
  return {};
}

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
      show(TRY(read_identity_file(options.name)), options.json);
      break;
    case FileKind::broker_identity:
      show(TRY(read_broker_identity(options.name, true)), options.json);
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

}  // namespace

std::string short_id(const PublicKeys& keys) {
  return is_there(keys.schnorr) ? malina::short_id(keys.schnorr) : "-";
}

Json to_json(const PublicIdentity& identity) {
  return {{"name", identity.name},
          {"kind", name(identity.kind)},
          {"fingerprint", identity.keys == PublicKeys() ? Json() : Json(fingerprint(identity.keys))},
          {"id", short_id(identity.keys)},
          {"public", identity.keys == PublicKeys() ? Json() : Json(to_line(identity))}};
}

void add_identity_keys(Command& identity, int& exit_code) {
  const auto options = std::make_shared<Options>();  // the callbacks own it
  const auto add = [&](const char* word, const About& its, Result<> (*run)(const Options&)) -> Command& {
    Command& command = identity.add(word, its);
    add_json_option(command, options->json);
    command.callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return command;
  };

  Command& make = add("new", about_new, run_new);
  Command& show = add("show", about_show, run_show);
  Command& upgrade = add("upgrade", about_upgrade, run_upgrade);

  make.argument("NAME", options->name, "what it is called on the list");
  show.argument("FILE", options->name, "a .key or .pub file");
  upgrade.argument("FILE", options->name, "NAME.key");

  make.option("-o,--output", options->key_path, "FILE",
              "where the private key goes, instead of NAME.key; the public one goes beside it");
  make.option(
      "--keystore", options->keystore, "URI",
      "makes the keys in a token, 'pkcs11:token=plant?module-path=FILE', or on a smart card, "
      "pcsc:READER; NAME.key then only says where they are. A PIN comes from the terminal, a file (pin-source=file:PATH in the "
      "URI) or SEALMQ_PIN");
  make.option("--rsa", options->rsa_bits, "2048|3072|4096", "an RSA key besides, of so many bits, for schemes that want one")
      ->check(one_of({2048, 3072, 4096}));
  make.choice("--kind", options->kind, {"device", "service", "person"}, "what it is")->capture_default_str();
}

}  // namespace sealmq::cli
