// A thin layer over the C interface of SQLite: owners for its handles, and its failures as Blame::environment; but what was asked
// for and can never be done (it breaks a constraint, or is too large) is Blame::caller_misused.
//
// Nothing here locks: one thread at a time per Database and the Statements made from it.
#pragma once

#include <memory>
#include <string>

#include "base/try.h"
#include "sealmq/bytes.h"
#include "sealmq/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sealmq::sqlite {

/// A prepared statement. Bind in order, then step or run; afterwards it can be bound again:
///
///   TRY(insert.bind(name).bind(wall).run());
///
///   select.bind(name);
///   while (TRY(select.step())) names.push_back(select.text(0));
class Statement {
 public:
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

  Statement& bind(std::uint64_t value);  ///< kept as the signed integer of the same bits
  Statement& bind(std::string_view value);
  Statement& bind(Bytes value);

  /// True: a row is there to be read. False: the end; the statement is ready for the next use.
  Result<bool> step();
  /// For statements without rows.
  Result<> run();
  /// Leaves the remaining rows unread.
  void reset();

  std::uint64_t number(int column) const;
  std::string text(int column) const;
  /// Valid until the next step, run or reset.
  Bytes blob(int column) const;
  bool is_null(int column) const;
  enum class Type : std::uint8_t { null, number, text, blob };
  Type type(int column) const;  ///< as it is kept; a fraction counts as text
  int columns() const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bound_ = 0;
  int trouble_ = 0;  // the first failed bind, answered by step
};

class Database {
 public:
  /// Opens the file in write-ahead mode, making it with mode 0600 if it is missing. Waits up to five seconds for other writers.
  /// What was committed is on the disk, whatever happens to the power: no opener may choose less.
  static Result<Database> open(const std::string& path);

  Result<Statement> prepare(std::string_view sql);
  /// Statements without parameters, separated by semicolons.
  Result<> execute(const char* sql);
  /// Rows that this connection has written since it was opened.
  std::uint64_t changes() const;
  /// Of a statement with one row and one column.
  Result<std::uint64_t> number(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  std::unique_ptr<sqlite3, Close> handle_;
};

/// Undone when it goes out of scope without commit().
class Transaction {
 public:
  /// Takes the write lock at once, so that what is read stays true until the commit.
  static Result<Transaction> begin(Database& database);
  Result<> commit();

  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

/// Whether what failed has found the file to be damaged, or none of SQLite's.
bool found_damage(const Error& error);

/// Of the library in use.
std::string library_version();

}  // namespace sealmq::sqlite
