// sealmq authority: what a revocation authority does, and the log of who changed what.
#include <iostream>
#include <nlohmann/json.hpp>

#include "authority/audit_log.h"
#include "base/try.h"
#include "cli/authority_options.h"
#include "cli/client_options.h"
#include "cli/command.h"

namespace sealmq::cli {
namespace {

constexpr const char* usage_start =
    R"(usage: sealmq authority new [--folder DIR]
       sealmq authority serve [--broker URL]... [--complaints TOPIC] [--folder DIR] [--data DIR | --registry URL] [option]...
       sealmq authority revoke NAME.pub|ID|NAME --reason NUMBER|TEXT [--folder DIR] [--data DIR | --registry URL]
       sealmq authority restore NAME.pub|ID|NAME [--reason NUMBER|TEXT] [--folder DIR] [--data DIR | --registry URL]
       sealmq authority orders [--after NUMBER] [--folder DIR] [--data DIR | --registry URL]
       sealmq authority report FILE --key NAME.key --reason TEXT -o FILE | -t TOPIC [option]...
       sealmq authority trace FILE [--folder DIR] [--data DIR | --registry URL]
       sealmq authority complaints [--close NUMBER] [--folder DIR] [--data DIR | --registry URL]
       sealmq authority audit [--after NUMBER:HASH] [--data DIR]

The revocation authority: a program of its own, with a key of its own, which brokers know by `authority = "authority.pub"` in their
configuration. Its orders are numbered and signed; every broker carries out each of them once.

new         makes the key: authority.key, for its owner only, and authority.pub
serve       connects to every broker, sends it the orders that it lacks, and each new one at once; runs until it is interrupted
revoke      orders all brokers to end everything of an identity; returns when they have
restore     takes that back
orders      what was ordered; on standard error, how far each broker has got
report      signs a complaint about a message that `sealmq sub --evidence DIR` has kept: into a file, or to a topic that `serve` reads
trace       who wrote the message in a complaint or in evidence: its signature is verified, what hides the author is opened
complaints  those that serve has taken, each verified, until --close
audit       reads audit.log in the data folder from its beginning and tells whether anything in it was changed, removed or put in;
            exit 4 if so. Prints the number and the hash of the last entry: a copy of these, kept elsewhere, binds all entries up
            to that one, also against somebody who may write in the data folder

  --folder DIR         where the authority keeps what is its own (or SEALMQ_AUTHORITY), ./sealmq-authority if not given
  --broker URL         a broker to serve (repeatable); -h, -p or -L name a single one
  --complaints TOPIC   where complaints come in: the broker's policy must let the authority read there
  --reason NUMBER      0 to 255, a part of the order; TEXT: kept in the folder of the authority
  --after NUMBER       orders after this one; of audit NUMBER:HASH, what an earlier audit printed: it must still be so
  --data DIR           the broker's data folder (or SEALMQ_DATA), ./sealmq-data if not given
  --registry URL       the list of identities (or SEALMQ_REGISTRY), if it is not in the data folder. An authority need not see the
                       list: then NAME.pub or an ID names whom it means, and it is content that brokers have acknowledged an order
  --json               one JSON object a line

serve and report are clients like `sealmq pub`:
)";

constexpr const char* usage_end = R"(
  $ sealmq authority new
  $ sealmq authority serve --broker mqtt://north.example --broker mqtt://south.example
  $ sealmq authority revoke boiler-7.pub --reason 'stolen from the yard'
  order 1: revoke boiler-7; acknowledged by 2 brokers in 22 ms
  $ sealmq authority audit
  audit log intact: 12 entries
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

void add_authority(CLI::App& app, int& exit_code) {
  auto* authority = app.add_subcommand("authority", "who answers for revocations, and for what was changed");
  static const std::string usage = usage_start + ClientOptions::usage() + usage_end;
  set_usage(*authority, usage.c_str());
  authority->require_subcommand(1);
  add_authority_orders(*authority, exit_code);
  add_authority_serve(*authority, exit_code);
  add_authority_evidence(*authority, exit_code);
  const auto options = std::make_shared<Options>();  // the callback owns it
  auto* audit = authority->add_subcommand("audit");
  audit->add_option("--after", options->after);
  audit->add_flag("--json", options->json);
  add_data_option(*audit, options->data);
  audit->callback([options, &exit_code] { exit_code = finish(run_audit(*options)); });
}

}  // namespace sealmq::cli
