#include "cli/authority_options.h"

#include <algorithm>

#include "base/try.h"
#include "cli/command.h"
#include "keystore/file_access.h"

namespace sealmq::cli {
namespace {

Result<OpenAuthority> with_ledger(OpenAuthority opened) {
  opened.ledger = TRY(authority::OrderLedger::open(opened.folder.ledger(), opened.key->identity().keys.ecdsa));
  return opened;
}

}  // namespace

void add_folder_option(Command& command, std::string& folder) {
  folder = "./sealmq-authority";
  command.option("--folder", folder, "DIR", "where the authority keeps what is its own")
      ->capture_default_str()
      ->envname("SEALMQ_AUTHORITY");
}

Result<OpenAuthority> open_authority(const std::string& folder, Random& random) {
  OpenAuthority opened;
  opened.folder = {folder};
  if (!exists(opened.folder.key()))
    return fail_with_hint(Blame::environment, "there is no authority in " + folder,
                          "--folder DIR or SEALMQ_AUTHORITY names its folder; sealmq authority new makes one");
  opened.key = TRY(authority::open_authority_key(opened.folder, random));
  return with_ledger(std::move(opened));
}

Result<OpenAuthority> open_or_make_authority(const std::string& folder, Random& random) {
  OpenAuthority opened;
  opened.folder = {folder};
  opened.key = TRY(authority::open_or_create_authority_key(opened.folder, random));
  return with_ledger(std::move(opened));
}

Result<std::unique_ptr<Registry>> visible_registry(const RegistryChoice& choice) {
  const BrokerPlace place = TRY(find_place(choice));
  if (place.registry.empty() && !exists(place.folder.registry())) return std::unique_ptr<Registry>();
  return open_registry(choice);
}

std::optional<Identity> find_by_id(const std::vector<Identity>& listed, const std::array<std::uint8_t, 32>& id) {
  const auto at = std::find_if(listed.begin(), listed.end(), [&](const Identity& one) { return one.keys.schnorr == id; });
  return at == listed.end() ? std::nullopt : std::optional(*at);
}

}  // namespace sealmq::cli
