// sealmq authority: what a revocation authority does, and the log of who changed what.
#include <iostream>
#include <nlohmann/json.hpp>

#include "authority/audit_log.h"
#include "base/text.h"
#include "cli/command.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage = R"(usage: sealmq authority audit [--after NUMBER:HASH] [--data DIR] [--json]

audit    reads audit.log in the data folder from its beginning and tells whether anything in it was changed, removed or put in;
         exit 4 if so. Prints the number and the hash of the last entry: a copy of these, kept elsewhere, binds all entries up
         to that one, also against somebody who may write in the data folder

  --after NUMBER:HASH  what an earlier audit printed; it must still be so
  --data DIR           the broker's data folder (or SEALMQ_DATA), ./sealmq-data if not given
  --json               one JSON object

  $ sealmq authority audit
  12 entries hold together
  12:5f3c0e…
)";

struct Options {
  std::string data;
  std::string after;
  bool json = false;
};

Result<> run_audit(const Options& options) {
  const DataFolder folder = TRY(find_data_folder(options.data));
  const auto verdict = TRY(authority::AuditLog(folder, "").check(options.after));
  const std::string mark = authority::to_mark(verdict.last);
  if (options.json) {
    nlohmann::ordered_json json{{"entries", verdict.last.number}, {"whole", !verdict.broken}, {"mark", mark}};
    json["broken"] = verdict.broken ? nlohmann::ordered_json(*verdict.broken) : nlohmann::ordered_json();
    json["unfinished_bytes"] = verdict.unfinished.size();
    std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  } else {
    std::cout << verdict.last.number << (verdict.last.number == 1 ? " entry holds" : " entries hold") << " together\n"
              << mark << '\n';
  }
  if (!verdict.unfinished.empty())
    notice("a writer was interrupted: " + std::to_string(verdict.unfinished.size()) +
           " bytes of an entry, which the next one mends");
  if (verdict.broken) return fail(Blame::peer_misbehaved, folder.audit_log() + ": " + *verdict.broken);
  return {};
}

}  // namespace

void add_authority(CLI::App& app, int& exit_code) {
  auto* authority = app.add_subcommand("authority", "who answers for revocations, and for what was changed");
  set_usage(*authority, usage);
  authority->require_subcommand(1);
  const auto options = std::make_shared<Options>();  // the callback owns it
  auto* audit = authority->add_subcommand("audit");
  audit->add_option("--after", options->after);
  audit->add_flag("--json", options->json);
  add_data_option(*audit, options->data);
  audit->callback([options, &exit_code] { exit_code = finish(run_audit(*options)); });
}

}  // namespace sealmq::cli
