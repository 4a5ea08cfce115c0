#include "cli/registry_choice.h"

#include "cli/command.h"
#include "keystore/file_access.h"
#include "registry/open_registry.h"
#include "server/configuration.h"

namespace sealmq::cli {
namespace {

/// Empty: the file in the data folder.
Result<std::string> find_url(const RegistryChoice& choice) {
  if (!choice.url.empty()) return choice.url;
  const auto file = DataFolder{choice.data}.configuration();
  if (!exists(file)) return std::string();
  return TRY(server::read_configuration(file)).registry;
}

}  // namespace

void add_registry_options(Command& command, RegistryChoice& choice) {
  command.heading("Registry");
  add_data_option(command, choice.data);
  command
      .option(
          "--registry", choice.url, "URL",
          "where the list of identities is, if not there: postgresql://USER@HOST/DATABASE; what sealmq.toml in the data folder "
          "says if not given")
      ->envname("SEALMQ_REGISTRY");
}

Result<std::unique_ptr<Registry>> open_registry(const RegistryChoice& choice) {
  const auto url = TRY(find_url(choice));
  if (!url.empty()) return sealmq::open_registry(DataFolder{choice.data}, url);
  const auto folder = find_data_folder(choice.data);
  if (!folder)
    return fail_with_hint(folder.error().blame, folder.error().what,
                          "--data DIR or SEALMQ_DATA names the broker's data folder, --registry a database");
  return sealmq::open_registry(*folder, url);
}

Result<std::unique_ptr<Registry>> open_or_make_registry(const RegistryChoice& choice) {
  const auto url = TRY(find_url(choice));
  if (!url.empty()) return sealmq::open_registry(DataFolder{choice.data}, url);
  const bool is_new = !exists(choice.data);
  auto folder = TRY(open_data_folder(choice.data));
  if (is_new)
    notice("made " + choice.data +
           ", a new broker's data folder\nhint: --data DIR or SEALMQ_DATA names that of a broker that is there");
  return sealmq::open_registry(std::move(folder), url);
}

bool is_idle_file(const RegistryChoice& choice) {
  const auto url = find_url(choice);
  return url && url->empty() && !broker_runs(DataFolder{choice.data});
}

}  // namespace sealmq::cli
