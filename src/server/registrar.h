// RegistryRegistrar: what schemes may ask of the registry: to put a joiner with a ticket on the list, to take an authority's
// order.
#pragma once

#include <functional>
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
  /// Told, on any thread, of an order that was taken here and is the last about this key, with the frame to be passed on.
  using Ordered = std::function<void(const KeyHash& key, Bytes frame)>;

  /// `authority`: its ECDSA key; nothing: orders are refused. `audit` may be null. All outlive this. What it answers is in force:
  /// it waits for `followed`.
  RegistryRegistrar(Registry& registry, FollowedVersion& followed, std::optional<std::array<std::uint8_t, 33>> authority,
                    const authority::AuditLog* audit, Log& log, Ordered ordered);

  Result<> join(Bytes ticket, const PublicKeys& keys, bool proved, const std::vector<std::string>& publish,
                const std::vector<std::string>& subscribe, Now now) override;
  Result<> take_order(Bytes frame, Now now) override;

 private:
  bool is_in_force(const std::array<std::uint8_t, 32>& name);
  void tell(const AuthorityOrder& order, const std::vector<std::string>& names, Now now);
  Result<> need_all_orders();
  void record(std::string_view what, std::string_view name, const std::string& text, Now now);

  Registry& registry_;
  FollowedVersion& followed_;
  const std::optional<std::array<std::uint8_t, 33>> authority_;
  const authority::AuditLog* const audit_;
  Log& log_;
  std::mutex mutex_;
  std::uint64_t early_ = 0;                          // the highest serial of those that came before others
  std::set<std::array<std::uint8_t, 32>> in_force_;  // names of the orders that were carried out here
  const Ordered ordered_;
};

}  // namespace sealmq::server
