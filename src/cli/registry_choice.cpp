#include "cli/registry_choice.h"

#include "base/try.h"
#include "cli/command.h"
#include "keystore/file_access.h"
#include "registry/open_registry.h"
#include "server/configuration.h"

namespace sealmq::cli {
void add_place_options(Command& command, RegistryChoice& choice) {
  add_data_option(command, choice.data)->each([&choice](const std::string&) { choice.data_given = true; });
  // In a profile -c is another option.
  command.option(command.takes_profile() ? "--config" : "-c,--config", choice.configuration, "FILE",
                 "the broker's configuration, which may say where its data folder, list of identities and passwords are; "
                 "sealmq.toml in the data folder if not given");
}

void add_registry_options(Command& command, RegistryChoice& choice) {
  command.heading("Registry");
  add_place_options(command, choice);
  command
      .option("--registry", choice.url, "URL",
              "where the list of identities is: postgresql://USER@HOST/DATABASE; what the configuration says if not given")
      ->envname("SEALMQ_REGISTRY");
}

Result<server::Configuration> find_configuration(const RegistryChoice& choice) {
  std::string file = choice.configuration;
  if (file.empty() && exists(DataFolder{choice.data}.configuration())) file = DataFolder{choice.data}.configuration();
  server::Configuration configuration = file.empty() ? server::Configuration() : TRY(server::read_configuration(file));
  if (choice.data_given || configuration.data.empty()) configuration.data = choice.data;
  if (!choice.url.empty()) configuration.registry = choice.url;
  return configuration;
}

Result<BrokerPlace> find_place(const RegistryChoice& choice) {
  const server::Configuration configuration = TRY(find_configuration(choice));
  const DataFolder folder{configuration.data};
  return BrokerPlace{folder, configuration.registry,
                     configuration.password_file.empty() ? folder.passwords() : configuration.password_file};
}

Result<std::unique_ptr<Registry>> open_registry(const RegistryChoice& choice) {
  const BrokerPlace place = TRY(find_place(choice));
  if (!place.registry.empty()) return sealmq::open_registry(place.folder, place.registry);
  const auto folder = find_data_folder(place.folder.path);
  if (!folder)
    return fail_with_hint(folder.error().blame, folder.error().what,
                          "--data DIR or SEALMQ_DATA names the broker's data folder, --registry a database");
  return sealmq::open_registry(*folder, {});
}

Result<std::unique_ptr<Registry>> open_or_make_registry(const RegistryChoice& choice) {
  const BrokerPlace place = TRY(find_place(choice));
  if (!place.registry.empty()) return sealmq::open_registry(place.folder, place.registry);
  const bool is_new = !exists(place.folder.path);
  auto folder = TRY(open_data_folder(place.folder.path));
  if (is_new)
    notice("made " + place.folder.path +
           ", a new broker's data folder\nhint: --data DIR or SEALMQ_DATA names that of a broker that is there");
  return sealmq::open_registry(std::move(folder), {});
}

bool is_idle_file(const RegistryChoice& choice) {
  const auto place = find_place(choice);
  return place && place->registry.empty() && !broker_runs(place->folder);
}

}  // namespace sealmq::cli
