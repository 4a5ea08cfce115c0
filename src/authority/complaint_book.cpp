#include "authority/complaint_book.h"

#include <algorithm>

#include "base/try.h"
#include "sealmq/identity.h"

namespace sealmq::authority {
namespace {

using sqlite::Database;
using sqlite::Transaction;

constexpr const char* schema = R"(
  CREATE TABLE complaint (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    requester BLOB NOT NULL CHECK (length(requester) = 33),
    request   INTEGER NOT NULL,
    wall      INTEGER NOT NULL,
    frame     BLOB              -- NULL: dealt with
  ) STRICT;
  CREATE INDEX complaint_by_requester ON complaint (requester, request);
  PRAGMA user_version = 1;
)";

Failure refused(const char* why) {
  return fail(Blame::not_authorised, why);
}

}  // namespace

Result<std::unique_ptr<ComplaintBook>> ComplaintBook::open(const std::string& path) {
  auto database = TRY(Database::open(path));
  {
    auto transaction = TRY(Transaction::begin(database));
    const auto found = TRY(database.number("PRAGMA user_version"));
    if (found > 1)
      return fail(Blame::environment, "the complaints have schema " + std::to_string(found) + ", this program knows 1");
    if (found == 0) TRY(database.execute(schema));
    TRY(transaction.commit());
  }
  return std::unique_ptr<ComplaintBook>(new ComplaintBook(std::move(database)));
}

Result<std::uint64_t> ComplaintBook::add(const Complaint& complaint) {
  const std::lock_guard lock(mutex_);
  if (complaint.frame.size() > maximum_complaint_size) return refused("too long for a complaint");
  auto transaction = TRY(Transaction::begin(database_));
  if (is_there(complaint.requester)) {
    auto later = TRY(database_.prepare("SELECT 1 FROM complaint WHERE requester = ? AND request >= ?"));
    if (TRY(later.bind(Bytes(complaint.requester)).bind(complaint.request).step()))
      return refused("a copy: this requester has sent a later one");
  } else {
    auto same = TRY(database_.prepare("SELECT 1 FROM complaint WHERE requester = ? AND frame = ?"));
    if (TRY(same.bind(Bytes(complaint.requester)).bind(Bytes(complaint.frame)).step())) return refused("a copy");
  }
  const auto kept = TRY(database_.number("SELECT count(frame) FROM complaint"));
  const auto bytes = TRY(database_.number("SELECT coalesce(sum(length(frame)), 0) FROM complaint"));
  if (kept >= maximum_complaints || bytes + complaint.frame.size() > maximum_complaint_bytes)
    return refused("too many complaints wait for somebody to look at them");
  {
    auto own = TRY(database_.prepare("SELECT count(frame) FROM complaint WHERE requester = ?"));
    if (TRY(own.bind(Bytes(complaint.requester)).step()) && own.number(0) >= maximum_of_one_requester)
      return refused("too many complaints of one requester");
  }
  auto insert = TRY(database_.prepare("INSERT INTO complaint (requester, request, wall, frame) VALUES (?, ?, ?, ?)"));
  TRY(insert.bind(Bytes(complaint.requester)).bind(complaint.request).bind(complaint.wall).bind(Bytes(complaint.frame)).run());
  const auto number = TRY(database_.number("SELECT last_insert_rowid()"));
  TRY(transaction.commit());
  return number;
}

Result<std::vector<Complaint>> ComplaintBook::open_ones() {
  const std::lock_guard lock(mutex_);
  auto rows = TRY(
      database_.prepare("SELECT number, requester, request, wall, frame FROM complaint WHERE frame IS NOT NULL ORDER BY number"));
  std::vector<Complaint> all;
  while (TRY(rows.step())) {
    Complaint one;
    one.number = rows.number(0);
    const Bytes requester = rows.blob(1);
    if (requester.size() != one.requester.size()) return fail(Blame::environment, "the complaints are damaged");
    std::copy(requester.begin(), requester.end(), one.requester.begin());
    one.request = rows.number(2);
    one.wall = rows.number(3);
    one.frame = to_buffer(rows.blob(4));
    all.push_back(std::move(one));
  }
  return all;
}

Result<> ComplaintBook::close(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  auto transaction = TRY(Transaction::begin(database_));
  {
    auto found = TRY(database_.prepare("SELECT 1 FROM complaint WHERE number = ? AND frame IS NOT NULL"));
    if (!TRY(found.bind(number).step()))
      return fail(Blame::caller_misused, "there is no open complaint " + std::to_string(number));
  }
  auto update = TRY(database_.prepare("UPDATE complaint SET frame = NULL WHERE number = ?"));
  TRY(update.bind(number).run());
  auto forget =
      TRY(database_.prepare("DELETE FROM complaint WHERE frame IS NULL AND number NOT IN "
                            "(SELECT number FROM complaint WHERE frame IS NULL ORDER BY number DESC LIMIT ?)"));
  TRY(forget.bind(std::uint64_t{remembered_complaints}).run());
  return transaction.commit();
}

}  // namespace sealmq::authority
