#include "server/replay_memory.h"

#include <algorithm>
#include <limits>
#include <mutex>

#include "registry/sqlite.h"
#include "server/replay_table.h"

namespace sealmq {
namespace {

using sqlite::Database;
using sqlite::Durability;
using sqlite::Statement;
using sqlite::Transaction;

// Small enough that a message is not held up by it, more than the one digest that a message adds.
constexpr std::size_t drops_per_message = 4;
constexpr std::uint64_t pages_worth_a_second_checkpoint = 1000;

// New digests come at the end of their table and old ones leave at its front, so a message touches two pages whatever the size.
// The names carry the version, because the file may hold tables of others and their user_version.
constexpr const char* schema = R"(
  CREATE TABLE IF NOT EXISTS replay_window_1 (
    scheme  TEXT NOT NULL,
    author  BLOB NOT NULL,
    highest INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    PRIMARY KEY (scheme, author)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS replay_digest_1 (
    forget_after INTEGER NOT NULL,
    scheme       TEXT NOT NULL,
    digest       BLOB NOT NULL,
    PRIMARY KEY (forget_after, scheme, digest)
  ) STRICT, WITHOUT ROWID;
)";

/// SQLite compares signed numbers.
std::uint64_t comparable(std::uint64_t wall) {
  return std::min(wall, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

Failure full() {
  return fail(Blame::environment, "the replay memory is full");
}

bool keeps_digest(const ReplayMark& mark, Now now) {
  return now.wall <= mark.forget_after;
}

class VolatileMemory : public ReplayMemory {
 public:
  explicit VolatileMemory(ReplayLimits limits) : table_(limits.digests) {}

  Result<Replay> judge(const ReplayMark& mark, Now now) override {
    const std::lock_guard lock(mutex_);
    table_.drop_expired(now, drops_per_message);
    const auto verdict = table_.look(mark, now);
    if (verdict != Replay::fresh) return verdict;
    if (keeps_digest(mark, now)) {
      if (table_.is_full()) return full();
      table_.put_digest(mark.scheme, mark.digest, mark.forget_after);
    }
    if (mark.ordered) table_.put_window(mark.scheme, mark.author, table_.window_after(mark));
    return verdict;
  }

 private:
  std::mutex mutex_;
  ReplayTable table_;
};

class FileMemory : public StoredReplayMemory {
 public:
  static Result<std::unique_ptr<StoredReplayMemory>> open(const std::string& path, ReplayLimits limits) {
    auto database = TRY(Database::open(path, Durability::up_to_the_last_checkpoint));
    // A checkpoint waits for the disk; maintain() does it, not the message that happens to fill the log.
    TRY(database.execute("PRAGMA wal_autocheckpoint = 0"));
    TRY(database.execute(schema));
    ReplayTable table(limits.digests);
    TRY(load(database, table));
    auto checkpointer = TRY(Database::open(path, Durability::up_to_the_last_checkpoint));
    Statements statements = TRY(Statements::prepare(database));
    return std::make_unique<FileMemory>(std::move(database), std::move(checkpointer), std::move(statements), std::move(table));
  }

  Result<Replay> judge(const ReplayMark& mark, Now now) override {
    const std::lock_guard lock(mutex_);
    table_.drop_expired(now, drops_per_message);
    const auto verdict = table_.look(mark, now);
    if (verdict != Replay::fresh) return verdict;
    const bool keep = keeps_digest(mark, now);
    if (keep && table_.is_full()) return full();

    // First the file, then the table: a failure leaves both as they were.
    const auto window = table_.window_after(mark);
    TRY(write(mark, keep, window));
    if (keep) table_.put_digest(mark.scheme, mark.digest, mark.forget_after);
    if (mark.ordered) table_.put_window(mark.scheme, mark.author, window);
    return verdict;
  }

  Result<> maintain(Now now) override {
    const std::lock_guard one_at_a_time(maintenance_mutex_);
    while (TRY(purge_some(now)) > 0) {
    }
    // The long part runs beside judge(). What judge() wrote meanwhile is a short rest, and when that is done too the log starts
    // again at its beginning.
    const auto pages = TRY(checkpoint());
    if (pages >= pages_worth_a_second_checkpoint) {
      const std::lock_guard lock(mutex_);
      TRY(checkpoint());
    }
    return {};
  }

  struct Statements {
    Statement begin;
    Statement commit;
    Statement rollback;
    Statement put_digest;
    Statement put_window;
    Statement purge;
    Statement changes;

    static Result<Statements> prepare(Database& database) {
      auto begin = TRY(database.prepare("BEGIN IMMEDIATE"));
      auto commit = TRY(database.prepare("COMMIT"));
      auto rollback = TRY(database.prepare("ROLLBACK"));
      auto put_digest = TRY(database.prepare("INSERT INTO replay_digest_1 VALUES (?, ?, ?)"));
      auto put_window =
          TRY(database.prepare("INSERT INTO replay_window_1 VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                               "highest = excluded.highest, used = excluded.used"));
      auto purge =
          TRY(database.prepare("DELETE FROM replay_digest_1 WHERE forget_after < ? AND forget_after <= "
                               "(SELECT max(forget_after) FROM (SELECT forget_after FROM replay_digest_1 ORDER BY "
                               "forget_after LIMIT 500))"));
      auto changes = TRY(database.prepare("SELECT changes()"));
      return Statements{std::move(begin),      std::move(commit), std::move(rollback), std::move(put_digest),
                        std::move(put_window), std::move(purge),  std::move(changes)};
    }
  };

  FileMemory(Database database, Database checkpointer, Statements statements, ReplayTable table)
      : database_(std::move(database)),
        checkpointer_(std::move(checkpointer)),
        statements_(std::move(statements)),
        table_(std::move(table)) {}

 private:
  static Result<> load(Database& database, ReplayTable& table) {
    const auto damaged = [] { return fail(Blame::environment, "the replay memory is damaged"); };
    const auto read = [](Bytes from, ReplayTable::Name& to) {
      if (from.size() == to.size()) std::copy(from.begin(), from.end(), to.begin());
      return from.size() == to.size();
    };
    ReplayTable::Name name{};
    auto windows = TRY(database.prepare("SELECT scheme, author, highest, used FROM replay_window_1"));
    while (TRY(windows.step())) {
      if (!read(windows.blob(1), name)) return damaged();
      table.put_window(windows.text(0), name, {windows.number(2), windows.number(3)});
    }
    auto digests = TRY(database.prepare("SELECT scheme, digest, forget_after FROM replay_digest_1"));
    while (TRY(digests.step())) {
      if (!read(digests.blob(1), name)) return damaged();
      table.put_digest(digests.text(0), name, digests.number(2));
    }
    return {};
  }

  /// One transaction.
  Result<> write(const ReplayMark& mark, bool keep, ReplayWindow window) {
    TRY(statements_.begin.run());
    auto written = write_rows(mark, keep, window);
    if (written) written = statements_.commit.run();
    if (!written) static_cast<void>(statements_.rollback.run());  // fails if SQLite has undone it itself
    return written;
  }

  Result<> write_rows(const ReplayMark& mark, bool keep, ReplayWindow window) {
    if (keep) TRY(statements_.put_digest.bind(comparable(mark.forget_after)).bind(mark.scheme).bind(Bytes(mark.digest)).run());
    if (!mark.ordered) return {};
    return statements_.put_window.bind(mark.scheme).bind(Bytes(mark.author)).bind(window.highest).bind(window.used).run();
  }

  /// A few hundred, so that judge() can come in between. Answers how many went from the file.
  Result<std::uint64_t> purge_some(Now now) {
    const std::lock_guard lock(mutex_);
    table_.drop_expired(now, 500);
    TRY(statements_.purge.bind(comparable(now.wall)).run());
    if (!TRY(statements_.changes.step())) return 0;
    const auto count = statements_.changes.number(0);
    statements_.changes.reset();
    return count;
  }

  /// Copies what no reader needs from the log into the file, never waiting for anybody. Answers the length of the log in pages.
  Result<std::uint64_t> checkpoint() {
    auto statement = TRY(checkpointer_.prepare("PRAGMA wal_checkpoint(PASSIVE)"));
    if (!TRY(statement.step())) return 0;
    return statement.number(1);
  }

  std::mutex maintenance_mutex_;  // taken before mutex_; guards checkpointer_
  std::mutex mutex_;              // guards the rest
  Database database_;
  Database checkpointer_;
  Statements statements_;  // declared after, so destroyed before, its database
  ReplayTable table_;
};

}  // namespace

Result<std::unique_ptr<StoredReplayMemory>> open_replay_memory(const std::string& path, ReplayLimits limits) {
  return FileMemory::open(path, limits);
}

std::unique_ptr<ReplayMemory> make_volatile_replay_memory(ReplayLimits limits) {
  return std::make_unique<VolatileMemory>(limits);
}

}  // namespace sealmq
