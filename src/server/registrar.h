// RegistryRegistrar: what schemes may ask of the registry: to put a joiner with a ticket on the list, to take an authority's
// order.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "authority/audit_log.h"
#include "sealmq/registry.h"
#include "sealmq/scheme.h"
#include "server/followed_version.h"
#include "server/log.h"

namespace sealmq::server {

class RegistryRegistrar final : public Registrar {
 public:
  /// `authority`: its ECDSA key; nothing: orders are refused. `audit` may be null. `ordered` is told, on any thread, of each
  /// order that was taken here, with the frame it came in. All outlive this. What it answers is in force: it waits for
  /// `followed`.
  RegistryRegistrar(Registry& registry, FollowedVersion& followed, std::optional<std::array<std::uint8_t, 33>> authority,
                    const authority::AuditLog* audit, Log& log,
                    std::function<void(const std::array<std::uint8_t, 32>& id, Bytes frame)> ordered);

  Result<> join(Bytes ticket, const PublicKeys& keys, const std::vector<std::string>& publish,
                const std::vector<std::string>& subscribe, Now now) override;
  Result<> take_order(Bytes frame, Now now) override;

 private:
  bool is_in_force(const std::array<std::uint8_t, 32>& digest);
  bool is_latest_here(const RevocationByAuthority& order);
  void record(std::string_view what, std::string_view name, const std::string& text, Now now);

  Registry& registry_;
  FollowedVersion& followed_;
  const std::optional<std::array<std::uint8_t, 33>> authority_;
  const authority::AuditLog* const audit_;
  Log& log_;
  std::mutex mutex_;
  std::map<std::array<std::uint8_t, 32>, std::uint64_t> told_;  // the highest serial that ordered_ was told of, for each ID
  std::set<std::array<std::uint8_t, 32>> in_force_;             // digests of the orders that were carried out here
  const std::function<void(const std::array<std::uint8_t, 32>& id, Bytes frame)> ordered_;
};

}  // namespace sealmq::server
