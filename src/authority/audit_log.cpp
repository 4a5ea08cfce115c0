#include "authority/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/text.h"
#include "base/try.h"
#include "keystore/file_access.h"

namespace sealmq::authority {
namespace {

constexpr std::size_t longest_line = 64 * 1024;
constexpr std::size_t longest_text = 16 * 1024;  // six times as long when every character is escaped, and still short enough
constexpr std::string_view head_word = "sealmq-audit-head";

Failure refuse(std::string_view what) {
  return fail(Blame::caller_misused, "not a line of an audit log: " + std::string(what));
}

/// So that what was written is read as the same.
std::string clean(std::string_view text) {
  if (text.size() > longest_text) return printable(text, longest_text / 4);
  return is_mqtt_utf8(text) ? std::string(text) : printable(text, longest_text / 4);
}

std::optional<crypto::Digest> read_digest(std::string_view hex) {
  const auto bytes = from_hex(hex);
  crypto::Digest digest{};
  if (!bytes || bytes->size() != digest.size() || to_hex(*bytes) != hex) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return digest;
}

std::string entry_number(std::uint64_t number) {
  return "entry " + std::to_string(number);
}

}  // namespace

std::string to_line(const AuditEntry& entry) {
  return "{\"number\":" + std::to_string(entry.number) + ",\"time\":" + std::to_string(entry.time) + ",\"before\":\"" +
         to_hex(entry.before) + "\",\"what\":" + json_quoted(clean(entry.what)) + ",\"name\":" + json_quoted(clean(entry.name)) +
         ",\"by\":" + json_quoted(clean(entry.by)) + ",\"text\":" + json_quoted(clean(entry.text)) + "}";
}

Result<AuditEntry> parse_audit_line(std::string_view line) {
  if (line.size() > longest_line) return refuse("too long");
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return refuse("not an object of JSON");
  AuditEntry entry;
  for (const auto& [key, to] : {std::pair{"number", &entry.number}, std::pair{"time", &entry.time}}) {
    const auto at = json.find(key);
    if (at == json.end() || !at->is_number_unsigned()) return refuse(std::string(key) + " is missing");
    *to = at->get<std::uint64_t>();
  }
  std::string before;
  for (const auto& [key, to] : {std::pair{"before", &before}, std::pair{"what", &entry.what}, std::pair{"name", &entry.name},
                                std::pair{"by", &entry.by}, std::pair{"text", &entry.text}}) {
    const auto at = json.find(key);
    if (at == json.end() || !at->is_string()) return refuse(std::string(key) + " is missing");
    *to = at->get<std::string>();
  }
  const auto digest = read_digest(before);
  if (!digest) return refuse("before is not a hash");
  entry.before = *digest;
  // There is one way to write an entry; another order, spaces, other escapes or words of any kind are not it.
  if (to_line(entry) != line) return refuse("not as this program writes it");
  return entry;
}

std::string to_mark(const AuditHead& head) {
  return std::to_string(head.number) + ":" + to_hex(head.hash);
}

std::string to_text(const AuditHead& head) {
  return std::string(head_word) + " " + std::to_string(head.number) + " " + std::to_string(head.size) + " " + to_hex(head.hash) +
         "\n";
}

Result<AuditHead> parse_audit_head(std::string_view text) {
  AuditHead head;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](std::uint64_t& to) {
    if (at == end || *at != ' ') return false;
    const auto [stopped, error] = std::from_chars(at + 1, end, to);
    at = stopped;
    return error == std::errc();
  };
  const bool begins = text.starts_with(head_word);
  if (begins) at += head_word.size();
  if (begins && number(head.number) && number(head.size) && end - at == 1 + 64 + 1) {
    if (const auto hash = read_digest(std::string_view(at + 1, 64))) head.hash = *hash;
  }
  if (to_text(head) != text) return fail(Blame::caller_misused, "not the head of an audit log");
  return head;
}

AuditVerdict check_audit(std::string_view log, std::optional<AuditHead> head, std::string_view mark) {
  AuditVerdict verdict;
  AuditHead& last = verdict.last;
  bool is_marked = mark.empty() || mark == to_mark(last);
  std::optional<std::string> differs;  // from the head, which a break before it explains better
  const auto broken = [&](std::string words) {
    verdict.broken = std::move(words);
    return verdict;
  };
  while (last.size < log.size()) {
    const std::string_view rest = log.substr(last.size);
    const auto end = rest.find('\n');
    if (end == rest.npos) {
      verdict.unfinished = rest;
      break;
    }
    const std::string_view line = rest.substr(0, end);
    const std::string where = "line " + std::to_string(last.number + 1);
    const auto entry = parse_audit_line(line);
    if (!entry) return broken(where + " cannot be read: " + entry.error().what);
    if (entry->number > last.number + 1 && entry->before != last.hash)
      return broken(where + " holds " + entry_number(entry->number) + ": those from " + std::to_string(last.number + 1) +
                    " on were removed");
    if (entry->number != last.number + 1)
      return broken(where + " holds " + entry_number(entry->number) + ", which does not belong there");
    if (entry->before != last.hash) {
      return broken(last.number == 0
                        ? where + " follows another line, which was removed"
                        : entry_number(last.number) + " was changed after " + entry_number(entry->number) + " was written");
    }
    last = {entry->number, last.size + end + 1, crypto::sha256(as_bytes(line))};
    is_marked = is_marked || mark == to_mark(last);
    if (head && last.number == head->number && (last.hash != head->hash || last.size != head->size))
      differs = entry_number(last.number) + " was changed after it was written";
  }
  if (!head && log.empty() && is_marked) return verdict;
  if (!head) return broken("the head, which tells where the log ends, is missing");
  if (last.number < head->number) {
    return broken("the end was cut off: there are " + std::to_string(last.number) + " entries and there were " +
                  std::to_string(head->number));
  }
  if (differs) return broken(*differs);
  if (!is_marked) return broken("the entry with number and hash " + printable(mark) + " is not there: the log was written anew");
  // One more is what a sudden end leaves between the two files.
  if (last.number > head->number + 1)
    return broken("entries from " + std::to_string(head->number + 1) + " on were not written by this program");
  return verdict;
}

// -- the files -----------------------------------------------------------------------------------------------------------------

namespace {

Failure trouble(const std::string& what) {
  return fail(Blame::environment, what + ": " + error_text(errno));
}

/// Of the open file: let go when it is closed, however the process ends. Writers are quick; one that is not shall not stop
/// others.
Result<> lock(int file, const std::string& path) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  for (int attempt = 0; attempt < 500; ++attempt) {
    if (::fcntl(file, F_OFD_SETLK, &whole) == 0) return {};
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) return trouble("cannot lock " + path);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return fail(Blame::environment, "another program keeps " + path + " locked");
}

/// From `from` to the end, and not more than `longest`.
Result<std::string> read_from(int file, std::uint64_t from, std::uint64_t longest, const std::string& path) {
  std::string text;
  char part[64 * 1024];
  while (text.size() < longest) {
    const auto got =
        ::pread(file, part, std::min<std::uint64_t>(sizeof part, longest - text.size()), static_cast<off_t>(from + text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return trouble("cannot read " + path);
    if (got == 0) break;
    text.append(part, static_cast<std::size_t>(got));
  }
  return text;
}

Result<> write_at(int file, std::uint64_t at, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto put = ::pwrite(file, text.data(), text.size(), static_cast<off_t>(at));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return trouble("cannot write " + path);
    at += static_cast<std::uint64_t>(put);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fdatasync(file) != 0) return trouble("cannot write " + path);
  return {};
}

Result<std::uint64_t> size_of(int file, const std::string& path) {
  struct stat found {};
  if (::fstat(file, &found) != 0) return trouble("cannot read " + path);
  return static_cast<std::uint64_t>(found.st_size);
}

Result<std::optional<AuditHead>> read_head(const std::string& path) {
  if (!exists(path)) return std::nullopt;
  return parse_audit_head(TRY(read_public_file(path, wants_text)))
      .map_error([&path](const Error& error) {
        return Error{Blame::environment, path + ": " + error.what};
      })
      .map([](const AuditHead& head) { return std::optional(head); });
}

Failure not_as_it_was(const std::string& path, std::string_view how) {
  return fail(Blame::environment,
              path + " is not as it was left: " + std::string(how) + "\nhint: sealmq authority audit says where");
}

}  // namespace

// The log first, then its head: a writer that comes to a sudden end leaves at most one entry, whole or in part, between them.
Result<> AuditLog::append(int file, AuditHead& head, std::string_view what, std::string_view name, std::string_view text,
                          std::uint64_t wall) const {
  const AuditEntry entry{head.number + 1, wall, head.hash, std::string(what), std::string(name), by_, std::string(text)};
  const std::string line = to_line(entry);
  TRY(write_at(file, head.size, line + "\n", path_));
  head = {entry.number, head.size + line.size() + 1, crypto::sha256(as_bytes(line))};
  return replace_file(head_path(), to_text(head), Audience::owner);
}

Result<> AuditLog::mend(int file, AuditHead& head, std::uint64_t size, std::uint64_t wall) const {
  const std::string left = TRY(read_from(file, head.size, longest_line + 2, path_));
  const auto end = left.find('\n');
  if (end == left.npos && left.size() <= longest_line) {
    if (::ftruncate(file, static_cast<off_t>(head.size)) != 0) return trouble("cannot write " + path_);
    return append(file, head, "mended", "", "an entry of which " + std::to_string(left.size()) + " bytes were written", wall);
  }
  const std::string_view line = std::string_view(left).substr(0, end);
  const auto entry = parse_audit_line(line);
  if (!entry || entry->number != head.number + 1 || entry->before != head.hash || head.size + end + 1 != size)
    return not_as_it_was(path_, "something was added");
  head = {entry->number, size, crypto::sha256(as_bytes(line))};
  return {};
}

Result<> AuditLog::add(std::string_view what, std::string_view name, std::string_view text, std::uint64_t wall) const {
  const Descriptor file = open_or_make_file(path_, O_RDWR);
  if (!file.is_open()) return trouble("cannot open " + path_);
  TRY(lock(file.number(), path_));
  const auto size = TRY(size_of(file.number(), path_));
  AuditHead head = TRY(read_head(head_path())).value_or(AuditHead{});
  if (size < head.size) return not_as_it_was(path_, "the end was cut off");
  if (size > head.size) TRY(mend(file.number(), head, size, wall));
  return append(file.number(), head, what, name, text, wall);
}

Result<AuditVerdict> AuditLog::check(std::string_view mark) const {
  const Descriptor file(::open(path_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open() && errno != ENOENT) return trouble("cannot open " + path_);
  std::string log;
  if (file.is_open()) {
    TRY(lock(file.number(), path_));  // no writer is between the log and its head
    log = TRY(read_from(file.number(), 0, UINT64_MAX, path_));
  }
  return check_audit(log, TRY(read_head(head_path())), mark);
}

}  // namespace sealmq::authority
