// sealmq key: makes keys of topics, shares them, and says whose are taken. What needs no broker beside that: key_files.cpp.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <span>

#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/json_line.h"
#include "cli/key_options.h"
#include "client/log_follower.h"
#include "crypto/identity_digest.h"
#include "crypto/random.h"
#include "mqtt/topic.h"
#include "schemes/payload/dealt.h"
#include "schemes/payload/who_may_deal.h"
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
    .text =
        R"(Whom --to names gets it, and from now on every key that takes its place. Without --to it sends again what its members are
to have.)",
    .examples = "$ sealmq key share 'plant/+/temp' --to boiler-7.pub --key admin.key\n",
};
constexpr About about_trust{
    .summary = "accept the keys of an administrator",
    .text =
        R"(Accepts the topic keys that this administrator shares, from now on, for topics within FILTER; without FILTER for all topics,
which only one administrator can have. `sealmq key trust list` prints who is trusted.)",
    .examples = "$ sealmq key trust admin.pub\n$ sealmq key trust list\n",
};
constexpr About about_untrust{
    .summary = "accept no more keys of an administrator",
    .text = "Takes no more keys of this administrator, and erases those it shared.",
    .examples = "$ sealmq key untrust admin.pub\n",
};
constexpr About about_delegate{
    .summary = "let somebody share keys in your place",
    .text = "NAME may share keys for topics within FILTER, in your place; --end takes that back.",
    .examples = "$ sealmq key delegate 'plant/#' shift-leader.pub --key admin.key\n",
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

constexpr std::uint64_t usual_lifetime = 30 * 86'400;  // seconds

struct Options {
  ClientOptions client;
  std::string filter;
  std::string kind = "symmetric";
  std::string form = "inside";
  std::string cipher = "a128gcm";
  std::optional<std::uint64_t> lasts;  // seconds
  std::string prefix{payload::default_key_prefix};
  std::string name;
  std::string file;
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
  auto connect = TRY(plain_connect_options(options.client, {"--key", "--to", "--topic-keys", "--authority"}));
  return Client::connect(std::move(connect)).map_error([&](const Error& error) {
    Error told = with_hint(error, options.client).value();
    told.what.insert(std::min(told.what.find('\n'), told.what.size()), "; no key was changed");
    return told;
  });
}

constexpr auto patience_for_log = std::chrono::seconds(10);

/// Has the authority enter a deal into its key log, and waits for a head that has it: from then on readers who go by that log
/// take no former deal for the last one, whatever a broker shows them.
Result<> enter_into_log(const Options& options, Client& client, KeyStore& own, const key_log::DealLeaf& deal) {
  const PublicIdentity authority = TRY(read_authority(options.client.authority));
  constexpr std::uint64_t any_age = 24 * 3'600'000;
  const auto log = TRY(LogFollower::open(authority, {}, any_age));
  for (const std::string& filter : log->filters()) TRY(client.subscribe(filter, {.qos = mqtt::QoS::at_least_once}));
  const Buffer frame = TRY(key_log::submit({now().wall, deal}, own));
  TRY(client.publish(key_log::submit_topic(authority.name), frame, {.qos = mqtt::QoS::at_least_once}));
  using Clock = std::chrono::steady_clock;
  for (const auto end = Clock::now() + patience_for_log; Clock::now() < end;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    const auto message = TRY(client.receive(left));
    if (!message) break;
    static_cast<void>(log->take(message->topic, message->payload, now()));  // what is not the authority's says nothing
    const auto last = log->last_deal(deal.administrator, deal.filter);
    if (last && last->number >= deal.number) return {};
  }
  return fail(Blame::environment, "no head of the log of " + authority.name + " has it yet");
}

/// It is a warning: the members have been sent their keys.
void tell_log(const Options& options, Client& client, KeyStore& own, const key_log::DealLeaf& deal) {
  if (options.client.authority.empty()) return;
  const auto entered = enter_into_log(options, client, own, deal);
  if (entered) return;
  notice("warning: the authority does not know of this: " + entered.error().what.substr(0, entered.error().what.find('\n')) +
         "\nhint: does sealmq authority serve run there, with --administrator " + own.identity().name +
         ".pub? then sealmq key share '" + options.filter + "' tells it");
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
  // One number for both messages of a pair: an authority's log has one for the filter.
  const auto number = TRY(keys.next_deal());
  key_log::DealLeaf deal{crypto::identity_digest(own.identity().keys), crypto::sha256(as_bytes(options.filter)), number, {}};
  for (const auto what : {payload::Deal::readers, payload::Deal::writers}) {
    const auto topic = payload::dealing_topic(options.prefix, own.identity(), options.filter, what);
    const bool to_readers = what == payload::Deal::readers;
    const auto message = TRY(payload::deal(dealt, to_readers, topic, own, number, now(), random));
    if (!message) continue;
    TRY(client.publish(topic, *message, {.qos = mqtt::QoS::at_least_once, .retain = true}));
    if (!is_there(deal.message)) deal.message = crypto::sha256(*message);
  }
  if (is_there(deal.message)) tell_log(options, client, own, deal);
  return client.disconnect();
}

/// Until it has succeeded the keys are marked, and its user is told.
Result<> deal_marked(const Options& options, Client& client, KeyStore& own, TopicKeys& keys, Random& random) {
  const auto published = publish_dealt(options, client, own, keys, random);
  if (!published) {
    const bool is_refused = published.error().blame == Blame::not_authorised;
    const std::string first =
        is_refused ? "a [[topic]] row of the broker for '" + options.prefix + "/#' has to take payload; then " : std::string();
    return fail_with_hint(published.error().blame,
                          published.error().what.substr(0, published.error().what.find('\n')) +
                              "\nthe key is changed here, and not yet sent to its members",
                          first + "sealmq key share '" + options.filter + "' sends it");
  }
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
  opened.own = TRY(open_own_key(options.client.key, random));
  opened.keys = TRY(open_topic_keys(options.client.topic_keys, random));
  return opened;
}

Json to_json(const TopicKey& key) {
  Json json{{"id", to_hex(key.id)},         {"filter", key.filter},       {"kind", name(key.kind)},
            {"form", name(key.form)},       {"cipher", name(key.cipher)}, {"state", name(key.state)},
            {"not_before", key.not_before}, {"not_after", key.not_after}, {"administrator", key.administrator.name}};
  json["members"] = Json::array();
  for (const auto& member : key.members) json["members"].push_back(member.identity.name);
  json["not_sent"] = key.is_undealt;
  return json;
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
  if (!kind || !form || !cipher) return misused("no kind, form or cipher is called so; sealmq key new --help lists them");
  const bool signs_inside_or_outside = *form == TopicKey::Form::inside || *form == TopicKey::Form::outside;
  if (*kind == TopicKey::Kind::pair && !signs_inside_or_outside)
    return misused("everybody can write with the public half of a pair: messages have to be signed, inside or outside");
  if (!own_keys(*opened.keys->all(), options.filter, opened.own->identity()).empty())
    return fail_with_hint(Blame::caller_misused, "there is a key for " + options.filter + " already",
                          "sealmq key rotate replaces it");
  const auto key = make_topic_key(options.filter, *kind, *form, *cipher, now(), options.lasts.value_or(usual_lifetime),
                                  opened.own->identity(), random);
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
  if (options.client.peers.empty() && keys.front().members.empty())
    return fail_with_hint(Blame::caller_misused, "share it with whom?", "--to NAME.pub");
  if (options.write_only && keys.front().kind != TopicKey::Kind::pair)
    return misused("who can write with a symmetric key can read with it; --write-only is for a pair");
  std::vector<TopicKey::Member> added;
  for (const auto& file : options.client.peers) {
    TopicKey::Member member;
    member.identity = TRY(read_public_identity(file, options.client.unproved));
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
  if (options.json) {
    print(to_json(keys.front()));
    return {};
  }
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
  const auto seconds = options.lasts.value_or(last.not_after - last.not_before);
  auto next = make_topic_key(options.filter, last.kind, last.form, last.cipher, now(), seconds, opened.own->identity(), random);
  next.not_before = std::max(next.not_before, last.not_before + 1);
  next.not_after = next.not_before + seconds;
  next.members = last.members;
  const bool is_made = is_made_already(keys, wanted);
  if (!wanted.without.empty() && !is_made) {
    const auto removed = std::erase_if(next.members, [&](const auto& member) { return member.identity.name == wanted.without; });
    if (removed == 0) return misused(wanted.without + " does not share the key of " + options.filter);
  }
  const TopicKey& newest = is_made ? last : next;
  std::optional<Client> client;
  if (!newest.members.empty()) client = TRY(connect_to_deal(options));
  if (!is_made) {
    next.is_undealt = !next.members.empty();
    TRY(opened.keys->put(next));
  }
  // Also of what was made before: a write may have failed in the midst of it.
  for (TopicKey& key : std::span(keys).subspan(is_made ? 1 : 0)) {
    if (key.state != TopicKey::State::revoked) key.state = wanted.former;
    // Who was removed still has it: from now on nothing under it counts, whoever wrote it.
    if (!wanted.without.empty()) key.not_after = std::min(key.not_after, newest.not_before);
    key.members = newest.members;
    key.is_undealt = false;
    TRY(opened.keys->put(key));
  }
  if (client) TRY(deal_marked(options, *client, *opened.own, *opened.keys, random));
  print_made(newest, options.json);
  if (is_made) notice("it was made before, and is sent now");
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
      std::cout << its.identity.name << "  " << fingerprint(its.identity.keys) << ' ';
      for (const std::string& filter : its.filters) std::cout << ' ' << printable(filter, 200);
      std::cout << (its.filters.empty() ? " what is delegated to it\n" : "\n");
      continue;
    }
    print({{"name", its.identity.name}, {"fingerprint", fingerprint(its.identity.keys)}, {"filters", its.filters}});
  }
  return {};
}

Result<> trust(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  if (options.file == "list" && options.filters.empty()) return list_trusted(*keys, options.json);
  const auto administrator = TRY(read_public_identity(options.file, options.client.unproved));
  if (options.delegated && !options.filters.empty())
    return misused("--delegated is for who has no topics of its own: leave out FILTER");
  for (const std::string& filter : options.filters)
    if (!mqtt::is_topic_filter(filter)) return misused("not a topic filter: " + printable(filter, 200));
  auto filters = options.filters;
  if (filters.empty() && !options.delegated) filters.emplace_back("#");
  TRY(keys->trust(administrator, filters));
  TRY(erase_what_is_not_taken(*keys));
  if (options.json) {
    print({{"trusted", administrator.name}, {"filters", filters}, {"delegated", options.delegated}});
    return {};
  }
  std::cout << administrator.name << " is trusted: topic keys it shares will be accepted";
  for (const std::string& filter : options.filters) std::cout << (&filter == options.filters.data() ? ", for " : " ") << filter;
  std::cout << (options.delegated ? ", for what others delegate to it\n" : "\n");
  return {};
}

Result<> untrust(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  std::vector<PublicIdentity> meant;
  if (std::filesystem::is_regular_file(options.file)) meant.push_back(TRY(read_public_identity(options.file, true)));
  if (meant.empty())  // its file may be gone
    for (const auto& its : keys->administrators())
      if (its.identity.name == options.file) meant.push_back(its.identity);
  if (meant.size() != 1)
    return fail_with_hint(Blame::caller_misused, "not one administrator that is trusted: " + printable(options.file),
                          "sealmq key trust list; sealmq key untrust NAME.pub");
  TRY(keys->untrust(meant.front()));
  TRY(erase_what_is_not_taken(*keys));
  if (options.json)
    print({{"untrusted", meant.front().name}});
  else
    std::cout << meant.front().name << " is not trusted any more\n";
  return {};
}

Result<> delegate(const Options& options) {
  crypto::OsRandom random;
  const auto opened = TRY(open_both(options, random));
  if (!mqtt::is_topic_filter(options.filter)) return misused("not a topic filter: " + printable(options.filter));
  if (!options.client.authority.empty())
    return misused("this command has no use for --authority: a delegation is not entered into its log");
  const auto to = TRY(read_public_identity(options.file, options.client.unproved));
  TopicKeys::Delegation delegation;
  delegation.delegate = crypto::identity_digest(to.keys);
  delegation.filter = options.filter;
  delegation.name = to.name;
  delegation.not_before = now().wall / 1000;
  delegation.not_after =
      options.ends ? delegation.not_before - 1 : delegation.not_before + options.lasts.value_or(usual_lifetime);
  delegation.serial = TRY(opened.keys->next_deal());
  const auto topic = payload::dealing_topic(options.prefix, opened.own->identity(), options.filter, payload::Deal::delegate);
  const auto message = TRY(payload::encode_delegation(delegation, topic, *opened.own, delegation.serial, now()));
  Client client = TRY(connect_to_deal(options));
  TRY(client.publish(topic, message, {.qos = mqtt::QoS::at_least_once, .retain = true}));
  TRY(client.disconnect());
  if (options.json)
    print({{"delegate", to.name}, {"filter", options.filter}, {"ends", options.ends}, {"not_after", delegation.not_after}});
  else if (options.ends)
    std::cout << to.name << " may not share keys for " << options.filter << " any more\n";
  else
    std::cout << to.name << " may share keys for " << options.filter << ", until " << date_of(delegation.not_after) << " UTC\n";
  notice("hint: on every member's machine, once: sealmq key trust " + to.name + ".pub --delegated");
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
    std::cout << (key.is_undealt ? "  (not sent)\n" : "\n");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<KeyStore>> open_own_key(const std::string& file, Random& random) {
  if (file.empty()) return fail_with_hint(Blame::caller_misused, "this takes your private key", "--key NAME.key");
  return open_key_file(file, random);
}

void add_topic_keys_option(Command& command, std::string& folder) {
  folder = "./sealmq-keys";
  command.option("--topic-keys", folder, "DIR", "where keys of topics are kept; files for their owner only")
      ->capture_default_str()
      ->envname("SEALMQ_TOPIC_KEYS");
}

void add_key(Command& app, int& exit_code) {
  Command& key = app.add("key", about);
  key.require_subcommand();
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
  const auto add_lifetime = [](const Added& added, const char* description) {
    return added.command.option("--lasts", added.options->lasts, "TIME", description)->transform(time_span(36'500));
  };

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
  add_lifetime(made, "nothing is sent with it later: s, m, h or d (30d)");

  const Added shared = with_broker("share", about_share, share);
  shared.command.flag("--write-only", shared.options->write_only, "of a pair, only to write");

  const Added trusted = without_broker("trust", about_trust, trust);
  trusted.command.argument("ADMIN.pub", trusted.options->file, "the administrator");
  trusted.command.argument("FILTER", trusted.options->filters, "topics whose keys it may share")->required(false);
  add_unproved_option(trusted.command, trusted.options->client.unproved);
  trusted.command.flag("--delegated", trusted.options->delegated, "for what other administrators let it share");
  const Added untrusted = without_broker("untrust", about_untrust, untrust);
  untrusted.command.argument("ADMIN.pub", untrusted.options->file, "the administrator, or its name");
  const Added delegated = with_broker("delegate", about_delegate, delegate);
  delegated.command.argument("NAME.pub", delegated.options->file, "who may share them");
  auto* lifetime = add_lifetime(delegated, "for how long: s, m, h or d (30d)");
  delegated.command.flag("--end", delegated.options->ends, "takes it back")->excludes(lifetime);
  const Added listed = without_broker("list", about_list, list);

  const Added rotated = with_broker("rotate", about_rotate, [](const Options& options) {
    return replace(options, {TopicKey::State::decrypt_only, {}});
  });
  add_lifetime(rotated, "nothing is sent with it later: s, m, h or d; as long as the former one, if not given");
  const Added revoked = with_broker("revoke", about_revoke, [](const Options& options) {
    return replace(options, {options.name.empty() ? TopicKey::State::revoked : TopicKey::State::decrypt_only, options.name});
  });
  revoked.command.argument("NAME", revoked.options->name, "the member who gets no further key")->required(false);

  add_key_files(key, exit_code);
  add_key_psk(key, exit_code);
}

}  // namespace sealmq::cli
