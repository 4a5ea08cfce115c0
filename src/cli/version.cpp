// sealmq version [--json]
//
// The version, how it was built, and the schemes it knows with what each claims.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "registry/sqlite.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "version, build and schemes",
    .text = "Prints the version, how it was built, and the schemes it knows with what each claims.",
    .examples = "$ sealmq version\n",
};

#if defined(__clang__)
constexpr const char* compiler = "clang " __clang_version__;
#else
constexpr const char* compiler = "g++ " __VERSION__;
#endif

/// In the words of the interface, each only if the scheme claims it.
std::vector<std::string> claims_of(const Scheme& scheme) {
  const Claims& claims = scheme.info->claims;
  std::vector<std::string> words;
  const auto add = [&words](bool claimed, const char* word) {
    if (claimed) words.emplace_back(word);
  };
  add(claims.authorship == Authorship::checked_by_broker, "author checked by the broker");
  add(claims.authorship == Authorship::verified_by_subscriber, "author verified by the subscriber");
  add(claims.confidentiality == Confidentiality::hop, "confidential to the broker");
  add(claims.confidentiality == Confidentiality::end_to_end, "confidential end to end");
  add(claims.bound_to_topic, "bound to its topic");
  add(claims.refuses_replay, "refuses replay");
  add(claims.hides_subscriber, "hides the subscriber");
  add(claims.hides_publisher, "hides the publisher");
  add(claims.forward_secrecy, "forward secrecy");
  add(claims.revocable, "revocable");
  return words;
}

void print_text() {
  std::cout << "sealmq " SEALMQ_VERSION "\n"
            << "  compiler  " << compiler << "\n"
            << "  OpenSSL   " SEALMQ_OPENSSL_VERSION "\n"
            << "  SQLite    " << sqlite::library_version() << "\n"
            << "  schemes\n";
  for (const Scheme& scheme : all_schemes()) {
    std::cout << "    " << scheme.info->name << std::string(12 - std::min<std::size_t>(11, scheme.info->name.size()), ' ');
    const auto claims = claims_of(scheme);
    for (std::size_t i = 0; i < claims.size(); ++i) std::cout << (i == 0 ? "" : ", ") << claims[i];
    std::cout << (claims.empty() ? "no security claims\n" : "\n");
  }
}

void print_json() {
  nlohmann::ordered_json json{{"version", SEALMQ_VERSION},
                              {"compiler", compiler},
                              {"openssl", SEALMQ_OPENSSL_VERSION},
                              {"sqlite", sqlite::library_version()}};
  json["schemes"] = nlohmann::ordered_json::array();
  for (const Scheme& scheme : all_schemes()) {
    json["schemes"].push_back({{"name", scheme.info->name}, {"title", scheme.info->title}, {"claims", claims_of(scheme)}});
  }
  std::cout << json.dump() << '\n';
}

}  // namespace

void add_version(Command& app, int& exit_code) {
  Command& command = app.add("version", about);
  const auto json = std::make_shared<bool>(false);  // the callback owns it
  add_json_option(command, *json);
  command.callback([json, &exit_code] {
    *json ? print_json() : print_text();
    exit_code = exit_done;
  });
}

}  // namespace sealmq::cli
