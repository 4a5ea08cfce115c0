// RecoverablePasswords: the passwords of those few who log in by a published protocol that has the broker know them as they are.
// One line each, for the owner's eyes only (0600); whoever gets the file has the passwords:
//
//   NAME PASSWORD
//
// with the password in base64url. Lines that begin with # are for people.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::server {

using RecoverableEntries = std::map<std::string, Secret, std::less<>>;

/// Errors: caller_misused, with the line.
Result<RecoverableEntries> parse_recoverable_passwords(std::string_view text);
std::string to_text(const RecoverableEntries& entries);

/// As set_password() and remove_password() of password_file.h.
Result<> set_recoverable_password(const std::string& path, const std::string& name, Secret password);
Result<bool> remove_recoverable_password(const std::string& path, std::string_view name);

/// Reads the file each time it is asked, which nobody does often. Any thread.
class RecoverablePasswords {
 public:
  explicit RecoverablePasswords(std::string path) : path_(std::move(path)) {}

  /// Nothing: no such name, or no such file. Errors: caller_misused (others can read it, it is malformed), environment.
  Result<std::optional<Secret>> find(std::string_view name) const;

 private:
  const std::string path_;
};

}  // namespace sealmq::server
