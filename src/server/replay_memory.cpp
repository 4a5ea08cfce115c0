#include "server/replay_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "registry/sqlite.h"
#include "server/replay_table.h"

namespace sealmq {
namespace {

using sqlite::Database;
using sqlite::Statement;

// Small enough that a message is not held up by it, more than the one digest that a message adds.
constexpr std::size_t drops_per_message = 4;

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
  return fail(Blame::environment, "the author's part of the replay memory is full");
}

/// What may be forgotten is told by a clock that nobody sets: one that jumps ahead and back must not make a message new again.
class PatientClock {
 public:
  std::uint64_t wall(Now now) {
    if (!begun_) begun_ = now;
    return std::min(now.wall, begun_->wall + (now.steady - std::min(begun_->steady, now.steady)));
  }

 private:
  std::optional<Now> begun_;
};

bool keeps_digest(const ReplayMark& mark, Now now) {
  return now.wall <= mark.forget_after;
}

class VolatileMemory : public ReplayMemory {
 public:
  explicit VolatileMemory(ReplayLimits limits) : table_(limits.digests) {}

  Result<Replay> judge(const ReplayMark& mark, Now now, Keeping) override {
    const std::lock_guard lock(mutex_);
    table_.drop_expired(clock_.wall(now), drops_per_message);
    const auto verdict = table_.look(mark, now);
    if (verdict != Replay::fresh) return verdict;
    if (keeps_digest(mark, now)) {
      if (!table_.has_room_for(mark.author)) return full();
      table_.put_digest(mark.scheme, mark.digest, mark.forget_after, &mark.author);
    }
    if (mark.ordered) table_.put_window(mark.scheme, mark.author, table_.window_after(mark));
    return verdict;
  }
  Result<> keep(std::span<const ReplayMark>, Now) override { return {}; }

 private:
  std::mutex mutex_;
  PatientClock clock_;
  ReplayTable table_;
};

/// What is kept about one message, or what is known of an author's numbers.
struct Remembered {
  std::string scheme;
  bool keeps_digest = false;
  ReplayTable::Name digest{};
  std::uint64_t forget_after = 0;
  bool has_window = false;
  ReplayTable::Name author{};
  ReplayWindow window;
};

Remembered remembered(const ReplayMark& mark, Now now) {
  Remembered r;
  r.scheme = mark.scheme;
  r.keeps_digest = keeps_digest(mark, now);
  r.digest = mark.digest;
  r.forget_after = mark.forget_after;
  r.has_window = mark.ordered;
  r.author = mark.author;
  // Its own number alone: others that the author's window holds may belong to messages that are not kept yet.
  if (mark.ordered) r.window = ReplayWindow::starting_with(mark.sequence);
  return r;
}

/// In the journal, after the length of all this in a u16:
///
///   lp8 scheme | u8 1: digest, 2: window | digest: 32 bytes, u64 forget after | window: 32 bytes author, u64 highest, u64 used
void encode(const Remembered& r, Buffer& out) {
  Buffer body;
  Writer(body).lp8(as_bytes(r.scheme)).u8(static_cast<std::uint8_t>((r.keeps_digest ? 1 : 0) | (r.has_window ? 2 : 0)));
  if (r.keeps_digest) Writer(body).bytes(r.digest).u64(r.forget_after);
  if (r.has_window) Writer(body).bytes(r.author).u64(r.window.highest).u64(r.window.used);
  Writer(out).lp16(body);
}

Result<Remembered> decode_remembered(Bytes body) {
  Reader in(body);
  Remembered r;
  r.scheme = as_text(in.lp8());
  const std::uint8_t parts = in.u8();
  if (parts == 0 || parts > 3) in.fail("unknown parts");
  r.keeps_digest = (parts & 1) != 0;
  r.has_window = (parts & 2) != 0;
  if (r.keeps_digest) {
    r.digest = in.array<32>();
    r.forget_after = in.u64();
  }
  if (r.has_window) {
    r.author = in.array<32>();
    r.window.highest = in.u64();
    r.window.used = in.u64();
  }
  return in.finish(std::move(r));
}

/// Appends to a file; what append() has written survives the end of the process.
class Journal {
 public:
  static Result<Journal> open(std::string path) {
    Descriptor file = open_or_make_file(path, O_RDWR | O_APPEND);
    if (!file.is_open()) return fail(Blame::environment, "cannot open " + path + ": " + error_text(errno));
    return Journal(std::move(path), std::move(file));
  }

  /// All or nothing, as far as the file tells.
  Result<> append(Bytes bytes) {
    if (is_torn_) TRY(mend());  // or what follows would stand behind half a record, and not be read
    const ssize_t count = ::write(file_.number(), bytes.data(), bytes.size());
    if (count == static_cast<ssize_t>(bytes.size())) {
      size_ += count;
      return {};
    }
    const std::string cause = count < 0 ? error_text(errno) : "no space";
    is_torn_ = count > 0;
    if (is_torn_) TRY(mend());
    return fail(Blame::environment, "cannot write " + path_ + ": " + cause);
  }
  Result<> clear() {
    if (::ftruncate(file_.number(), 0) != 0) return fail(Blame::environment, "cannot clear " + path_);
    size_ = 0;
    is_torn_ = false;
    return {};
  }
  /// What an earlier process left, up to where it was cut off.
  Result<std::vector<Remembered>> read() {
    Buffer all;
    std::array<std::uint8_t, 65536> part;
    for (ssize_t count = 0;;) {
      count = ::pread(file_.number(), part.data(), part.size(), static_cast<off_t>(all.size()));
      if (count < 0) return fail(Blame::environment, "cannot read " + path_ + ": " + error_text(errno));
      if (count == 0) break;
      sealmq::append(all, Bytes(part).first(static_cast<std::size_t>(count)));
    }
    std::vector<Remembered> found;
    for (Reader in(all); in.remaining() > 0;) {
      auto remembered = decode_remembered(in.lp16());
      if (in.failed() || !remembered) break;
      found.push_back(*std::move(remembered));
    }
    return found;
  }

 private:
  Result<> mend() {
    if (::ftruncate(file_.number(), size_) != 0)
      return fail(Blame::environment, "cannot mend " + path_ + ": " + error_text(errno));
    is_torn_ = false;
    return {};
  }
  Journal(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;
  Descriptor file_;
  off_t size_ = 0;
  bool is_torn_ = false;  // it ends with half a record
};

/// Marks are in memory, in one of two journals, and from time to time in the database; then the other journal goes on and this
/// one is cleared.
class FileMemory : public StoredReplayMemory {
 public:
  static Result<std::unique_ptr<StoredReplayMemory>> open(const std::string& path, ReplayLimits limits) {
    auto database = TRY(Database::open(path));
    TRY(database.execute(schema));
    ReplayTable table(limits.digests);
    TRY(load(database, table));
    auto first = TRY(Journal::open(path + ".replays-0"));
    auto second = TRY(Journal::open(path + ".replays-1"));
    Statements statements = TRY(Statements::prepare(database));
    auto memory = std::make_unique<FileMemory>(std::move(database), std::move(statements), std::move(first), std::move(second),
                                               std::move(table), limits);
    TRY(memory->take_over_journals());
    return memory;
  }

  Result<Replay> judge(const ReplayMark& mark, Now now, Keeping keeping) override {
    const std::lock_guard lock(mutex_);
    table_.drop_expired(clock_.wall(now), drops_per_message);
    const auto verdict = table_.look(mark, now);
    if (verdict != Replay::fresh) return verdict;
    const bool with_digest = keeps_digest(mark, now);
    if (with_digest && !table_.has_room_for(mark.author)) return full();
    // First the file, then the table: a failure leaves both as they were. As long as it refuses, nothing is put off either.
    if (keeping == Keeping::at_once || refuses_) TRY(append({&mark, 1}, now));
    if (with_digest) table_.put_digest(mark.scheme, mark.digest, mark.forget_after, &mark.author);
    if (mark.ordered) table_.put_window(mark.scheme, mark.author, table_.window_after(mark));
    return verdict;
  }

  Result<> keep(std::span<const ReplayMark> marks, Now now) override {
    const std::lock_guard lock(mutex_);
    return append(marks, now);
  }

  void count_in(broker::Budget& budget) override {
    const std::lock_guard lock(mutex_);
    if (budget.most() != 0) table_.set_most(std::min(limits_.digests, budget.most() / 8 / ReplayTable::cost_of_digest));
    charge_ = broker::Charge(&budget, table_.bytes());
  }

  Result<> maintain(Now now) override {
    const std::lock_guard one_at_a_time(maintenance_mutex_);
    std::uint64_t wall = 0;
    {
      const std::lock_guard lock(mutex_);
      wall = clock_.wall(now);
      table_.drop_expired(wall, 10'000);
      charge_.set(table_.bytes() + fresh_.size() * sizeof(Remembered));
      if (leaving_.empty() && !fresh_.empty()) {  // else the last attempt failed, and its journal is still needed
        leaving_ = std::exchange(fresh_, {});
        active_ = 1 - active_;
      }
    }
    if (!leaving_.empty()) {
      TRY(write(leaving_));
      leaving_.clear();
      TRY(journals_[1 - active_].clear());
    }
    for (std::uint64_t gone = 1; gone > 0;) {
      TRY(statements_.purge.bind(comparable(wall)).run());
      if (!TRY(statements_.changes.step())) break;
      gone = statements_.changes.number(0);
      statements_.changes.reset();
    }
    return {};
  }

  struct Statements {
    Statement put_digest;
    Statement put_window;
    Statement window;
    Statement purge;
    Statement changes;

    static Result<Statements> prepare(Database& database) {
      auto put_digest = TRY(database.prepare("INSERT OR IGNORE INTO replay_digest_1 VALUES (?, ?, ?)"));
      auto put_window =
          TRY(database.prepare("INSERT INTO replay_window_1 VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                               "highest = excluded.highest, used = excluded.used"));
      auto window = TRY(database.prepare("SELECT highest, used FROM replay_window_1 WHERE scheme = ? AND author = ?"));
      auto purge =
          TRY(database.prepare("DELETE FROM replay_digest_1 WHERE forget_after < ? AND forget_after <= "
                               "(SELECT max(forget_after) FROM (SELECT forget_after FROM replay_digest_1 ORDER BY "
                               "forget_after LIMIT 5000))"));
      auto changes = TRY(database.prepare("SELECT changes()"));
      return Statements{std::move(put_digest), std::move(put_window), std::move(window), std::move(purge), std::move(changes)};
    }
  };

  FileMemory(Database database, Statements statements, Journal first, Journal second, ReplayTable table, ReplayLimits limits)
      : database_(std::move(database)),
        statements_(std::move(statements)),
        journals_{std::move(first), std::move(second)},
        limits_(limits),
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

  Result<> append(std::span<const ReplayMark> marks, Now now) {
    record_.clear();
    const std::size_t before = fresh_.size();
    for (const ReplayMark& mark : marks) {
      Remembered r = remembered(mark, now);
      if (!r.keeps_digest && !r.has_window) continue;
      encode(r, record_);
      fresh_.push_back(std::move(r));
    }
    const auto appended = record_.empty() ? Result<>{} : journals_[active_].append(record_);
    if (!appended) fresh_.resize(before);
    refuses_ = !appended;
    return appended;
  }

  /// Which of the two is the older one does not matter: windows only grow.
  Result<> take_over_journals() {
    std::vector<Remembered> found;
    for (Journal& journal : journals_)
      for (Remembered& remembered : TRY(journal.read())) found.push_back(std::move(remembered));
    for (const Remembered& remembered : found) put(remembered);
    if (!found.empty()) TRY(write(found));
    for (Journal& journal : journals_) TRY(journal.clear());
    return {};
  }
  /// What was remembered before the start counts for nobody.
  void put(const Remembered& r) {
    if (r.keeps_digest) table_.put_digest(r.scheme, r.digest, r.forget_after);
    if (r.has_window) table_.put_window(r.scheme, r.author, joined(table_.window(r.scheme, r.author), r.window));
  }
  /// Either may be the empty one.
  static ReplayWindow joined(ReplayWindow one, ReplayWindow other) {
    if (one.used == 0) return other;
    if (other.used == 0) return one;
    if (one.highest < other.highest) std::swap(one, other);
    const auto behind = one.highest - other.highest;
    if (behind < 64) one.used |= other.used << behind;
    return one;
  }

  Result<> write(const std::vector<Remembered>& some) {
    auto transaction = TRY(sqlite::Transaction::begin(database_));
    std::map<std::pair<std::string_view, ReplayTable::Name>, ReplayWindow> windows;
    for (const Remembered& r : some) {
      if (r.keeps_digest) TRY(statements_.put_digest.bind(comparable(r.forget_after)).bind(r.scheme).bind(Bytes(r.digest)).run());
      if (!r.has_window) continue;
      ReplayWindow& window = windows[{r.scheme, r.author}];
      window = joined(window, r.window);
    }
    for (auto& [whose, window] : windows) {
      const auto& [scheme, author] = whose;
      Statement& stored = statements_.window.bind(scheme).bind(Bytes(author));
      if (TRY(stored.step())) window = joined(window, {stored.number(0), stored.number(1)});
      stored.reset();
      TRY(statements_.put_window.bind(scheme).bind(Bytes(author)).bind(window.highest).bind(window.used).run());
    }
    return transaction.commit();
  }

  std::mutex maintenance_mutex_;  // taken before mutex_; guards database_ and statements_
  Database database_;
  Statements statements_;  // declared after, so destroyed before, its database
  std::vector<Remembered> leaving_;

  std::mutex mutex_;  // guards what follows; of the journals the active one
  std::array<Journal, 2> journals_;
  std::size_t active_ = 0;
  PatientClock clock_;
  const ReplayLimits limits_;
  ReplayTable table_;
  broker::Charge charge_;
  std::vector<Remembered> fresh_;  // in the active journal, and not on its way to the database
  Buffer record_;                  // scratch
  bool refuses_ = false;           // the journal, when it was last told something
};

}  // namespace

Result<std::unique_ptr<StoredReplayMemory>> open_replay_memory(const std::string& path, ReplayLimits limits) {
  return FileMemory::open(path, limits);
}

std::unique_ptr<ReplayMemory> make_volatile_replay_memory(ReplayLimits limits) {
  return std::make_unique<VolatileMemory>(limits);
}

}  // namespace sealmq
