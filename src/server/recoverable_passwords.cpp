#include "server/recoverable_passwords.h"

#include "base/text.h"
#include "base/try.h"
#include "keystore/file_access.h"
#include "sealmq/identity.h"

namespace sealmq::server {
namespace {

constexpr std::size_t longest_file = 1 << 20;
constexpr std::size_t longest_password = 65535;  // that fits into CONNECT

Failure refuse(std::size_t line, const char* what) {
  return fail(Blame::caller_misused, "line " + std::to_string(line) + " of the recoverable passwords: " + what);
}

Result<RecoverableEntries> read(const std::string& path) {
  const Secret text = TRY(read_private_file(path, wants_password_list, longest_file));
  return parse_recoverable_passwords(as_text(text.reveal()));
}

Result<> write(const std::string& path, const RecoverableEntries& entries) {
  std::string text = to_text(entries);
  auto written = replace_file(path, text, Audience::owner);
  wipe(text.data(), text.size());
  return written;
}

}  // namespace

Result<RecoverableEntries> parse_recoverable_passwords(std::string_view text) {
  RecoverableEntries entries;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->empty() || line->starts_with('#')) continue;
    const auto space = line->find(' ');
    if (space == line->npos) return refuse(lines.number(), "not NAME PASSWORD");
    if (!is_identity_name(line->substr(0, space))) return refuse(lines.number(), "malformed name");
    auto password = from_base64url(line->substr(space + 1));
    if (!password || password->empty() || password->size() > longest_password)
      return refuse(lines.number(), "malformed password");
    if (!entries.emplace(line->substr(0, space), Secret(std::move(*password))).second)
      return refuse(lines.number(), "the name stands twice");
  }
  return entries;
}

std::string to_text(const RecoverableEntries& entries) {
  std::string text =
      "# passwords that can be read, for logins that need them so; `sealmq identity password NAME --recoverable` writes this "
      "file\n";
  for (const auto& [name, password] : entries) text += name + " " + to_base64url(password.reveal()) + "\n";
  return text;
}

Result<> set_recoverable_password(const std::string& path, const std::string& name, Secret password) {
  RecoverableEntries entries;
  if (exists(path)) entries = TRY(read(path));
  entries.insert_or_assign(name, std::move(password));
  return write(path, entries);
}

Result<bool> remove_recoverable_password(const std::string& path, std::string_view name) {
  if (!exists(path)) return false;
  RecoverableEntries entries = TRY(read(path));
  const auto at = entries.find(name);
  if (at == entries.end()) return false;
  entries.erase(at);
  TRY(write(path, entries));
  return true;
}

Result<std::optional<Secret>> RecoverablePasswords::find(std::string_view name) const {
  if (!exists(path_)) return std::nullopt;
  RecoverableEntries entries = TRY(read(path_));
  const auto at = entries.find(name);
  if (at == entries.end()) return std::nullopt;
  return std::move(at->second);
}

}  // namespace sealmq::server
