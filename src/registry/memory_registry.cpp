#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/try.h"
#include "crypto/identity_digest.h"
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
    TRY(take_keys(identity));
    identities_.emplace(identity.name, identity);
    changed();
    return {};
  }

  Result<Identity> change(std::string_view name, const std::function<Result<>(Identity&)>& change) override {
    const std::lock_guard lock(mutex_);
    const auto found = identities_.find(name);
    if (found == identities_.end()) return rules::unknown_name(name);
    Identity after = found->second;
    TRY(change(after));
    TRY(rules::may_become(found->second, after));
    changed();
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
    TRY(rules::revoke(identity, reason, wall));
    orders_.push_back({identity.name, {}});
    changed();
    return orders_.size();
  }

  Result<Identity> restore(std::string_view name, bool against_authority, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    const auto found = identities_.find(name);
    if (found == identities_.end()) return rules::unknown_name(name);
    TRY(rules::restore(found->second, against_authority, wall));
    changed();
    return found->second;
  }

  Result<std::uint64_t> remove(std::string_view name, std::uint64_t) override {
    const std::lock_guard lock(mutex_);
    const auto found = identities_.find(name);
    if (found == identities_.end()) return rules::unknown_name(name);
    give_up_keys(found->second, found->second.status == Status::revoked);
    identities_.erase(found);
    orders_.push_back({std::string(name), {}});
    changed();
    return orders_.size();
  }

  Result<std::uint64_t> rekey(const PublicIdentity& fresh, std::string_view proof, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_rekey(fresh));
    const auto found = identities_.find(fresh.name);
    if (found == identities_.end()) return rules::unknown_name(fresh.name);
    Identity& identity = found->second;
    TRY(take_keys(fresh));
    give_up_keys(identity, true);
    static_cast<PublicIdentity&>(identity) = fresh;
    identity.proof = proof;
    rules::begin_anew(identity, wall);
    orders_.push_back({identity.name, {}});
    changed();
    return orders_.size();
  }

  Result<std::vector<RevocationOrder>> open_orders(std::string_view broker) override {
    const std::lock_guard lock(mutex_);
    const auto at = brokers_.find(broker);
    if (at == brokers_.end()) return rules::unknown_broker(broker);
    std::vector<RevocationOrder> open;
    for (std::size_t i = at->second.since; i < orders_.size(); ++i) {
      if (!orders_[i].reports.contains(broker)) open.push_back({i + 1, orders_[i].name});
    }
    return open;
  }

  Result<> report(std::uint64_t order, std::string_view broker, const RevocationReport& report) override {
    const std::lock_guard lock(mutex_);
    if (order == 0 || order > orders_.size()) return rules::unknown_order(order);
    if (!brokers_.contains(broker)) return rules::unknown_broker(broker);
    if (!orders_[order - 1].reports.emplace(broker, report).second) return rules::already_reported(order, broker);
    return {};
  }

  Result<std::uint64_t> last_order(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = orders_.size(); i > 0; --i)
      if (orders_[i - 1].name == name) return i;
    return 0;
  }

  Result<Progress> progress(std::uint64_t order) override {
    const std::lock_guard lock(mutex_);
    if (order == 0 || order > orders_.size()) return rules::unknown_order(order);
    Progress progress;
    const auto& reports = orders_[order - 1].reports;
    for (const auto& [broker, report] : reports) progress.done.push_back({broker, report});
    for (const auto& [id, broker] : brokers_) {
      if (broker.since >= order || reports.contains(id)) continue;
      Progress::Owed owed{id, std::nullopt};
      if (broker.seen) owed.silence = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - *broker.seen);
      progress.owed.push_back(std::move(owed));
    }
    return progress;
  }

  Result<> heartbeat(std::string_view broker) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_be_broker(broker));
    brokers_.try_emplace(std::string(broker), Broker{std::nullopt, orders_.size()}).first->second.seen = Clock::now();
    return {};
  }

  Result<> goodbye(std::string_view broker) override {
    const std::lock_guard lock(mutex_);
    const auto at = brokers_.find(broker);
    if (at == brokers_.end()) return rules::unknown_broker(broker);
    at->second.seen.reset();
    return {};
  }

  Result<> follow(std::string_view broker, std::uint64_t version) override {
    const std::lock_guard lock(mutex_);
    const auto at = brokers_.find(broker);
    if (at == brokers_.end()) return rules::unknown_broker(broker);
    at->second.followed = version;
    return {};
  }

  Result<std::vector<std::string>> behind(std::uint64_t version) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> behind;
    for (const auto& [id, broker] : brokers_)
      if (broker.followed < version && broker.seen && Clock::now() - *broker.seen <= longest_silence) behind.push_back(id);
    return behind;
  }

  Result<> add_ticket(const TicketHash& hash, const Ticket& ticket, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_add(ticket));
    std::erase_if(tickets_, [wall](const auto& entry) { return entry.second.expires <= wall; });
    if (identities_.contains(ticket.name)) return rules::name_is_taken(ticket.name);
    if (!tickets_.emplace(hash, ticket).second) return rules::ticket_is_taken();
    return {};
  }

  Result<std::optional<Ticket>> burn_ticket(const TicketHash& hash, std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    const auto taken = tickets_.extract(hash);
    if (taken.empty() || taken.mapped().expires <= wall) return std::nullopt;
    return taken.mapped();
  }

  Result<std::vector<Ticket>> tickets(std::uint64_t wall) override {
    const std::lock_guard lock(mutex_);
    std::vector<Ticket> all;
    for (const auto& [hash, ticket] : tickets_)
      if (ticket.expires > wall) all.push_back(ticket);
    std::ranges::sort(all, {}, [](const Ticket& ticket) { return std::pair(std::string_view(ticket.name), ticket.expires); });
    return all;
  }

  Result<std::size_t> cancel_tickets(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    return std::erase_if(tickets_, [name](const auto& entry) { return entry.second.name == name; });
  }

  Result<TakenOrder> take_order(const AuthorityOrder& order) override {
    const std::lock_guard lock(mutex_);
    TRY(rules::may_take(order));
    auto& digests = digests_[order.authority];
    rules::OrdersTaken before;
    if (!digests.empty()) before.last = digests.rbegin()->first;
    if (const auto same = digests.find(order.serial); same != digests.end()) before.digest = to_buffer(same->second);
    TakenOrder taken;
    taken.is_new = TRY(rules::judge(order, before));
    auto& ordered = ordered_[order.authority];
    if (taken.is_new) {
      digests.emplace(order.serial, order.digest);
      for (const KeyHash& key : order.keys) ordered[key] = {order.serial, order.restores};
      for (auto& [name, identity] : identities_) {
        if (!rules::is_meant(order, identity.keys)) continue;
        taken.names.push_back(name);
        const auto done = rules::obey(identity, standing_order(identity.keys), order.wall);
        if (done == rules::Obeyed::ended) orders_.push_back({name, {}});
        if (done != rules::Obeyed::nothing) changed();
      }
    }
    for (const auto& [key, last] : ordered)
      if (last.serial == order.serial) taken.latest_for.push_back(key);
    return taken;
  }

  Result<std::uint64_t> last_serial(const std::array<std::uint8_t, 32>& authority) override {
    const std::lock_guard lock(mutex_);
    const auto taken = digests_.find(authority);
    return taken == digests_.end() || taken->second.empty() ? 0 : taken->second.rbegin()->first;
  }

  Result<std::uint64_t> version() override {
    const std::lock_guard lock(mutex_);
    return version_;
  }

  Result<std::uint64_t> wait_for_change(std::uint64_t seen, std::chrono::milliseconds patience) override {
    std::unique_lock lock(mutex_);
    changes_.wait_for(lock, patience, [&] { return version_ != seen; });
    return version_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Order {
    std::string name;
    std::map<std::string, RevocationReport, std::less<>> reports;  // by broker
  };
  struct LastOrder {  // about a key
    std::uint64_t serial = 0;
    bool restores = false;
  };
  struct Broker {
    std::optional<Clock::time_point> seen;
    std::size_t since;           // so many orders were there before it
    std::uint64_t followed = 0;  // the version of the list that it goes by
  };

  Result<> take_keys(const PublicIdentity& identity) {
    for (const Bytes key : rules::coordinates(identity.keys)) {
      if (const auto owner = key_owners_.find(as_text(key)); owner != key_owners_.end())
        return rules::key_is_taken(owner->second);
      if (const auto owner = retired_.find(as_text(key)); owner != retired_.end()) return rules::key_is_retired(owner->second);
    }
    if (const auto serial = standing_order(identity.keys); serial != 0) return rules::key_is_ordered(serial);
    for (const Bytes key : rules::coordinates(identity.keys)) key_owners_.emplace(as_text(key), identity.name);
    return {};
  }
  void give_up_keys(const Identity& identity, bool for_ever) {
    for (const Bytes key : rules::coordinates(identity.keys)) {
      key_owners_.erase(key_owners_.find(as_text(key)));
      if (for_ever) retired_.emplace(as_text(key), identity.name);
    }
  }

  /// The serial of an authority's order that revokes one of these keys and is the last about it; 0: there is none.
  std::uint64_t standing_order(const PublicKeys& keys) const {
    std::uint64_t standing = 0;
    for (const KeyHash& key : crypto::key_hashes(keys))
      for (const auto& [authority, ordered] : ordered_)
        if (const auto last = ordered.find(key); last != ordered.end() && !last->second.restores)
          standing = std::max(standing, last->second.serial);
    return standing;
  }

  void changed() {
    ++version_;
    changes_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changes_;
  std::map<std::string, Identity, std::less<>> identities_;
  std::map<std::string, std::string, std::less<>> key_owners_;  // x coordinate to name
  std::map<std::string, std::string, std::less<>> retired_;     // likewise, of keys that are nobody's any more
  std::vector<Order> orders_;                                   // number n stands at n - 1
  std::map<std::string, Broker, std::less<>> brokers_;
  std::map<TicketHash, Ticket> tickets_;
  using Digest = std::array<std::uint8_t, 32>;
  std::map<Digest, std::map<std::uint64_t, Digest>> digests_;  // by authority, of the orders that were taken, by serial
  std::map<Digest, std::map<KeyHash, LastOrder>> ordered_;     // by authority
  std::uint64_t version_ = 0;
};

}  // namespace

std::unique_ptr<Registry> make_memory_registry() {
  return std::make_unique<MemoryRegistry>();
}

}  // namespace sealmq
