#include "registry/open_registry.h"

#include "registry/postgres.h"

namespace sealmq {

Result<std::unique_ptr<Registry>> open_registry(const DataFolder& folder, const std::string& url) {
  return url.empty() ? open_sqlite_registry(folder.registry()) : open_postgres_registry(url);
}

Result<> check_registry_url(const std::string& url) {
  return postgres::Address::parse(url).map([](const postgres::Address&) {});
}

}  // namespace sealmq
