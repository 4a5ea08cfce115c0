// PasswordFile: who may log in by user name and password. One line each, for the owner's eyes only (0600), or as containers mount
// secrets (read_mounted_file):
//
//   NAME scrypt 17 8 1 SALT HASH
//
// with log2 N, r, p of RFC 7914, and salt and hash in base64url. Lines that begin with # are for people.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "broker/shard.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "sealmq/ports.h"
#include "sealmq/scheme.h"

namespace sealmq::server {

struct PasswordEntry {
  crypto::ScryptCost cost;
  Buffer salt;
  Buffer hash;
  bool operator==(const PasswordEntry&) const = default;
};
using PasswordEntries = std::map<std::string, PasswordEntry, std::less<>>;

/// What no login could be decided by is found before one comes. Errors: environment; caller_misused.
Result<PasswordEntries> read_passwords(const std::string& path);
/// Errors: caller_misused, with the line.
Result<PasswordEntries> parse_passwords(std::string_view text);
std::string to_text(const PasswordEntries& entries);

/// With a fresh salt; takes a moment. Errors: environment.
Result<PasswordEntry> hash_password(Bytes password, Random& random, crypto::ScryptCost cost = {});
/// What the password of such an identity is hashed with.
crypto::ScryptCost cost_for(Kind kind);

/// Sets one password, or takes it away. In one step for whoever reads the file, which is made if it is missing. Errors:
/// environment; caller_misused (the file is malformed, or others can read it).
Result<> set_password(const std::string& path, const std::string& name, const PasswordEntry& entry);
/// The same, if its present record is `former`. False: it is not any more.
Result<bool> replace_password(const std::string& path, const std::string& name, const PasswordEntry& former,
                              const PasswordEntry& entry);
/// False if there was none.
Result<bool> remove_password(const std::string& path, std::string_view name);

/// Follows the file: what was changed counts for the next login. Any thread.
class PasswordFile {
 public:
  using CostFor = std::function<crypto::ScryptCost(Kind)>;
  /// `must_be_there`: the configuration names it. `cost`: cheaper records are made anew with it.
  PasswordFile(std::string path, Random& random, bool must_be_there, CostFor cost = cost_for);

  /// Null as long as there never was such a file: then user names and passwords mean nothing. One that has gone lets nobody in.
  /// What was verified lately is decided by a quick hash, on an event loop too; anything else by a slow one.
  broker::BegunLogin begin(LoginRequest& request, Now now);
  /// For logins of schemes; nothing: the name has no password.
  Result<std::optional<PasswordRecord>> find(std::string_view name);
  /// PasswordSource::some_cost. The same number draws the same cost, as long as there are about the same records.
  Result<PasswordRecord> some_cost(std::uint64_t draw);
  /// How often the name's record was changed or taken away, but for one that was only hashed anew here. Reads the file if it has
  /// changed; one that cannot be read has changed nothing.
  std::uint64_t changes_of(std::string_view name);
  /// The same of all names.
  std::uint64_t changes();
  /// Passwords that took a slow hash so far; the others were verified not long ago.
  std::uint64_t hashed() const { return hashed_; }

 private:
  class Check;
  /// The record that is there now.
  PasswordEntry hash_anew(const std::string& name, PasswordEntry former, const Secret& password, Kind kind);
  /// A password that was verified, as HMAC of name, record and password: any change of the record ends it.
  struct Verified {
    crypto::Digest mark;
    Buffer salt;         // of the record
    std::uint64_t when;  // steady, of the shard
  };
  static constexpr std::uint64_t verified_lasts = 3'600'000;  // milliseconds
  static constexpr std::size_t most_verified = 100'000;
  using Seen = std::array<std::uint64_t, 4>;  // which file it was: device, inode, size, time

  bool is_kept();
  /// Nothing: it is not there, and errno says why.
  std::optional<Seen> look() const;
  /// Without reading the file and without waiting: an event loop asks.
  bool is_verified(std::string_view name, const Secret& password, std::uint64_t now);
  /// With mutex_ held.
  void forget_verified(const std::function<bool(const std::string& name, const Verified&)>& is_over);
  /// With mutex_ held.
  void count_changes(const PasswordEntries& now);
  Result<Secret> hash(const Secret& password, const PasswordEntry& entry);
  Result<std::shared_ptr<const PasswordEntries>> entries();
  crypto::Digest mark_of(std::string_view name, const PasswordEntry& entry, const Secret& password) const;
  bool was_verified(std::string_view name, const crypto::Digest& mark, std::uint64_t now);
  void keep_verified(std::string_view name, const PasswordEntry& entry, const Secret& password, std::uint64_t now);

  const std::string path_;
  Random& random_;
  const CostFor cost_;
  std::atomic<bool> is_kept_;
  std::atomic<std::uint64_t> hashed_ = 0;
  Secret marks_;       // a fleet that comes back is compared by these first, which costs next to nothing
  Secret fake_salts_;  // names that are not there are checked against something, so that they take as long
  std::mutex mutex_;
  std::shared_ptr<const PasswordEntries> known_;
  std::map<std::string, Verified, std::less<>> verified_;
  std::map<std::string, std::uint64_t, std::less<>> changes_;
  std::uint64_t all_changes_ = 0;
  PasswordEntries hashed_anew_;  // the last record of each that was, until the file is read
  std::uint64_t next_look_ = 0;  // steady: for those whose time is over
  Seen seen_{};
};

}  // namespace sealmq::server
