// Which registry a command works on: --registry, or what the data folder says.
#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "registry/data_folder.h"
#include "sealmq/registry.h"

namespace sealmq::cli {

struct RegistryChoice {
  std::string data;  ///< the broker's data folder
  std::string url;   ///< empty: not said
};

/// --data DIR and --registry URL, the same in every subcommand.
void add_registry_options(Command& command, RegistryChoice& choice);

/// Where the list is: --registry, the configuration in the data folder, or else a file there. Refuses a data folder that is
/// missing: a wrong --data shall not leave a new one behind.
Result<std::unique_ptr<Registry>> open_registry(const RegistryChoice& choice);
/// The same for the first use of a data folder, which is made.
Result<std::unique_ptr<Registry>> open_or_make_registry(const RegistryChoice& choice);

/// The list is a file that no broker works on, so that there is nobody to wait for.
bool is_idle_file(const RegistryChoice& choice);

}  // namespace sealmq::cli
