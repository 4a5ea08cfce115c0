// PasswordFile: who may log in by user name and password. One line each, for the owner's eyes only (0600):
//
//   NAME scrypt 15 8 1 SALT HASH
//
// with log2 N, r, p of RFC 7914, and salt and hash in base64url. Lines that begin with # are for people.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "crypto/kdf.h"
#include "sealmq/ports.h"
#include "sealmq/scheme.h"

namespace sealmq::server {

struct PasswordEntry {
  crypto::ScryptCost cost;
  Buffer salt;
  Buffer hash;
};
using PasswordEntries = std::map<std::string, PasswordEntry, std::less<>>;

/// Errors: caller_misused, with the line.
Result<PasswordEntries> parse_passwords(std::string_view text);
std::string to_text(const PasswordEntries& entries);

/// With a fresh salt; takes a moment. Errors: environment.
Result<PasswordEntry> hash_password(Bytes password, Random& random);

/// Sets one password, or takes it away. In one step for whoever reads the file, which is made if it is missing. Errors:
/// environment; caller_misused (the file is malformed, or others can read it).
Result<> set_password(const std::string& path, const std::string& name, const PasswordEntry& entry);
/// False if there was none.
Result<bool> remove_password(const std::string& path, std::string_view name);

/// Follows the file: what was changed counts for the next login. Any thread.
class PasswordFile {
 public:
  PasswordFile(std::string path, Random& random);

  /// Null while there is no such file: then user names and passwords mean nothing.
  std::unique_ptr<Login> begin(LoginRequest& request);
  /// For logins of schemes; nothing: the name has no password.
  Result<std::optional<PasswordRecord>> find(std::string_view name);

 private:
  class Check;
  Result<std::shared_ptr<const PasswordEntries>> entries();

  const std::string path_;
  Secret fake_salts_;  // names that are not there are checked against something, so that they take as long
  std::mutex mutex_;
  std::shared_ptr<const PasswordEntries> known_;
  std::uint64_t seen_[4] = {};  // which file it was: device, inode, size, time
};

}  // namespace sealmq::server
