// Maintenance: the thread that waits for the disk so that no shard has to. It notices changes of the registry, brings them to the
// shards, and carries out revocation orders.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "authority/audit_log.h"
#include "sealmq/registry.h"
#include "server/configuration.h"
#include "server/followed_version.h"
#include "server/log.h"
#include "server/readiness.h"
#include "server/refusal_log.h"
#include "server/shard_thread.h"

namespace sealmq::server {

/// The list as it is now, with the rights of roles. Errors: as Registry::list.
Result<std::shared_ptr<const Directory>> load_directory(Registry& registry, const Roles& roles = {},
                                                        const Directory* former = nullptr);

class Maintenance {
 public:
  /// `broker` is its name in the registry; `audit` may be null. All others must outlive it; the shards' threads run as long as
  /// this one.
  Maintenance(Registry& registry, FollowedVersion& reached, std::string broker, const authority::AuditLog* audit,
              RefusalLog& refusals, Readiness& readiness, Log& log, const std::vector<std::unique_ptr<ShardThread>>& shards);

  void start();
  /// What roles are from now on. Any thread; the shards go by it some fractions of a second later.
  void set_roles(Roles roles);
  /// Returns when the thread has ended.
  void stop();

 private:
  void run(const std::stop_token& stop);
  Result<> show_life();
  Result<> spread_list(std::uint64_t version);
  /// Returns when there was something to do, or after a while.
  Result<> follow_registry();
  Result<> carry_out(const RevocationOrder& order, std::chrono::steady_clock::time_point seen);
  void tell(std::string_view component, std::optional<Error>& last, const Result<>& result, const std::string& consequence);

  Registry& registry_;
  FollowedVersion& reached_;
  const std::string broker_;
  const authority::AuditLog* const audit_;
  std::chrono::steady_clock::time_point heartbeat_due_{};
  std::chrono::steady_clock::time_point follow_due_{};
  RefusalLog& refusals_;
  Readiness& readiness_;
  Log& log_;
  const std::vector<std::unique_ptr<ShardThread>>& shards_;
  std::shared_ptr<const Directory> directory_;  // as the shards have it
  std::optional<std::uint64_t> spread_;         // its version in the registry
  std::optional<std::uint64_t> followed_;       // the registry's version that all shards have, with all orders carried out
  std::optional<Error> registry_trouble_;
  std::mutex roles_mutex_;
  Roles roles_;
  Roles spread_roles_;  // as the shards have them
  std::jthread thread_;
};

}  // namespace sealmq::server
