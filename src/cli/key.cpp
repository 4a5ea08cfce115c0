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
#include "crypto/identity_digest.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "mqtt/topic.h"
#include "schemes/payload/dealt.h"
#include "schemes/payload/sending.h"
#include "schemes/payload/who_may_deal.h"
#include "sealmq/client.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage =
    R"(usage: sealmq key new FILTER --key NAME.key [--kind symmetric|pair] [--form FORM] [--cipher CIPHER] [--lasts TIME]
       sealmq key share FILTER --to NAME.pub… --key NAME.key [--write-only] [-h HOST] [-p PORT] [option]...
       sealmq key trust ADMIN.pub [FILTER]... [--delegated]
       sealmq key trust list [--json]
       sealmq key untrust ADMIN.pub
       sealmq key delegate FILTER NAME.pub --key NAME.key [--lasts TIME | --end] [-h HOST] [-p PORT] [option]...
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
  share     --to gets it, and from now on every key that takes its place; --write-only: of a pair, only to write;
            without --to it sends again what its members are to have
  trust     takes the keys that this administrator shares, for topics within FILTER; without FILTER for all topics, which only one
            administrator can have. --delegated: for what other administrators let it share
  untrust   takes no more keys of this administrator, and erases those it shared
  delegate  NAME may share keys for topics within FILTER, in your place; --end takes that back
  rotate    a new key takes its place; the former one still opens what was sent before
  revoke    NAME gets no further key, and a new one takes its place at once; without NAME the key was stolen: it opens nothing more
  seal, open    a file, without any broker; "-" is standard input. Opening remembers nothing: a copy opens again
  export    all keys of FILTER that are here, the newest first, as JSON in a new file, for archives and programs in other
            languages: whoever has that file has the keys
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
  std::vector<std::string> filters;
  bool write_only = false;
  bool delegated = false;
  bool ends = false;
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

/// To the broker, before anything is changed here.
Result<Client> connect_to_deal(const Options& options) {
  // It is a container already.
  auto connect = TRY(plain_connect_options(options.client, {"--key", "--to", "--topic-keys"}));
  return Client::connect(std::move(connect)).map_error([&](const Error& error) {
    Error told = with_hint(error, options.client).value();
    told.what.insert(std::min(told.what.find('\n'), told.what.size()), "; no key was changed");
    return told;
  });
}

/// What members of a filter are to have, at the broker: retained, so that it waits for them.
Result<> publish_dealt(const Options& options, Client& client, KeyStore& own, TopicKeys& keys, Random& random) {
  const auto all = own_keys(*keys.all(true), options.filter, own.identity());
  payload::Dealt dealt{options.filter, {}};
  const std::uint64_t seconds = now().wall / 1000;
  constexpr std::uint64_t kept_for = 30 * 24 * 3600;  // after its end, for what waits in sessions
  for (const TopicKey& key : all)
    if (key.not_after + kept_for > seconds) dealt.keys.push_back(key.copy());
  if (dealt.keys.empty()) return misused("no key of yours for " + printable(options.filter, 200));
  for (const auto what : {payload::Deal::readers, payload::Deal::writers}) {
    const auto topic = payload::dealing_topic(options.prefix, own.identity(), options.filter, what);
    const auto number = TRY(keys.next_deal());
    const bool to_readers = what == payload::Deal::readers;
    const auto message = TRY(payload::deal(dealt, to_readers, topic, own, number, now(), random));
    if (!message) continue;
    TRY(client.publish(topic, *message, {.qos = mqtt::QoS::at_least_once, .retain = true}));
  }
  return client.disconnect();
}

/// Until it has succeeded the keys are marked, and its user is told.
Result<> deal_marked(const Options& options, Client& client, KeyStore& own, TopicKeys& keys, Random& random) {
  const auto published = publish_dealt(options, client, own, keys, random);
  if (!published)
    return fail_with_hint(published.error().blame,
                          published.error().what.substr(0, published.error().what.find('\n')) +
                              "\nthe key is changed here and not yet dealt to its members",
                          "sealmq key share '" + options.filter + "' sends it");
  for (TopicKey& key : own_keys(*keys.all(), options.filter, own.identity())) {
    if (!key.is_undealt) continue;
    key.is_undealt = false;
    TRY(keys.put(key));
  }
  return {};
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
  if (options.client.peers.empty() && keys.front().members.empty())
    return fail_with_hint(Blame::caller_misused, "share it with whom?", "--to NAME.pub");
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
  }
  Client client = TRY(connect_to_deal(options));
  const bool is_replacement = keys.front().is_undealt;  // which is_made_already() knows by its mark
  for (TopicKey& key : keys) {
    key.is_undealt = key.is_undealt || !is_replacement;
    TRY(opened.keys->put(key));
  }
  TRY(deal_marked(options, client, *opened.own, *opened.keys, random));
  std::cout << "shared the key of " << options.filter << " with";
  for (const auto& member : added.empty() ? keys.front().members : added) std::cout << ' ' << member.identity.name;
  std::cout << "; they fetch it when they connect\n";
  notice("hint: on every member's machine, once: sealmq key trust " + opened.own->identity().name + ".pub");
  return {};
}

/// Why the keys of a filter are replaced.
struct Replacement {
  TopicKey::State former;  ///< what becomes of them
  std::string without;     ///< who is taken off; empty: nobody
};

/// A replacement of this kind was made here before, and has not got to the members: there is nothing to be made, but to deal it.
/// Then the newest key alone is marked; after share() all are.
bool is_made_already(const std::vector<TopicKey>& keys, const Replacement& wanted) {
  const TopicKey& newest = keys.front();
  if (!newest.is_undealt || keys.size() < 2) return false;
  if (std::any_of(keys.begin() + 1, keys.end(), [](const TopicKey& key) { return key.is_undealt; })) return false;
  if (!wanted.without.empty())
    return std::ranges::none_of(newest.members, [&](const auto& its) { return its.identity.name == wanted.without; });
  return std::all_of(keys.begin() + 1, keys.end(),
                     [&](const TopicKey& key) { return key.state == TopicKey::State::revoked || key.state == wanted.former; });
}

/// A new key in the place of those there are.
Result<> replace(const Options& options, const Replacement& wanted) {
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
  const bool is_made = is_made_already(keys, wanted);
  if (!wanted.without.empty() && !is_made) {
    const auto removed = std::erase_if(next.members, [&](const auto& member) { return member.identity.name == wanted.without; });
    if (removed == 0) return misused(wanted.without + " does not share the key of " + options.filter);
  }
  std::optional<Client> client;
  if (!next.members.empty()) client = TRY(connect_to_deal(options));
  if (!is_made) {
    next.is_undealt = !next.members.empty();
    TRY(opened.keys->put(next));
    for (TopicKey& key : keys) {
      if (key.state != TopicKey::State::revoked) key.state = wanted.former;
      // Who was removed still has it: from now on nothing under it counts, whoever wrote it.
      if (!wanted.without.empty()) key.not_after = std::min(key.not_after, next.not_before);
      key.members = next.members;
      key.is_undealt = false;
      TRY(opened.keys->put(key));
    }
  }
  if (client) TRY(deal_marked(options, *client, *opened.own, *opened.keys, random));
  const TopicKey& newest = is_made ? last : next;
  std::cout << to_hex(newest.id) << " is the key of " << options.filter << ", until " << date_of(newest.not_after) << " UTC\n";
  if (is_made) notice("it was made before and had not been dealt; now it is");
  return {};
}

// -- whose keys are taken

/// Keys that nobody who is trusted may deal any more.
Result<> erase_what_is_not_taken(TopicKeys& keys) {
  const auto all = keys.all();
  std::size_t count = 0;
  for (const TopicKey& key : *all) {
    if (key.dealt == 0 || payload::may_deal(keys, key.administrator, key.filter, now().wall / 1000)) continue;
    TRY(keys.erase(key.id));
    ++count;
  }
  if (count > 0) notice(std::to_string(count) + " keys that are not taken any more were erased");
  return {};
}

Result<> list_trusted(TopicKeys& keys, bool json) {
  for (const auto& its : keys.administrators()) {
    if (!json) {
      std::cout << its.identity.name << "  " << fingerprint(its.identity.keys) << "  ";
      for (const std::string& filter : its.filters) std::cout << printable(filter, 200) << ' ';
      std::cout << (its.filters.empty() ? "what is delegated to it\n" : "\n");
      continue;
    }
    std::cout << "{\"name\":" << json_quoted(its.identity.name)
              << ",\"fingerprint\":" << json_quoted(fingerprint(its.identity.keys)) << ",\"filters\":[";
    for (std::size_t i = 0; i < its.filters.size(); ++i) std::cout << (i > 0 ? "," : "") << json_quoted(its.filters[i]);
    std::cout << "]}\n";
  }
  return {};
}

Result<> trust(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  if (options.file == "list" && options.filters.empty()) return list_trusted(*keys, options.json);
  const auto administrator = TRY(read_public_identity(options.file));
  if (options.delegated && !options.filters.empty())
    return misused("--delegated is for who has no topics of its own: leave out FILTER");
  for (const std::string& filter : options.filters)
    if (!mqtt::is_topic_filter(filter)) return misused("not a topic filter: " + printable(filter, 200));
  auto filters = options.filters;
  if (filters.empty() && !options.delegated) filters.emplace_back("#");
  TRY(keys->trust(administrator, filters));
  TRY(erase_what_is_not_taken(*keys));
  std::cout << administrator.name << " is trusted: topic keys it shares will be accepted";
  for (const std::string& filter : options.filters) std::cout << (&filter == options.filters.data() ? ", for " : " ") << filter;
  std::cout << (options.delegated ? ", for what others delegate to it\n" : "\n");
  return {};
}

Result<> untrust(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  std::vector<PublicIdentity> meant;
  if (exists(options.file)) meant.push_back(TRY(read_public_identity(options.file)));
  if (meant.empty())  // its file may be gone
    for (const auto& its : keys->administrators())
      if (its.identity.name == options.file) meant.push_back(its.identity);
  if (meant.size() != 1)
    return fail_with_hint(Blame::caller_misused, "not one administrator that is trusted: " + printable(options.file),
                          "sealmq key trust list; sealmq key untrust NAME.pub");
  TRY(keys->untrust(meant.front()));
  TRY(erase_what_is_not_taken(*keys));
  std::cout << meant.front().name << " is not trusted any more\n";
  return {};
}

Result<> delegate(const Options& options) {
  crypto::OsRandom random;
  const auto opened = TRY(open_both(options, random));
  if (!mqtt::is_topic_filter(options.filter)) return misused("not a topic filter: " + printable(options.filter));
  const auto to = TRY(read_public_identity(options.file));
  TopicKeys::Delegation delegation;
  delegation.delegate = crypto::identity_digest(to.keys);
  delegation.filter = options.filter;
  delegation.name = to.name;
  delegation.not_before = now().wall / 1000;
  delegation.not_after = options.ends ? delegation.not_before - 1 : delegation.not_before + TRY(seconds_of(options.lasts));
  delegation.serial = TRY(opened.keys->next_deal());
  const auto topic = payload::dealing_topic(options.prefix, opened.own->identity(), options.filter, payload::Deal::delegate);
  const auto message = TRY(payload::encode_delegation(delegation, topic, *opened.own, delegation.serial, now()));
  Client client = TRY(connect_to_deal(options));
  TRY(client.publish(topic, message, {.qos = mqtt::QoS::at_least_once, .retain = true}));
  TRY(client.disconnect());
  if (options.ends)
    std::cout << to.name << " may not deal keys for " << options.filter << " any more\n";
  else
    std::cout << to.name << " may deal keys for " << options.filter << ", until " << date_of(delegation.not_after) << " UTC\n";
  notice("hint: on every member's machine, once: sealmq key trust " + to.name + ".pub --delegated");
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
      std::cout << "],\"not_dealt\":" << (key.is_undealt ? "true" : "false") << "}\n";
      continue;
    }
    std::cout << to_hex(key.id) << "  " << key.filter << "  " << name(key.state) << "  " << name(key.kind) << ", "
              << name(key.form) << ", " << name(key.cipher) << "  until " << until << " UTC  of " << key.administrator.name;
    if (!key.members.empty()) std::cout << ", shared with";
    for (const auto& member : key.members) std::cout << ' ' << member.identity.name << (member.reads ? "" : " (to write)");
    std::cout << (key.is_undealt ? "  (not dealt)\n" : "\n");
  }
  return {};
}

/// Names what it does: a secret leaves the folder.
Result<> write_out(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  const auto all = keys->all();
  std::vector<const TopicKey*> its;
  for (const TopicKey& key : *all)
    if (key.filter == options.filter) its.push_back(&key);
  if (its.empty()) return misused("there is no key for " + printable(options.filter, 200));
  std::ranges::sort(its, std::greater(), &TopicKey::not_before);
  std::string text;
  text.reserve(256 + options.filter.size() + its.size() * 512);  // a string that grows leaves copies
  text += "{\"filter\":" + json_quoted(options.filter) + ",\"keys\":[";
  for (const TopicKey* key : its) {
    text.append(key == its.front() ? "" : ",").append("\n{\"id\":\"").append(to_hex(key->id)).append("\",\"kind\":\"");
    text.append(name(key->kind)).append("\",\"form\":\"").append(name(key->form)).append("\",\"cipher\":\"");
    text.append(name(key->cipher)).append("\",\"state\":\"").append(name(key->state)).append("\",\"not_before\":");
    text.append(std::to_string(key->not_before)).append(",\"not_after\":").append(std::to_string(key->not_after));
    std::string secret = to_hex(key->secret.reveal());
    text.append(",\"key\":\"").append(secret).append("\"}");
    wipe(secret.data(), secret.size());
  }
  text.append("]}\n");
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
  auto* key = app.add_subcommand("key", "create, share, rotate and revoke topic keys");
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
  const auto rotated = with_broker("rotate", [](const Options& options) {
    return replace(options, {TopicKey::State::decrypt_only, {}});
  });
  rotated.first->add_option("--lasts", rotated.second->lasts);
  const auto revoked = with_broker("revoke", [](const Options& options) {
    return replace(options, {options.name.empty() ? TopicKey::State::revoked : TopicKey::State::decrypt_only, options.name});
  });
  revoked.first->add_option("NAME", revoked.second->name);

  const auto trusted = without_broker("trust", trust);
  trusted.first->add_option("ADMIN.pub", trusted.second->file)->required();
  trusted.first->add_option("FILTER", trusted.second->filters);
  trusted.first->add_flag("--delegated", trusted.second->delegated);
  trusted.first->add_flag("--json", trusted.second->json);
  const auto untrusted = without_broker("untrust", untrust);
  untrusted.first->add_option("ADMIN.pub", untrusted.second->file)->required();
  const auto delegated = with_broker("delegate", delegate);
  delegated.first->add_option("NAME.pub", delegated.second->file)->required();
  delegated.first->add_option("--lasts", delegated.second->lasts);
  delegated.first->add_flag("--end", delegated.second->ends);
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
