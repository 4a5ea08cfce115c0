// The audit log: who may do what, since when, and by whom it was changed. Lines are only ever added.
//
// Each line holds the SHA-256 of the line before, so that nothing can be changed, removed or put in between without the next line
// showing it. What was last written stands in a second small file, the head, so that an end that was cut off is missed.
//
//   {"number":2,"time":1700000000123,"before":"9f86…","what":"revoke","name":"boiler-7","by":"uid 0","text":"stolen"}
//
// Whoever may write in the data folder can write both files anew. What keeps them from it is a copy of the head elsewhere: number
// and hash of any one line bind everything before it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/hash.h"
#include "registry/data_folder.h"
#include "sealmq/result.h"

namespace sealmq::authority {

struct AuditEntry {
  std::uint64_t number = 0;  ///< from 1
  std::uint64_t time = 0;    ///< wall milliseconds
  crypto::Digest before{};   ///< of the line before, without its end; zeros for the first
  std::string what;          ///< one word: enroll, allow, deny, revoke, restore, ticket, join, password, carried-out, mended
  std::string name;          ///< whom it is about
  std::string by;            ///< who did it
  std::string text;          ///< the rest: rights, reason, figures
  bool operator==(const AuditEntry&) const = default;
};

/// Without the line's end. Text that is not UTF-8 is written as `printable` shows it.
std::string to_line(const AuditEntry& entry);
/// Strict: nothing but what to_line writes. Errors: caller_misused.
Result<AuditEntry> parse_audit_line(std::string_view line);

struct AuditHead {
  std::uint64_t number = 0;  ///< of the last entry; 0: there is none
  std::uint64_t size = 0;    ///< of the log, in bytes
  crypto::Digest hash{};     ///< of the last line
  bool operator==(const AuditHead&) const = default;
};

/// NUMBER:HASH, for people to keep elsewhere.
std::string to_mark(const AuditHead& head);
std::string to_text(const AuditHead& head);
Result<AuditHead> parse_audit_head(std::string_view text);

/// What a look at the whole log finds.
struct AuditVerdict {
  AuditHead last;                     ///< of the entries that hold together
  std::optional<std::string> broken;  ///< where and how, for people
  std::string unfinished;             ///< a last line that its writer did not finish: the next entry mends that
};
/// No head: it is missing. `mark`: of an entry that must be in the log; empty: none in particular.
AuditVerdict check_audit(std::string_view log, std::optional<AuditHead> head, std::string_view mark = {});

/// Any thread and several processes: each entry is written under a lock of the file.
class AuditLog {
 public:
  /// Nothing is opened or made before the first entry. `by` is who writes.
  AuditLog(const DataFolder& folder, std::string by) : path_(folder.audit_log()), by_(std::move(by)) {}

  /// On the disk when it returns. Mends what a sudden end has left. Errors: environment, also if the log is not what it was.
  Result<> add(std::string_view what, std::string_view name, std::string_view text, std::uint64_t wall) const;

  /// Reads all of it. Errors: environment.
  Result<AuditVerdict> check(std::string_view mark = {}) const;

 private:
  Result<> append(int file, AuditHead& head, std::string_view what, std::string_view name, std::string_view text,
                  std::uint64_t wall) const;
  Result<> mend(int file, AuditHead& head, std::uint64_t size, std::uint64_t wall) const;
  std::string head_path() const { return path_ + ".head"; }
  std::string path_;
  std::string by_;
};

}  // namespace sealmq::authority
