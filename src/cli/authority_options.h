// What the subcommands of `sealmq authority` share.
#pragma once

#include <memory>
#include <optional>

#include "authority/order_ledger.h"
#include "cli/command.h"
#include "cli/registry_choice.h"

namespace sealmq::cli {

/// --folder DIR, where the authority keeps its key, its orders and its complaints.
void add_folder_option(Command& command, std::string& folder);

/// An authority's key and what it has ordered.
struct OpenAuthority {
  authority::AuthorityFolder folder;
  std::unique_ptr<KeyStore> key;
  std::unique_ptr<authority::OrderLedger> ledger;
};
/// Errors: environment, with a hint, if there is none in the folder.
Result<OpenAuthority> open_authority(const std::string& folder, Random& random);
/// Makes it if there is none.
Result<OpenAuthority> open_or_make_authority(const std::string& folder, Random& random);

/// The list of identities, if it can be seen from here: an authority need not. Null: it was not named.
Result<std::unique_ptr<Registry>> visible_registry(const RegistryChoice& choice);
std::optional<Identity> find_by_id(const std::vector<Identity>& listed, const std::array<std::uint8_t, 32>& id);

/// Subcommands; each has its file.
void add_authority_orders(Command& authority, int& exit_code);
void add_authority_evidence(Command& authority, int& exit_code);
void add_authority_serve(Command& authority, int& exit_code);

}  // namespace sealmq::cli
