// Which registry a broker or a command works on.
#pragma once

#include <memory>

#include "registry/data_folder.h"
#include "sealmq/registry.h"

namespace sealmq {

/// The database that `url` names, or if it is empty the file in the folder, which is made if it is missing.
Result<std::unique_ptr<Registry>> open_registry(const DataFolder& folder, const std::string& url);

/// What can be said about a URL without asking the database. Errors: caller_misused.
Result<> check_registry_url(const std::string& url);

}  // namespace sealmq
