// sealmq key psk: a pre-shared key of TLS for one client and one broker.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/key_options.h"
#include "crypto/random.h"
#include "net/tls_psk.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "make a pre-shared key of TLS",
    .text = R"(Prints a line for the file that psk_file of a [[listener]] names. The client gets the same name and key, by
--psk-identity and SEALMQ_PSK. A key is for one client and one broker.)",
    .synopsis = "NAME [--opaque] [--raw]",
    .examples = R"($ (umask 077; sealmq key psk boiler-7 >> devices.psk)
)"};

struct Options {
  std::string name;
  bool opaque = false;
  bool raw = false;
  bool json = false;
};

std::string random_hex(std::size_t size) {
  Buffer bytes(size);
  crypto::OsRandom().fill(bytes);
  return to_hex(bytes);
}

Result<> run(const Options& options) {
  constexpr std::size_t key_size = 32, name_size = 16;
  if (!net::is_psk_identity(options.name) || options.name.starts_with('#'))
    return fail(Blame::caller_misused, "a name has 1 to 128 bytes of UTF-8, and does not begin with '#'");
  const std::string identity = options.opaque ? random_hex(name_size) : options.name;
  const std::string key = random_hex(key_size);
  if (options.json) {
    std::cout << nlohmann::ordered_json{{"name", options.name}, {"identity", identity}, {"key", key}, {"raw", options.raw}}.dump()
              << '\n';
    return {};
  }
  if (options.opaque) std::cout << "# " << options.name << '\n';
  std::cout << identity << ':' << key << (options.raw ? " raw" : "") << '\n';
  return {};
}

}  // namespace

void add_key_psk(Command& key, int& exit_code) {
  Command& command = key.add("psk", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.argument("NAME", options->name, "the client");
  command.flag("--opaque", options->opaque, "a name of chance on the wire, where everybody can read it");
  command.flag("--raw", options->raw, "for programs that use the key as it is");
  add_json_option(command, options->json);
  command.callback([options, &exit_code] { exit_code = finish(run(*options)); });
}

}  // namespace sealmq::cli
