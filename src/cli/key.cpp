// sealmq key: keys of topics, for messages that no broker reads.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/text.h"
#include "base/try.h"
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

constexpr const char* usage =
    R"(usage: sealmq key new FILTER --key NAME.key [--kind symmetric|pair] [--form FORM] [--cipher CIPHER] [--lasts TIME]
       sealmq key share FILTER --to NAME.pub… --key NAME.key [--write-only] [-h HOST] [-p PORT] [option]...
       sealmq key trust NAME.pub
       sealmq key list [--json]
       sealmq key rotate FILTER --key NAME.key [-h HOST] [-p PORT] [option]...
       sealmq key revoke FILTER [NAME] --key NAME.key [-h HOST] [-p PORT] [option]...
       sealmq key seal FILE -t TOPIC --key NAME.key [--to NAME.pub]... [-o FILE]
       sealmq key export FILTER -o FILE
       sealmq key open FILE -t TOPIC [--key NAME.key] [--from NAME.pub]... [-o FILE] [--json]

Keys of topics, with which --scheme payload encrypts from the author to the readers, through any broker. Who makes a key is its
administrator, and shares it through the broker: members find it waiting there, encrypted for each of them and signed, also when
they were away. They say once whom they trust, and pick up keys whenever they connect.

  new       a key for the topics that FILTER matches; the most specific filter counts
      --kind pair         who can write cannot read: many publishers, few readers (symmetric)
      --form inside       encrypted, signed inside (default); outside: signed outside; bare: encrypted, not signed;
                          mac: readable, sealed by the group; stamp: readable, signed
      --cipher a128gcm    or a256gcm, chacha20-poly1305
      --lasts 30d         nothing is sent with it later: s, m, h or d
  share     --to gets it, and from now on every key that takes its place; --write-only: of a pair, only to write
  trust     takes the keys that this administrator deals
  rotate    a new key takes its place; the former one still opens what was sent before
  revoke    NAME gets no further key, and a new one takes its place at once; without NAME the key was stolen: it opens nothing more
  seal, open    a file, without any broker; "-" is standard input. Opening remembers nothing: a copy opens again
  export    the newest key of FILTER as JSON in a new file, for programs in other languages: whoever has that file has the key
  --topic-keys DIR    where keys are kept (or SEALMQ_TOPIC_KEYS), ./sealmq-keys if not given; files for their owner only
  --key-topics NAME   what the topics begin with on which keys are dealt (sealmq-keys)
  -o FILE             where the result goes, instead of standard output

exit codes: 0 done, 1 usage, 2 cannot connect, read or write, 3 not authorised, 4 it does not open

  $ sealmq key new 'plant/+/temp' --key admin.key
  $ sealmq key share 'plant/+/temp' --to boiler-7.pub --to control.pub --key admin.key
  $ sealmq key trust admin.pub --topic-keys boiler-keys
  $ sealmq pub -t plant/7/temp -m 21.5 --scheme payload --key boiler-7.key --topic-keys boiler-keys
)";

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
  ClientOptions connection = options.client;
  connection.scheme.clear();  // it is a container already
  connection.peers.clear();
  auto client = TRY(Client::connect(TRY(connect_options(connection))).map_error([&](const Error& error) {
    return with_hint(error, connection).value();
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
  std::cout << to_hex(key.id) << " is the key of " << options.filter << ", until " << date_of(key.not_after) << " UTC\n";
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
  std::cout << to_hex(next.id) << " is the key of " << options.filter << ", until " << date_of(next.not_after) << " UTC\n";
  return {};
}

Result<> trust(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  const auto administrator = TRY(read_public_identity(options.file));
  TRY(keys->trust(administrator));
  std::cout << "keys that " << administrator.name << " deals are taken from now on\n";
  return {};
}

Result<> list(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  const auto all = keys->all();
  for (const TopicKey& key : *all) {
    const std::string from = date_of(key.not_before);
    const std::string until = date_of(key.not_after);
    if (options.json) {
      std::cout << "{\"id\":\"" << to_hex(key.id) << "\",\"filter\":" << json_quoted(key.filter) << ",\"kind\":\""
                << name(key.kind) << "\",\"form\":\"" << name(key.form) << "\",\"cipher\":\"" << name(key.cipher)
                << "\",\"state\":\"" << name(key.state) << "\",\"not_before\":" << key.not_before
                << ",\"not_after\":" << key.not_after << ",\"administrator\":" << json_quoted(key.administrator.name)
                << ",\"members\":[";
      for (std::size_t i = 0; i < key.members.size(); ++i)
        std::cout << (i > 0 ? "," : "") << json_quoted(key.members[i].identity.name);
      std::cout << "]}\n";
      continue;
    }
    std::cout << to_hex(key.id) << "  " << key.filter << "  " << name(key.state) << "  " << name(key.kind) << ", "
              << name(key.form) << ", " << name(key.cipher) << "  until " << until << " UTC  of " << key.administrator.name;
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
  return written;
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
  return write_output(options.output, TRY(sending.seal(options.topic, content, now())));
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
    std::cout << "{\"topic\":" << json_quoted(options.topic) << ",\"from\":" << json_quoted(opened.author)
              << ",\"payload_base64\":\"" << to_base64(opened.payload) << "\"}\n";
    return {};
  }
  notice("from " + author + ", for " + options.topic + "; whether it came before cannot be told from a file");
  return write_output(options.output, opened.payload);
}

}  // namespace

void add_topic_keys_option(CLI::App& command, std::string& folder) {
  folder = "./sealmq-keys";
  command.add_option("--topic-keys", folder)->envname("SEALMQ_TOPIC_KEYS");
}

void add_key(CLI::App& app, int& exit_code) {
  auto* key = app.add_subcommand("key", "keys of topics");
  set_usage(*key, usage);
  key->require_subcommand(1);
  const auto add = [&](const char* word, Result<> (*run)(const Options&)) {
    auto* command = key->add_subcommand(word);
    const auto options = std::make_shared<Options>();  // the callback owns it
    command->callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return std::pair{command, options};
  };
  const auto without_broker = [&](const char* word, Result<> (*run)(const Options&)) {
    auto added = add(word, run);
    add_topic_keys_option(*added.first, added.second->client.topic_keys);
    return added;
  };
  const auto with_broker = [&](const char* word, Result<> (*run)(const Options&)) {
    auto added = add(word, run);
    add_client_options(*added.first, added.second->client, "--to");
    added.first->add_option("FILTER", added.second->filter)->required();
    added.first->add_option("--key-topics", added.second->prefix);
    return added;
  };

  const auto [make_command, make_options] = without_broker("new", make);
  make_command->add_option("FILTER", make_options->filter)->required();
  make_command->add_option("--key", make_options->client.key);
  make_command->add_option("--kind", make_options->kind);
  make_command->add_option("--form", make_options->form);
  make_command->add_option("--cipher", make_options->cipher);
  make_command->add_option("--lasts", make_options->lasts);

  const auto shared = with_broker("share", share);
  shared.first->add_flag("--write-only", shared.second->write_only);
  const auto rotated =
      with_broker("rotate", [](const Options& options) { return replace(options, TopicKey::State::decrypt_only, {}); });
  rotated.first->add_option("--lasts", rotated.second->lasts);
  const auto revoked = with_broker("revoke", [](const Options& options) {
    return replace(options, options.name.empty() ? TopicKey::State::revoked : TopicKey::State::decrypt_only, options.name);
  });
  revoked.first->add_option("NAME", revoked.second->name);

  const auto trusted = without_broker("trust", trust);
  trusted.first->add_option("FILE", trusted.second->file)->required();
  const auto listed = without_broker("list", list);
  listed.first->add_flag("--json", listed.second->json);

  const auto exported = without_broker("export", write_out);
  exported.first->add_option("FILTER", exported.second->filter)->required();
  exported.first->add_option("-o,--output", exported.second->output)->required();

  for (const bool seals : {true, false}) {
    const auto added = without_broker(seals ? "seal" : "open", seals ? seal : open);
    added.first->add_option("FILE", added.second->file)->required();
    added.first->add_option("-t,--topic", added.second->topic)->required();
    added.first->add_option("--key", added.second->client.key);
    added.first->add_option(seals ? "--to" : "--from", added.second->client.peers)->allow_extra_args(false);
    added.first->add_option("-o,--output", added.second->output);
    if (!seals) added.first->add_flag("--json", added.second->json);
  }
}

}  // namespace sealmq::cli
