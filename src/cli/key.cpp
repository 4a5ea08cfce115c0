// sealmq key: keys of topics, for messages that no broker reads.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/key_options.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "mqtt/topic.h"
#include "schemes/payload/dealt.h"
#include "schemes/payload/sending.h"
#include "sealmq/client.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "create, share, rotate and revoke topic keys",
    .text =
        R"(Keys of topics, with which --scheme payload encrypts from the author to the readers, through any broker. Who makes a
key is its administrator, and shares it through the broker: members find it waiting there, encrypted for each of them
and signed, also when they were away. They say once whom they trust, and pick up keys whenever they connect.)",
    .examples = R"($ sealmq key new 'plant/+/temp' --key admin.key
$ sealmq key share 'plant/+/temp' --to boiler-7.pub --to control.pub \
    --key admin.key
$ sealmq key trust admin.pub --topic-keys boiler-keys
$ sealmq pub -t plant/7/temp -m 21.5 --scheme payload --key boiler-7.key \
    --topic-keys boiler-keys
)",
};

constexpr About about_new{
    .summary = "make a key for the topics of a filter",
    .text = "Makes a key for the topics that FILTER matches; the most specific filter counts.",
    .examples = "$ sealmq key new 'plant/+/temp' --key admin.key --kind pair\n",
};
constexpr About about_share{
    .summary = "give it to somebody",
    .text = "Whom --to names gets it, and from now on every key that takes its place.",
    .examples = "$ sealmq key share 'plant/+/temp' --to boiler-7.pub --key admin.key\n",
};
constexpr About about_trust{
    .summary = "accept the keys of an administrator",
    .text = "Accepts the topic keys that this administrator shares, from now on.",
    .examples = "$ sealmq key trust admin.pub\n",
};
constexpr About about_list{.summary = "list the keys in the folder", .examples = "$ sealmq key list\n"};
constexpr About about_rotate{
    .summary = "let a new key take its place",
    .text = "A new key takes its place; the former one still opens what was sent before.",
    .examples = "$ sealmq key rotate 'plant/+/temp' --key admin.key\n",
};
constexpr About about_revoke{
    .summary = "take it away from a member, or from a thief",
    .text =
        R"(NAME gets no further key, and a new one takes its place at once. Without NAME the key was stolen: it opens nothing
more.)",
    .examples = "$ sealmq key revoke 'plant/+/temp' boiler-7 --key admin.key\n",
};
constexpr About about_export{
    .summary = "write the newest key into a file",
    .text = "The newest key of FILTER as JSON in a new file, for programs in other languages: whoever has that file has the key.",
    .examples = "$ sealmq key export 'plant/+/temp' -o plant.json\n",
};
constexpr About about_seal{
    .summary = "encrypt a file, without a broker",
    .examples = "$ sealmq key seal report.pdf -t plant/7/report --key boiler-7.key -o sealed\n",
};
constexpr About about_open{
    .summary = "decrypt a file, without a broker",
    .text = "Opening remembers nothing: a copy opens again.",
    .examples = "$ sealmq key open sealed -t plant/7/report -o report.pdf\n",
    .exit_codes = "0 done, 1 usage or refused input, 2 cannot read or write, 4 it does not open",
};

using Json = nlohmann::ordered_json;

struct Options {
  ClientOptions client;
  std::string filter;
  std::string kind = "symmetric";
  std::string form = "inside";
  std::string cipher = "a128gcm";
  std::string lasts = "30d";
  std::string prefix{payload::default_key_prefix};
  std::string name;
  std::string file;
  std::string topic;
  std::string output;
  bool write_only = false;
  bool json = false;
};

Failure misused(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

Now now() {
  return {.steady = 0, .wall = wall_milliseconds()};
}

Result<std::uint64_t> seconds_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::uint64_t factor = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
  if (error != std::errc() || factor == 0 || number == 0 || number > 100'000)
    return misused("--lasts is a number and s, m, h or d, not " + printable(text));
  return number * factor;
}

Result<std::unique_ptr<KeyStore>> open_own_key(const Options& options, Random& random) {
  if (options.client.key.empty()) return fail_with_hint(Blame::caller_misused, "this takes your private key", "--key NAME.key");
  return open_key_file(options.client.key, random);
}

/// Those that this identity has made and not given up, the newest first.
std::vector<TopicKey> own_keys(const TopicKeys::Keys& keys, std::string_view filter, const PublicIdentity& own) {
  std::vector<TopicKey> found;
  for (const TopicKey& key : keys)
    if (key.filter == filter && key.administrator.keys == own.keys) found.push_back(key.copy());
  std::ranges::stable_sort(found, [](const TopicKey& a, const TopicKey& b) { return a.not_before > b.not_before; });
  std::stable_partition(found.begin(), found.end(), [](const TopicKey& key) { return key.state == TopicKey::State::active; });
  return found;
}

std::string date_of(std::uint64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &parts);
  return text.data();
}

/// What members of a filter are to have, at the broker: retained, so that it waits for them.
Result<> publish_dealt(const Options& options, KeyStore& own, TopicKeys& keys, Random& random) {
  const auto all = own_keys(*keys.all(true), options.filter, own.identity());
  payload::Dealt dealt{options.filter, {}};
  const std::uint64_t seconds = now().wall / 1000;
  constexpr std::uint64_t kept_for = 30 * 24 * 3600;  // after its end, for what waits in sessions
  for (const TopicKey& key : all)
    if (key.not_after + kept_for > seconds) dealt.keys.push_back(key.copy());
  if (dealt.keys.empty()) return misused("no key of yours for " + printable(options.filter, 200));
  // It is a container already.
  auto connect = TRY(plain_connect_options(options.client, {"--key", "--to", "--topic-keys"}));
  auto client = TRY(Client::connect(std::move(connect)).map_error([&](const Error& error) {
    return with_hint(error, options.client).value();
  }));
  for (const bool to_readers : {true, false}) {
    const auto topic = payload::dealing_topic(options.prefix, own.identity().name, options.filter, to_readers);
    const auto number = TRY(keys.next_signed());
    const auto message = TRY(payload::deal(dealt, to_readers, topic, own, number, now(), random));
    if (!message) continue;
    TRY(client.publish(topic, *message, {.qos = mqtt::QoS::at_least_once, .retain = true}));
  }
  return client.disconnect();
}

struct Opened {
  std::unique_ptr<KeyStore> own;
  std::shared_ptr<TopicKeys> keys;
};
Result<Opened> open_both(const Options& options, Random& random) {
  Opened opened;
  opened.own = TRY(open_own_key(options, random));
  opened.keys = TRY(open_topic_keys(options.client.topic_keys, random));
  return opened;
}

Json to_json(const TopicKey& key) {
  Json json{{"id", to_hex(key.id)},         {"filter", key.filter},       {"kind", name(key.kind)},
            {"form", name(key.form)},       {"cipher", name(key.cipher)}, {"state", name(key.state)},
            {"not_before", key.not_before}, {"not_after", key.not_after}, {"administrator", key.administrator.name}};
  json["members"] = Json::array();
  for (const auto& member : key.members) json["members"].push_back(member.identity.name);
  return json;
}

void print(const Json& line) {
  std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_made(const TopicKey& key, bool json) {
  if (json) return print(to_json(key));
  std::cout << to_hex(key.id) << " is the key of " << key.filter << ", until " << date_of(key.not_after) << " UTC\n";
}

Result<> make(const Options& options) {
  crypto::OsRandom random;
  const auto opened = TRY(open_both(options, random));
  if (!mqtt::is_topic_filter(options.filter) || options.filter.size() > 1000)
    return misused("not a topic filter: " + printable(options.filter));
  const auto kind = topic_key_kind_from(options.kind);
  const auto form = topic_key_form_from(options.form);
  const auto cipher = topic_key_cipher_from(options.cipher);
  if (!kind || !form || !cipher) return misused("no kind, form or cipher is called so; sealmq key --help lists them");
  const bool signs_inside_or_outside = *form == TopicKey::Form::inside || *form == TopicKey::Form::outside;
  if (*kind == TopicKey::Kind::pair && !signs_inside_or_outside)
    return misused("everybody can write with the public half of a pair: messages have to be signed, inside or outside");
  if (!own_keys(*opened.keys->all(), options.filter, opened.own->identity()).empty())
    return fail_with_hint(Blame::caller_misused, "there is a key for " + options.filter + " already",
                          "sealmq key rotate replaces it");
  const auto seconds = TRY(seconds_of(options.lasts));
  const auto key = make_topic_key(options.filter, *kind, *form, *cipher, now(), seconds, opened.own->identity(), random);
  TRY(opened.keys->put(key));
  print_made(key, options.json);
  return {};
}

Result<> share(const Options& options) {
  crypto::OsRandom random;
  const auto opened = TRY(open_both(options, random));
  auto keys = own_keys(*opened.keys->all(), options.filter, opened.own->identity());
  if (keys.empty())
    return fail_with_hint(Blame::caller_misused, "no key of yours for " + options.filter, "sealmq key new FILTER");
  if (options.client.peers.empty()) return fail_with_hint(Blame::caller_misused, "share it with whom?", "--to NAME.pub");
  if (options.write_only && keys.front().kind != TopicKey::Kind::pair)
    return misused("who can write with a symmetric key can read with it; --write-only is for a pair");
  std::vector<TopicKey::Member> added;
  for (const auto& file : options.client.peers) {
    TopicKey::Member member;
    member.identity = TRY(read_public_identity(file));
    member.reads = !options.write_only;
    added.push_back(std::move(member));
  }
  for (TopicKey& key : keys) {
    for (const auto& member : added) {
      const auto same_name = [&](const TopicKey::Member& its) { return its.identity.name == member.identity.name; };
      const auto known = std::ranges::find_if(key.members, same_name);
      if (known != key.members.end() && known->identity.keys != member.identity.keys)
        return misused("another " + member.identity.name + " shares this key already; revoke that one before");
      std::erase_if(key.members, same_name);
      key.members.push_back(member);
    }
    TRY(opened.keys->put(key));
  }
  TRY(publish_dealt(options, *opened.own, *opened.keys, random));
  if (options.json) {
    print(to_json(keys.front()));
    return {};
  }
  std::cout << "the key of " << options.filter << " waits for";
  for (const auto& member : added) std::cout << ' ' << member.identity.name;
  std::cout << " at the broker\n";
  notice("hint: each says once: sealmq key trust " + opened.own->identity().name + ".pub");
  return {};
}

/// A new key in the place of those there are; `former`: what becomes of them.
Result<> replace(const Options& options, TopicKey::State former, const std::string& without) {
  crypto::OsRandom random;
  const auto opened = TRY(open_both(options, random));
  auto keys = own_keys(*opened.keys->all(), options.filter, opened.own->identity());
  if (keys.empty())
    return fail_with_hint(Blame::caller_misused, "no key of yours for " + options.filter, "sealmq key new FILTER");
  const TopicKey& last = keys.front();
  const auto seconds = options.lasts == "30d" ? last.not_after - last.not_before : TRY(seconds_of(options.lasts));
  auto next = make_topic_key(options.filter, last.kind, last.form, last.cipher, now(), seconds, opened.own->identity(), random);
  next.not_before = std::max(next.not_before, last.not_before + 1);
  next.members = last.members;
  if (!without.empty()) {
    const auto removed = std::erase_if(next.members, [&](const auto& member) { return member.identity.name == without; });
    if (removed == 0) return misused(without + " does not share the key of " + options.filter);
  }
  for (TopicKey& key : keys) {
    if (key.state != TopicKey::State::revoked) key.state = former;
    // Who was removed still has it: from now on nothing under it counts, whoever wrote it.
    if (!without.empty()) key.not_after = std::min(key.not_after, next.not_before);
    key.members = next.members;
    TRY(opened.keys->put(key));
  }
  TRY(opened.keys->put(next));
  if (!next.members.empty()) TRY(publish_dealt(options, *opened.own, *opened.keys, random));
  print_made(next, options.json);
  return {};
}

Result<> trust(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  const auto administrator = TRY(read_public_identity(options.file));
  TRY(keys->trust(administrator));
  if (options.json)
    print({{"trusted", administrator.name}});
  else
    std::cout << "keys that " << administrator.name << " deals are taken from now on\n";
  return {};
}

Result<> list(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  const auto all = keys->all();
  for (const TopicKey& key : *all) {
    if (options.json) {
      print(to_json(key));
      continue;
    }
    std::cout << to_hex(key.id) << "  " << key.filter << "  " << name(key.state) << "  " << name(key.kind) << ", "
              << name(key.form) << ", " << name(key.cipher) << "  until " << date_of(key.not_after) << " UTC  of "
              << key.administrator.name;
    if (!key.members.empty()) std::cout << ", shared with";
    for (const auto& member : key.members) std::cout << ' ' << member.identity.name << (member.reads ? "" : " (to write)");
    std::cout << '\n';
  }
  return {};
}

/// Names what it does: a secret leaves the folder.
Result<> write_out(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  const auto all = keys->all();
  const TopicKey* newest = nullptr;
  for (const TopicKey& key : *all)
    if (key.filter == options.filter && (newest == nullptr || key.not_before > newest->not_before)) newest = &key;
  if (newest == nullptr) return misused("there is no key for " + printable(options.filter, 200));
  std::string text = "{\"id\":\"" + to_hex(newest->id) + "\",\"filter\":" + json_quoted(newest->filter) + ",\"kind\":\"" +
                     std::string(name(newest->kind)) + "\",\"form\":\"" + std::string(name(newest->form)) + "\",\"cipher\":\"" +
                     std::string(name(newest->cipher)) + "\",\"key\":\"" + to_hex(newest->secret.reveal()) + "\"}\n";
  auto written = write_new_file(options.output, text, Audience::owner);
  wipe(text.data(), text.size());
  TRY(std::move(written));
  if (options.json) print({{"id", to_hex(newest->id)}, {"filter", newest->filter}, {"file", options.output}});
  return {};
}

// -- files

constexpr std::size_t longest_payload = 256 * 1024 * 1024;

Result<Buffer> read_input(const std::string& path) {
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  Buffer content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad() || (path != "-" && !file.is_open())) return fail(Blame::environment, "cannot read " + path);
  if (content.size() > longest_payload) return misused(path + " is longer than any message");
  if (path != "-") TRY(check_no_secret(path, as_text(content)));
  return content;
}

Result<> write_output(const std::string& path, Bytes content) {
  if (!path.empty()) return write_new_file(path, as_text(content), Audience::owner);
  std::cout.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  return {};
}

Result<> seal(const Options& options) {
  crypto::OsRandom random;
  const auto opened = TRY(open_both(options, random));
  std::vector<payload::ReaderKey> readers;
  for (const auto& file : options.client.peers)
    readers.push_back(payload::ReaderKey::of(TRY(read_public_identity(file)).keys.agreement));
  payload::Sending sending(*opened.keys, opened.own.get(), std::move(readers), random);
  const Buffer content = TRY(read_input(options.file));
  const Buffer sealed = TRY(sending.seal(options.topic, content, now()));
  if (options.json && options.output.empty()) {
    print({{"topic", options.topic}, {"sealed_base64", to_base64(sealed)}});
    return {};
  }
  TRY(write_output(options.output, sealed));
  if (options.json) print({{"topic", options.topic}, {"file", options.output}, {"bytes", sealed.size()}});
  return {};
}

Result<> open(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  std::unique_ptr<KeyStore> own;
  if (!options.client.key.empty()) own = TRY(open_key_file(options.client.key, random));
  payload::Receiving::Wanted wanted;
  wanted.remembers = false;
  for (const auto& file : options.client.peers) TRY(wanted.pinned.add(TRY(read_public_identity(file))));
  if (own != nullptr)
    wanted.readers.push_back(
        {payload::reader_id(own->identity().keys.agreement), [&](const auto& peer) { return own->agree(peer); }});
  payload::Receiving receiving(*keys, std::move(wanted));
  const Buffer container = TRY(read_input(options.file));
  const auto opened = TRY(receiving.open({options.topic, container, true, true}, now()));
  const std::string author = opened.author.empty() ? "somebody who has the key" : opened.author;
  if (options.json) {
    print({{"topic", options.topic}, {"from", opened.author}, {"payload_base64", to_base64(opened.payload)}});
    return {};
  }
  notice("from " + author + ", for " + options.topic + "; whether it came before cannot be told from a file");
  return write_output(options.output, opened.payload);
}

}  // namespace

void add_topic_keys_option(Command& command, std::string& folder) {
  folder = "./sealmq-keys";
  command.option("--topic-keys", folder, "DIR", "where keys of topics are kept; files for their owner only")
      ->capture_default_str()
      ->envname("SEALMQ_TOPIC_KEYS");
}

void add_key(Command& app, int& exit_code) {
  Command& key = app.add("key", about);
  key.require_subcommand(1);
  struct Added {
    Command& command;
    std::shared_ptr<Options> options;  // the callback owns it
  };
  const auto add = [&](const char* word, const About& its, Result<> (*run)(const Options&)) -> Added {
    Command& command = key.add(word, its);
    const auto options = std::make_shared<Options>();
    add_json_option(command, options->json);
    command.callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return {command, options};
  };
  const auto without_broker = [&](const char* word, const About& its, Result<> (*run)(const Options&)) {
    const Added added = add(word, its, run);
    add_topic_keys_option(added.command, added.options->client.topic_keys);
    return added;
  };
  const auto with_broker = [&](const char* word, const About& its, Result<> (*run)(const Options&)) {
    const Added added = add(word, its, run);
    added.command.argument("FILTER", added.options->filter, "the key's topics, as in sealmq key new");
    add_client_options(added.command, added.options->client, "--to");
    added.command.heading("Key");
    added.command.option("--key-topics", added.options->prefix, "NAME", "what the topics begin with on which keys are shared")
        ->capture_default_str();
    return added;
  };
  constexpr const char* lasts = "nothing is sent with it later: s, m, h or d";

  const Added made = without_broker("new", about_new, make);
  made.command.argument("FILTER", made.options->filter, "its topics");
  made.command.option("--key", made.options->client.key, "NAME.key", "your private keys; you become its administrator");
  made.command
      .choice("--kind", made.options->kind, {"symmetric", "pair"},
              "pair: who can write cannot read, for many publishers and few readers")
      ->capture_default_str();
  made.command
      .choice("--form", made.options->form, {"inside", "outside", "bare", "mac", "stamp"},
              "inside: encrypted, signed inside; outside: signed outside; bare: encrypted, not signed; mac: readable, sealed by "
              "the group; stamp: readable, signed")
      ->capture_default_str();
  made.command.choice("--cipher", made.options->cipher, {"a128gcm", "a256gcm", "chacha20-poly1305"}, "what encrypts")
      ->capture_default_str();
  made.command.option("--lasts", made.options->lasts, "TIME", lasts)->capture_default_str();

  const Added shared = with_broker("share", about_share, share);
  shared.command.flag("--write-only", shared.options->write_only, "of a pair, only to write");

  const Added trusted = without_broker("trust", about_trust, trust);
  trusted.command.argument("FILE", trusted.options->file, "the administrator's NAME.pub");
  const Added listed = without_broker("list", about_list, list);

  const Added rotated = with_broker("rotate", about_rotate,
                                    [](const Options& options) { return replace(options, TopicKey::State::decrypt_only, {}); });
  rotated.command.option("--lasts", rotated.options->lasts, "TIME", lasts);
  const Added revoked = with_broker("revoke", about_revoke, [](const Options& options) {
    return replace(options, options.name.empty() ? TopicKey::State::revoked : TopicKey::State::decrypt_only, options.name);
  });
  revoked.command.argument("NAME", revoked.options->name, "the member who gets no further key")->required(false);

  const Added exported = without_broker("export", about_export, write_out);
  exported.command.argument("FILTER", exported.options->filter, "the key's topics");
  exported.command.option("-o,--output", exported.options->output, "FILE", "a new file, for its owner only")->required();

  for (const bool seals : {true, false}) {
    const Added added = seals ? without_broker("seal", about_seal, seal) : without_broker("open", about_open, open);
    added.command.argument("FILE", added.options->file, "- is standard input");
    added.command.option("-t,--topic", added.options->topic, "TOPIC", "the topic it is sealed for")->required();
    added.command.option("--key", added.options->client.key, "NAME.key", "your private keys");
    added.command.option(seals ? "--to" : "--from", added.options->client.peers, "NAME.pub",
                         seals ? "a reader, instead of those who have the key" : "an author to accept, all others being refused");
    added.command.option("-o,--output", added.options->output, "FILE", "where the result goes, instead of standard output");
  }
}

}  // namespace sealmq::cli
