// sealmq authority: what a revocation authority does, and the log of who changed what.
#include <iostream>
#include <nlohmann/json.hpp>

#include "authority/audit_log.h"
#include "base/try.h"
#include "cli/authority_options.h"
#include "cli/command.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "run a revocation authority; check the audit log",
    .text =
        R"(The revocation authority: a program of its own, with a key of its own, which brokers know by authority =
"authority.pub" in their configuration. Its orders are numbered and signed; every broker carries out each of them
once.

An authority need not see the list of identities: then NAME.pub or an ID names whom it means, and it is content that
brokers have acknowledged an order.)",
    .examples = R"($ sealmq authority new
$ sealmq authority serve --broker mqtt://north.example
$ sealmq authority revoke boiler-7.pub --reason 'stolen from the yard'
order 1: revoke boiler-7; acknowledged by 2 brokers in 22 ms
$ sealmq authority audit
audit log intact: 12 entries
12:5f3c0e…
)",
};

constexpr About about_audit{
    .summary = "check the broker's audit log",
    .text =
        R"(Reads audit.log in the data folder from its beginning and tells whether anything in it was changed, removed or put in.
Prints the number and the hash of the last entry: a copy of these, kept elsewhere, binds all entries up to that one,
also against somebody who may write in the data folder.)",
    .examples = "$ sealmq authority audit\naudit log intact: 12 entries\n12:5f3c0e…\n",
    .exit_codes = "0 whole, 1 usage, 2 cannot read it, 4 something was changed",
};

struct Options {
  RegistryChoice place;
  std::string after;
  bool json = false;
};

Result<> run_audit(const Options& options) {
  const DataFolder folder = TRY(find_data_folder(TRY(find_place(options.place)).folder.path));
  const auto verdict = TRY(authority::AuditLog(folder, "").check(options.after));
  const std::string mark = authority::to_mark(verdict.last);
  if (options.json) {
    nlohmann::ordered_json json{{"entries", verdict.last.number}, {"whole", !verdict.broken}, {"mark", mark}};
    json["broken"] = verdict.broken ? nlohmann::ordered_json(*verdict.broken) : nlohmann::ordered_json();
    json["unfinished_bytes"] = verdict.unfinished.size();
    std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  } else {
    const std::string entries = std::to_string(verdict.last.number) + (verdict.last.number == 1 ? " entry" : " entries");
    std::cout << (verdict.broken ? "audit log broken: " + entries + " before that" : "audit log intact: " + entries) << '\n'
              << mark << '\n';
  }
  if (!verdict.unfinished.empty())
    notice("a writer was interrupted: " + std::to_string(verdict.unfinished.size()) +
           " bytes of an entry, which the next one mends");
  if (verdict.broken) return fail(Blame::peer_misbehaved, folder.audit_log() + ": " + *verdict.broken);
  return {};
}

}  // namespace

void add_authority(Command& app, int& exit_code) {
  Command& authority = app.add("authority", about);
  authority.require_subcommand();
  add_authority_orders(authority, exit_code);
  add_authority_serve(authority, exit_code);
  add_authority_evidence(authority, exit_code);
  const auto options = std::make_shared<Options>();  // the callback owns it
  Command& audit = authority.add("audit", about_audit);
  audit.option("--after", options->after, "NUMBER:HASH", "what an earlier audit printed: it must still be so");
  add_json_option(audit, options->json);
  add_place_options(audit, options->place);
  audit.callback([options, &exit_code] { exit_code = finish(run_audit(*options)); });
}

}  // namespace sealmq::cli
