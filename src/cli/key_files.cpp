// sealmq key export, seal and open: what is done with keys of topics without a broker.
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/json_line.h"
#include "cli/key_options.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "schemes/payload/receiving.h"
#include "schemes/payload/sending.h"

namespace sealmq::cli {
namespace {

constexpr About about_export{
    .summary = "write the keys of a filter into a file",
    .text =
        R"(All keys of FILTER that are here, the newest first, as JSON in a new file, for archives and programs in other languages:
whoever has that file has the keys.)",
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

struct Options {
  ClientOptions client;
  std::string filter;
  std::string file;
  std::string topic;
  std::string output;
  bool json = false;
};

Now now() {
  return {.steady = 0, .wall = wall_milliseconds()};
}

/// Names what it does: a secret leaves the folder.
Result<> write_out(const Options& options) {
  crypto::OsRandom random;
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  const auto all = keys->all();
  std::vector<const TopicKey*> its;
  for (const TopicKey& key : *all)
    if (key.filter == options.filter) its.push_back(&key);
  if (its.empty()) return fail(Blame::caller_misused, "there is no key for " + printable(options.filter, 200));
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
  TRY(std::move(written));
  if (options.json) print({{"filter", options.filter}, {"keys", its.size()}, {"file", options.output}});
  return {};
}

constexpr std::size_t longest_payload = 256 * 1024 * 1024;

Result<Buffer> read_input(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return fail(Blame::environment, "cannot read " + printable(path) + ": " + error_text(errno));
  }
  std::istream& in = path == "-" ? std::cin : file;
  Buffer content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return fail(Blame::environment, "cannot read " + printable(path));
  if (content.size() > longest_payload) return fail(Blame::caller_misused, path + " is longer than any message");
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
  const auto own = TRY(open_own_key(options.client.key, random));
  const auto keys = TRY(open_topic_keys(options.client.topic_keys, random));
  std::vector<payload::ReaderKey> readers;
  for (const auto& file : options.client.peers)
    readers.push_back(payload::ReaderKey::of(TRY(read_public_identity(file, options.client.unproved)).keys.agreement));
  payload::Sending sending(*keys, own.get(), std::move(readers), random);
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
  for (const auto& file : options.client.peers) TRY(wanted.pinned.add(TRY(read_public_identity(file, options.client.unproved))));
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

void add_key_files(Command& key, int& exit_code) {
  struct Added {
    Command& command;
    std::shared_ptr<Options> options;  // the callback owns it
  };
  const auto add = [&](const char* word, const About& its, Result<> (*run)(const Options&)) -> Added {
    Command& command = key.add(word, its);
    const auto options = std::make_shared<Options>();
    add_json_option(command, options->json);
    add_topic_keys_option(command, options->client.topic_keys);
    command.callback([options, run, &exit_code] { exit_code = finish(run(*options)); });
    return {command, options};
  };

  const Added exported = add("export", about_export, write_out);
  exported.command.argument("FILTER", exported.options->filter, "the key's topics");
  exported.command.option("-o,--output", exported.options->output, "FILE", "a new file, for its owner only")->required();

  for (const bool seals : {true, false}) {
    const Added added = seals ? add("seal", about_seal, seal) : add("open", about_open, open);
    added.command.argument("FILE", added.options->file, "- is standard input");
    added.command.option("-t,--topic", added.options->topic, "TOPIC", "the topic it is sealed for")->required();
    added.command.option("--key", added.options->client.key, "NAME.key", "your private keys");
    added.command.option(seals ? "--to" : "--from", added.options->client.peers, "NAME.pub",
                         seals ? "a reader, instead of those who have the key" : "an author to accept, all others being refused");
    add_unproved_option(added.command, added.options->client.unproved);
    added.command.option("-o,--output", added.options->output, "FILE", "where the result goes, instead of standard output");
  }
}

}  // namespace sealmq::cli
