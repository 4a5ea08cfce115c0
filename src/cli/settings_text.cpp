#include "cli/settings_text.h"

#include <nlohmann/json.hpp>

#include "cli/help.h"
#include "server/settings.h"

namespace sealmq::cli {
namespace {

using server::Key;

constexpr std::string_view example = R"(data = "/var/lib/sealmq"

[[listener]]
url = "mqtts://0.0.0.0:8883"
cert = "chain.pem"
key = "server.key"
anonymous = false

[[topic]]
filter = "plant/#"
publish = ["sl1"]
subscribe = ["sl1", "plain"]
)";

std::string type_of(const Key& key) {
  return key.standard.empty() ? key.type : key.type + ", " + key.standard;
}

/// In order, each once.
std::vector<std::string> headings(const std::vector<Key>& keys) {
  std::vector<std::string> all;
  for (const Key& key : keys)
    if (all.empty() || all.back() != key.heading) all.push_back(key.heading);
  return all;
}

}  // namespace

std::string settings_help() {
  const auto keys = server::configuration_keys();
  std::string out = wrapped(
                        "sealmq.toml, the configuration of the broker. Paths are relative to the file. For each key: type, value "
                        "if it is not given, meaning.",
                        80, "") +
                    "\n";
  for (const std::string& heading : headings(keys)) {
    out += "\n" + (heading.empty() ? "before any table" : heading) + "\n";
    for (const Key& key : keys)
      if (key.heading == heading)
        out += "  " + key.name + "  (" + type_of(key) + ")\n      " + wrapped(key.help, 74, "      ") + "\n";
  }
  return out + "\n" + std::string(example);
}

std::string settings_json() {
  std::string out;
  for (const Key& key : server::configuration_keys())
    out +=
        nlohmann::ordered_json{
            {"table", key.heading}, {"name", key.name}, {"type", key.type}, {"default", key.standard}, {"help", key.help}}
            .dump() +
        "\n";
  return out;
}

std::string settings_page() {
  const auto keys = server::configuration_keys();
  std::string out =
      ".TH SEALMQ.TOML 5 \"\" \"sealmq " SEALMQ_VERSION "\" \"SealMQ\"\n.SH NAME\nsealmq.toml \\- configuration of the broker\n";
  out +=
      ".SH DESCRIPTION\nTOML, read by\n.BR sealmq\\-broker (1)\nfrom the data folder, or from what \\-c names. What is not "
      "understood is refused.\n";
  for (const std::string& heading : headings(keys)) {
    out += ".SH \"" + roff(heading.empty() ? "BEFORE ANY TABLE" : heading) + "\"\n";
    for (const Key& key : keys)
      if (key.heading == heading)
        out += ".TP\n\\fB" + roff(key.name) + "\\fR (" + roff(type_of(key)) + ")\n" + roff(key.help) + "\n";
  }
  return out + ".SH EXAMPLE\n.nf\n" + roff(example) + ".fi\n.SH \"SEE ALSO\"\n.BR sealmq\\-broker (1)\n";
}

}  // namespace sealmq::cli
