// Which registry a command works on: --registry, or what the data folder says.
#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "registry/data_folder.h"
#include "sealmq/registry.h"

namespace sealmq::server {
struct Configuration;
}

namespace sealmq::cli {

/// What was typed.
struct RegistryChoice {
  std::string data;
  bool data_given = false;
  std::string url;            ///< empty: not said
  std::string configuration;  ///< likewise
};

/// --data DIR and -c FILE, the same in every subcommand.
void add_place_options(Command& command, RegistryChoice& choice);
/// And --registry URL.
void add_registry_options(Command& command, RegistryChoice& choice);

/// -c, or sealmq.toml in the data folder if it is there; `data` and `registry` as the options say, if they do. Errors: what
/// read_configuration() has.
Result<server::Configuration> find_configuration(const RegistryChoice& choice);

/// Where a broker has what commands work on.
struct BrokerPlace {
  DataFolder folder;
  std::string registry;   ///< URL; empty: the file in the data folder
  std::string passwords;  ///< file
};

/// By its configuration.
Result<BrokerPlace> find_place(const RegistryChoice& choice);

/// Refuses a data folder that is missing: a wrong --data shall not leave a new one behind.
Result<std::unique_ptr<Registry>> open_registry(const RegistryChoice& choice);
/// The same for the first use of a data folder, which is made.
Result<std::unique_ptr<Registry>> open_or_make_registry(const RegistryChoice& choice);

/// The list is a file that no broker works on, so that there is nobody to wait for.
bool is_idle_file(const RegistryChoice& choice);

}  // namespace sealmq::cli
