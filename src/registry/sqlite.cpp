#include "registry/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/try.h"

namespace sealmq::sqlite {
namespace {

constexpr int milliseconds_to_wait = 5000;

constexpr std::string_view damaged = " (the file is damaged)";

/// Trying again later is of no use: the disk has nothing to do with it.
bool is_of_the_request(int result) {
  const int primary = result & 0xFF;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH || primary == SQLITE_TOOBIG;
}

Failure trouble(sqlite3* database, std::string_view doing, int result) {
  const char* file = sqlite3_db_filename(database, "main");
  const bool is_damage = (result & 0xFF) == SQLITE_CORRUPT || (result & 0xFF) == SQLITE_NOTADB;
  return fail(is_of_the_request(result) ? Blame::caller_misused : Blame::environment,
              std::string(doing) + " " + (file != nullptr ? file : "the database") + ": " + sqlite3_errmsg(database) +
                  (is_damage ? std::string(damaged) : ""));
}

/// SQLite would make the file with the mode the umask leaves, so it is made first. A file that is there is not even opened here:
/// closing it would drop the locks that SQLite holds on it elsewhere in this process.
Result<> make_private(const std::string& path) {
  if (make_file(path, O_RDWR).is_open() || errno == EEXIST) return {};
  return fail(Blame::environment, "cannot make " + path + ": " + error_text(errno));
}

/// SQLite would refuse links in the path of the folder too, and a service's state folder may be reached by one.
Result<std::string> without_links_before(const std::string& path) {
  std::error_code trouble;
  const auto folder = std::filesystem::canonical(folder_of(path), trouble);
  if (trouble) return fail(Blame::environment, "cannot open " + path + ": " + trouble.message());
  return (folder / path.substr(path.rfind('/') + 1)).string();
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* handle) const {
  sqlite3_finalize(handle);
}
void Database::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

Statement& Statement::bind(std::uint64_t value) {
  const int result = sqlite3_bind_int64(handle_.get(), ++bound_, std::bit_cast<std::int64_t>(value));
  if (trouble_ == SQLITE_OK) trouble_ = result;
  return *this;
}

// Text and blobs are copied by SQLite, so that a Statement never points at what its caller has let go.
Statement& Statement::bind(std::string_view value) {
  const char* data = value.data() != nullptr ? value.data() : "";  // a null pointer would mean NULL, not ''
  const int result = sqlite3_bind_text64(handle_.get(), ++bound_, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (trouble_ == SQLITE_OK) trouble_ = result;
  return *this;
}

Statement& Statement::bind(Bytes value) {
  const void* data = value.data() != nullptr ? static_cast<const void*>(value.data()) : "";
  const int result = sqlite3_bind_blob64(handle_.get(), ++bound_, data, value.size(), SQLITE_TRANSIENT);
  if (trouble_ == SQLITE_OK) trouble_ = result;
  return *this;
}

Result<bool> Statement::step() {
  const int result = trouble_ != SQLITE_OK ? trouble_ : sqlite3_step(handle_.get());
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) {
    auto error = trouble(sqlite3_db_handle(handle_.get()), "cannot use", result);
    reset();
    return error;
  }
  reset();
  return false;
}

Result<> Statement::run() {
  while (TRY(step())) {
  }
  return {};
}

void Statement::reset() {
  sqlite3_reset(handle_.get());
  bound_ = 0;
  trouble_ = SQLITE_OK;
}

std::uint64_t Statement::number(int column) const {
  return std::bit_cast<std::uint64_t>(static_cast<std::int64_t>(sqlite3_column_int64(handle_.get(), column)));
}

std::string Statement::text(int column) const {
  return std::string(as_text(blob(column)));
}

Bytes Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_.get(), column);
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

Statement::Type Statement::type(int column) const {
  switch (sqlite3_column_type(handle_.get(), column)) {
    case SQLITE_NULL:
      return Type::null;
    case SQLITE_INTEGER:
      return Type::number;
    case SQLITE_BLOB:
      return Type::blob;
    default:
      return Type::text;
  }
}

int Statement::columns() const {
  return sqlite3_column_count(handle_.get());
}

Result<Database> Database::open(const std::string& path) {
  TRY(make_private(path));
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(TRY(without_links_before(path)).c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  Database database(handle);  // also a failed open leaves a handle to be closed
  if (result != SQLITE_OK) return fail(Blame::environment, "cannot open " + path + ": " + sqlite3_errstr(result));

  sqlite3_busy_timeout(handle, milliseconds_to_wait);
  TRY(database.execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF"));
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const int result =
      sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (result != SQLITE_OK) return trouble(handle_.get(), "cannot use", result);
  return Statement(handle);
}

Result<> Database::execute(const char* sql) {
  const int result = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return trouble(handle_.get(), "cannot use", result);
  return {};
}

std::uint64_t Database::changes() const {
  return static_cast<std::uint64_t>(sqlite3_total_changes64(handle_.get()));
}

Result<std::uint64_t> Database::number(std::string_view sql) {
  auto statement = TRY(prepare(sql));
  if (!TRY(statement.step())) return fail(Blame::environment, "the database answered nothing");
  return statement.number(0);
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Result<> Transaction::commit() {
  TRY(database_->execute("COMMIT"));  // on failure the destructor still undoes
  database_ = nullptr;
  return {};
}

Transaction::~Transaction() {
  // Nothing can be done about a failure here; SQLite undoes an open transaction at the next use of the file.
  if (database_ != nullptr) static_cast<void>(database_->execute("ROLLBACK"));
}

bool found_damage(const Error& error) {
  return error.what.ends_with(damaged);
}

std::string library_version() {
  return sqlite3_libversion();
}

}  // namespace sealmq::sqlite
