// The orders that a revocation authority has given, on its disk: numbered from 1 without gaps, each signed, none ever changed.
//
// What the bytes of an order are is the business of its scheme; the ledger gives it a number and keeps what comes of it. How
// brokers judge the numbers: Registry::take_order.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "registry/sqlite.h"
#include "sealmq/keystore.h"
#include "sealmq/registry.h"

namespace sealmq::authority {

/// What an authority decides.
struct Decision {
  bool restores = false;      ///< otherwise it revokes
  std::vector<KeyHash> keys;  ///< whom: everybody who has one of these keys
  std::uint8_t reason = 0;
  std::string name;        ///< and, for people, how that one is called; not part of the order
  std::string remark;      ///< likewise
  std::uint64_t wall = 0;  ///< milliseconds
  bool operator==(const Decision&) const = default;
};

struct IssuedOrder {
  std::uint64_t serial = 0;
  Decision decision;
  Buffer frame;  ///< signed, as it is sent
  bool operator==(const IssuedOrder&) const = default;
};

/// How far a broker has got, as the process that serves it wrote down.
struct Served {
  std::string broker;        ///< its URL
  std::uint64_t serial = 0;  ///< the last that it has acknowledged; 0: none
  std::string trouble;       ///< why it cannot be told more at present; empty: nothing is in the way
  bool operator==(const Served&) const = default;
};

/// Makes the signed bytes of an order.
using SignOrder = std::function<Result<Buffer>(std::uint64_t serial, const Decision& decision)>;

/// Any thread, several processes. Errors of all calls: environment.
class OrderLedger {
 public:
  /// Makes the file (0600) if it is missing; `authority` is the ECDSA key that signs. Errors: also caller_misused, for the ledger
  /// of another key: its numbers would begin again.
  static Result<std::unique_ptr<OrderLedger>> open(const std::string& path, const std::array<std::uint8_t, 33>& authority);

  /// The order is on the disk when it returns, and only then known to anybody: a number is never given twice. `sign` is called
  /// with the next number; when it fails, the number stays free.
  Result<IssuedOrder> issue(const Decision& decision, const SignOrder& sign);
  /// Those with a higher number, in order.
  Result<std::vector<IssuedOrder>> after(std::uint64_t serial);

  /// From now on these brokers are served, and no others; what they have acknowledged stays.
  Result<> serve(const std::vector<std::string>& brokers);
  Result<> note(const Served& served);
  /// By URL.
  Result<std::vector<Served>> served();

  /// Differs after any change by another process. Cheap.
  Result<std::uint64_t> version();

 private:
  explicit OrderLedger(sqlite::Database database) : database_(std::move(database)) {}
  std::mutex mutex_;
  sqlite::Database database_;
};

/// Where an authority keeps what is its own.
struct AuthorityFolder {
  std::string path;
  std::string key() const { return path + "/authority.key"; }
  std::string pub() const { return path + "/authority.pub"; }
  std::string ledger() const { return path + "/authority.db"; }
  std::string log() const { return path + "/log.db"; }
  std::string complaints() const { return path + "/complaints.db"; }
  std::string lock() const { return path + "/authority.lock"; }
};

/// Makes the folder and the key when they are missing. Errors: environment; caller_misused for a key that is not of an authority.
Result<std::unique_ptr<KeyStore>> open_or_create_authority_key(const AuthorityFolder& folder, Random& random);
/// Refuses a folder without a key: a wrong name shall not make a second authority.
Result<std::unique_ptr<KeyStore>> open_authority_key(const AuthorityFolder& folder, Random& random);

}  // namespace sealmq::authority
