#include <map>
#include <mutex>

#include "registry/rules.h"
#include "sealmq/registry.h"

namespace sealmq {
namespace {

class MemoryRegistry : public Registry {
 public:
  Result<> add(const Identity& identity) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_add(identity));
    if (identities_.contains(identity.name)) return rules::name_is_taken(identity.name);
    for (const Bytes key : rules::coordinates(identity.keys)) {
      if (const auto owner = key_owners_.find(as_text(key)); owner != key_owners_.end())
        return rules::key_is_taken(owner->second);
    }
    for (const Bytes key : rules::coordinates(identity.keys)) key_owners_.emplace(as_text(key), identity.name);
    identities_.emplace(identity.name, identity);
    ++version_;
    return {};
  }

  Result<Identity> change(std::string_view name, const std::function<Result<>(Identity&)>& change) override {
    const std::lock_guard lock(mutex_);
    const auto found = identities_.find(name);
    if (found == identities_.end()) return rules::unknown_name(name);
    Identity after = found->second;
    TRY(change(after));
    TRY(rules::may_become(found->second, after));
    ++version_;
    return found->second = std::move(after);
  }

  Result<std::optional<Identity>> find(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    const auto found = identities_.find(name);
    if (found == identities_.end()) return std::nullopt;
    return found->second;
  }

  Result<std::vector<Identity>> list() override {
    const std::lock_guard lock(mutex_);
    std::vector<Identity> all;
    for (const auto& [name, identity] : identities_) all.push_back(identity);
    return all;
  }

  Result<std::uint64_t> revoke(std::string_view name, std::string_view reason, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    const auto found = identities_.find(name);
    if (found == identities_.end()) return rules::unknown_name(name);
    Identity& identity = found->second;
    TRY(rules::may_revoke(identity));
    identity.status = Status::revoked;
    identity.revocation_reason = reason;
    identity.changed = wall;
    orders_.push_back({identity.name, std::nullopt});
    ++version_;
    return orders_.size();
  }

  Result<std::vector<RevocationOrder>> open_orders() override {
    const std::lock_guard lock(mutex_);
    std::vector<RevocationOrder> open;
    for (std::size_t i = 0; i < orders_.size(); ++i) {
      if (!orders_[i].report) open.push_back({i + 1, orders_[i].name});
    }
    return open;
  }

  Result<> report(std::uint64_t order, const RevocationReport& report) override {
    const std::lock_guard lock(mutex_);
    if (order == 0 || order > orders_.size()) return rules::unknown_order(order);
    if (orders_[order - 1].report) return rules::already_reported(order);
    orders_[order - 1].report = report;
    ++version_;
    return {};
  }

  Result<std::optional<RevocationReport>> report_of(std::uint64_t order) override {
    const std::lock_guard lock(mutex_);
    if (order == 0 || order > orders_.size()) return rules::unknown_order(order);
    return orders_[order - 1].report;
  }

  Result<std::uint64_t> version() override {
    const std::lock_guard lock(mutex_);
    return version_;
  }

 private:
  struct Order {
    std::string name;
    std::optional<RevocationReport> report;
  };

  std::mutex mutex_;
  std::map<std::string, Identity, std::less<>> identities_;
  std::map<std::string, std::string, std::less<>> key_owners_;  // x coordinate to name
  std::vector<Order> orders_;                                   // number n stands at n - 1
  std::uint64_t version_ = 0;
};

}  // namespace

std::unique_ptr<Registry> make_memory_registry() {
  return std::make_unique<MemoryRegistry>();
}

}  // namespace sealmq
