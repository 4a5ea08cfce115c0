// Maintenance: the thread that waits for the disk so that no shard has to. It notices changes of the registry, brings them to the
// shards, and carries out revocation orders. A shard that hangs holds up nothing but what needs it: the others get the list, and
// their part of the orders, and the registry sees that this broker lives.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
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
  /// Returns when the thread has ended, which waits for no shard.
  void stop();

 private:
  using Moment = std::chrono::steady_clock::time_point;
  /// What the shards have answered to one order. They hold it too: one that hangs may answer when nobody waits any more.
  class Answers {
   public:
    void add(const RevocationReport& report);
    /// So many have answered, within that time.
    bool wait_for(std::size_t count, std::chrono::milliseconds patience);
    RevocationReport sum();

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    RevocationReport sum_;
    std::size_t count_ = 0;
  };
  /// The list, on its way to the shards, which hold this too. Each comes for the latest when it gets round to it.
  class Lists {
   public:
    explicit Lists(std::size_t shards) : shards_(shards) {}
    /// Answers which shards have to be asked to come; the others have been.
    std::vector<std::size_t> put(std::shared_ptr<const Directory> list);
    /// On the shard's thread: calls `use` with the latest.
    void take(std::size_t shard, const std::function<void(const std::shared_ptr<const Directory>&)>& use);
    /// It has the latest.
    bool has_it(std::size_t shard);
    /// All have it, within a while.
    bool wait_for_all();

   private:
    struct Shard {
      bool is_asked = false;
      std::uint64_t has = 0;
    };
    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<const Directory> latest_;
    std::uint64_t number_ = 0;  // of the latest
    std::vector<Shard> shards_;
  };
  /// An order that is being carried out.
  struct Revocation {
    Moment seen;
    std::vector<bool> begun;                                       // by shard, before all had the list
    std::shared_ptr<Answers> early = std::make_shared<Answers>();  // to that
    std::shared_ptr<Answers> answers{};                            // of all; null: not all had the list yet
  };

  void run(const std::stop_token& stop);
  Result<> show_life();
  /// Begins to; asks no shard twice.
  Result<> spread_list(std::uint64_t version);
  /// Returns when there was something to do, or after a while.
  Result<> follow_registry();
  /// As far as the shards go along; answers whether it is done. `all_listed`: all shards have the list.
  Result<bool> carry_out(const RevocationOrder& order, bool all_listed, std::chrono::milliseconds patience, Moment seen);
  void ask(std::size_t shard, const std::string& name, const std::shared_ptr<Answers>& answers);
  Result<> report(const RevocationOrder& order, RevocationReport report, Moment seen);
  void tell(std::string_view component, std::optional<Error>& last, const Result<>& result, const std::string& consequence);

  Registry& registry_;
  FollowedVersion& reached_;
  const std::string broker_;
  const authority::AuditLog* const audit_;
  Moment heartbeat_due_{};
  Moment follow_due_{};
  RefusalLog& refusals_;
  Readiness& readiness_;
  Log& log_;
  const std::vector<std::unique_ptr<ShardThread>>& shards_;
  std::shared_ptr<Lists> lists_;
  std::shared_ptr<const Directory> directory_;   // as the shards have it, or will
  std::optional<std::uint64_t> spread_;          // its version in the registry
  std::map<std::uint64_t, Revocation> running_;  // by number
  std::optional<std::uint64_t> followed_;        // the registry's version that all shards have, with all orders carried out
  std::optional<Error> registry_trouble_;
  std::mutex roles_mutex_;
  Roles roles_;
  Roles spread_roles_;  // as the shards have them
  std::jthread thread_;
};

}  // namespace sealmq::server
