#include <algorithm>
#include <mutex>
#include <thread>
#include <variant>

#include "base/try.h"
#include "registry/sql_registry.h"
#include "registry/sqlite.h"
#include "registry/sqlite_schema.h"

namespace sealmq {
namespace {

using rules::damaged;
using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

// A look costs about as much as a system call.
constexpr std::chrono::milliseconds look_interval{20};

/// What a statement answered, read to its end.
class Rows {
 public:
  static Result<Rows> of(Statement& statement) {
    Rows rows;
    while (TRY(statement.step())) {
      auto& row = rows.rows_.emplace_back();
      for (int column = 0; column < statement.columns(); ++column) row.push_back(field(statement, column));
    }
    return rows;
  }

  int count() const { return static_cast<int>(rows_.size()); }
  bool is_null(int row, int column) const { return std::holds_alternative<Null>(at(row, column)); }
  Result<std::string> text(int row, int column) const { return get<std::string>(row, column); }
  Result<std::uint64_t> number(int row, int column) const {
    const auto number = TRY(get<std::int64_t>(row, column));
    if (number < 0) return damaged("a negative number");
    return static_cast<std::uint64_t>(number);
  }
  Result<Buffer> blob(int row, int column) const { return get<Buffer>(row, column); }

 private:
  using Null = std::monostate;
  using Field = std::variant<Null, std::int64_t, std::string, Buffer>;

  static Field field(const Statement& statement, int column) {
    switch (statement.type(column)) {
      case Statement::Type::null:
        return Null{};
      case Statement::Type::number:
        return static_cast<std::int64_t>(statement.number(column));
      case Statement::Type::text:
        return statement.text(column);
      case Statement::Type::blob:
        break;
    }
    return to_buffer(statement.blob(column));
  }
  const Field& at(int row, int column) const {
    return rows_.at(static_cast<std::size_t>(row)).at(static_cast<std::size_t>(column));
  }
  template <class T>
  Result<T> get(int row, int column) const {
    if (const T* value = std::get_if<T>(&at(row, column))) return *value;
    return damaged("a field of another type");
  }

  std::vector<std::vector<Field>> rows_;
};

class SqliteStore {
 public:
  class Session {
   public:
    explicit Session(Database& database) : database_(database) {}
    template <class... Values>
    Result<Rows> query(const char* statement, const Values&... values) {
      auto prepared = TRY(database_.prepare(statement));
      (prepared.bind(values), ...);
      return Rows::of(prepared);
    }

   private:
    Database& database_;
  };

  // Of this machine; all who use the file share it.
  static constexpr const char* moment = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
  // A clock that was set back makes a silence of less than nothing.
  static constexpr const char* silence = "max(0, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - seen)";

  explicit SqliteStore(Database database) : database_(std::move(database)) {}

  /// Several reads see one state of the file.
  template <class Work>
  std::invoke_result_t<const Work&, Session&> read(const Work& work) {
    const std::lock_guard lock(mutex_);
    TRY(database_.execute("BEGIN"));
    Session session(database_);
    auto answer = work(session);
    TRY(database_.execute("COMMIT"));
    return answer;
  }

  template <class Work>
  std::invoke_result_t<const Work&, Session&> write(const Work& work) {
    const std::lock_guard lock(mutex_);
    return write_alone(work);
  }

  template <class Work>
  std::invoke_result_t<const Work&, Session&> write_lightly(const Work& work) {
    const std::lock_guard lock(mutex_);
    TRY(database_.execute("PRAGMA synchronous = NORMAL"));
    auto answer = write_alone(work);
    TRY(database_.execute("PRAGMA synchronous = FULL"));
    return answer;
  }

  Result<std::uint64_t> version() {
    const std::lock_guard lock(mutex_);
    return read_version();
  }

  Result<std::uint64_t> wait_for_change(std::uint64_t seen, std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (true) {
      const auto found = TRY(version());
      const auto left = end - std::chrono::steady_clock::now();
      if (found != seen || left <= left.zero()) return found;
      std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(left, look_interval));
    }
  }

 private:
  template <class Work>
  std::invoke_result_t<const Work&, Session&> write_alone(const Work& work) {
    auto transaction = TRY(Transaction::begin(database_));
    Session session(database_);
    auto answer = work(session);
    if (answer) TRY(transaction.commit());
    return answer;
  }

  // data_version tells for almost nothing whether another connection has written; what, the table tells.
  Result<std::uint64_t> read_version() {
    if (!data_version_) data_version_.emplace(TRY(database_.prepare("PRAGMA data_version")));
    if (!TRY(data_version_->step())) return damaged("no data_version");
    const auto others = data_version_->number(0);
    data_version_->reset();
    const auto own = database_.changes();
    if (!version_ || others != seen_others_ || own != seen_own_) {
      if (!state_) state_.emplace(TRY(database_.prepare("SELECT version FROM state")));
      if (!TRY(state_->step())) return damaged("no version");
      version_ = state_->number(0);
      state_->reset();
      seen_others_ = others;
      seen_own_ = own;
    }
    return *version_;
  }

  std::mutex mutex_;
  Database database_;
  // Declared after, so destroyed before, their database.
  std::optional<Statement> data_version_;
  std::optional<Statement> state_;
  std::optional<std::uint64_t> version_;  // as it was when the two below were
  std::uint64_t seen_others_ = 0;
  std::uint64_t seen_own_ = 0;
};

}  // namespace

Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path) {
  auto database = TRY(Database::open(path));
  TRY(sqlite::prepare_registry(database));
  return std::make_unique<sql::SqlRegistry<SqliteStore>>(std::move(database));
}

}  // namespace sealmq
