// Registry: who is known to a broker. Blocking; never called from an event loop, which uses a Directory instead.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "sealmq/identity.h"

namespace sealmq {

/// What carrying out a revocation ended.
struct RevocationReport {
  std::uint64_t sessions = 0;
  std::uint64_t subscriptions = 0;
  std::uint64_t queued = 0;
  std::uint64_t retained = 0;
  std::uint64_t groups = 0;
  std::uint64_t microseconds = 0;  ///< from the moment the broker saw the order
  RevocationReport& operator+=(const RevocationReport& other);
  bool operator==(const RevocationReport&) const = default;
};

struct RevocationOrder {
  std::uint64_t number;
  std::string name;
};

/// Every call is one transaction. Errors: caller_misused (taken, unknown, already so) or environment. Any thread.
class Registry {
 public:
  virtual ~Registry() = default;

  /// The name and each public key must be new; also a revoked identity keeps its name and keys for ever.
  virtual Result<> add(const Identity& identity) = 0;
  /// Reads, lets `change` edit, writes. Name and keys cannot change.
  virtual Result<Identity> change(std::string_view name, const std::function<Result<>(Identity&)>& change) = 0;
  virtual Result<std::optional<Identity>> find(std::string_view name) = 0;
  /// By name.
  virtual Result<std::vector<Identity>> list() = 0;

  /// Marks it revoked and leaves an order for the running broker; answers the order's number.
  virtual Result<std::uint64_t> revoke(std::string_view name, std::string_view reason, std::uint64_t wall) = 0;
  virtual Result<std::vector<RevocationOrder>> open_orders() = 0;
  virtual Result<> report(std::uint64_t order, const RevocationReport& report) = 0;
  virtual Result<std::optional<RevocationReport>> report_of(std::uint64_t order) = 0;

  /// A number that differs after any change by anybody, also another process. Cheap: called every fraction of a second.
  virtual Result<std::uint64_t> version() = 0;
};

/// Makes the file (0600) if it is missing.
Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path);
/// For tests and for a broker without a disk.
std::unique_ptr<Registry> make_memory_registry();

/// The whole list at one moment, in memory; what event loops look into. Immutable: share it between threads.
class Directory {
 public:
  Directory() = default;
  explicit Directory(std::vector<Identity> identities);
  Directory(Directory&&) = default;
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  /// Null when unknown. The pointer lives as long as the Directory.
  const Identity* find(std::string_view name) const;
  const Identity* find_by_schnorr(const std::array<std::uint8_t, 32>& id) const;
  const std::vector<Identity>& all() const { return identities_; }

 private:
  std::vector<Identity> identities_;
  std::unordered_map<std::string_view, const Identity*> by_name_;
  std::unordered_map<std::string_view, const Identity*> by_schnorr_;
};

}  // namespace sealmq
